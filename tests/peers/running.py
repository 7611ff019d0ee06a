"""One run of a suite: what became of each test."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import PgBouncer, Postgres

from .suites import Suite

SITE = Path(__file__).parent / "site"
SECONDS = 45 * 60
PASSES = ("passed", "xfailed", "skipped")
"""Outcomes that a suite is content with."""

Options = Mapping[str, Any] | None
"""The options of install(); None: without the library."""


class RunFailed(Exception):
    """A suite did not run to its end; the message ends with what it said."""


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
    options: Options,
    only: Iterable[str] = (),
) -> Run:
    """Run a suite, or some of its tests. Raises RunFailed where pytest itself fails."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pgpoolsafe-peers-") as place:
        outcomes, register = Path(place, "outcomes"), Path(place, "register")
        variables = suite.variables(server, SITE)
        variables["PGPOOLSAFE_PEERS_OUTCOMES"] = str(outcomes)
        if options is not None:
            variables["PGPOOLSAFE_PEERS_REGISTER"] = str(register)
            variables["PGPOOLSAFE_PEERS_DRIVER"] = suite.driver
            variables["PGPOOLSAFE_PEERS_OPTIONS"] = json.dumps(dict(options))
        done = subprocess.run(
            [*suite.command(server, tuple(only)), "-o", f"cache_dir={place}/cache"],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        if done.returncode not in (0, 1):  # 1: some tests failed
            raise RunFailed(f"pytest exited with {done.returncode}:\n{done.stdout[-3000:]}")
        guarded = len(register.read_text().splitlines()) if register.exists() else 0
        if options is not None and not guarded:
            raise RunFailed("no interpreter was guarded")
        return Run(_read(outcomes), guarded, time.monotonic() - began)


def _read(path: Path) -> dict[str, Outcome]:
    """The outcomes by test; of several phases the worst counts."""
    found: dict[str, Outcome] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        known = found.get(row["test"])
        if known is None or known.passes:
            found[row["test"]] = Outcome(row["outcome"], row.get("why", ""))
    return found
