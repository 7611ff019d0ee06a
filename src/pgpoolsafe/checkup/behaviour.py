"""What works and what breaks behind a pooler: the rows of the doctor's table."""

from __future__ import annotations

from dataclasses import dataclass

from ..effects import EffectKind
from ..poolers.answers import Answer, Pooler, PoolMode
from ..poolers.startup import Reception, received

MEANINGS = {
    Answer.LEAKS: "other clients meet it",
    Answer.LOST: "gone after the transaction",
    Answer.TRACKED: "follows its client",
    Answer.PINS: "keeps a server connection",
    Answer.ERRORS: "refused",
    Answer.WORKS: "as on a direct connection",
    Answer.UNKNOWN: "count on nothing",
}
"""What each answer means to the one who sends the statement, in a few words."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What becomes of one thing a program may do. `instead`: empty where it is safe.

    `rule`: the rule of the catalogue that finds it, "" where none does.
    """

    what: str
    answer: Answer
    instead: str = ""
    rule: str = ""

    @property
    def meaning(self) -> str:
        """The answer in a few words."""
        return MEANINGS[self.answer]


_KINDS = (
    ("SET", EffectKind.SETTING, "session-set"),
    ("SET ROLE", EffectKind.ROLE, "session-role"),
    ("pg_advisory_lock()", EffectKind.ADVISORY_LOCK, "advisory-lock"),
    ("LISTEN", EffectKind.CHANNEL, "listen"),
    ("CREATE TEMP TABLE", EffectKind.TEMP_OBJECT, "temp-table"),
    ("CURSOR WITH HOLD", EffectKind.HELD_CURSOR, "hold-cursor"),
    ("PREPARE, EXECUTE", EffectKind.PREPARED_STATEMENT, "sql-prepare"),
    ("currval(), lastval()", EffectKind.SEQUENCE, "sequence-state"),
    ("LOAD", EffectKind.LIBRARY, "load-library"),
    ("setseed(), dblink", EffectKind.SESSION_FUNCTION, "session-function"),
    ("DISCARD ALL", EffectKind.EVERYTHING, "discard"),
)

_FIXES = {
    "session-set": "SET LOCAL inside the transaction that needs it",
    "session-role": "SET LOCAL ROLE inside the transaction that needs it",
    "advisory-lock": "pg_advisory_xact_lock()",
    "listen": "listen on a direct connection; NOTIFY works",
    "temp-table": "ON COMMIT DROP, in the transaction that uses it",
    "hold-cursor": "a cursor without WITH HOLD, in one transaction",
    "sql-prepare": "parameters in execute()",
    "sequence-state": "INSERT … RETURNING",
    "load-library": "ALTER ROLE … SET session_preload_libraries",
    "session-function": "a direct connection",
    "discard": "nothing: there is no session to clean up",
    "named-prepare": "prepare_threshold=None",
    "startup-options": "ALTER ROLE … SET, or SET LOCAL",
    "statement-mode-transaction": "autocommit, or a pool in transaction mode",
}
"""The catalogue's fix in the few words that a table has room for."""

_RECEIVED = {
    Reception.APPLIED: Answer.WORKS,
    Reception.REJECTED: Answer.ERRORS,
    Reception.DROPPED: Answer.LOST,
    Reception.UNKNOWN: Answer.UNKNOWN,
}
_ORDER = (
    Answer.LEAKS, Answer.LOST, Answer.ERRORS, Answer.UNKNOWN, Answer.PINS, Answer.TRACKED,
    Answer.WORKS,
)  # fmt: skip


def behaviours(pooler: Pooler, *, prepares_are_safe: bool) -> list[Behaviour]:
    """Every row of the table, the worst answers first; one row for a direct connection."""
    everything = [Behaviour("everything", Answer.WORKS)]
    if pooler.product == "direct":
        return everything
    startup = _behaviour("options=-c …", _RECEIVED[received(pooler, "statement_timeout")],
                         "startup-options")  # fmt: skip
    if not pooler.shares_sessions:
        return [startup, Behaviour("everything else", Answer.WORKS)]
    rows = [
        *(_behaviour(what, pooler.answer(kind), rule) for what, kind, rule in _KINDS),
        _prepared(pooler, safe=prepares_are_safe),
        startup,
        _transactions(pooler),
        *_tracked(pooler),
    ]
    return sorted(rows, key=lambda row: _ORDER.index(row.answer))


def _behaviour(what: str, answer: Answer, rule: str) -> Behaviour:
    return Behaviour(what, answer, "" if answer.safe else _FIXES[rule], rule)


def _prepared(pooler: Pooler, *, safe: bool) -> Behaviour:
    """What drivers prepare by name, as opposed to SQL's PREPARE."""
    pins = pooler.answer(EffectKind.PREPARED_STATEMENT) is Answer.PINS
    good = Answer.PINS if pins else Answer.TRACKED
    bad = Answer.LEAKS if pooler.prepared is not None else Answer.UNKNOWN
    return _behaviour("prepared by the driver", good if safe else bad, "named-prepare")


def _transactions(pooler: Pooler) -> Behaviour:
    """Odyssey in statement mode takes BEGIN, and lets each statement commit by itself."""
    if pooler.mode is not PoolMode.STATEMENT:
        what = "BEGIN, SET LOCAL, pg_advisory_xact_lock(), NOTIFY"
        return Behaviour(what, Answer.WORKS)
    answer = Answer.LOST if pooler.product == "odyssey" else Answer.ERRORS
    return _behaviour("BEGIN … COMMIT", answer, "statement-mode-transaction")


def _tracked(pooler: Pooler) -> list[Behaviour]:
    if not pooler.tracked:
        return []
    return [Behaviour("SET " + ", ".join(sorted(pooler.tracked)), Answer.TRACKED)]
