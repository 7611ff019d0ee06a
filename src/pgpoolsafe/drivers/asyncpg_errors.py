"""asyncpg: errors of a text that was sent in another form, as they are for the user's own."""

from __future__ import annotations

from typing import Any

from .positions import Sent
from .wire import Send


def show_own_text(error: Any, text: str, body: str, order: Send) -> None:
    """Let an error show the user's `text` and its place there, where `body` was sent for it.

    asyncpg tells which text an error is about, but for COPY: the one that was sent, with the
    settings or without them. Errors of another, such as a BEGIN of ours, stay as they are.
    """
    query = getattr(error, "query", None)
    position = getattr(error, "position", None)
    if query == text or query not in (None, body, order.around(body)):
        return
    if query is not None:
        error.query = text
    if position is None:
        return
    before = 0 if query == body else len(order.lead)
    place = Sent(text, order.edits, before).place(int(position))
    error.position = str(place.position)
    error.message = place.worded(error.message)
    error.args = (error.message, *error.args[1:])
