"""Run PostgreSQL's regression suite under watch: `python -m tests.oracle [script …]`.

For every PostgreSQL at hand (15 of the system, 18 of the wheel): the server as judge, the
grammar as judge, the scanner as judge. Prints what disagrees without an excuse, then the
figures; status 1 if anything does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from tests.servers import Postgres, ServerMissing

from .at_hand import servers
from .excuses import MORE, Excuses
from .grammar import Grammar
from .regress import SETTINGS, NoSources, Suite, sources
from .watching import Disagreement, Tally

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
        failed |= _by_server(Postgres(folder, **SETTINGS), suite, excuses, options.scripts)
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
    tally, disputed = Tally(), []
    excused: Counter[tuple[str, str, str]] = Counter()
    begin = time.monotonic()
    with server:
        for script in Suite(server, folder).run(only):
            tally.add(script.tally)
            for found in script.found:
                excuse = excuses.find(script.name, found)
                if excuse is None:
                    disputed.append(found)
                else:
                    excused[found.kind, found.verdict, excuse.sort] += 1
    for found in disputed:
        print(f"  {found.where} {found.verdict}: {found.subject} :: {_short(found)}")
    seconds = time.monotonic() - begin
    print(f"  by the server: {tally.statements} statements in {seconds:.0f} s")
    _figures(tally, excused, disputed)
    return bool(disputed)


def _figures(
    tally: Tally, excused: Counter[tuple[str, str, str]], disputed: list[Disagreement]
) -> None:
    """Per kind of state: seen, said, beyond the text, recall and precision."""
    header = ("kind", "seen", "said", "beyond text", "missed", "false", "recall", "precision")
    print("  " + "{:20}{:>7}{:>7}{:>13}{:>8}{:>7}{:>9}{:>11}".format(*header))
    wrong = Counter((found.kind, found.verdict) for found in disputed)
    for kind in sorted({*tally.seen, *tally.said}):
        beyond = sum(
            count
            for (of, verdict, sort), count in excused.items()
            if of == kind and verdict == "missed" and sort == MORE
        )
        missed, false = wrong[kind, "missed"], wrong[kind, "false alarm"]
        shown = tally.seen[kind] - beyond
        print(
            f"  {kind:20}{tally.seen[kind]:7}{tally.said[kind]:7}{beyond:13}{missed:8}{false:7}"
            f"{_share(shown - missed, shown):>9}{_share(tally.said[kind] - false, tally.said[kind]):>11}"
        )
    for (kind, verdict, sort), count in sorted(excused.items()):
        print(f"  excused: {count:3} {verdict} ({kind}): {sort}")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def _short(found: Disagreement) -> str:
    return " ".join(found.text.split())[:120]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerMissing as missing_server:
        sys.exit(str(missing_server))
