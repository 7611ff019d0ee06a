"""The functions that a database keeps, and a guard that reads with them (`audit=True`)."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

from ..effects import Effect, EffectKind
from ..errors import SessionStateWarning
from ..guard import Guard
from ..rules.catalog import RULES, Level, rule_for
from ..rules.policy import Policy

if TYPE_CHECKING:
    from ..sql.routine_reader import RoutineReader
    from ..sql.routines import Lets
    from ..sql.stored import StoredCode

logger = logging.getLogger("pgpoolsafe")


def lets_by(policy: Policy) -> Lets:
    """Whether an effect is to be left out.

    A `pgpoolsafe: allow` comment in the function's body lets it pass, or it is code that
    cannot be read, and nobody is to be told of that.
    """
    ignores_opaque = policy.level(RULES["opaque-code"]) is Level.IGNORE

    def lets(effect: Effect, allowed: frozenset[str]) -> bool:
        if effect.kind is EffectKind.OPAQUE_CODE and ignores_opaque:
            return True
        rule = rule_for(effect) if allowed and policy.trust_comments else None
        return rule is not None and (rule.name in allowed or rule.under in allowed)

    return lets


def wants_code(seat: Any) -> bool:
    """Whether the guard is to know the database's functions."""
    return bool(seat.guard.policy.audit and seat.guard.watching)


def remembers_code(seat: Any, endpoint: Any) -> bool:
    """Give the guard what its installation knows of the database; whether it knows it."""
    readers = seat.owners[-1].routines
    if endpoint not in readers:
        return False
    seat.guard.routines = readers[endpoint]
    return True


def reader_of(stored: StoredCode, guard: Guard) -> RoutineReader | None:
    """A reader that knows the database's functions; None where none of them matters."""
    from ..sql.routine_reader import RoutineReader  # most programs never audit
    from ..sql.routines import Analysis

    try:
        analysis = Analysis(stored, lets_by(guard.policy))
        analysis.forget_bodies()
        reader = RoutineReader(analysis)
    except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
        guard.own_failure()
        return None
    return None if reader.is_empty else reader


def tell_refusal(error: BaseException) -> None:
    message = f"audit=True: the database's functions could not be read ({error})"
    logger.warning("%s", message)
    warnings.warn(SessionStateWarning(message), stacklevel=2)
