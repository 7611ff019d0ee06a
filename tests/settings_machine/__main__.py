"""The long run: `python -m tests.settings_machine --programs 20000 --seed 7`.

Plays random programs on a connection of their own and behind PgBouncer, and prints the first
that could tell the difference, made as small as can be (`--all`: each one); status 1 then.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis.errors import FlakyFailure

from tests.servers import PgBouncer, Postgres

from .engine_programs import engine_programs
from .engines import DRIVERS, DirectEngine, PooledEngine
from .judging import Difference, Judge
from .programs import Program, programs
from .sides import CARRY, POOL, Direct, Pooled, Side, databases

GUARDS = {"carry": CARRY, "local": {**CARRY, "settings": "local"}, "none": None}


def main() -> int:
    """Run; returns the exit status."""
    options = _options()
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(log_statement="none"))
        judge = Judge(*_sides(stack, postgres, options))
        begin = time.monotonic()
        found = _replay(judge, options.replay) if options.replay else _search(judge, options)
        seconds = time.monotonic() - begin
        print(
            f"{judge.programs} programs, {judge.steps} steps, seed {options.seed}, PostgreSQL"
            f" {postgres.version[0]}, {options.other}, {options.guard},"
            f" {options.driver or 'psycopg alone'}: {seconds:.0f} s,"
            f" {len(found) or 'none'} differed, {judge.told} were told of one"
        )
    return int(bool(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.settings_machine")
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guard", choices=GUARDS, default="carry")
    parser.add_argument("--other", choices=("pgbouncer", "direct"), default="pgbouncer")
    parser.add_argument("--driver", choices=DRIVERS, help="on an engine of SQLAlchemy's with it")
    parser.add_argument("--replay", type=Path, help="a file with a program, as printed")
    parser.add_argument("--without", help="leave out programs in whose text this is found (regex)")
    parser.add_argument("--keep", action="store_true", help="do not make it smaller")
    parser.add_argument("--all", action="store_true", help="print all that differ, as they are")
    return parser.parse_args()


def _sides(stack: ExitStack, postgres: Postgres, options: argparse.Namespace) -> tuple[Side, Side]:
    stack.enter_context(databases(postgres))
    alone = DirectEngine(postgres, options.driver) if options.driver else Direct(postgres)
    stack.callback(alone.close)
    other = _other(stack, postgres, options)
    stack.callback(other.close)
    return alone, other


def _other(stack: ExitStack, postgres: Postgres, options: argparse.Namespace) -> Side:
    guard = GUARDS[options.guard]
    if options.other == "direct":
        if options.driver:
            raise SystemExit("--other direct is for psycopg alone: leave --driver out")
        return Direct(postgres, guard)
    pooler = stack.enter_context(PgBouncer(postgres, **POOL))
    stack.callback(pooler.stop)  # its server connections go before the databases
    if options.driver:
        return PooledEngine(postgres, pooler, guard, options.driver)
    return Pooled(postgres, pooler, guard)


def _search(judge: Judge, options: argparse.Namespace) -> list[Difference]:
    """Let hypothesis look for a program that differs, or for all of them."""
    found: list[Difference] = []
    keeps = options.keep or options.all
    phases = [Phase.generate] if keeps else [Phase.generate, Phase.shrink]

    @seed(options.seed)
    @settings(
        max_examples=options.programs,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(engine_programs if options.driver else programs)
    def play(program: Program) -> None:
        assume(not options.without or not re.search(options.without, repr(program)))
        difference = judge.difference(program)
        if difference is not None:
            found.append(difference)
            if not options.all:
                raise AssertionError
            print(difference, flush=True)

    try:
        play()
    except (AssertionError, FlakyFailure):
        if not found:
            raise
        del found[:-1]  # the smallest
        print(found[-1])
    return found


def _replay(judge: Judge, path: Path) -> list[Difference]:
    call = ast.parse(path.read_text(), mode="eval").body
    if not isinstance(call, ast.Call):
        raise SystemExit(f"{path}: expected a program as printed: Program((…), user=…)")
    named = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    found = judge.difference(Program(*map(ast.literal_eval, call.args), **named))
    if found is not None:
        print(found)
    return [found] if found is not None else []


if __name__ == "__main__":
    sys.exit(main())
