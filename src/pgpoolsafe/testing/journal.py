"""What was found while tests ran, and in which of them: values that travel as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from ..rules.findings import Finding
from .baseline import Entry, entry_of


class Verdict(Enum):
    """What a finding means for the test in which it came."""

    FAILS = "fails"
    KNOWN = "known"
    """It stands in the baseline."""
    TOLD = "told"
    """Nothing more was asked for: mode "warn", or a level of that rule's own."""
    REPAIRED = "repaired"
    """Another text was sent, as the program's own guard would."""
    EXPECTED = "expected"
    """It would fail the test, which is marked as one that fails."""


class Occasion(NamedTuple):
    """When a finding came. `test`: its id, empty outside of all tests; `phase`: "setup",
    "call", "teardown", "collection" or "session"; `fixture`: the one being set up, if any.
    """

    test: str = ""
    phase: str = "session"
    fixture: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One finding on one occasion, and how often it came."""

    entry: Entry
    line: int
    what: str
    why: str
    fix: str
    statement: str
    pooler: str
    verdict: Verdict
    occasion: Occasion
    count: int = 1

    def plain(self) -> dict[str, Any]:
        """As dictionaries, strings and numbers."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        parts = {"entry": self.entry._asdict(), "occasion": self.occasion._asdict()}
        return {**values, **parts, "verdict": self.verdict.value}

    def as_expected(self) -> Record:
        """The same, in a test that is marked as one that fails, and did."""
        if self.verdict is not Verdict.FAILS:
            return self
        return replace(self, verdict=Verdict.EXPECTED)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Record:
        """The record that `plain()` was made of."""
        values = {
            **plain,
            "entry": Entry(**plain["entry"]),
            "verdict": Verdict(plain["verdict"]),
            "occasion": Occasion(**plain["occasion"]),
        }
        return cls(**values)


_Key = tuple[Any, ...]


class Journal:
    """Collects records, from any thread; the same finding in the same test is counted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = Lock()
        self._records: dict[_Key, Record] = {}

    def entry(self, finding: Finding) -> Entry:
        """What the baseline has of a finding."""
        return entry_of(finding, self._root)

    def note(self, finding: Finding, entry: Entry, verdict: Verdict, occasion: Occasion) -> None:
        """A finding has come."""
        line = finding.location.line if finding.location else 0
        key = (*entry, line, verdict, occasion)
        with self._lock:
            known = self._records.get(key)
            self._records[key] = (
                replace(known, count=known.count + 1)
                if known
                else Record(
                    entry=entry,
                    line=line,
                    what=finding.what,
                    why=finding.why,
                    fix=finding.fix,
                    statement=finding.statement,
                    pooler=finding.pooler.label,
                    verdict=verdict,
                    occasion=occasion,
                )
            )

    def expect_failure(self, test: str) -> None:
        """A test is over that was marked as one that fails, and did."""
        with self._lock:
            records, self._records = self._records, {}
            for key, record in records.items():
                if record.occasion.test == test:
                    record = record.as_expected()
                changed = (*key[:-2], record.verdict, record.occasion)
                self._records[changed] = record

    def take(self) -> list[Record]:
        """What has come since the last time."""
        if not self._records:
            return []
        with self._lock:
            records, self._records = list(self._records.values()), {}
        return records
