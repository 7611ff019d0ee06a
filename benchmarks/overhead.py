"""What the guard costs a statement that does nothing wrong, on every driver.

    python benchmarks/overhead.py [--quick] [WORD ...]

Every case runs in several processes at once: without the guard, with it, without it again, and
for psycopg with OpenTelemetry's instrumentation instead. They take turns, a few milliseconds
each and in random order, so that what the machine does meanwhile hits all; and no process knows
more than one kind, since Python fits its code to the kinds of objects that it meets. Then new
processes are started, because each has its own luck with memory. A figure is the median of these
sets of processes, with the smallest and the largest; the second bare one shows the noise.

All of them and the servers share one processor, where the system allows it: which of two a
process wakes up on decides more than the guard does. Over a unix socket the guard is in strict
mode, since it leaves a direct connection alone in its default mode. WORDs choose the cases whose
names have one of them in it.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import overhead_drivers
import overhead_psycopg

from tests.servers import PgBouncer, Postgres

CASES = {case.name: case for case in (*overhead_psycopg.CASES, *overhead_drivers.CASES)}
BARE, GUARDED, AGAIN, TELEMETRY = "bare", "guarded", "bare again", "telemetry"


class Spent(NamedTuple):
    """Nanoseconds a statement, on the wall and of this thread on the processor."""

    wall: float
    cpu: float


class Figures(NamedTuple):
    """What one set of processes showed: of bare, and what a kind adds to it."""

    bare: Spent
    added: dict[str, Spent]


def work(name: str, kind: str, dsn: str) -> None:
    """Be one of the processes: run a block for each byte that comes in, and say what it took."""
    case = CASES[name]
    run = case.make(dsn, kind)
    run(4 * case.size)
    while sys.stdin.buffer.read(1):
        run(max(1, case.size // 10))  # what the others left in the processor's caches goes
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        run(case.size)
        spent = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
        print(*(value / case.size for value in spent), flush=True)


@contextmanager
def worker(name: str, kind: str, dsn: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of one kind."""
    command = [sys.executable, __file__, "--worker", name, kind, dsn]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def block(process: subprocess.Popen[bytes]) -> Spent:
    """Let it run one block."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"x")
    process.stdin.flush()
    wall, cpu = process.stdout.readline().split()
    return Spent(float(wall), float(cpu))


def measured(name: str, dsn: str, kinds: list[str], blocks: int) -> Figures:
    """One set of processes that take turns."""
    spent: dict[str, list[Spent]] = {kind: [] for kind in kinds}
    with ExitStack() as stack:
        workers = {kind: stack.enter_context(worker(name, kind, dsn)) for kind in kinds}
        for process in workers.values():
            block(process)  # it has begun
        for _ in range(blocks):
            for kind in random.sample(kinds, len(kinds)):
                spent[kind].append(block(workers[kind]))
    bare = spent.pop(BARE)
    return Figures(_median(bare), {kind: _added(bare, rows) for kind, rows in spent.items()})


def _added(bare: list[Spent], other: list[Spent]) -> Spent:
    pairs = zip(bare, other, strict=True)
    return _median([Spent(o.wall - b.wall, o.cpu - b.cpu) for b, o in pairs])


def _median(rows: list[Spent]) -> Spent:
    return Spent(*map(statistics.median, zip(*rows, strict=True)))


def show(name: str, sets: list[Figures]) -> None:
    """One line of the table."""
    bare = _median([figures.bare for figures in sets])
    cells = [f"{bare.wall / 1000:8.1f} {bare.cpu / 1000:8.1f}"]
    for kind in (GUARDED, AGAIN):
        added = _median([figures.added[kind] for figures in sets])
        ratios = [1 + figures.added[kind].wall / figures.bare.wall for figures in sets]
        span = f"{min(ratios):.3f}-{max(ratios):.3f}"
        cells.append(f"{added.wall / 1000:+7.2f} {added.cpu / 1000:+7.2f}")
        cells.append(f"{statistics.median(ratios):6.3f} ({span})")
    if TELEMETRY in sets[0].added:
        cells.append(f"{_median([f.added[TELEMETRY] for f in sets]).wall / 1000:+10.1f}")
    print(f"{name:30}", *cells, flush=True)


def main() -> None:
    """Start the servers, run the cases, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the blocks")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only cases with it in their name")
    options = parser.parse_args()
    if options.worker:
        work(*options.worker)
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sets, blocks = (3, 40) if options.quick else (5, 100)
    chosen = [n for n in CASES if not options.words or any(w in n for w in options.words)]
    postgres = Postgres(log_statement="none")
    postgres.settings["unix_socket_directories"] = str(postgres.folder)
    with postgres, PgBouncer(postgres, pool_size=8) as pgbouncer:
        overhead_psycopg.make_table(postgres.url())
        socket = postgres.dsn(host=str(postgres.folder))
        for place, dsn in (("unix socket", socket), ("PgBouncer", pgbouncer.dsn())):
            titles = f"{'bare µs':>8} {'cpu':>8} {'added':>7} {'cpu':>7} {'ratio':>6}"
            print(f"\n{place:30} {titles}{'':14}{'bare again':>16}", flush=True)
            for name in chosen:
                kinds = [BARE, GUARDED, AGAIN]
                if CASES[name].has_telemetry:
                    kinds.append(TELEMETRY)
                show(name, [measured(name, dsn, kinds, blocks) for _ in range(sets)])


if __name__ == "__main__":
    main()
