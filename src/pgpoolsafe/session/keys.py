"""Under what the books keep an effect: its kind and name, with the parameters filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..effects import Bound, Effect, EffectKind
from .books import Key


def key_of(effect: Effect, params: Any) -> Key:
    """The key of an effect; placeholders are replaced by their parameters."""
    parts = tuple(text_of(part, params) for part in effect.key)
    if effect.kind in (EffectKind.SETTING, EffectKind.ROLE):
        parts = tuple(part.lower() for part in parts)
    return effect.kind, parts, effect.shared


def first_of(key: Key) -> str | None:
    """Its name: the setting, the lock's first number; None where all of the kind are meant."""
    return key[1][0] if key[1] else None


def text_of(part: str | Bound, params: Any) -> str:
    """A part of a name as text."""
    return part if isinstance(part, str) else str(param(part, params))


# The prefixes that PostgreSQL's boolean input takes for true (boolin, parse_bool).
_TRUE = frozenset({"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"})


def is_true(value: Any) -> bool:
    """A parameter as PostgreSQL's boolean input reads it; anything odd is not true."""
    return value is True or (isinstance(value, str) and value.strip().lower() in _TRUE)


def param(bound: Bound, params: Any) -> Any:
    """The parameter at a placeholder; None where there is none (the server will say so)."""
    if isinstance(params, Mapping):
        return params.get(bound.param)
    at = bound.param
    if isinstance(params, Sequence) and isinstance(at, int) and at < len(params):
        return params[at]
    return None
