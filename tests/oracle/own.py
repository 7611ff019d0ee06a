"""Our own statements for the server to judge: every spelling, look-alikes, combinations.

They stand in `own/*.sql`, one a line; ⏎ and ␍ stand for line ends inside one. Nothing
there says what a statement does: the server does.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("own")

STATEMENTS = ("settings", "calls", "locks", "objects", "code", "lookalikes", "lexical")
"""The files of statements that are sent in every way."""


def setup(options: str) -> str:
    """The script that fills the database; `options` of a foreign server: this one."""
    return (FOLDER / "setup.sql").read_text(encoding="utf-8").replace("@options@", options)


def lines(name: str, dsn: str = "") -> list[str]:
    """The statements of a file; `dsn` is where dblink connects to."""
    text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8").replace("@dsn@", dsn)
    found = (line for line in text.split("\n") if line.strip() and not line.startswith("-- "))
    return [line.replace("⏎", "\n").replace("␍", "\r") for line in found]


def statements(dsn: str) -> list[str]:
    """All statements of `STATEMENTS`."""
    return [line for name in STATEMENTS for line in lines(name, dsn)]
