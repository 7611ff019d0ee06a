"""How often the active probe is wrong, and how often it proves nothing, on the lab's poolers.

    PGPOOLSAFE_LAB=.lab python benchmarks/active_probe.py [RUNS]

Needs the lab (`make lab`) and root. Prints the rows of the table in docs/detection.md. A false
answer of any kind ends it with status 1.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from pgpoolsafe.drivers.psycopg_active import prove
from pgpoolsafe.poolers.active import ActiveAnswer, Sharing

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import Server
from tests.servers.lab import ENDPOINTS, Endpoint, Lab

LOADS = {"idle": 0, "light": 3}
"""Clients that send a statement every 0 to 10 ms."""


@dataclass(frozen=True)
class Pool:
    """One kind of pool: an endpoint of the lab by name, with options of its own."""

    endpoint: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return " ".join([self.endpoint, *(f"{k}={v}" for k, v in self.options.items())])


def pgbouncer(endpoint: str, *sizes: int) -> list[Pool]:
    # As it is by default: the server connection that was used last goes first.
    return [Pool(endpoint, {"pool_size": size, "server_round_robin": 0}) for size in sizes]


POOLS = [
    *pgbouncer("pgbouncer-1.18.0-transaction-pg15-max_prepared_statements=0", 1, 20),
    *pgbouncer("pgbouncer-1.24.1-transaction-pg15-max_prepared_statements=200", 20),
    *pgbouncer("pgbouncer-1.26.1-transaction-pg18-max_prepared_statements=0", 5),
    *pgbouncer("pgbouncer-1.26.1-transaction-pg18-max_prepared_statements=200", 1, 2, 5, 20),
    Pool("pgbouncer-1.26.1-transaction-pg18-max_prepared_statements=200", {"pool_size": 5}),
    *pgbouncer("pgbouncer-1.26.1-statement-pg18-max_prepared_statements=200", 5),
    *(Pool("odyssey-1.5.2-transaction-pg18", {"pool_size": size}) for size in (1, 2, 5, 20)),
    *pgbouncer("pgbouncer-1.18.0-session-pg15-max_prepared_statements=0", 20),
    *pgbouncer("pgbouncer-1.26.1-session-pg18-max_prepared_statements=200", 20),
    Pool("odyssey-1.5.2-session-pg18", {"pool_size": 20}),
    Pool("pgagroal-2.1.0-session-pg15-pipeline=session", {"pool_size": 20}),
    Pool("pgpool-4.7.3-session-pg15", {"children": 20}),
]


@dataclass
class Tally:
    """What came out of the runs on one pool under one load."""

    shared: bool
    prepared: bool
    answers: list[ActiveAnswer] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def count(self, sharing: Sharing) -> int:
        return sum(answer.sharing is sharing for answer in self.answers)

    @property
    def false(self) -> int:
        """Answers that are not so."""
        return sum(
            (answer.sharing is Sharing.SHARED and not self.shared)
            or answer.prepared not in (None, self.prepared)
            for answer in self.answers
        )

    @property
    def half(self) -> int:
        """Proofs of sharing that leave open what becomes of prepared statements or settings."""
        proven = [answer for answer in self.answers if answer.sharing is Sharing.SHARED]
        return sum(a.prepared is None or len(set(a.restored) | a.leaked) < 4 for a in proven)

    @property
    def left(self) -> int:
        """Proofs that could not take everything back."""
        return sum("may have stayed" in text for a in self.answers for text in a.evidence)

    def row(self, name: str, load: str) -> str:
        counts = [self.count(sharing) for sharing in Sharing]
        middle = statistics.median(self.seconds) * 1000
        cells = [name, load, *counts, self.half, self.left, self.false, f"{middle:.0f}"]
        return "| " + " | ".join(map(str, cells)) + " |"


@contextlib.contextmanager
def load(server: Server, clients: int) -> Iterator[None]:
    over = threading.Event()

    def work() -> None:
        with server.connect(autocommit=True, prepare_threshold=None) as client:
            while not over.wait(random.random() / 100):
                client.execute("SELECT 1")

    workers = [threading.Thread(target=work) for _ in range(clients)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        over.set()
        for worker in workers:
            worker.join()


def measure(server: Server, tally: Tally, runs: int) -> Tally:
    for _ in range(runs):
        started = time.perf_counter()
        tally.answers.append(prove(server.dsn()))
        tally.seconds.append(time.perf_counter() - started)
    return tally


def on(lab: Lab, pool: Pool) -> tuple[contextlib.AbstractContextManager[Any], Endpoint]:
    endpoint = next(e for e in ENDPOINTS if e.name == pool.endpoint)
    return lab.running(endpoint, **pool.options), endpoint


def main(runs: int) -> int:
    false = 0
    print(
        "| pool | load |", " | ".join(s.value for s in Sharing), "| in part | left | false | ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with Lab() as lab:
        for pool in POOLS:
            running, endpoint = on(lab, pool)
            with running as server:
                for name, clients in LOADS.items():
                    tally = Tally(endpoint.mode != "session", endpoint.prepared)
                    with load(server, clients):
                        measure(server, tally, runs)
                    false += tally.false
                    print(tally.row(pool.name, name), flush=True)
        for version in (15, 18):
            tally = measure(lab.postgres(version), Tally(False, True), runs)
            false += tally.false
            print(tally.row(f"PostgreSQL {version}", "idle"), flush=True)
    return 1 if false else 0


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
    except psycopg.OperationalError as error:
        sys.exit(f"a server of the lab failed: {error}")
