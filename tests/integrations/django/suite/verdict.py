"""What a run is compared with: the same suite on Django's own backend, directly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .running import HERE

Outcomes = Mapping[str, tuple[str, str]]

FAILED = ("failed", "error")
LISTED = HERE / "failures.tsv"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One way of running the suite, judged by the plain one.

    `new`: tests that fail here and not there, with what was said; `missing`: tests that were
    not run here; `excused`: new failures that are listed with a reason.
    """

    way: str
    counts: Mapping[str, int]
    new: Mapping[str, str]
    missing: tuple[str, ...]
    excused: Mapping[str, str]

    @property
    def is_fine(self) -> bool:
        """Whether nothing is left to be explained."""
        return not self.new and not self.missing

    def lines(self) -> list[str]:
        """For people."""
        counted = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        told = [f"  {test}: {said}" for test, said in sorted(self.new.items())]
        told += [f"  {test}: was not run" for test in self.missing]
        told += [f"  {test}: as listed: {why}" for test, why in sorted(self.excused.items())]
        return [f"{self.way}: {counted}", *told]


def judge(way: str, found: Outcomes, plain: Outcomes, listed: Mapping[str, str]) -> Verdict:
    """Compare a run with the plain one."""
    new = {
        test: said
        for test, (outcome, said) in found.items()
        if outcome in FAILED and plain.get(test, ("", ""))[0] not in FAILED
    }
    return Verdict(
        way=way,
        counts=Counter(outcome for outcome, _ in found.values()),
        new={test: said for test, said in new.items() if test not in listed},
        missing=tuple(sorted(set(plain) - set(found))),
        excused={test: listed[test] for test in new if test in listed},
    )


def listed_for(way: str, path: Path = LISTED) -> dict[str, str]:
    """The tests that may fail one way, each with the reason."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line[:1] not in ("", "#")]
    return {test: reason for stated, test, reason in rows if stated in ("any", way)}
