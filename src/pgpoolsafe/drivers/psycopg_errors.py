"""psycopg: errors of a text that was sent in another form, as they are for the user's own.

What is changed about an error is its position and its message; the rest is the result's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from psycopg import Error
from psycopg.pq import DiagnosticField

from ..effects import Edit


class _Repositioned:
    """The result of an error, with another position; all but the message is the result's own."""

    def __init__(self, result: Any, position: int, primary: str) -> None:
        self._result = result
        self._fields = {
            DiagnosticField.STATEMENT_POSITION: str(position).encode(),
            DiagnosticField.MESSAGE_PRIMARY: primary.encode(),
        }

    def error_field(self, field: DiagnosticField) -> bytes | None:
        found: bytes | None = self._fields.get(field) or self._result.error_field(field)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result, name)


def reposition(error: Error, text: str, edits: Iterable[Edit], before: int = 0) -> None:
    """Let an error show its place in `text`, which was sent with these edits.

    `before`: how many characters of ours stood in front of it. Errors without a position
    stay as they are.
    """
    position = error.diag.statement_position
    result = error.pgresult
    if position is None or result is None:
        return
    from .positions import Sent  # few programs meet such an error

    place = Sent(text, tuple(edits), before).place(int(position))
    message = str(error.args[0]) if error.args else ""
    primary = place.worded(error.diag.message_primary or "")
    error._info = cast(Any, _Repositioned(result, place.position, primary))
    error.args = (place.shown(message), *error.args[1:])
