"""The place of an error in the user's own text, where another text was sent.

The server counts the position of an error in what it was sent; libpq shows that place in
the message (`LINE 1: …` and a caret below it). Both are brought back to the user's text.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from ..effects import Edit
from ..sql.edits import original_offset

_POINTER = re.compile(r"^LINE \d+: .*\n *\^$", re.MULTILINE)

# Where a text ends too early, the server comes to the semicolon that was put behind it.
_NEAR_OURS = 'syntax error at or near ";"'
_AT_THE_END = "syntax error at end of input"

# libpq, fe-protocol3.c, reportErrorPosition: widths in columns of the screen.
_DISPLAY_SIZE = 60
_MIN_RIGHT_CUT = 10


class Sent(NamedTuple):
    """How the user's `text` was sent: with these edits, and behind `before` characters."""

    text: str
    edits: tuple[Edit, ...] = ()
    before: int = 0

    def place(self, position: int) -> Place:
        """The place that the server has counted (from 1) in what was sent."""
        own = max(original_offset(self.edits, position - 1 - self.before), 0) + 1
        return Place(self.text, min(own, len(self.text) + 1), is_behind=own > len(self.text))


class Place(NamedTuple):
    """A place in the user's text, from 1; `is_behind`: the server met it in what follows it."""

    text: str
    position: int
    is_behind: bool

    def worded(self, message: str) -> str:
        """A message of the server as it is for the user's text alone."""
        return message.replace(_NEAR_OURS, _AT_THE_END, 1) if self.is_behind else message

    def shown(self, message: str) -> str:
        """The same for a message of libpq, which shows the place."""
        own = pointer(self.text, self.position)
        return _POINTER.sub(lambda _: own, self.worded(message), count=1)


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
