"""A statement that was sent: what its own text shows, and whether it may run more than that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .effects import Effect, EffectKind, Reading, Scope, Verb
from .rules.allowing import allowed_now
from .rules.findings import Location, shorten
from .rules.policy import Policy
from .session.keys import key_of

K = EffectKind

# By these the text names what the server lists; by the others (a lock's key may be an
# expression, a library has a path) one that the text shows stands for all of its kind.
_NAMED = frozenset(
    {K.SETTING, K.ROLE, K.TEMP_OBJECT, K.CHANNEL, K.HELD_CURSOR, K.PREPARED_STATEMENT}
)

# Statements that run no code of the database's. PREPARE runs nothing before its EXECUTE.
_CODELESS_WORDS = """
    abort begin checkpoint close commit deallocate discard end listen load lock notify prepare
    release reset rollback savepoint set show start unlisten
"""
_CODELESS = frozenset(_CODELESS_WORDS.split())
_FIRST = re.compile(r"\s*([A-Za-z]+)")
_CONSTANT = re.compile(r"\s*select\s+(?:\d+|'[\w ]*')\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement that was sent.

    `suspect`: it may run code that its text does not show. `touches`: its text shows some
    effect that outlives the transaction; `shown`: what it makes, by kind and name ("": any of
    the kind). `allowed`: the rules that are let through for it.
    """

    text: str
    location: Location | None
    suspect: bool
    touches: bool
    shown: frozenset[tuple[EffectKind, str]]
    allowed: frozenset[str]

    @property
    def place(self) -> str:
        """The statement on one line, with where it was sent."""
        return f"{self.text} ({self.location.place})" if self.location else self.text


def sent(
    text: str, reading: Reading, params: Any, policy: Policy, location: Location | None
) -> Sent:
    """The note of a statement that is about to be sent."""
    effects = [
        effect
        for statement in reading.statements
        for effect in statement.effects
        if effect.scope is not Scope.TRANSACTION
    ]
    comments = reading.allowed if policy.trust_comments else frozenset()
    return Sent(
        text=shorten(text),
        location=location,
        suspect=may_run_code(text),
        touches=bool(effects),
        shown=frozenset(_shown(e, params) for e in effects if e.verb is Verb.ACQUIRE),
        allowed=allowed_now() | comments,
    )


def may_run_code(text: str) -> bool:
    """Whether functions, triggers or the like may run; errs only towards yes."""
    single = text.rstrip("; \t\r\n")
    if ";" in single:
        return True
    first = _FIRST.match(single)
    if first is None:
        return bool(single)
    return first[1].lower() not in _CODELESS and not _CONSTANT.fullmatch(single)


def _shown(effect: Effect, params: Any) -> tuple[EffectKind, str]:
    kind, parts, _ = key_of(effect, params)
    return kind, ", ".join(parts) if kind in _NAMED else ""
