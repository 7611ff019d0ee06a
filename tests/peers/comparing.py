"""A suite at one place, without the library and with it: what differs, and what that means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .baselines import Baseline, no_longer, unexplained
from .reasons import reason_for
from .running import Outcome, Run, run
from .stage import Stage
from .suites import Suite

WITH: Mapping[str, Any] = {}
"""install() with nothing said: it warns, repairs what it can, and leaves alone what is direct."""
JUDGING: Mapping[str, Any] = {"mode": "observe", "pooler": "pgbouncer"}
"""Everything is judged as if behind a pooler, and nothing is changed."""

ATTEMPTS = 2
"""How often a test that differs is run again alone: some fail by chance, without us too."""


@dataclass
class Comparison:
    """What a place says of the library.

    `wrong`: tests whose outcome nobody has explained; `healed`: rows of the baseline that
    are not needed any more; `failing`: what fails behind the pooler and passes without one.
    """

    place: str
    without: Run
    guarded: Run
    wrong: dict[str, str] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    healed: list[str] = field(default_factory=list)


class Runner:
    """Runs a suite at the places of a stage."""

    def __init__(self, suite: Suite, folder: Path, stage: Stage) -> None:
        self.suite = suite
        self.folder = folder
        self.stage = stage
        self._without: dict[str, Run] = {}

    def without(self, place: str) -> Run:
        """The suite at a place as it is without the library; run once."""
        if place not in self._without:
            self._without[place] = self.run(place, None)
        return self._without[place]

    def run(self, place: str, options: Mapping[str, Any] | None, only: Any = ()) -> Run:
        """One run, on fresh servers."""
        return run(self.suite, self.folder, self.stage.at(place), options, only)

    def direct(self, options: Mapping[str, Any], *, but: str = "") -> Comparison:
        """Without a pooler nothing may differ, but for a reason that is expected there."""
        without, guarded = self.without("direct"), self.run("direct", options)
        found = Comparison("direct", without, guarded)
        differing = {
            test
            for test in {*without.outcomes, *guarded.outcomes}
            if _kind(without, test) != _kind(guarded, test)
        }
        differing = {test for test in differing if reason_for(test, "") != but}
        for _ in range(ATTEMPTS):
            differing = self._still_differing(differing, options)
        found.wrong = {test: _told(guarded.outcomes.get(test)) for test in sorted(differing)}
        return found

    def _still_differing(self, tests: set[str], options: Mapping[str, Any]) -> set[str]:
        if not tests:
            return tests
        without, guarded = (self.run("direct", o, sorted(tests)) for o in (None, options))
        return {test for test in tests if _kind(without, test) != _kind(guarded, test)}

    def pooled(self, place: str, baseline: Baseline) -> Comparison:
        """Behind a pooler the baseline names what does not pass, as it does directly."""
        found = Comparison(place, self.without(place), self.run(place, WITH))
        direct = self.without("direct").outcomes
        passing = {test for test, outcome in direct.items() if outcome.passes}
        failing = found.guarded.failing() & passing
        found.failing = {t: reason_for(t, found.guarded.outcomes[t].why) for t in failing}
        found.healed = no_longer(baseline, place, failing)
        left = unexplained(baseline, place, failing)
        for _ in range(ATTEMPTS if left else 0):
            left = sorted(self.run(place, WITH, left).failing() & set(left)) if left else []
        found.wrong = {test: _told(found.guarded.outcomes[test]) for test in left}
        return found


def regressions(found: Comparison) -> list[str]:
    """The tests that pass behind the pooler without the library, and fail with it."""
    passing = {test for test, outcome in found.without.outcomes.items() if outcome.passes}
    return sorted(set(found.failing) & passing)


def _kind(run: Run, test: str) -> str | None:
    outcome = run.outcomes.get(test)
    return outcome.outcome if outcome else None


def _told(outcome: Outcome | None) -> str:
    return f"{outcome.outcome}: {outcome.why}" if outcome else "not run"
