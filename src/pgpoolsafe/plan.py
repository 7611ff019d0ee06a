"""What a driver is to do with one text: a value that the guard hands out."""

from __future__ import annotations

from dataclasses import dataclass

from .effects import Reading
from .judge import Page
from .rules.findings import Finding
from .session.books import Key


@dataclass(frozen=True, slots=True)
class Plan:
    """Send `text` instead of the user's, if it is not None; then report what came back.

    `reading` is that of the user's text, `draft` the books as they are if it succeeds.
    `question`: the text does nothing but try for this lock, or unlock one (and this is to
    be said if there was none); its one value, true or false, decides. `lasting`: what may
    stay although the text fails, and what is then to be said of it; `is_lone_lock`: it is
    one lock, which is not held where the failure was to get it.
    """

    text: str | None
    reading: Reading
    draft: Page
    question: Key | Finding | None = None
    lasting: tuple[tuple[Key, Finding | None], ...] = ()
    is_lone_lock: bool = False
