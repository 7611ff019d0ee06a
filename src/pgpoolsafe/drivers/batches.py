"""executemany: one text, judged by the parameters that make it worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..effects import Reading, Scope


def worst(reading: Reading, rows: Sequence[Any]) -> Any:
    """The first parameters under which set_config is session-wide, else the first, else None.

    `rows` has the parameters of each execution, sequences or mappings.
    """
    deciding = [
        effect.scope_param.param
        for statement in reading.statements
        for effect in statement.effects
        if effect.scope is Scope.BOUND and effect.scope_param is not None
    ]
    for params in rows:
        try:
            if any(params[param] is not True for param in deciding):
                return params
        except (IndexError, KeyError, TypeError):
            return params  # the driver will say what is wrong with them
    return rows[0] if rows else None
