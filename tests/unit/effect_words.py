"""Effects in words, so that tables of statements read well."""

from __future__ import annotations

from pgpoolsafe.effects import Effect, Scope
from pgpoolsafe.sql.reader import read


def told(effect: Effect) -> str:
    """`acquire setting work_mem`, `release advisory lock 1, 2`, …

    For the transaction only: `… (transaction)`; where a parameter decides: `… (bound)`.
    """
    words = [effect.verb.value, effect.kind.value]
    if effect.shared:
        words.insert(1, "shared")
    if effect.by_attempt:
        words.insert(0, "try to")
    if effect.name:
        words.append(effect.name)
    if effect.scope is not Scope.SESSION:
        words.append(f"({effect.scope.value})")
    return " ".join(words)


def effects(text: str) -> list[Effect]:
    """Every effect of a text, in the order of its statements."""
    return [effect for statement in read(text).statements for effect in statement.effects]


def tell(text: str) -> list[str]:
    """The effects of a text in words."""
    return [told(effect) for effect in effects(text)]
