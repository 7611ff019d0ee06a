"""What the guard costs a known-safe statement, in paired runs.

    python benchmarks/overhead.py [--quick]

Every comparison runs bare and guarded in alternating blocks, so that what the machine
does meanwhile hits both; the figure is the median of the differences of the pairs. The
control compares bare with bare: what it shows is noise, and so is any figure of that
size. `dispatch` measures the way into psycopg without any wire, CPU only.

    python benchmarks/overhead.py --least

prints the least time on the processor of any block instead, which a busy machine spoils less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg
import sqlalchemy as sa

import pgpoolsafe

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import PgBouncer, Postgres

Work = Callable[[int], None]
Clock = Callable[[], int]
STATEMENT = "SELECT 1"


class Pair(NamedTuple):
    """Nanoseconds a statement, bare and added (medians of the pairs)."""

    bare: float
    added: float

    def __str__(self) -> str:
        return f"{self.bare:12,.0f} {self.added:+12,.0f} {1 + self.added / self.bare:10.3f}"


def compare(
    bare: Work, guarded: Work, *, blocks: int, size: int, clock: Clock = time.perf_counter_ns
) -> Pair:
    """Run both in turn, the order swapped from block to block."""
    bare(size), guarded(size)  # warm caches and server connections
    bases, differences = [], []
    for block in range(blocks):
        order = [bare, guarded] if block % 2 else [guarded, bare]
        spent = {work: _timed(work, size, clock) for work in order}
        bases.append(spent[bare])
        differences.append(spent[guarded] - spent[bare])
    return Pair(statistics.median(bases), statistics.median(differences))


def least(works: list[Work], *, blocks: int, size: int) -> list[float]:
    """Nanoseconds of processor a statement, of each work in its fastest block."""
    best = [float("inf")] * len(works)
    for _ in range(blocks):
        for at, work in enumerate(works):
            best[at] = min(best[at], _timed(work, size, time.thread_time_ns))
    return best


def _timed(work: Work, size: int, clock: Clock) -> float:
    start = clock()
    work(size)
    return (clock() - start) / size


def on_cursor(conn: psycopg.Connection[tuple[int]]) -> Work:
    """`cursor.execute` on one cursor."""
    cursor = conn.cursor()

    def work(size: int) -> None:
        execute = cursor.execute
        for _ in range(size):
            execute(STATEMENT)

    return work


def on_connection(conn: psycopg.Connection[tuple[int]]) -> Work:
    """`connection.execute`, which makes a cursor each time."""

    def work(size: int) -> None:
        for _ in range(size):
            conn.execute(STATEMENT)

    return work


def in_transactions(conn: psycopg.Connection[tuple[int]]) -> Work:
    """One statement in a transaction of its own."""

    def work(size: int) -> None:
        for _ in range(size):
            with conn.transaction():
                conn.execute(STATEMENT)

    return work


def on_engine(engine: sa.Engine) -> Work:
    """SQLAlchemy Core, one connection, autocommit."""
    conn = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    statement = sa.text(STATEMENT)

    def work(size: int) -> None:
        for _ in range(size):
            conn.execute(statement)

    return work


def without_wire(conn: psycopg.Connection[tuple[int]]) -> Work:
    """`cursor.execute` up to the first byte that would be sent."""
    cursor = conn.cursor()
    cursor.execute(STATEMENT)
    conn.wait = lambda gen, *args, **kwargs: gen.close()  # type: ignore[method-assign,assignment]

    def work(size: int) -> None:
        execute = cursor.execute
        for _ in range(size):
            execute(STATEMENT)

    return work


def main() -> None:
    """Start the servers, run the pairs, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the blocks")
    parser.add_argument("--least", action="store_true", help="the fastest blocks, by processor")
    options = parser.parse_args()
    blocks = 20 if options.quick else 200
    with Postgres() as postgres, PgBouncer(postgres) as pgbouncer:
        if options.least:
            print_least(cases(postgres, pgbouncer), blocks)
            return
        print(f"{'':36}{'bare ns':>12} {'added ns':>12} {'ratio':>10}")
        for name, work, dsn, size in cases(postgres, pgbouncer):
            for label, guarded in (("", True), ("  control: bare/bare", False)):
                pair = compare(work(dsn, False), work(dsn, guarded), blocks=blocks, size=size)
                print(f"{name + label if guarded else label:36}{pair}")


Case = tuple[str, Callable[[str, bool], Work], str, int]


def print_least(rows: list[Case], blocks: int) -> None:
    """Bare, guarded and bare again."""
    print(f"{'':36}{'bare ns':>12} {'added ns':>12} {'noise ns':>12}")
    for name, work, dsn, size in rows:
        works = [work(dsn, guarded) for guarded in (False, True, False)]
        bare, guarded, again = least(works, blocks=blocks, size=size)
        print(f"{name:36}{bare:12,.0f} {guarded - bare:+12,.0f} {again - bare:+12,.0f}", flush=True)


def cases(postgres: Postgres, pgbouncer: PgBouncer) -> list[Case]:
    """Name, how to make the work, where to, statements a block."""
    pooled, direct = pgbouncer.dsn(), postgres.dsn()
    return [
        ("dispatch, cursor", lambda d, g: without_wire(connection(d, g)), pooled, 5000),
        ("cursor.execute, PgBouncer", lambda d, g: on_cursor(connection(d, g)), pooled, 300),
        ("conn.execute, PgBouncer", lambda d, g: on_connection(connection(d, g)), pooled, 300),
        ("transaction, PgBouncer", lambda d, g: in_transactions(connection(d, g)), pooled, 100),
        ("cursor.execute, direct, strict", lambda d, g: on_cursor(connection(d, g)), direct, 300),
        ("SQLAlchemy Core, PgBouncer", lambda d, g: on_engine(make_engine(d, g)), pooled, 200),
    ]


def connection(dsn: str, guarded: bool) -> psycopg.Connection[tuple[int]]:
    """A connection, guarded in strict mode or not at all."""
    conn = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
    if guarded:
        pgpoolsafe.install(conn, mode="strict")
    return conn


def make_engine(dsn: str, guarded: bool) -> sa.Engine:
    """An engine on that address."""
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: connection(dsn, False))
    if guarded:
        pgpoolsafe.install(engine, mode="strict")
    return engine


if __name__ == "__main__":
    main()
