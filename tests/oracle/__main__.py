"""Run PostgreSQL's regression suite under watch: `python -m tests.oracle [script …]`.

For every PostgreSQL at hand (15 of the system, 18 of the wheel): the server as judge, the
grammar as judge, the scanner as judge. Prints what disagrees without an excuse, then the
figures; status 1 if anything does.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.servers import Postgres, ServerMissing

from .at_hand import servers
from .excuses import Excuses
from .figures import Figures
from .grammar import Grammar
from .regress import NoSources, Suite, sources, watched_server

CACHE = Path(".oracle")


def main() -> int:
    """Run everything; returns the exit status."""
    options = _options()
    excuses = Excuses("exceptions.tsv")
    failed = False
    for major, folder in servers().items():
        try:
            suite = sources(major, options.cache)
        except NoSources as missing:
            print(f"PostgreSQL {major}: {missing}", file=sys.stderr)
            return 2
        print(f"\nPostgreSQL {major}", flush=True)
        failed |= _by_grammar(suite)
        failed |= _by_server(watched_server(folder), suite, excuses, options.scripts)
    if not options.scripts:
        for row in excuses.unused:
            print(f"no longer needed: {row}")
        failed |= bool(excuses.unused)
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle")
    parser.add_argument("scripts", nargs="*", help="only these scripts of the suite")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the suite is kept")
    return parser.parse_args()


def _by_grammar(suite: Path) -> bool:
    grammar = Grammar()
    for path in sorted((suite / "sql").glob("*.sql")):
        grammar.judge(path)
    for line in grammar.disputed:
        print(f"  {line}")
    print(f"  by grammar and scanner: {grammar}", flush=True)
    return bool(grammar.disputed)


def _by_server(server: Postgres, folder: Path, excuses: Excuses, only: list[str]) -> bool:
    figures, begin = Figures(excuses), time.monotonic()
    with server:
        for script in Suite(server, folder).run(only):
            figures.add(script)
    seconds = time.monotonic() - begin
    print(f"  by the server: {figures.tally.statements} statements in {seconds:.0f} s")
    for line in figures.lines():
        print(f"  {line}", flush=True)
    return bool(figures.disputed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerMissing as missing_server:
        sys.exit(str(missing_server))
