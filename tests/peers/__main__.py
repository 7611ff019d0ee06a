"""Run the suites: `python -m tests.peers [suite …] [--place direct] [--record]`.

Prints what differs directly, and what fails behind a pooler and is not in the baseline;
status 1 if anything does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.debian_sources import NoSources
from tests.servers import ServerMissing

from .baselines import load, save, with_failures
from .comparing import CARRYING, JUDGING, WITH, Comparison, Runner, regressions
from .running import RunFailed
from .sources import folder_of
from .stage import PLACES, Stage
from .suites import SUITES

CACHE = Path(".peers")
LIBPQ = ("psycopg", "psycopg2")
USUAL = [name for name, suite in SUITES.items() if suite.usual]


def main() -> int:
    """Run what is asked for; returns the exit status."""
    options = _options()
    failed = False
    for name in options.suites or USUAL:
        try:
            folder = folder_of(SUITES[name].source, options.cache)
        except NoSources as missing:
            print(f"\n{name}: {missing}", file=sys.stderr)
            failed = True
            continue
        with Stage(limited=SUITES[name].limited) as stage:
            runner = Runner(SUITES[name], folder, stage)
            failed |= _suite(runner, options.place or PLACES, record=options.record)
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers")
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], help="default: the usual ones")
    parser.add_argument("--place", action="append", choices=PLACES, help="default: all")
    parser.add_argument("--record", action="store_true", help="write the baselines anew")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the sources are kept")
    return parser.parse_args()


def _suite(runner: Runner, places: Sequence[str], *, record: bool) -> bool:
    name = runner.suite.name
    print(f"\n{name}", flush=True)
    failed = False
    if "direct" in places:
        failed |= _tell("direct", runner.direct(WITH))
        judged = runner.direct(JUDGING, but="class")
        failed |= _tell("direct, judged as if behind a pooler", judged)
        if runner.suite.driver in LIBPQ:
            carrying = runner.direct(CARRYING, but="class")
            failed |= _tell("direct, a setting carried all the time", carrying)
    for place in places:
        if place == "direct":
            continue
        found = runner.pooled(place, load(name))
        if record:
            save(name, with_failures(load(name), place, found.failing))
        failed |= _tell(place, found)
    return failed


def _tell(title: str, found: Comparison) -> bool:
    """Print a comparison; whether something is wrong."""
    for run, word in ((found.without, "without"), (found.guarded, "with")):
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(run.counts.items()))
        counts = counts or "did not end"
        print(f"  {title}, {word}: {counts} ({run.seconds:.0f} s)", flush=True)
    if found.place != "direct":
        print(f"    fail and pass directly: {len(found.failing)},", end=" ")
        print(f"of these pass without the library: {len(regressions(found))}")
    for test, words in found.wrong.items():
        print(f"    NOT EXPLAINED {test}\n      {words}")
    for test in found.healed:
        print(f"    no longer fails: {test}")
    return bool(found.wrong)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ServerMissing, RunFailed) as problem:
        sys.exit(str(problem))
