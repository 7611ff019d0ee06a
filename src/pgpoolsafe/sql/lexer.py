"""PostgreSQL's lexical rules (src/backend/parser/scan.l), and the drivers' placeholders.

Written for `standard_conforming_strings = on` (the default since 9.1) and UTF-8. One
pass, no recursion, linear in the length of the text; any str is accepted. What a C
string cannot hold is not read: libpq ends a text at the first NUL, and so do we.

Placeholders are those of psycopg, psycopg2 and pg8000 (`%s %b %t %(name)s`) and the
server's own `$1`. They are recognised without knowing whether parameters were given, so
`a %b` is a placeholder too; nothing that matters here depends on the difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import NamedTuple

from ..effects import Bound
from .literals import SHORT_NAME, cut, decode_escapes, decode_unicode, fold


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted name"
    STRING = "string"
    BITS = "bit string"
    NUMBER = "number"
    PARAM = "placeholder"
    SYMBOL = "operator or punctuation"
    OTHER = "a character that SQL has no use for"
    UNFINISHED = "an open quote or comment, to the end of the text"


class Token(NamedTuple):
    """One token: `text[start:end]`. A named tuple, because a text has thousands.

    `value` is what PostgreSQL reads: the folded or unquoted name, the decoded string,
    the operator. `code` is the same for words and symbols and empty for everything
    else, so that `"select"` and `'('` are never taken for a keyword or a parenthesis.
    `bound` is the parameter behind a placeholder (None inside code that has none).
    """

    kind: Kind
    value: str
    start: int
    end: int
    code: str = ""
    bound: Bound | None = None

    @property
    def is_name(self) -> bool:
        """Whether it can be an identifier, quoted or not."""
        return self.kind is Kind.WORD or self.kind is Kind.QUOTED


# Half the price of Token(…), which matters here and nowhere else.
_new = tuple.__new__


class Scan(NamedTuple):
    """The tokens of a text, without white space and comments.

    `allowed`: the rules named by `pgpoolsafe: allow …` comments, in lower case.
    `complete`: no quote or comment is left open.
    """

    tokens: list[Token]
    allowed: frozenset[str]
    complete: bool


SPACE = " \t\n\r\f\v"
"""What PostgreSQL takes for white space; every other character beyond ASCII is a letter."""

_GAP = r"[ \t\n\r\f\v]"
# Every character beyond ASCII is a letter. Told by the others, of which there are few: to
# compile a class that goes to the end of Unicode takes milliseconds, at each import.
_NEITHER = r":-@\[-\^`{-\x7f"
_LETTER = rf"[^\x00-/0-9{_NEITHER}]"
_LETTER_OR_DIGIT = rf"[^\x00-/{_NEITHER}]"
_IN_WORD = rf"[^\x00-#%-/{_NEITHER}]"  # and the dollar
# A quote in the name of a parameter could hide what the server reads: nobody's name has one.
_PLACEHOLDER = rf"%(?:[sbt](?!{_LETTER_OR_DIGIT})|\([^()'\"$]*\)[sbt])"

# The order matters: what begins like a longer token comes after it. `string` is the
# common case of `quote`: closed, nothing doubled, not continued on another line.
_MASTER = rf"""
{_GAP}*(?:
    (?P<word>(?![eEbBxXnN]'|[uU]&["']){_LETTER}{_IN_WORD}*)
  | (?P<punctuation>[,()\[\];])
  | (?P<string>'[^']*'(?!'|[ \t\f\v]*(?:--|[\n\r])))
  | (?P<number>0[xX][0-9A-Fa-f_]+ | 0[oO][0-7_]+ | 0[bB][01_]+
      | (?:[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?)
  | (?P<quote>(?:[eEbBxXnN]|[uU]&)?')
  | (?P<double_quote>(?:[uU]&)?")
  | (?P<line_comment>--[^\n\r]*)
  | (?P<comment>/\*)
  | (?P<dollar_param>\$[0-9]+)
  | (?P<dollar_quote>\$(?:{_LETTER}{_LETTER_OR_DIGIT}*)?\$)
  | (?P<placeholder>@PLACEHOLDER@)
  | (?P<operator>::|:=|:|\.\.|\.
      |(?:[~!@\#^&|`?+*<>=]|-(?!-)|/(?!\*)|%%|%(?!@REST@)){{1,64}})
  | (?P<other>[^ \t\n\r\f\v])
)
"""


def _compile(placeholder: str) -> re.Pattern[str]:
    source = _MASTER.replace("@PLACEHOLDER@", placeholder)
    return re.compile(source.replace("@REST@", placeholder.removeprefix("%")), re.VERBOSE)


_NEVER = "(?!)"
_WITH_PLACEHOLDERS = _compile(_PLACEHOLDER)


@cache
def _without_placeholders() -> re.Pattern[str]:
    return _compile(_NEVER)


# As psycopg counts: everywhere in the text, quotes and comments included.
_COUNTED = re.compile(r"%(?:%|\(([^()]*)\)[sbt]|[sbt])")
_ALLOW = re.compile(r"pgpoolsafe:\s*allow\s+([\w-]+(?:\s*,\s*[\w-]+)*)", re.IGNORECASE)

_PLAIN_END = re.compile(r"''|'")
_BITS_END = re.compile(r"'")
_ESCAPED_END = re.compile(r"\\.|''|'", re.DOTALL)
_CLOSING = {"e": _ESCAPED_END, "b": _BITS_END, "x": _BITS_END}
_NAME_END = re.compile(r'""|"')
_COMMENT_MARK = re.compile(r"/\*|\*/")
_REST_OF_LINE = re.compile(r"[ \t\f\v]*(?:--[^\n\r]*)?[\n\r][ \t\n\r\f\v]*")
_COMMENT_LINE = re.compile(r"--[^\n\r]*[\n\r][ \t\n\r\f\v]*")

# An operator may end in + or - only if it holds one of these (scan.l, {operator}).
_FREE = frozenset("~!@#%^&|`?")


def scan(text: str, *, placeholders: bool = True) -> Scan:
    """Read a text into tokens; `placeholders=False` for code that drivers do not fill in.

    Never raises, for any str.
    """
    return _Scanner(text, placeholders).run()


class _Scanner:
    def __init__(self, text: str, placeholders: bool) -> None:
        self.text = text.partition("\0")[0].rstrip(SPACE)
        self.folded = fold(self.text)
        self.placeholders = placeholders
        self.tokens: list[Token] = []
        self.allowed: set[str] = set()
        self.bounds: dict[int, Bound] | None = None
        # The U& token that a UESCAPE clause may still follow: its index and its body.
        self.unicode: tuple[int, str] | None = None
        self.watches = "pgpoolsafe" in self.folded

    def run(self) -> Scan:
        pos = 0
        while pos < len(self.text):
            pos = self._run(pos)
        complete = not self.tokens or self.tokens[-1].kind is not Kind.UNFINISHED
        return Scan(self.tokens, frozenset(self.allowed), complete)

    def _run(self, pos: int) -> int:
        """Read on from `pos` until a token ends elsewhere than its pattern; where that is."""
        add, folded, handlers, kind = self.tokens.append, self.folded, _HANDLERS, Kind.WORD
        pattern = _WITH_PLACEHOLDERS if self.placeholders else _without_placeholders()
        for found in pattern.finditer(self.text, pos):
            group = found.lastindex or 0
            start, pos = found.span(group)
            if group == 1:
                name = folded[start:pos]
                if pos - start > SHORT_NAME:
                    name = cut(name)
                add(_new(Token, (kind, name, start, pos, name, None)))
            else:
                end = handlers[group](self, start, pos)
                if end != pos:
                    return end
        return pos

    def _add(self, kind: Kind, value: str, start: int, end: int) -> int:
        self.tokens.append(_new(Token, (kind, value, start, end, "", None)))
        return end

    def _unfinished(self, start: int) -> int:
        return self._add(Kind.UNFINISHED, "", start, len(self.text))

    # strings and quoted names

    def string(self, start: int, end: int) -> int:
        return self._string(self.text[start + 1 : end - 1], start, end)

    def quote(self, start: int, end: int) -> int:
        prefix = self.text[start : end - 1].lower()
        closing = _CLOSING.get(prefix, _PLAIN_END)
        bodies: list[str] = []
        begin: int | None = end
        while begin is not None:
            close = self._close(closing, begin, "'")
            if close < 0:
                return self._unfinished(start)
            bodies.append(self.text[begin:close])
            end = close + 1
            begin = self._continued(end)
        return self._prefixed(prefix, "".join(bodies), start, end)

    def _close(self, pattern: re.Pattern[str], pos: int, closer: str) -> int:
        for found in pattern.finditer(self.text, pos):
            if found[0] == closer:
                return found.start()
        return -1

    def _continued(self, pos: int) -> int | None:
        """Where 'a' newline 'b' goes on, after its next quote (scan.l, quotecontinue)."""
        found = _REST_OF_LINE.match(self.text, pos)
        while found is not None:
            pos = found.end()
            if self.text.startswith("'", pos):
                return pos + 1
            found = _COMMENT_LINE.match(self.text, pos)
        return None

    def _prefixed(self, prefix: str, body: str, start: int, end: int) -> int:
        if prefix in ("b", "x"):
            return self._add(Kind.BITS, body, start, end)
        if prefix == "e":
            return self._add(Kind.STRING, decode_escapes(body), start, end)
        body = body.replace("''", "'")
        if prefix == "u&":
            return self._unicode_token(Kind.STRING, body, start, end)
        return self._string(body, start, end)

    def _string(self, body: str, start: int, end: int) -> int:
        if self.unicode is not None and self._escape_clause(body, end):
            return end
        return self._add(Kind.STRING, body, start, end)

    def double_quote(self, start: int, end: int) -> int:
        close = self._close(_NAME_END, end, '"')
        if close < 0:
            return self._unfinished(start)
        body = self.text[end:close].replace('""', '"')
        if self.text[start] != '"':
            return self._unicode_token(Kind.QUOTED, body, start, close + 1)
        return self._add(Kind.QUOTED, cut(body), start, close + 1)

    def _unicode_token(self, kind: Kind, body: str, start: int, end: int) -> int:
        self.unicode = (len(self.tokens), body)
        return self._add(kind, _decoded(kind, body, "\\"), start, end)

    def _escape_clause(self, escape: str, end: int) -> bool:
        """Whether the string just read is the UESCAPE clause of the U& token before it."""
        assert self.unicode is not None
        index, body = self.unicode
        self.unicode = None
        if len(self.tokens) != index + 2 or self.tokens[-1].code != "uescape" or len(escape) != 1:
            return False
        self.tokens.pop()
        token = self.tokens.pop()
        self._add(token.kind, _decoded(token.kind, body, escape), token.start, end)
        return True

    def dollar_quote(self, start: int, end: int) -> int:
        tag = self.text[start:end]
        close = self.text.find(tag, end)
        if close < 0:
            return self._unfinished(start)
        return self._add(Kind.STRING, self.text[end:close], start, close + len(tag))

    # comments

    def comment(self, start: int, _end: int) -> int:
        depth = 0
        for mark in _COMMENT_MARK.finditer(self.text, start):
            depth += 1 if mark[0] == "/*" else -1
            if depth == 0:
                return self.line_comment(start, mark.end())
        return self._unfinished(start)

    def line_comment(self, start: int, end: int) -> int:
        if self.watches:
            for found in _ALLOW.finditer(self.text, start, end):
                self.allowed.update(name.strip().lower() for name in found[1].split(","))
        return end

    # placeholders, operators and the rest

    def dollar_param(self, start: int, end: int) -> int:
        digits = self.text[start + 1 : end]
        # More digits than any statement has parameters; int() refuses thousands of them.
        known = self.placeholders and len(digits) < 6 and int(digits) > 0
        bound = Bound(int(digits) - 1) if known else None
        self.tokens.append(Token(Kind.PARAM, self.text[start:end], start, end, "", bound))
        return end

    def placeholder(self, start: int, end: int) -> int:
        if self.bounds is None:
            self.bounds = _count(self.text)
        bound = self.bounds.get(start)
        self.tokens.append(Token(Kind.PARAM, self.text[start:end], start, end, "", bound))
        return end

    def operator(self, start: int, end: int) -> int:
        code = self.text[start:end]
        if len(code) > 1 and code[-1] in "+-" and _FREE.isdisjoint(code):
            code = code.rstrip("+-") or code[0]
        return self.punctuation(start, start + len(code))

    def punctuation(self, start: int, end: int) -> int:
        code = self.text[start:end]
        self.tokens.append(_new(Token, (Kind.SYMBOL, code, start, end, code, None)))
        return end

    def number(self, start: int, end: int) -> int:
        return self._add(Kind.NUMBER, self.text[start:end], start, end)

    def other(self, start: int, end: int) -> int:
        return self._add(Kind.OTHER, self.text[start:end], start, end)


def _decoded(kind: Kind, body: str, escape: str) -> str:
    value = decode_unicode(body, escape)
    return cut(value) if kind is Kind.QUOTED else value


def _count(text: str) -> dict[int, Bound]:
    """Every placeholder of a text: where it stands and the parameter it takes."""
    bounds: dict[int, Bound] = {}
    position = 0
    for found in _COUNTED.finditer(text):
        if found[1] is not None:
            bounds[found.start()] = Bound(found[1])
        elif found[0] != "%%":
            bounds[found.start()] = Bound(position)
            position += 1
    return bounds


# Each alternative of the pattern by its number; a word (1) is read in place.
_HANDLERS: Mapping[int, Callable[[_Scanner, int, int], int]] = {
    number: getattr(_Scanner, name)
    for name, number in _WITH_PLACEHOLDERS.groupindex.items()
    if name != "word"
}
