"""The suite's texts before the real grammar and the real scanner: no server needed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pglast.parser import ParseError

from .lexing import cuts_by_postgres, cuts_by_us, places_by_postgres, places_by_us
from .psql import Script
from .tree import differences, effects_in_tree

_STRINGS = re.compile(
    r"(?:re)?set\s+standard_conforming_strings\s*(?:(?:=|to)\s*(\w+))?", re.IGNORECASE
)
_COPY = re.compile(r"copy\b.*\bfrom\s+stdin", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"--[^\n]*")


class Grammar:
    """Counts what was compared and collects what is disputed."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.disputed: list[str] = []

    def __str__(self) -> str:
        names = ("statements", "effects", "tokens", "refused")
        return ", ".join(f"{self.counts[name]} {name}" for name in names)

    def judge(self, path: Path) -> None:
        """Every text of a script."""
        for line, text in texts(path):
            where = f"{path.name}:{line}"
            try:
                self._tokens(where, text)
                self._effects(where, text)
            except ParseError:  # what the grammar of its version does not know
                self.counts["refused"] += 1
            except UnicodeEncodeError:  # bytes that are no UTF-8
                self.counts["refused"] += 1

    def _tokens(self, where: str, text: str) -> None:
        theirs = places_by_postgres(text)
        self.counts["tokens"] += len(theirs)
        self._compare(where, "tokens", theirs, places_by_us(text))
        self._compare(where, "cuts", cuts_by_postgres(text), cuts_by_us(text))

    def _effects(self, where: str, text: str) -> None:
        trees = effects_in_tree(text)
        self.counts["statements"] += len(trees)
        self.counts["effects"] += sum(map(len, trees))
        self.disputed += [f"{where} effects: {pair}" for pair in differences(text)]

    def _compare(
        self, where: str, what: str, theirs: Sequence[object], ours: Sequence[object]
    ) -> None:
        if theirs != ours:
            both = [(a, b) for a, b in zip(theirs, ours, strict=False) if a != b]
            first = both[0] if both else (len(theirs), len(ours))
            self.disputed.append(f"{where} {what}: {first}")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a script with their lines, while standard_conforming_strings is on."""
    script = Script(path.read_text(encoding="utf-8", errors="surrogateescape"))
    for piece in script.pieces():
        if not piece.is_query:
            continue
        said = _STRINGS.match(_COMMENT.sub("", piece.text).strip())
        if said is not None:
            script.standard_strings = (said[1] or "on").lower() != "off"
        if _COPY.search(piece.text):
            script.copy_data()
        if script.standard_strings:
            yield piece.line, piece.text
