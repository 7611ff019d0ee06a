"""The tests that are known to fail behind a pooler with the library on, one file per suite.

A row: the places (`untracked`, `tracked`), the reason, the test. Which server connection a
statement meets depends on all that went before, so a test whose reason `varies` may pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .reasons import REASONS

FOLDER = Path(__file__).parent / "baselines"
HEADER = "# places\treason\ttest\n"


@dataclass(frozen=True, slots=True)
class Known:
    """A known failure."""

    reason: str
    places: frozenset[str]

    @property
    def varies(self) -> bool:
        """Whether it may pass as well."""
        return self.reason in REASONS and REASONS[self.reason].varies


Baseline = Mapping[str, Known]


def load(suite: str) -> dict[str, Known]:
    """The baseline of a suite, by test; empty where there is none yet."""
    path = FOLDER / f"{suite}.tsv"
    if not path.exists():
        return {}
    lines = (line for line in path.read_text().splitlines() if line and line[0] != "#")
    rows = (line.split("\t", 2) for line in lines)
    return {test: Known(reason, frozenset(places.split(","))) for places, reason, test in rows}


def save(suite: str, baseline: Baseline) -> None:
    """Write the baseline of a suite, in order."""
    rows = sorted(
        f"{','.join(sorted(known.places))}\t{known.reason}\t{test}\n"
        for test, known in baseline.items()
    )
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{suite}.tsv").write_text(HEADER + "".join(rows))


def with_failures(baseline: Baseline, place: str, failing: Mapping[str, str]) -> dict[str, Known]:
    """The baseline with what failed at a place; `failing` has the reason of each test.

    A row that no longer fails there is dropped, unless it varies.
    """
    merged: dict[str, Known] = {}
    for test in {*baseline, *failing}:
        known = baseline.get(test)
        places = set(known.places) if known else set()
        if test in failing:
            places.add(place)
        elif known is not None and not known.varies:
            places.discard(place)
        if places:
            reason = known.reason if known else failing[test]
            merged[test] = Known(reason, frozenset(places))
    return merged


def unexplained(baseline: Baseline, place: str, failing: Iterable[str]) -> list[str]:
    """The failing tests that the baseline does not name at that place."""
    return sorted(
        test for test in failing if test not in baseline or place not in baseline[test].places
    )


def no_longer(baseline: Baseline, place: str, failing: Iterable[str]) -> list[str]:
    """The tests that the baseline names at that place, and that pass for good reason."""
    failed = set(failing)
    return sorted(
        test
        for test, known in baseline.items()
        if place in known.places and not known.varies and test not in failed
    )
