"""What a driver is to do with one text: a value that the guard hands out."""

from __future__ import annotations

from dataclasses import dataclass

from .effects import Reading
from .judge import Page
from .session.books import Key


@dataclass(frozen=True, slots=True)
class Plan:
    """Send `text` instead of the user's, if it is not None; then report what came back.

    `reading` is that of the user's text, `draft` the books as they are if it succeeds.
    `attempt`: the text does nothing but try for this lock; its one value says whether it
    got it.
    """

    text: str | None
    reading: Reading
    draft: Page
    attempt: Key | None = None
