"""One run of a suite: what became of each test."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import PgBouncer, Postgres

from .suites import Suite

SITE = Path(__file__).parent / "site"
SECONDS = 45 * 60
PASSES = ("passed", "xfailed", "skipped")
"""Outcomes that a suite is content with."""


@dataclass(frozen=True, slots=True)
class Guarding:
    """How a run is guarded: the options of install(), and what is put in the environment."""

    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


class RunFailed(Exception):
    """A suite did not run to its end; the message ends with what it said."""


class Endless(RunFailed):
    """A suite was still running when its time was over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test, and why, if it failed."""

    outcome: str
    why: str = ""

    @property
    def passes(self) -> bool:
        """Whether the suite is content with it."""
        return self.outcome in PASSES


@dataclass(frozen=True, slots=True)
class Run:
    """A run: the outcome by test, the interpreters that were guarded, and how long it took."""

    outcomes: dict[str, Outcome]
    interpreters: int
    seconds: float

    @property
    def counts(self) -> Counter[str]:
        """How many tests had each outcome."""
        return Counter(outcome.outcome for outcome in self.outcomes.values())

    def failing(self) -> set[str]:
        """The tests that fail."""
        return {test for test, outcome in self.outcomes.items() if not outcome.passes}


def run(
    suite: Suite,
    folder: Path,
    server: Postgres | PgBouncer,
    guarding: Guarding | None,
    only: Iterable[str] = (),
) -> Run:
    """Run a suite, or some of its tests; `guarding` None: without the library.

    Raises RunFailed where pytest itself fails, and Endless where it does not end in time.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pgpoolsafe-peers-") as place:
        outcomes, register = Path(place, "outcomes"), Path(place, "register")
        variables = suite.variables(server, SITE)
        variables["PGPOOLSAFE_PEERS_OUTCOMES"] = str(outcomes)
        if guarding is not None:
            variables.update(guarding.environment)
            variables["PGPOOLSAFE_PEERS_REGISTER"] = str(register)
            variables["PGPOOLSAFE_PEERS_DRIVER"] = suite.driver
            variables["PGPOOLSAFE_PEERS_OPTIONS"] = json.dumps(dict(guarding.options))
        done = _to_the_end(
            [*suite.command(server, tuple(only)), "-o", f"cache_dir={place}/cache"],
            cwd=folder,
            env=variables,
        )
        if done.returncode not in (0, 1):  # 1: some tests failed
            said = (done.stdout + done.stderr)[-3000:]
            raise RunFailed(f"pytest exited with {done.returncode}:\n{said}")
        guarded = len(register.read_text().splitlines()) if register.exists() else 0
        if guarding is not None and not guarded:
            raise RunFailed("no interpreter was guarded")
        return Run(_read(outcomes), guarded, time.monotonic() - began)


def _to_the_end(command: list[str], **where: Any) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, **where
        )
    except subprocess.TimeoutExpired as endless:
        raise Endless(f"the suite had not ended after {SECONDS // 60} minutes") from endless


def _read(path: Path) -> dict[str, Outcome]:
    """The outcomes by test; of several phases the worst counts."""
    found: dict[str, Outcome] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        known = found.get(row["test"])
        if known is None or known.passes:
            found[row["test"]] = Outcome(row["outcome"], row.get("why", ""))
    return found
