"""The disagreements that are known, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .watching import Disagreement

HERE = Path(__file__).parent

MORE = "needs more than its text"
LIMIT = "the observer cannot see it"
DATA = "the data decide"

REASONS: dict[str, tuple[str, str]] = {
    "function": (MORE, "a function, procedure, trigger or rule that it runs does it"),
    "dynamic": (MORE, "it hands a string to a function that executes it"),
    "view": (MORE, "a view over a temporary relation is temporary, whatever it is called"),
    "dependent": (MORE, "what depends on the object goes with it: CASCADE, partitions, schemas"),
    "rename": (MORE, "only a record of the tables made knows that this one is temporary"),
    "search-path": (MORE, "search_path says that what is made is temporary"),
    "opaque": (MORE, "the string that EXECUTE runs is computed (reported as opaque-code)"),
    "prepared": (MORE, "the prepared statement that it executes does it"),
    "lock-key": (MORE, "two spellings of one lock, of which one is computed"),
    "slot": (MORE, "a slot that is dropped may be a permanent one"),
    "privilege": (LIMIT, "lastval() shows itself only to who may use the sequence"),
    "hidden-setting": (LIMIT, "pg_settings does not show the setting"),
    "empty-setting": (LIMIT, "an empty custom setting looks like none"),
    "part-of": (LIMIT, "a partition goes with its temporary parent, which was made ON COMMIT DROP"),
    "row": (DATA, "an expression of the row, or that no row comes, decides"),
    "branch": (DATA, "the branch is not taken, or an exception undoes it"),
    "planner": (DATA, "the planner proves that the call is never reached"),
}
"""Reason → its class, and the reason in words."""


@dataclass
class Excuse:
    """One known disagreement. `place`: the script's name, or the statement's text.

    `subject` is a pattern; `used` counts how often it was needed.
    """

    place: str
    verdict: str
    subject: str
    reason: str
    used: int = 0

    def covers(self, place: str, found: Disagreement) -> bool:
        """Whether it speaks of this disagreement."""
        return (
            self.place == place
            and self.verdict == found.verdict
            and fnmatchcase(found.subject, self.subject)
        )

    @property
    def sort(self) -> str:
        """The class of its reason."""
        return REASONS[self.reason][0]


class Excuses:
    """A committed list; `find` marks what was needed."""

    def __init__(self, name: str) -> None:
        lines = (HERE / name).read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
        self.rows = [Excuse(place, verdict, subject, why) for place, verdict, subject, why in rows]
        unknown = {row.reason for row in self.rows} - set(REASONS)
        if unknown:
            raise ValueError(f"{name}: unknown reasons {sorted(unknown)}")

    def find(self, place: str, found: Disagreement) -> Excuse | None:
        """The excuse of a disagreement; None if it has none."""
        for row in self.rows:
            if row.covers(place, found):
                row.used += 1
                return row
        return None

    @property
    def unused(self) -> list[Excuse]:
        """What nothing needed: gone, or never true."""
        return [row for row in self.rows if not row.used]
