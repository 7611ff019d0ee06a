"""The functions that leave something in the session, or count on it: one row each.

To add a function, add a row to `FUNCTIONS`; nothing else needs to change (the quick
test takes its words from here). A row says:

| column       | meaning                                                            | default |
|--------------|--------------------------------------------------------------------|---------|
| name         | `f`: PostgreSQL's own, called `f(…)` or `pg_catalog.f(…)`;         |         |
|              | `schema.f`: `f` of that schema; `schema.*`: everything in it       |         |
| `kind`       | the kind of state                                                  |         |
| `verb`       | ACQUIRE, RELEASE or READ                                           | ACQUIRE |
| `key`        | call → the key that pairs what acquires with what releases         | `()`    |
| `when`       | call → whether this call does it at all                            | always  |
| `extension`  | it comes with an extension, so that its schema can be any          | no      |
| `shared`     | advisory locks in share mode                                       | no      |
| `by_attempt` | the server may say no                                              | no      |
| `lasting`    | nothing undoes it                                                  | no      |
| `read`       | a reader of its own, call → effects, in place of all of the above  |         |

Sources: PostgreSQL documentation, "System Administration Functions" and "Sequence
Manipulation Functions"; its appendix F for dblink, pg_trgm and isn; the READMEs of
set_user, pg_variables, orafce and hypopg.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from ..effects import Effect, EffectKind, Part, Verb
from .calls import Call
from .expressions import key_of, name_of, truth
from .phrases import UNKNOWN
from .set_config import read_set_config

Key = tuple[Part, ...]


class Row(NamedTuple):
    """What a call of one function does; the columns stand in the module's table."""

    kind: EffectKind
    verb: Verb = Verb.ACQUIRE
    key: Callable[[Call], Key] = lambda _call: ()
    when: Callable[[Call], bool] = lambda _call: True
    extension: bool = False
    shared: bool = False
    by_attempt: bool = False
    lasting: bool = False
    read: Callable[[Call], tuple[Effect, ...]] | None = None

    def effects(self, call: Call) -> tuple[Effect, ...]:
        """What this call does."""
        if self.read is not None:
            return self.read(call)
        if not self.when(call):
            return ()
        effect = Effect(
            self.kind,
            self.verb,
            self.key(call),
            function=call.name,
            shared=self.shared,
            by_attempt=self.by_attempt,
            lasting=self.lasting,
        )
        return (effect,)


# How arguments become keys


def _arguments(call: Call) -> Key:
    """All arguments, as constants, placeholders or normalised expressions."""
    return tuple(part for argument in call.positional for part in key_of(argument))


def _constant(call: Call) -> Key:
    """The first argument if it is a string constant."""
    argument = call.argument(0)
    name = UNKNOWN if argument is None else name_of(argument)
    return (name,) if isinstance(name, str) and name != UNKNOWN else ()


def _name(position: int) -> Callable[[Call], Key]:
    """One argument: a name, a placeholder, or the expression as it is spelled."""

    def key(call: Call) -> Key:
        argument = call.argument(position)
        if argument is None:
            return ()
        name = name_of(argument)
        return key_of(argument) if name == UNKNOWN else (name,)

    return key


def _word(word: str) -> Callable[[Call], Key]:
    """Always the same: there is one such state in a session."""
    return lambda _call: (word,)


def _connection(takes: int) -> Callable[[Call], Key]:
    """dblink's connection name, which is left out for the unnamed connection.

    `takes`: how many arguments there are when it is given.
    """
    first = _name(0)
    return lambda call: first(call) if call.arity >= takes else ("unnamed",)


def _cursor(others: int) -> Callable[[Call], Key]:
    """dblink's cursor with its connection; `others` arguments follow, then maybe `fail`."""

    def key(call: Call) -> Key:
        arguments = list(call.positional)
        if len(arguments) > 1 and truth(arguments[-1]) is not None:
            arguments.pop()
        names = arguments[: len(arguments) - others]
        return ("cursor", *(part for argument in names for part in key_of(argument)))

    return key


# Conditions


def _has_arguments(call: Call) -> bool:
    return call.arity > 0


def _may_be_true(position: int, name: str, *, default: bool) -> Callable[[Call], bool]:
    """Whether an argument is true or cannot be told."""

    def condition(call: Call) -> bool:
        argument = call.argument(position, name)
        return default if argument is None else truth(argument) is not False

    return condition


def _not_exclusive(call: Call) -> bool:
    """pg_start_backup(label, fast, exclusive default true): only false binds the session."""
    argument = call.argument(2, "exclusive")
    return argument is not None and truth(argument) is not True


_LOCK, _OTHER = EffectKind.ADVISORY_LOCK, EffectKind.SESSION_FUNCTION
_RELEASE = Verb.RELEASE
_PGV_WORDS = """
    set set_int set_text set_numeric set_timestamp set_timestamptz set_date set_jsonb
    insert update delete
"""
_TEMPORARY = _may_be_true(2, "temporary", default=False)

FUNCTIONS: Mapping[str, Row] = {
    # Settings
    "set_config": Row(EffectKind.SETTING, read=read_set_config),
    "set_limit": Row(EffectKind.SETTING, key=_word("pg_trgm.similarity_threshold"), extension=True),
    # Advisory locks
    "pg_advisory_lock": Row(_LOCK, key=_arguments),
    "pg_advisory_lock_shared": Row(_LOCK, key=_arguments, shared=True),
    "pg_try_advisory_lock": Row(_LOCK, key=_arguments, by_attempt=True),
    "pg_try_advisory_lock_shared": Row(_LOCK, key=_arguments, shared=True, by_attempt=True),
    "pg_advisory_unlock": Row(_LOCK, _RELEASE, _arguments),
    "pg_advisory_unlock_shared": Row(_LOCK, _RELEASE, _arguments, shared=True),
    "pg_advisory_unlock_all": Row(_LOCK, _RELEASE),
    # Sequences
    "currval": Row(EffectKind.SEQUENCE, Verb.READ, _constant),
    "lastval": Row(EffectKind.SEQUENCE, Verb.READ),
    # Random numbers
    "setseed": Row(_OTHER, lasting=True),
    # Backup; pg_start_backup and pg_stop_backup until 14
    "pg_backup_start": Row(_OTHER, key=_word("backup")),
    "pg_backup_stop": Row(_OTHER, _RELEASE, _word("backup")),
    "pg_start_backup": Row(_OTHER, key=_word("backup"), when=_not_exclusive),
    "pg_stop_backup": Row(_OTHER, _RELEASE, _word("backup")),
    # Replication
    "pg_replication_origin_session_setup": Row(_OTHER, key=_word("replication origin")),
    "pg_replication_origin_session_reset": Row(_OTHER, _RELEASE, _word("replication origin")),
    "pg_create_physical_replication_slot": Row(_OTHER, key=_name(0), when=_TEMPORARY),
    "pg_create_logical_replication_slot": Row(_OTHER, key=_name(0), when=_TEMPORARY),
    "pg_copy_physical_replication_slot": Row(_OTHER, key=_name(1), when=_TEMPORARY),
    "pg_copy_logical_replication_slot": Row(_OTHER, key=_name(1), when=_TEMPORARY),
    # dblink
    "dblink_connect": Row(_OTHER, key=_connection(2), extension=True),
    "dblink_connect_u": Row(_OTHER, key=_connection(2), extension=True),
    "dblink_send_query": Row(_OTHER, key=_connection(2), extension=True),
    "dblink_disconnect": Row(_OTHER, _RELEASE, _connection(1), extension=True),
    "dblink_open": Row(_OTHER, key=_cursor(1), extension=True),
    "dblink_close": Row(_OTHER, _RELEASE, _cursor(0), extension=True),
    # set_user
    "set_user": Row(_OTHER, key=_word("set_user"), extension=True, when=_has_arguments),
    "set_user_u": Row(_OTHER, key=_word("set_user"), extension=True),
    "reset_user": Row(_OTHER, _RELEASE, _word("set_user"), extension=True),
    "set_session_auth": Row(_OTHER, extension=True, lasting=True),
    # pg_variables
    **{f"pgv_{verb}": Row(_OTHER, key=_name(0), extension=True) for verb in _PGV_WORDS.split()},
    # orafce; each of these packages keeps its state in the session
    "dbms_output.enable": Row(_OTHER, key=_word("dbms_output")),
    "dbms_output.serveroutput": Row(_OTHER, key=_word("dbms_output")),
    "dbms_output.disable": Row(_OTHER, _RELEASE, _word("dbms_output")),
    "dbms_alert.register": Row(_OTHER, key=_name(0)),
    "dbms_alert.remove": Row(_OTHER, _RELEASE, _name(0)),
    "dbms_pipe.*": Row(_OTHER, key=_word("dbms_pipe")),
    # hypopg: hypothetical indexes
    "hypopg_create_index": Row(_OTHER, key=_word("hypopg"), extension=True),
    "hypopg_reset": Row(_OTHER, _RELEASE, _word("hypopg"), extension=True),
    # isn: isn_weak() only reads
    "isn_weak": Row(_OTHER, key=_word("isn_weak"), when=_has_arguments, extension=True),
}
"""Function → what it does to the session."""

NAMES = frozenset(name.partition(".")[0] for name in FUNCTIONS)
"""The words of which a text must hold one to call any of them."""

DRAWING = frozenset({"nextval", "setval"})
"""They only make a later currval of the same transaction sound."""


class Callables(NamedTuple):
    """The functions that a text is read for.

    `names`: the words of which a text must hold one to call any of them; `drawing`: the
    functions that may draw a sequence value; `effects`: what one call does.
    """

    names: AbstractSet[str]
    drawing: AbstractSet[str]
    effects: Callable[[Call], tuple[Effect, ...]]


def built_in_effects(call: Call) -> tuple[Effect, ...]:
    """What a call does if it is one of a function of the table."""
    row = row_for(call.path)
    return () if row is None else row.effects(call)


def row_for(path: tuple[str, ...]) -> Row | None:
    """The row of the function called by this qualified name; None for every other one.

    A database name in front is legal. `app.set_config` is somebody else's function.
    """
    *qualifiers, name = path
    schema = qualifiers[-1] if qualifiers else ""
    row = FUNCTIONS.get(name)
    if row is not None and (row.extension or schema in ("", "pg_catalog")):
        return row
    return FUNCTIONS.get(f"{schema}.{name}") or FUNCTIONS.get(f"{schema}.*")


BUILT_IN = Callables(NAMES, DRAWING, built_in_effects)
"""The functions of the table, and none of the database's own."""
