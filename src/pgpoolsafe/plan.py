"""What a driver is to do with one text: a value that the guard hands out."""

from __future__ import annotations

from dataclasses import dataclass

from .effects import Reading
from .judge import Page


@dataclass(frozen=True, slots=True)
class Plan:
    """Send `text` instead of the user's, if it is not None; then report what came back.

    `reading` is that of the user's text, `draft` the books as they are if it succeeds.
    """

    text: str | None
    reading: Reading
    draft: Page
