"""psycopg2: errors of a text that was sent in another form, as they are for the user's own.

What C code keeps of an error cannot be assigned, so one with a place is given a subclass of
its class that is made on the fly, as guarded connections are.
"""

from __future__ import annotations

from typing import Any

from psycopg2 import extensions

from .fitting import Classes
from .positions import Place, Sent
from .seat import ATTRIBUTE


class _Diagnostics(extensions.Diagnostics):  # type: ignore[misc]
    """Those of an error, with its place in the user's text."""

    def __init__(self, error: Any, place: Place) -> None:
        super().__init__(error)
        self._place = place

    @property
    def statement_position(self) -> str:
        return str(self._place.position)

    @property
    def message_primary(self) -> str:
        return self._place.worded(super().message_primary)


def _overrides(cls: Any) -> dict[str, Any]:
    def diag(self: Any) -> Any:
        return _Diagnostics(self, _place(self))

    def pgerror(self: Any) -> str:
        return _place(self).shown(cls.pgerror.__get__(self))

    def reduce_ex(self: Any, protocol: Any) -> Any:
        """A copy is one of the error's own class, with what this one shows."""
        _, arguments, state = cls.__reduce_ex__(self, protocol)
        kept = {name: value for name, value in state.items() if name != ATTRIBUTE}
        return cls, arguments, {**kept, "pgerror": self.pgerror, "pgcode": self.pgcode}

    return {
        "diag": property(diag),
        "pgerror": property(pgerror),
        "__reduce_ex__": reduce_ex,
    }


def _place(error: Any) -> Place:
    found: Place = vars(error)[ATTRIBUTE]
    return found


_errors = Classes(_overrides)


def show_own_text(error: Any, sent: Sent) -> None:
    """Let an error show its place in the user's text; one without a place stays as it is."""
    position = error.diag.statement_position
    if position is None or _errors.is_guarded(type(error)):
        return
    place = sent.place(int(position))
    error.args = (place.shown(str(error.args[0])), *error.args[1:])
    setattr(error, ATTRIBUTE, place)
    error.__class__ = _errors.of(type(error))
