"""A suite at one place, without the library and with it: what differs, and what that means."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .baselines import Baseline, no_longer, unexplained
from .reasons import reason_for
from .running import SECONDS, Endless, Guarding, Outcome, Run, run
from .stage import Stage
from .suites import Suite

WITH = Guarding()
"""install() with nothing said: it warns, repairs what it can, and leaves alone what is direct."""
JUDGING = Guarding({"mode": "observe", "pooler": "pgbouncer"})
"""Everything is judged as if behind a pooler, and nothing is changed."""
CARRYING = Guarding(
    {"pooler": "pgbouncer", "prepared": "leave", "rules": {"named-prepare": "ignore"}},
    {"PGOPTIONS": "-c app.peers=1"},
)
"""A setting goes along with every transaction, as if PgBouncer had refused it at the start.
By libpq's variable, so on its drivers only."""

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

    def run(self, place: str, guarding: Guarding | None, only: Any = ()) -> Run:
        """One run, on fresh servers."""
        return run(self.suite, self.folder, self.stage.at(place), guarding, only)

    def direct(self, guarding: Guarding, *, but: str = "") -> Comparison:
        """Without a pooler nothing may differ, but for a reason that is expected there."""
        without, guarded = self.without("direct"), self.run("direct", guarding)
        found = Comparison("direct", without, guarded)
        differing = {
            test
            for test in {*without.outcomes, *guarded.outcomes}
            if _kind(without, test) != _kind(guarded, test)
        }
        differing = {test for test in differing if reason_for(test, "") != but}
        for _ in range(ATTEMPTS):
            differing = self._still_differing(differing, guarding)
        found.wrong = {test: _told(guarded.outcomes.get(test)) for test in sorted(differing)}
        return found

    def _still_differing(self, tests: set[str], guarding: Guarding) -> set[str]:
        if not tests:
            return tests
        without, guarded = (self.run("direct", one, sorted(tests)) for one in (None, guarding))
        return {test for test in tests if _kind(without, test) != _kind(guarded, test)}

    def pooled(self, place: str, baseline: Baseline) -> Comparison:
        """Behind a pooler the baseline names what does not pass, as it does directly."""
        found = Comparison(place, self._as_far_as_it_ends(place), self.run(place, WITH))
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

    def _as_far_as_it_ends(self, place: str) -> Run:
        """Without the library: nothing depends on it, and behind a pooler it may not end."""
        try:
            return self.without(place)
        except Endless:
            return Run({}, 0, SECONDS)


def regressions(found: Comparison) -> list[str]:
    """The tests that pass behind the pooler without the library, and fail with it."""
    passing = {test for test, outcome in found.without.outcomes.items() if outcome.passes}
    return sorted(set(found.failing) & passing)


def _kind(run: Run, test: str) -> str | None:
    outcome = run.outcomes.get(test)
    return outcome.outcome if outcome else None


def _told(outcome: Outcome | None) -> str:
    return f"{outcome.outcome}: {outcome.why}" if outcome else "not run"
