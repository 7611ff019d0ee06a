"""Scripts as psql reads them: statements, backslash commands, COPY data, :variables.

Written after psqlscan.l and command.c, apart from the reader's lexer on purpose: where
the two cut a text differently, one of them is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_NAME = r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*"
_TOKEN = re.compile(
    rf"""
    (?P<line>--[^\n]*)
  | (?P<comment>/\*)
  | (?P<quote>(?:[eE]|[uU]&|[nNbBxX])?')
  | (?P<name>(?:[uU]&)?")
  | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$)
  | (?P<cast>::|:=)
  | (?P<variable>:(?:'[A-Za-z0-9_]+'|"[A-Za-z0-9_]+"|\{{\?[A-Za-z0-9_]+\}}|[A-Za-z0-9_]+))
  | (?P<word>{_NAME})
  | (?P<number>[0-9][A-Za-z0-9_.]*)
  | (?P<backslash>\\)
  | (?P<end>;)
  | (?P<open>[(\[])
  | (?P<close>[)\]])
  | (?P<other>[^\s])
""",
    re.VERBOSE,
)
_PLAIN_END = re.compile(r"''|'")
_ESCAPED_END = re.compile(r"\\.|''|'", re.DOTALL)
_NAME_END = re.compile(r'""|"')
_COMMENT_MARK = re.compile(r"/\*|\*/")
_COPY_END = re.compile(r"^\\\.[ \t]*$\n?", re.MULTILINE)
_COMMAND = re.compile(r"\\([!?]|[^\s\\;]+)")
_ARGUMENT = re.compile(r"""[ \t]*('(?:[^'\\]|\\.|'')*'|"[^"]*"|[^\s\\]+)""")


@dataclass(frozen=True, slots=True)
class Piece:
    """One step of a script: a query to send or a backslash command, and its line (from 1).

    `text` is the query or the name of the command; `arguments` are the command's. A query
    is sent by `;` or by a command such as `gset`: then `sent_by` is its name.
    """

    line: int
    text: str
    is_query: bool
    sent_by: str = ";"
    arguments: tuple[str, ...] = ()


SENDING = frozenset({"g", "gx", "gset", "gexec", "crosstabview", "watch"})
"""Backslash commands that send the query before them."""

_DROPPING = frozenset({"gdesc", "r", "reset", "parse"})


@dataclass
class Script:
    """A script being read; `variables` may change between two pieces."""

    text: str
    variables: dict[str, str] = field(default_factory=dict)
    standard_strings: bool = True
    pos: int = 0
    _buffer: list[str] = field(default_factory=list)
    _start: int | None = None
    _depth: int = 0
    _blocks: int = 0
    _words: list[str] = field(default_factory=list)

    def pieces(self) -> Iterator[Piece]:
        """Every step in turn; what is never sent does not count, as for psql's `\\i`."""
        while True:
            found = _TOKEN.search(self.text, self.pos)
            if found is None:
                rest = self._take("")
                if rest is not None:
                    yield rest
                return
            self._keep(self.text[self.pos : found.start()])
            self.pos = found.start()
            piece = self._step(found)
            if piece is not None:
                yield piece

    def copy_data(self) -> str:
        """Take the data of COPY FROM STDIN: the lines after this one, up to `\\.`."""
        begin = self.text.find("\n", self.pos) + 1
        end = _COPY_END.search(self.text, begin) if begin else None
        if end is None:
            return ""
        data = self.text[begin : end.start()]
        # The line count stays right: the data becomes empty lines.
        blank = "\n" * self.text.count("\n", begin, end.end())
        self.text = self.text[:begin] + blank + self.text[end.end() :]
        return data

    def skip_to(self, *commands: str) -> str:
        """Skip to the next of these commands of the same \\if; returns its name."""
        depth = 0
        for found in re.finditer(r"^[ \t]*\\(if|elif|else|endif)\b.*$", self.text, re.MULTILINE):
            if found.start() < self.pos:
                continue
            name = found[1]
            if depth == 0 and name in commands:
                self.pos = found.start(1) - 1
                return name
            depth += {"if": 1, "endif": -1}.get(name, 0)
        self.pos = len(self.text)
        return ""

    def _step(self, found: re.Match[str]) -> Piece | None:
        kind = found.lastgroup or ""
        if kind == "backslash":
            return self._command()
        if kind == "variable":
            self._variable(found)
            return None
        if kind == "end" and not self._depth and not self._blocks:
            self.pos = found.end()
            return self._take(";")
        end = self._end_of(kind, found)
        if kind == "word":
            self._word(found[0].lower())
        self._depth += {"open": 1, "close": -1 if self._depth else 0}.get(kind, 0)
        if kind not in ("line", "comment") and self._start is None:
            self._start = found.start()
        # psql sends the comments before and inside a query along, as this does.
        self._keep(self.text[found.start() : end])
        self.pos = end
        return None

    def _end_of(self, kind: str, found: re.Match[str]) -> int:
        if kind == "comment":
            return self._comment_end(found.start())
        if kind == "name":
            return self._close(_NAME_END, found.end(), '"')
        if kind == "quote":
            escapes = found[0][0] in "eE" or (
                not self.standard_strings and found[0][0] not in "bBxXuU"
            )
            return self._close(_ESCAPED_END if escapes else _PLAIN_END, found.end(), "'")
        if kind == "dollar":
            close = self.text.find(found[0], found.end())
            return len(self.text) if close < 0 else close + len(found[0])
        return found.end()

    def _close(self, pattern: re.Pattern[str], pos: int, closer: str) -> int:
        marks = pattern.finditer(self.text, pos)
        return next((mark.end() for mark in marks if mark[0] == closer), len(self.text))

    def _comment_end(self, start: int) -> int:
        depth = 0
        for mark in _COMMENT_MARK.finditer(self.text, start):
            depth += 1 if mark[0] == "/*" else -1
            if depth == 0:
                return mark.end()
        return len(self.text)

    def _word(self, word: str) -> None:
        """BEGIN … END in the body of CREATE FUNCTION, as psqlscan.l counts it."""
        if len(self._words) < 4:
            self._words.append(word)
        made = self._words[3:4] if self._words[1:3] == ["or", "replace"] else self._words[1:2]
        if self._words[0] != "create" or made not in (["function"], ["procedure"]):
            return
        if word == "begin" or (word == "case" and self._blocks):
            self._blocks += 1
        elif word == "end" and self._blocks:
            self._blocks -= 1

    def _variable(self, found: re.Match[str]) -> None:
        if self._start is None:
            self._start = found.start()
        self._keep(self.fill(found[0]))
        self.pos = found.end()

    def fill(self, spelled: str) -> str:
        """A `:variable` with its value, quoted as it is spelled; itself if it has none."""
        name = spelled[1:].strip("'\"{?}")
        if spelled.startswith(":{"):
            return "TRUE" if name in self.variables else "FALSE"
        value = self.variables.get(name)
        if value is None:
            return spelled
        quote = spelled[1] if spelled[1] in "'\"" else ""
        return quote + value.replace(quote, quote * 2) + quote if quote else value

    def _keep(self, text: str) -> None:
        self._buffer.append(text)

    def _take(self, ending: str) -> Piece | None:
        text, start = "".join(self._buffer).strip(), self._start
        self._buffer, self._start, self._depth, self._blocks, self._words = [], None, 0, 0, []
        if start is None:
            return None
        return Piece(self._line(start), text + ending, True)

    def _line(self, pos: int) -> int:
        return self.text.count("\n", 0, pos) + 1

    def _command(self) -> Piece | None:
        at = self.pos
        if self.text.startswith(r"\;", at):
            self._keep(";")
            self.pos = at + 2
            return None
        named = _COMMAND.match(self.text, at)
        if named is None:  # `\\` separates commands
            self.pos = at + 2
            return None
        name = named[1]
        self.pos = named.end()
        arguments = self._arguments(name)
        if name in SENDING:
            query = self._take("")
            if query is None:
                return None
            return Piece(query.line, query.text, True, name, arguments)
        if name in _DROPPING:
            self._take("")
        return Piece(self._line(at), name, False, "", arguments)

    def _arguments(self, name: str) -> tuple[str, ...]:
        line_end = self.text.find("\n", self.pos)
        line_end = len(self.text) if line_end < 0 else line_end
        if name in ("copy", "!", "echo", "qecho", "warn"):
            whole = self.text[self.pos : line_end].strip()
            self.pos = line_end
            return (whole,)
        arguments = []
        while True:
            found = _ARGUMENT.match(self.text, self.pos, line_end)
            if found is None:
                break
            arguments.append(self._argument(found[1]))
            self.pos = found.end()
        if not self.text.startswith("\\", self.pos):
            self.pos = line_end
        return tuple(arguments)

    def _argument(self, spelled: str) -> str:
        if spelled.startswith("'"):
            return spelled[1:-1].replace("''", "'").replace("\\n", "\n")
        if spelled.startswith(":"):
            filled = self.fill(spelled)
            return filled.strip("'") if filled != spelled else filled
        return spelled
