"""The findings of a whole test run: for people, and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .baseline import Entry, write
from .journal import Occasion, Record, Verdict

VERSION = 1
"""Of the JSON document: changes when a name goes or changes its meaning."""

NO_BASELINE = (
    "the baseline {} is not there: everything is new (--pgpoolsafe-update-baseline writes it)"
)

_MOST_TESTS = 3

_ORDER = {verdict: number for number, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class Group:
    """One finding with all its occasions."""

    record: Record
    count: int
    occasions: tuple[tuple[Occasion, int], ...]

    @property
    def place(self) -> str:
        """Where in the code, for people."""
        entry, line = self.record.entry, self.record.line
        return f"{entry.file}:{line} in {entry.function}()" if entry.file else "(place unknown)"

    @property
    def tests(self) -> list[str]:
        """The tests in which it came; outside of them, the phase in parentheses."""
        names = (o.test or f"({o.phase}, outside of the tests)" for o, _ in self.occasions)
        return list(dict.fromkeys(names))

    @property
    def fixtures(self) -> list[str]:
        """The fixtures that were being set up."""
        return list(dict.fromkeys(o.fixture for o, _ in self.occasions if o.fixture))


def groups(records: Iterable[Record]) -> list[Group]:
    """The records by finding: those that fail first, then by place."""
    by_finding: dict[tuple[Verdict, Entry, int], list[Record]] = {}
    for record in records:
        key = (record.verdict, record.entry, record.line)
        by_finding.setdefault(key, []).append(record)
    made = [
        Group(some[0], sum(r.count for r in some), tuple((r.occasion, r.count) for r in some))
        for some in by_finding.values()
    ]
    return sorted(made, key=_position)


def _position(group: Group) -> tuple[Any, ...]:
    record = group.record
    return _ORDER[record.verdict], record.entry.file, record.line, record.entry


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has found. `stale`: entries of the baseline that a whole run did not meet;
    `lacks_baseline`: its file was not there.
    """

    mode: str
    pooler: str
    records: Sequence[Record]
    stale: tuple[Entry, ...] = ()
    baseline: str = ""
    lacks_baseline: bool = False

    @property
    def fails_outside(self) -> bool:
        """Whether something that fails came outside of all tests, so that no test failed."""
        return any(r.verdict is Verdict.FAILS and not r.occasion.test for r in self.records)

    # for people

    def lines(self, *, verbose: bool = False) -> list[str]:
        """The summary; `verbose`: with what is known, repaired or expected, and all tests."""
        shown = (Verdict.FAILS, Verdict.TOLD, *(_QUIET * verbose))
        found = groups(self.records)
        lines = [
            line
            for group in found
            if group.record.verdict in shown
            for line in _block(group, verbose=verbose)
        ]
        missing = [NO_BASELINE.format(self.baseline)] * self.lacks_baseline
        return [*lines, *missing, *self._stale_lines(), self._totals(found)]

    def _stale_lines(self) -> list[str]:
        if not self.stale:
            return []
        head = f"no longer found ({self.baseline}; --pgpoolsafe-update-baseline removes them):"
        return [head, *(f"  {e.rule}  {e.file} {e.function}()  {e.statement}" for e in self.stale)]

    def _totals(self, found: Sequence[Group]) -> str:
        parts = []
        for verdict, words in _TOTALS.items():
            some = [group for group in found if group.record.verdict is verdict]
            if some:
                times = sum(group.count for group in some)
                parts.append(f"{times} {words} at {len(some)} place{'s' * (len(some) > 1)}")
        return ", ".join(parts) or "nothing found"

    # for machines

    def document(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers; docs/testing.md has the schema."""
        return {
            "version": VERSION,
            "mode": self.mode,
            "pooler": self.pooler,
            "findings": [_plain(group) for group in groups(self.records)],
            "stale": [entry._asdict() for entry in self.stale],
        }

    def write_report(self, path: Path) -> None:
        """Write the document as JSON. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document(), indent=2) + "\n", encoding="utf-8")


_TOTALS = {
    Verdict.FAILS: "failed",
    Verdict.TOLD: "told",
    Verdict.KNOWN: "known",
    Verdict.REPAIRED: "repaired",
    Verdict.EXPECTED: "expected to fail",
}

_QUIET = (Verdict.KNOWN, Verdict.REPAIRED, Verdict.EXPECTED)
"""What needs nobody's attention."""


def _block(group: Group, *, verbose: bool) -> list[str]:
    record = group.record
    head = f"{record.entry.rule}  {group.count}x  {group.place}"
    if record.verdict in _QUIET:
        head += f"  ({record.verdict.value})"
    tests = group.tests if verbose else group.tests[:_MOST_TESTS]
    more = len(group.tests) - len(tests)
    rest = [f"    and {more} more"] * bool(more)
    fixtures = [f"  fixture {name}" for name in group.fixtures]
    statement = [f"  {line}" for line in record.statement.splitlines()]
    return [head, f"  {record.what}", *statement, *fixtures, *(f"    {t}" for t in tests), *rest]


def _plain(group: Group) -> dict[str, Any]:
    record = group.record
    return {
        "rule": record.entry.rule,
        "verdict": record.verdict.value,
        "count": group.count,
        "what": record.what,
        "why": record.why,
        "fix": record.fix,
        "statement": record.statement,
        "normalised": record.entry.statement,
        "pooler": record.pooler,
        "file": record.entry.file or None,
        "line": record.line or None,
        "function": record.entry.function or None,
        "tests": [
            {
                "test": occasion.test or None,
                "phase": occasion.phase,
                "fixture": occasion.fixture or None,
                "count": count,
            }
            for occasion, count in group.occasions
        ],
    }


def stale(known: Iterable[Entry], records: Iterable[Record]) -> tuple[Entry, ...]:
    """The entries that no record has met."""
    met = {record.entry for record in records}
    return tuple(sorted(entry for entry in known if entry not in met))


def update(path: Path, known: Iterable[Entry], records: Iterable[Record], *, whole: bool) -> int:
    """Write the baseline anew; returns how many entries it has now. Raises OSError.

    `whole`: all tests ran, so that what was not met is gone; otherwise it stays.
    """
    found = {r.entry for r in records if r.verdict in (Verdict.TOLD, Verdict.KNOWN)}
    entries = found if whole else found | set(known)
    write(path, entries)
    return len(entries)
