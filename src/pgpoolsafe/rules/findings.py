"""A finding as a value, as text, and where in the user's code it comes from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ..poolers.answers import Pooler

_LONGEST_STATEMENT = 300

# Frames of these packages are the way to the driver, not the user's code.
_PLUMBING = frozenset(
    {
        "pgpoolsafe",
        "pgpoolsafe_django",
        "pgpoolsafe_pytest",
        "pgpoolsafe_alembic",
        "pgpoolsafe_opentelemetry",
        "psycopg",
        "psycopg_binary",
        "psycopg_c",
        "psycopg_pool",
        "psycopg2",
        "pg8000",
        "asyncpg",
        "sqlalchemy",
        "django",
        "wrapt",
        "greenlet",
        "asgiref",
        "asyncio",
        "concurrent",
        "threading",
        "contextlib",
        "functools",
    }
)


@dataclass(frozen=True)
class Location:
    """A place in the user's code."""

    file: str
    line: int
    function: str

    @property
    def place(self) -> str:
        """`file:line`, the file relative to the working directory where it lies below it."""
        return f"{self.file.removeprefix(_here())}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place} in {self.function}()"


@dataclass(frozen=True)
class Finding:
    """One hazard of one statement, judged for one pooler.

    `rule` is the name that `allow()` takes; `statement` the text as the user wrote it
    (shortened; parameter values are never in it); `what`, `why` and `fix` are sentences
    without a full stop; `level` says what was done: "observe", "warn", "raise" or
    "rewrite"; `sent` the text that was sent instead, where one was; `is_told`: a test has failed
    for it already, so that the ROLLBACK after it only releases what it is about.
    """

    rule: str
    what: str
    statement: str
    why: str
    fix: str
    pooler: Pooler
    level: str
    location: Location | None = None
    sent: str | None = None
    is_told: bool = field(default=False, compare=False, repr=False)

    @property
    def allow(self) -> str:
        """The line that lets this one place through."""
        return f'with pgpoolsafe.allow("{self.rule}"): …'

    @property
    def line(self) -> str:
        """One line for logs."""
        at = f" at {self.location.place}" if self.location else ""
        done = f"; sent as {self.sent}" if self.sent else ""
        return f"{self.rule}: {self.what} ({self.pooler.label}){at}{done}"

    def __str__(self) -> str:
        at = f"\n  at {self.location}" if self.location else ""
        sent = f"\n  sent as {self.sent}, which ends with the transaction" if self.sent else ""
        return (
            f"{self.rule}: {self.what}\n\n  {self.statement}{at}{sent}\n\n"
            f"  why:   {self.why}\n  fix:   {self.fix}\n"
            f"  allow: {self.allow}\n  docs:  docs/rules/{self.rule}.md"
        )


def _here() -> str:
    """The working directory with its separator; empty where it was removed under us."""
    try:
        return f"{Path.cwd()}{os.sep}"
    except FileNotFoundError:
        return ""


def shorten(statement: str) -> str:
    """The statement on one line, cut to a length that a log can bear."""
    text = " ".join(statement[: 4 * _LONGEST_STATEMENT].split())
    return text if len(text) <= _LONGEST_STATEMENT else text[: _LONGEST_STATEMENT - 1] + "…"


def caller() -> Location | None:
    """The innermost frame of this thread (or task) that is not plumbing."""
    for frame in _frames(sys._getframe(1)):
        if not is_plumbing(frame):
            code = frame.f_code
            return Location(code.co_filename, frame.f_lineno, code.co_name)
    return None


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames from here outwards, across the greenlets of SQLAlchemy's asyncio layer.

    A greenlet's frames end at its own start; the coroutine that awaits it stands in
    its parent.
    """
    module = sys.modules.get("greenlet")
    greenlet = module.getcurrent() if module else None
    while True:
        while frame is not None:
            if frame.f_code.co_name == _AWAITS_FOR:
                yield from _inside(frame)
            yield frame
            frame = frame.f_back
        greenlet = greenlet.parent if greenlet else None
        if greenlet is None:
            return
        frame = greenlet.gr_frame


_AWAITS_FOR = "greenlet_spawn"
"""SQLAlchemy's coroutine that awaits for the sync code in its greenlet `context`."""


def _inside(frame: FrameType) -> Iterator[FrameType]:
    """The frames of the sync code that a coroutine of SQLAlchemy's is awaiting for."""
    inner = getattr(frame.f_locals.get("context"), "gr_frame", None)
    while inner is not None:
        yield inner
        inner = inner.f_back


def is_plumbing(frame: FrameType) -> bool:
    """Whether a frame is on the way to the driver, rather than the user's code."""
    name = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] in _PLUMBING
