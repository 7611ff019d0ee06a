"""Running a psql script on a watched connection."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .psql import Piece, Script
from .watching import Watcher
from .wire import Outcome, Wire

# PostgreSQL refuses these once the transaction has run a query, be it ours.
_BEFORE_ANY_QUERY = re.compile(
    r"\s*(?:SET\s+(?:LOCAL\s+|SESSION\s+)?TRANSACTION\b|SET\b.*\btransaction_)", re.IGNORECASE
)
_CUSTOM = re.compile(r"\b([a-z_]\w*(?:\.[a-z_]\w*)+)\b", re.IGNORECASE)
_MAY_SET = re.compile(r"\bset_config\b|^\s*(?:re)?set\b|\bset\s+[a-z_]\w*\.[a-z_]", re.I | re.M)

Connect = Callable[[str], Watcher]
"""A database's name → a new watched connection to it."""


@dataclass
class Run:
    """One script on its way."""

    name: str
    script: Script
    connect: Connect
    database: str
    watchers: list[Watcher] = field(default_factory=list)
    line: int = 0

    def __post_init__(self) -> None:
        self._use(self.database)

    @property
    def watcher(self) -> Watcher:
        return self.watchers[-1]

    def _use(self, database: str) -> None:
        if self.watchers:
            self.watcher.wire.close()
        self.watchers.append(self.connect(database))
        self.watcher.where = lambda: f"{self.name}:{self.line}"
        self.watcher.know(custom_settings(self.script.text))

    def all(self) -> None:
        """Run every step."""
        for piece in self.script.pieces():
            self.line = piece.line
            if piece.is_query:
                self._after(piece, self._send(piece))
            else:
                self._command(piece)
            if not self.watcher.wire.alive:
                self._use(self.database)
        self.watcher.wire.close()

    def _send(self, piece: Piece) -> Outcome:
        self.script.standard_strings = self.watcher.wire.standard_strings
        rest = self.script.text[self.script.pos : self.script.pos + 400]
        look = not _BEFORE_ANY_QUERY.match(_without_comments(rest))
        return self.watcher.run(piece.text, self.script.copy_data, look=look)

    def _after(self, piece: Piece, outcome: Outcome) -> None:
        self.script.standard_strings = self.watcher.wire.standard_strings
        if piece.sent_by == "gset" and outcome.row is not None:
            prefix = piece.arguments[0] if piece.arguments else ""
            for name, value in outcome.row.items():
                if value is not None:
                    self.script.variables[prefix + name] = value
        elif piece.sent_by == "gexec":
            for text in outcome.cells:
                self.watcher.run(text)

    def _command(self, piece: Piece) -> None:
        arguments = piece.arguments
        if piece.text == "set" and arguments:
            self.script.variables[arguments[0]] = "".join(arguments[1:])
        elif piece.text == "unset" and arguments:
            self.script.variables.pop(arguments[0], None)
        elif piece.text in ("c", "connect"):
            self.database = next(iter(arguments), "-").replace("-", "") or self.database
            self._use(self.database)
        elif piece.text in ("if", "elif"):
            self._branch(arguments)
        elif piece.text == "else":
            self.script.skip_to("endif")
        elif piece.text == "copy" and re.search(r"from\s+p?stdin", arguments[0], re.I):
            text = re.sub(r"from\s+pstdin", "FROM STDIN", arguments[0], flags=re.I)
            self.watcher.run(f"COPY {text}", self.script.copy_data)

    def _branch(self, arguments: tuple[str, ...]) -> None:
        said = (arguments[0] if arguments else "").lower()
        if said not in ("t", "true", "on", "1", "yes"):
            self.script.skip_to("elif", "else", "endif")
            if self.script.text.startswith(r"\else", self.script.pos):
                self.script.pos += len(r"\else")


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*|/\*.*?\*/|^\s*\\.*$", "", text, flags=re.S | re.M).lstrip()


def custom_settings(text: str) -> set[str]:
    """The names in a script that could be those of custom settings."""
    if not _MAY_SET.search(text):
        return set()
    lines = (
        line for line in text.splitlines() if re.search(r"\b(?:re)?set(?:_config)?\b", line, re.I)
    )
    names = (name.lower() for line in lines for name in _CUSTOM.findall(line))
    return {name for name in names if not name.startswith("pg_")}


def run_file(path: Path, variables: dict[str, str], connect: Connect, database: str) -> Run:
    """Run a script from its beginning to its end."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    run = Run(path.name, Script(text, dict(variables)), connect, database)
    run.all()
    return run


def connect_to(dsn: Callable[[str], str], *, libraries: bool) -> Connect:
    """Watched connections to a server's databases."""
    return lambda database: Watcher(Wire(dsn(database)), libraries=libraries)
