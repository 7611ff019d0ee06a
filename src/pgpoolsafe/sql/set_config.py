"""set_config(setting_name, new_value, is_local): SET as a function.

The third argument decides: true ends with the transaction. Where it is a constant or a
placeholder the edit makes it true; `((x) OR true)` keeps x, its parameters and their types.
A NULL value resets the setting (PostgreSQL documentation, 9.27.1). Named arguments are
read as the documentation names them, though servers up to 18 know no names for them.
"""

from __future__ import annotations

from ..effects import Bound, Edit, Effect, EffectKind, Scope, Verb
from .assignments import setting_effect
from .calls import Call
from .expressions import is_null, name_of, placeholder, text_of, truth
from .phrases import Phrase
from .setting_values import argument_value


def read_set_config(call: Call) -> tuple[Effect, ...]:
    """The effect of one call; none when it cannot be PostgreSQL's own function."""
    name, value, is_local = (
        call.argument(position, argument)
        for position, argument in enumerate(("setting_name", "new_value", "is_local"))
    )
    if call.arity != 3 or not name or not value or not is_local:
        return ()
    resets = is_null(value) or (text_of(name) == "role" and text_of(value) == "none")
    scope, edits, param = _reach(is_local)
    effect = Effect(
        EffectKind.SETTING,
        Verb.RELEASE if resets else Verb.ACQUIRE,
        scope=scope,
        function=call.name,
        edits=edits,
        scope_param=param,
        value=None if resets else argument_value(value),
    )
    return setting_effect(effect, name_of(name))


def _reach(is_local: Phrase) -> tuple[Scope, tuple[Edit, ...] | None, Bound | None]:
    """The scope, what makes it local, and the parameter that decides."""
    tokens = is_local.source.tokens
    start, end = tokens[is_local.lo].start, tokens[is_local.hi - 1].end
    constant = truth(is_local)
    if constant is True:
        return Scope.TRANSACTION, (), None
    param = placeholder(is_local)
    if constant is False:
        return Scope.SESSION, (Edit(start, end, "true"),), None
    if param is None:  # `X OR true` is folded, and what X does would not be done
        return Scope.SESSION, None, None
    return Scope.BOUND, (Edit(start, start, "(("), Edit(end, end, ") OR true)")), param
