"""What it costs to carry settings through PgBouncer, in paired runs.

    python benchmarks/settings.py [--quick]

Every way runs in alternating blocks with the way it is compared to, so that what the machine
does meanwhile hits both. `quick` compares the quickest tenths of the blocks, `median` is that
of the ratios of the pairs, and the rows called noise compare a way with itself. By hand is
what people do today: a transaction that begins with SET LOCAL, a round trip of its own. The
second table has the server a millisecond away.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

import pgpoolsafe

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import PgBouncer, Postgres, Server, Wiretap

Connection = psycopg.Connection[Any]
Work = Callable[[int], None]

SETTINGS = {
    "statement_timeout": "30s",
    "search_path": "public",
    "app.user_id": "7",
    "lock_timeout": "10s",
    "work_mem": "5MB",
    "app.tenant": "acme",
    "idle_in_transaction_session_timeout": "60s",
    "extra_float_digits": "0",
    "enable_seqscan": "on",
    "jit": "off",
}
COUNTS = (0, 1, 3, 10)
FAR = 0.001
"""Seconds that a round trip takes in the second table."""


class Way(NamedTuple):
    """How many settings are in force and how, and whether BEGIN goes with what follows it."""

    settings: int = 0
    by_hand: bool = False
    fused: bool = False

    def connection(self, server: Server) -> Connection:
        """A client with these settings."""
        conn = psycopg.connect(server.dsn(), autocommit=True, prepare_threshold=None)
        if not self.by_hand:
            pgpoolsafe.install(
                conn, settings="carry", pooler="pgbouncer>=1.18", fuse_begin=self.fused
            )
            for name in list(SETTINGS)[: self.settings]:
                conn.execute(f"SET {name} = '{SETTINGS[name]}'")
        return conn

    @property
    def preamble(self) -> str:
        """What is sent by hand at the start of each transaction."""
        chosen = list(SETTINGS)[: self.settings] if self.by_hand else []
        return "; ".join(f"SET LOCAL {name} = '{SETTINGS[name]}'" for name in chosen)


def transactions(server: Server, way: Way) -> Work:
    """Transactions of one statement with a parameter."""
    conn, preamble = way.connection(server), way.preamble

    def work(size: int) -> None:
        for number in range(size):
            with conn.transaction():
                if preamble:
                    conn.execute(preamble)
                conn.execute("SELECT %s::int", [number])

    return work


def statements(server: Server, way: Way) -> Work:
    """Statements in autocommit; by hand they need a transaction."""
    if way.by_hand:
        return transactions(server, way)
    conn = way.connection(server)

    def work(size: int) -> None:
        for number in range(size):
            conn.execute("SELECT %s::int", [number])

    return work


def implicit(server: Server, way: Way) -> Work:
    """Transactions of one statement, which psycopg begins by itself and the program commits."""
    conn = way.connection(server)
    conn.autocommit = False

    def work(size: int) -> None:
        for number in range(size):
            conn.execute("SELECT %s::int", [number])
            conn.commit()

    return work


class Pair(NamedTuple):
    """Microseconds of both at their quickest tenth, their ratio, and the median of all ratios."""

    base: float
    other: float
    median: float

    def __str__(self) -> str:
        quick = self.other / self.base
        return f"{self.base:10,.0f} {self.other:10,.0f} {quick:8.2f} {self.median:8.2f}"


def compare(base: Work, other: Work, *, blocks: int, size: int) -> Pair:
    """Run both in turn, the order swapped from block to block."""
    base(size), other(size)  # warm caches and server connections
    spent: dict[bool, list[float]] = {True: [], False: []}
    for block in range(blocks):
        for is_base in (block % 2 == 0, block % 2 == 1):
            spent[is_base].append(_timed(base if is_base else other, size))
    ratio = statistics.median(o / b for b, o in zip(spent[True], spent[False], strict=True))
    return Pair(_quick(spent[True]), _quick(spent[False]), ratio)


def _quick(times: list[float]) -> float:
    return sorted(times)[len(times) // 10]


def _timed(work: Work, size: int) -> float:
    start = time.perf_counter_ns()
    work(size)
    return (time.perf_counter_ns() - start) / size / 1000


Make = Callable[[Server, Way], Work]
Row = tuple[str, Make, Way, Way]

BY_HAND = Way(settings=1, by_hand=True)


def rows() -> list[Row]:
    """Name, kind of work, the way that is the base, the way that is compared with it."""
    table: list[Row] = []
    for kind, make in (("autocommit", statements), ("transaction", transactions)):
        table.append((f"{kind}: noise", make, Way(), Way()))
        table += [
            (f"{kind}: {count} settings / none", make, Way(), Way(count)) for count in COUNTS[1:]
        ]
        table += [
            (
                f"{kind}: {count} settings / as many by hand",
                make,
                Way(count, by_hand=True),
                Way(count),
            )
            for count in COUNTS[1:]
        ]
    table += [
        (
            f"implicit transaction: {count} settings, fused / not",
            implicit,
            Way(count),
            Way(count, fused=True),
        )
        for count in COUNTS
    ]
    return table


def show(title: str, server: Server, blocks: int, size: int) -> None:
    """Run and print one table."""
    print(f"\n{title:46}{'base us':>10} {'other us':>10} {'quick':>8} {'median':>8}")
    for name, make, base, other in rows():
        pair = compare(make(server, base), make(server, other), blocks=blocks, size=size)
        print(f"{name:46}{pair}", flush=True)


def main() -> None:
    """Start the servers, run the pairs, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the blocks")
    share = 10 if parser.parse_args().quick else 1
    with (
        Postgres(log_statement="none") as postgres,
        PgBouncer(postgres) as pgbouncer,
        Wiretap(pgbouncer, delay=FAR) as far,
    ):
        show("PgBouncer on the same machine", pgbouncer, 100 // share, 100)
        show("PgBouncer a millisecond away", far, 40 // share, 40)


if __name__ == "__main__":
    main()
