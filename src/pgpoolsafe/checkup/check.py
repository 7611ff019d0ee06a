"""One outcome of the doctor's judgement, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How serious a check's outcome is."""

    OK = "ok"
    NOTE = "note"
    FINDING = "finding"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `what`, `why` and `fix` are without a full stop; `fix`
    is one line per remedy, best first.
    """

    name: str
    grade: Grade
    what: str
    why: str = ""
    fix: tuple[str, ...] = ()
