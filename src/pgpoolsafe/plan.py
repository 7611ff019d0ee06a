"""What a driver is to do with one text: a value that the guard hands out."""

from __future__ import annotations

from typing import NamedTuple

from .effects import Edit, Reading
from .judge import Page
from .rules.findings import Finding
from .session.books import Key
from .session.settings import Carried


class Plan(NamedTuple):
    """Send `text` instead of the user's, if it is not None; then report what came back.

    `reading` is that of the user's text, `draft` the books as they are if it succeeds.
    `question`: the text does nothing but try for this lock, or unlock one (and this is to
    be said if there was none); its one value, true or false, decides. `lasting`: what may
    stay although the text fails, and what is then to be said of it; `is_lone_lock`: it is
    one lock, which is not held where the failure was to get it. `edits`: what made `text`
    of the user's.

    `before` and `after`: settings to be put in force in the text's own transaction, before
    it (where that is its implicit one) and after it (BEGIN); `ask`: the settings whose
    values the server is to be asked for after it; all in one message with the text.
    `as_query`: that message has to be a simple Query. `begin`: the BEGIN that goes
    with it. `hidden`: which results of the text are those of statements written into it.
    """

    text: str | None
    reading: Reading
    draft: Page
    question: Key | Finding | None = None
    lasting: tuple[tuple[Key, Finding | None], ...] = ()
    is_lone_lock: bool = False
    edits: tuple[Edit, ...] = ()
    before: Carried | None = None
    after: Carried | None = None
    ask: tuple[str, ...] = ()
    as_query: bool = False
    begin: str | None = None
    hidden: tuple[int, ...] = ()

    @property
    def has_no_rows(self) -> bool:
        """Whether the text is one SET, COMMIT or the like, which returns none in any format."""
        statements = self.reading.statements
        is_one = len(statements) == 1
        return is_one and (
            statements[0].control is not None or statements[0].command in ("SET", "RESET")
        )

    @property
    def becomes_local(self) -> bool:
        """Whether the text is one SET, or its like, and is sent as SET LOCAL."""
        statements = self.reading.statements
        if len(statements) != 1 or not any(map(_is_local, self.edits)):
            return False
        return any(not effect.function for effect in statements[0].effects)

    @property
    def travels(self) -> bool:
        """Whether there is more to send, or to hide, than the text itself."""
        has_more = self.after or self.ask or self.hidden
        return bool(has_more or self.before is not None or self.begin is not None)


def _is_local(edit: Edit) -> bool:
    return "LOCAL" in edit.replacement.split()[:2]
