"""What a statement does to the session: values without behaviour.

An `Effect` is one thing that outlives its statement (or reads something that an
earlier statement left). `Statement` and `Reading` say where in the user's text the
effects stand. Nothing here knows a pooler, a driver or a rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class EffectKind(Enum):
    """The kinds of session state PostgreSQL keeps (design, section 5)."""

    SETTING = "setting"
    ROLE = "role"
    ADVISORY_LOCK = "advisory lock"
    PREPARED_STATEMENT = "prepared statement"
    HELD_CURSOR = "held cursor"
    CHANNEL = "listening channel"
    TEMP_OBJECT = "temporary object"
    LIBRARY = "library"
    SEQUENCE = "sequence state"
    SESSION_FUNCTION = "session function"
    EVERYTHING = "the whole session"
    OPAQUE_CODE = "code that cannot be read"
    UNREADABLE = "text that cannot be read"


class Verb(Enum):
    """What the statement does with the state: make it, undo it, or count on it."""

    ACQUIRE = "acquire"
    RELEASE = "release"
    READ = "read"


class Scope(Enum):
    """How long the state lasts. BOUND: a parameter of the statement decides."""

    SESSION = "session"
    TRANSACTION = "transaction"
    BOUND = "bound"


class Bound(NamedTuple):
    """A placeholder: the 0-based position in a sequence, or the key in a mapping."""

    param: int | str


Part = str | Bound
"""One part of a key: text as PostgreSQL reads it, or the placeholder that holds it."""


class Edit(NamedTuple):
    """Replace `text[start:end]` of the whole text read by `replacement`."""

    start: int
    end: int
    replacement: str


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of one statement.

    `key` names the state: the setting (lower case), role, channel, cursor, prepared
    statement, relation, or the arguments of a lock. Empty: all of them, or unknown.
    `function` is the function that has the effect, where it is one.
    `edits` (settings and roles) turn the session form into the transaction form;
    `None` means that PostgreSQL has no such form for this spelling.
    `scope_param` (with `Scope.BOUND`) holds set_config's third argument.
    `shared` is for advisory locks in share mode.
    `by_attempt` is for pg_try_…: the server may say no.
    `lasting`: nothing undoes it (setseed), so it must be stopped before it is sent.
    `via`: the functions of the database in whose code it happens, the one called first.
    `value` (settings and roles): the string the setting gets, or the placeholder that
    holds it; None where the text does not show it.
    """

    kind: EffectKind
    verb: Verb = Verb.ACQUIRE
    key: tuple[Part, ...] = ()
    scope: Scope = Scope.SESSION
    function: str | None = None
    edits: tuple[Edit, ...] | None = None
    scope_param: Bound | None = None
    shared: bool = False
    by_attempt: bool = False
    lasting: bool = False
    via: tuple[str, ...] = ()
    value: Part | None = None

    @property
    def name(self) -> str:
        """The key for people; a bound part reads `?`, its value never appears."""
        return ", ".join("?" if isinstance(part, Bound) else part for part in self.key)


class ControlVerb(Enum):
    """Transaction control, as PostgreSQL's TransactionStmt has it."""

    BEGIN = "BEGIN"
    COMMIT = "COMMIT"
    ROLLBACK = "ROLLBACK"
    SAVEPOINT = "SAVEPOINT"
    RELEASE = "RELEASE"
    ROLLBACK_TO = "ROLLBACK TO"
    PREPARE_TRANSACTION = "PREPARE TRANSACTION"
    COMMIT_PREPARED = "COMMIT PREPARED"
    ROLLBACK_PREPARED = "ROLLBACK PREPARED"


class Control(NamedTuple):
    """A transaction control statement; `name` is the savepoint; `chain` is AND CHAIN.

    `modes`: what a BEGIN says of its transaction ("isolation", "read", "deferrable").
    """

    verb: ControlVerb
    name: str | None = None
    chain: bool = False
    modes: frozenset[str] = frozenset()


class Statement(NamedTuple):
    """One statement of a text: `text[start:end]`, without the semicolon.

    `command` is its first keyword in upper case (`SET`, `SELECT`, …), `""` if none.
    """

    start: int
    end: int
    command: str
    effects: tuple[Effect, ...] = ()
    control: Control | None = None


class Reading(NamedTuple):
    """What one text does. `plain`: no effect and no transaction control at all.

    `draws_sequence`: something in it may call nextval (INSERT, MERGE, COPY, nextval,
    setval, CALL, DO …), so that a later currval of the same transaction is sound.
    `allowed`: rule names from `/* pgpoolsafe: allow x, y */` comments.
    `bound`: some effect depends on a parameter.
    """

    statements: tuple[Statement, ...] = ()
    plain: bool = True
    draws_sequence: bool = False
    allowed: frozenset[str] = frozenset()
    bound: bool = False


PLAIN = Reading()
"""Nothing to do and nothing to remember."""

DRAWS = Reading(draws_sequence=True)
"""Nothing to do; a sequence value may have been drawn."""

ENCODING = "client_encoding"
"""The setting that a driver itself encodes and decodes by, from the moment it is connected."""
