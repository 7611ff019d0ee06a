"""psycopg: errors of a text that was sent in another form, as they are for the user's own.

The server counts the position of an error in what it was sent; libpq shows that place in
the message (`LINE 1: …` and a caret below it). Both are brought back to the user's text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, cast

from psycopg import Error
from psycopg.pq import DiagnosticField

from ..effects import Edit
from ..sql.edits import original_offset

_POINTER = re.compile(r"^LINE \d+: .*\n *\^$", re.MULTILINE)

# Where a text ends too early, the server comes to the semicolon that was put behind it.
_NEAR_OURS = 'syntax error at or near ";"'
_AT_THE_END = "syntax error at end of input"

# libpq, fe-protocol3.c, reportErrorPosition: widths in columns of the screen.
_DISPLAY_SIZE = 60
_MIN_RIGHT_CUT = 10


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
    own = max(original_offset(edits, int(position) - 1 - before), 0) + 1
    is_behind, own = own > len(text), min(own, len(text) + 1)
    message = str(error.args[0]) if error.args else ""
    primary = error.diag.message_primary or ""
    if is_behind and primary == _NEAR_OURS:
        message, primary = message.replace(_NEAR_OURS, _AT_THE_END, 1), _AT_THE_END
    error._info = cast(Any, _Repositioned(result, own, primary))
    error.args = (_POINTER.sub(lambda _: pointer(text, own), message, count=1), *error.args[1:])


def pointer(text: str, position: int) -> str:
    """`LINE 1: …` and the caret below it, as libpq shows a position (from 1) in a text."""
    at = position - 1
    lines = re.split(r"\r\n|\r|\n", text[:at])
    begin = at - len(lines[-1])
    rest = re.search(r"[\r\n]", text[at:])
    end = at + rest.start() if rest else len(text)
    begin, end, cut_left, cut_right = _cut(text, begin, at, end)
    label = f"LINE {len(lines)}: " + ("..." if cut_left else "")
    shown = text[begin:end].replace("\t", " ") + ("..." if cut_right else "")
    return f"{label}{shown}\n{' ' * (len(label) + _width(text[begin:at]))}^"


def _cut(text: str, begin: int, at: int, end: int) -> tuple[int, int, bool, bool]:
    """The part of a long line that is shown."""
    if _width(text[begin:end]) <= _DISPLAY_SIZE:
        return begin, end, False, False
    if _width(text[begin:at]) + _MIN_RIGHT_CUT <= _DISPLAY_SIZE:
        while _width(text[begin:end]) > _DISPLAY_SIZE:
            end -= 1
        return begin, end, False, True
    cut_right = False
    while _width(text[at:end]) > _MIN_RIGHT_CUT:
        end -= 1
        cut_right = True
    cut_left = False
    while _width(text[begin:end]) > _DISPLAY_SIZE:
        begin += 1
        cut_left = True
    return begin, end, cut_left, cut_right


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    # Combining characters have a column of their own here: libpq knows no width of 0.
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
