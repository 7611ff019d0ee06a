"""Tokens with their parentheses matched, cut into statements, and a cursor to read them.

A phrase is a stretch of the tokens of one text; reading a part of a statement never
copies anything. Stepping over a parenthesis is one look-up, so that nesting costs
nothing and needs no recursion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..effects import Part
from .lexer import Kind, Token, scan

if TYPE_CHECKING:
    from .functions import Callables

UNKNOWN = ""
"""A name that is there but cannot be told (no PostgreSQL name is empty)."""

_CLOSES = {")": "(", "]": "["}
_PAIRS = frozenset("()[]")
_NAMES = frozenset({Kind.WORD, Kind.QUOTED, Kind.PARAM, Kind.OTHER})
_NOTHING = Token(Kind.SYMBOL, "", 0, 0)


# Nobody compares or prints it, and to make the methods for that takes time at each import.
@dataclass(eq=False, repr=False, slots=True)
class Source:
    """The tokens of one text; `closing` and `opening` pair parentheses and brackets.

    `level`: 0 for a text that a driver sends, 1 for code inside it, and so on.
    `words` holds the value of every token: what is not in it need not be looked for.
    `callables`: the functions that it is read for; None: PostgreSQL's own.
    """

    tokens: list[Token]
    level: int = 0
    complete: bool = True
    allowed: frozenset[str] = frozenset()
    words: set[str] = field(default_factory=set)
    closing: dict[int, int] = field(default_factory=dict)
    opening: dict[int, int] = field(default_factory=dict)
    callables: Callables | None = None

    def step(self, at: int) -> int:
        """The index after a token, or after what its parenthesis encloses."""
        return self.closing.get(at, at) + 1

    def code(self, at: int) -> str:
        """The keyword or symbol at an index, "" for anything else."""
        return self.tokens[at].code if 0 <= at < len(self.tokens) else ""


def source(text: str, *, level: int = 0, callables: Callables | None = None) -> Source:
    """Scan a text; only at level 0 are there placeholders that a driver fills in."""
    scanned = scan(text, placeholders=level == 0)
    words = {token.value for token in scanned.tokens}
    result = Source(scanned.tokens, level, scanned.complete, scanned.allowed, words)
    result.callables = callables
    if "(" in words or "[" in words:
        _pair(result)
    return result


def _pair(source: Source) -> None:
    stack: list[int] = []
    brackets = [(at, token.code) for at, token in enumerate(source.tokens) if token.code in _PAIRS]
    for at, code in brackets:
        if code not in _CLOSES:
            stack.append(at)
        elif stack and source.tokens[stack[-1]].code == _CLOSES[code]:
            begin = stack.pop()
            source.closing[begin] = at
            source.opening[at] = begin
    # What is never closed reaches to the end: the server refuses the whole text.
    for begin in stack:
        source.closing[begin] = len(source.tokens)


class Phrase(NamedTuple):
    """The tokens `lo` to `hi` (not included) of a source."""

    source: Source
    lo: int
    hi: int

    def __bool__(self) -> bool:
        return self.lo < self.hi

    def part(self, lo: int, hi: int | None = None) -> Phrase:
        """A stretch of this phrase, to its end when `hi` is not given."""
        return Phrase(self.source, lo, self.hi if hi is None else hi)

    @property
    def tokens(self) -> list[Token]:
        """A copy of the tokens: for short phrases."""
        return self.source.tokens[self.lo : self.hi]

    def indices(self) -> Iterator[int]:
        """The tokens that are not inside a parenthesis of this phrase, by index."""
        at = self.lo
        while at < self.hi:
            yield at
            at = self.source.step(at)

    def find(self, *codes: str) -> int | None:
        """The first of these keywords or symbols outside parentheses."""
        tokens = self.source.tokens
        return next((at for at in self.indices() if tokens[at].code in codes), None)

    def split(self, separator: str) -> list[Phrase]:
        """The stretches between separators outside parentheses; [] for an empty phrase."""
        if not self:
            return []
        tokens = self.source.tokens
        cuts = [at for at in self.indices() if tokens[at].code == separator]
        starts, ends = [self.lo, *(at + 1 for at in cuts)], [*cuts, self.hi]
        return [self.part(lo, hi) for lo, hi in zip(starts, ends, strict=True)]

    def words(self) -> Words:
        """A cursor at the beginning."""
        return Words(self.source, self.lo, self.hi)


def statements(source: Source) -> Iterator[Phrase]:
    """Cut at semicolons outside parentheses and outside BEGIN ATOMIC … END; none is empty."""
    lo, end = 0, len(source.tokens)
    if ";" not in source.words and end:
        yield Phrase(source, 0, end)
        return
    while lo < end:
        hi = _statement_end(source, lo)
        if hi > lo:
            yield Phrase(source, lo, hi)
        lo = hi + 1


def _statement_end(source: Source, lo: int) -> int:
    """Like psql, which counts BEGIN, CASE and END in a CREATE FUNCTION or PROCEDURE."""
    tokens, end, depth = source.tokens, len(source.tokens), 0
    creates = tokens[lo].code == "create"
    at = lo
    while at < end:
        code = tokens[at].code
        if code == ";" and not depth:
            return at
        if creates:
            depth += _atomic_step(source, at, code, depth)
        at = source.step(at)
    return end


def _atomic_step(source: Source, at: int, code: str, depth: int) -> int:
    if code == "begin" and not depth:
        return int(source.code(at + 1) == "atomic")
    if not depth:
        return 0
    return {"case": 1, "end": -1}.get(code, 0)


class Words:
    """A cursor over a phrase: looks at keywords, takes them, reads names."""

    __slots__ = ("at", "end", "source")

    def __init__(self, source: Source, at: int, end: int) -> None:
        self.source = source
        self.at = at
        self.end = end

    def token(self, ahead: int = 0) -> Token:
        """The token at the cursor or `ahead` of it; an empty one past the end."""
        at = self.at + ahead
        return self.source.tokens[at] if at < self.end else _NOTHING

    def code(self, ahead: int = 0) -> str:
        """The keyword or symbol there; "" past the end and for names, strings, numbers."""
        return self.token(ahead).code

    def take(self) -> Token:
        """The token at the cursor, which moves on."""
        token = self.token()
        self.at += 1
        return token

    def skip(self, *codes: str) -> bool:
        """Step over one of these keywords; whether it was there."""
        found = bool(self.code()) and self.code() in codes
        self.at += found
        return found

    def skip_all(self, *codes: str) -> bool:
        """Step over these keywords in this order, or over none of them."""
        found = all(self.code(ahead) == code for ahead, code in enumerate(codes))
        self.at += len(codes) if found else 0
        return found

    def name(self) -> Part | None:
        """Take a name or a placeholder that stands for one; None if neither is there.

        UNKNOWN for a placeholder of which nothing is known, and for a name that is only
        partly written: where nothing separates it from something computed.
        """
        token = self.token()
        if token.kind not in _NAMES:
            return None
        self.at += 1
        parts = 1
        while self._continues():
            self.at += 1
            parts += 1
        if parts > 1:
            return UNKNOWN
        return token.value if token.is_name else token.bound or UNKNOWN

    def _continues(self) -> bool:
        before, token = self.token(-1), self.token()
        computed = Kind.OTHER in (before.kind, token.kind)
        return computed and token.kind in _NAMES and token.start == before.end

    def path(self) -> tuple[Part, ...]:
        """Take a name with its qualifiers, `a.b.c`; () if there is none."""
        parts: list[Part] = []
        name = self.name()
        while name is not None:
            parts.append(name)
            name = self.name() if self.skip(".") else None
        return tuple(parts)

    def rest(self) -> Phrase:
        """From the cursor to the end."""
        return Phrase(self.source, min(self.at, self.end), self.end)

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.at >= self.end
