"""A few statements of fixed spelling with their effects: what needs a reading, but no reader.

`reading("BEGIN; SELECT pg_advisory_lock(1); COMMIT")` is made of the rows of PHRASES, so
that the tests of books, judge and guard fail for their own reasons only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pgpoolsafe.effects import (
    Bound,
    Control,
    ControlVerb,
    Edit,
    Effect,
    EffectKind,
    Reading,
    Scope,
    Statement,
    Verb,
)

K, V, C = EffectKind, Verb, ControlVerb


def setting(name: str, verb: Verb = V.ACQUIRE, *edits: Edit) -> Effect:
    return Effect(K.SETTING, verb, (name,), edits=edits or None)


def lock(*key: str | Bound, verb: Verb = V.ACQUIRE, shared: bool = False) -> Effect:
    function = "pg_advisory_lock" if verb is V.ACQUIRE else "pg_advisory_unlock"
    function += "_shared" if shared else ""
    return Effect(K.ADVISORY_LOCK, verb, key, function=function, shared=shared)


SET_LOCAL = Edit(0, 3, "SET LOCAL")

PHRASES: dict[str, tuple[Effect, ...]] = {
    "SET work_mem = 1": (setting("work_mem", V.ACQUIRE, SET_LOCAL),),
    "SET work_mem = 2": (setting("work_mem", V.ACQUIRE, SET_LOCAL),),
    "SET LOCAL work_mem = 1": (Effect(K.SETTING, key=("work_mem",), scope=Scope.TRANSACTION),),
    "RESET work_mem": (
        setting("work_mem", V.RELEASE, Edit(0, 5, "SET LOCAL"), Edit(14, 14, " TO DEFAULT")),
    ),
    "RESET ALL": (Effect(K.SETTING, V.RELEASE),),
    "SET timezone = 'UTC'": (setting("timezone", V.ACQUIRE, SET_LOCAL),),
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": (
        setting("default_transaction_read_only"),
    ),
    "SELECT set_config('work_mem', %s, %s)": (
        Effect(
            K.SETTING,
            key=("work_mem",),
            scope=Scope.BOUND,
            function="set_config",
            edits=(Edit(34, 36, "((%s) OR true)"),),
            scope_param=Bound(1),
        ),
    ),
    "SELECT set_config('work_mem', %(value)s, %(local)s)": (
        Effect(
            K.SETTING,
            key=("work_mem",),
            scope=Scope.BOUND,
            function="set_config",
            edits=(Edit(41, 50, "((%(local)s) OR true)"),),
            scope_param=Bound("local"),
        ),
    ),
    "SELECT set_config(%s, %s, false)": (
        Effect(
            K.SETTING,
            key=(Bound(0),),
            function="set_config",
            edits=(Edit(26, 31, "true"),),
        ),
    ),
    "SET ROLE reporting": (Effect(K.ROLE, key=("role",), edits=(SET_LOCAL,)),),
    "RESET ROLE": (
        Effect(K.ROLE, V.RELEASE, ("role",), edits=(Edit(0, 10, "SET LOCAL ROLE TO DEFAULT"),)),
    ),
    "SELECT pg_advisory_lock(1)": (lock("1"),),
    "SELECT pg_advisory_unlock(1)": (lock("1", verb=V.RELEASE),),
    "SELECT pg_advisory_lock_shared(1)": (lock("1", shared=True),),
    "SELECT pg_advisory_unlock_shared(1)": (lock("1", verb=V.RELEASE, shared=True),),
    "SELECT pg_advisory_lock(%s)": (lock(Bound(0)),),
    "SELECT pg_advisory_unlock(%s)": (lock(Bound(0), verb=V.RELEASE),),
    "SELECT pg_advisory_unlock_all()": (lock(verb=V.RELEASE),),
    "PREPARE p AS SELECT 1": (Effect(K.PREPARED_STATEMENT, key=("p",)),),
    'PREPARE "a""b" AS SELECT 1': (Effect(K.PREPARED_STATEMENT, key=('a"b',)),),
    "EXECUTE p": (Effect(K.PREPARED_STATEMENT, V.READ, ("p",)),),
    "DEALLOCATE p": (Effect(K.PREPARED_STATEMENT, V.RELEASE, ("p",)),),
    "DEALLOCATE ALL": (Effect(K.PREPARED_STATEMENT, V.RELEASE),),
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1": (Effect(K.HELD_CURSOR, key=("c",)),),
    "CLOSE c": (Effect(K.HELD_CURSOR, V.RELEASE, ("c",)),),
    "LISTEN jobs": (Effect(K.CHANNEL, key=("jobs",)),),
    "UNLISTEN jobs": (Effect(K.CHANNEL, V.RELEASE, ("jobs",)),),
    "CREATE TEMP TABLE t (i int)": (Effect(K.TEMP_OBJECT, key=("t",)),),
    "DROP TABLE t": (Effect(K.TEMP_OBJECT, V.RELEASE, ("t",)),),
    "LOAD 'lib'": (Effect(K.LIBRARY, key=("lib",)),),
    "SELECT dblink_connect('c', '')": (
        Effect(K.SESSION_FUNCTION, key=("c",), function="dblink_connect"),
    ),
    "SELECT dblink_disconnect('c')": (
        Effect(K.SESSION_FUNCTION, V.RELEASE, ("c",), function="dblink_disconnect"),
    ),
    "SELECT pg_replication_origin_session_setup('o')": (
        Effect(
            K.SESSION_FUNCTION,
            key=("replication origin",),
            function="pg_replication_origin_session_setup",
        ),
    ),
    "SELECT setseed(0.5)": (Effect(K.SESSION_FUNCTION, function="setseed", lasting=True),),
    "SELECT lastval()": (Effect(K.SEQUENCE, V.READ, function="lastval"),),
    "DISCARD ALL": (Effect(K.EVERYTHING, V.RELEASE),),
    "DO 'opaque'": (Effect(K.OPAQUE_CODE),),
    "SELECT 'open": (Effect(K.UNREADABLE),),
    "SELECT 1": (),
    "INSERT INTO t DEFAULT VALUES": (),
}

CONTROLS: dict[str, Control] = {
    "BEGIN": Control(C.BEGIN),
    "COMMIT": Control(C.COMMIT),
    "COMMIT AND CHAIN": Control(C.COMMIT, chain=True),
    "ROLLBACK": Control(C.ROLLBACK),
    "ROLLBACK AND CHAIN": Control(C.ROLLBACK, chain=True),
    "SAVEPOINT s": Control(C.SAVEPOINT, "s"),
    "RELEASE s": Control(C.RELEASE, "s"),
    "ROLLBACK TO s": Control(C.ROLLBACK_TO, "s"),
    "PREPARE TRANSACTION 'x'": Control(C.PREPARE_TRANSACTION),
}


def reading(text: str, *, allowed: frozenset[str] = frozenset()) -> Reading:
    """The reading of phrases joined by `; `; an unknown phrase is a KeyError."""
    statements = tuple(_statements(text))
    return Reading(
        statements,
        plain=not any(s.effects or s.control for s in statements),
        draws_sequence="INSERT" in text,
        allowed=allowed,
        bound=any(e.scope is Scope.BOUND for s in statements for e in s.effects),
    )


def _statements(text: str) -> Iterator[Statement]:
    start = 0
    for phrase in text.split("; "):
        control = CONTROLS.get(phrase)
        effects = () if control else tuple(_moved(e, start) for e in PHRASES[phrase])
        end = start + len(phrase)
        yield Statement(start, end, phrase.split()[0], effects, control)
        start = end + 2


def _moved(effect: Effect, by: int) -> Effect:
    if effect.edits is None:
        return effect
    edits = (Edit(e.start + by, e.end + by, e.replacement) for e in effect.edits)
    return replace(effect, edits=tuple(edits))
