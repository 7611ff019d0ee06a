"""Run Django's own test suite on this backend: `python -m tests.integrations.django.suite`.

First on Django's backend, then on this one directly (no failure that the first lacks), then
through PgBouncer in transaction mode with rotation (only failures on the list). Status 1 if
anything else fails, or is not run.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.oracle.at_hand import servers
from tests.servers import Postgres, ServerMissing, forget_libpq_environment

from .running import WAYS, labels, outcomes_in, run
from .sources import CACHE, NoSources, source
from .verdict import judge, listed_for


def main() -> int:
    """Run everything; returns the exit status."""
    options = _options()
    forget_libpq_environment()
    try:
        tests = source()
        # The oldest at hand: the system's. The wheel's has no collations of ICU.
        folder = next(iter(servers().values()))
    except (NoSources, ServerMissing) as missing:
        print(missing, file=sys.stderr)
        return 2
    with Postgres(folder) as postgres:
        print(f"PostgreSQL {'.'.join(map(str, postgres.version))}, {tests.name}", flush=True)
        return int(not _all_fine(options, tests, postgres))


def _all_fine(options: argparse.Namespace, tests: Path, postgres: Postgres) -> bool:
    parts = options.labels or labels()
    results = CACHE / "results"
    results.mkdir(exist_ok=True)
    plain = outcomes_in(run(WAYS["plain"], tests, parts, postgres, results))
    fine = bool(plain)
    for name in ("plain", *options.ways):
        begin = time.monotonic()
        done = run(WAYS[name], tests, parts, postgres, results) if name != "plain" else None
        found = outcomes_in(done) if done else plain
        verdict = judge(name, found, plain, listed_for(name))
        print(*verdict.lines(), f"  {time.monotonic() - begin:.0f} s", sep="\n", flush=True)
        fine = fine and (verdict.is_fine or name == "plain-pooled")
    return fine


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.integrations.django.suite")
    parser.add_argument("labels", nargs="*", help="only these parts of the suite")
    parser.add_argument(
        "--ways",
        nargs="+",
        choices=[name for name in WAYS if name != "plain"],
        default=["guarded", "pooled"],
        help="how to run it beside the plain way; plain-pooled is only counted",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
