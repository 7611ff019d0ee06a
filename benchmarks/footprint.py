"""What the library costs before any statement: its import, and memory for each connection.

    python benchmarks/footprint.py

The import is timed in interpreters of their own, the time on their processor; beside it stands
what psycopg itself takes, by which a busy machine can be told. Memory is what the guard
allocates for one more connection.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import psycopg

import pgpoolsafe

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import PgBouncer, Postgres

INTERPRETERS = 15
CONNECTIONS = 50

_IMPORT = """
import time
import {before}
before = time.process_time_ns()
import {timed}
print(time.process_time_ns() - before)
"""


def import_time(timed: str, before: str = "psycopg") -> float:
    """Milliseconds, the median of several interpreters that find it compiled."""
    command = [sys.executable, "-c", _IMPORT.format(timed=timed, before=before)]
    with tempfile.TemporaryDirectory() as compiled:
        rest = {name: os.environ[name] for name in os.environ if "BYTECODE" not in name}
        environment = {**rest, "PYTHONPYCACHEPREFIX": compiled}
        times = []
        for _ in range(1 + INTERPRETERS):
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment
            )
            times.append(int(done.stdout) / 1e6)
    return statistics.median(times[1:])


def memory(pgbouncer: PgBouncer) -> float:
    """Bytes for each connection after the first, for which classes were made."""
    connections = [pgbouncer.connect() for _ in range(CONNECTIONS)]
    _guard_and_use(connections.pop())  # classes, caches and readings are for all
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for connection in connections:
        pgpoolsafe.install(connection, mode="strict", pooler="pgbouncer")
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    for connection in connections:
        connection.close()
    return used / len(connections)


def _guard_and_use(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with pgpoolsafe.install(connection, mode="strict", pooler="pgbouncer"):
        connection.execute("SELECT 1")
        connection.rollback()
    connection.close()


def main() -> None:
    """Measure and print."""
    guard = "pgpoolsafe, pgpoolsafe.drivers.psycopg"
    print(f"import psycopg:                         {import_time('psycopg', 'sys'):8.1f} ms")
    print(f"import pgpoolsafe, after psycopg:       {import_time('pgpoolsafe'):8.1f} ms")
    print(f"and what guards psycopg:                {import_time(guard):8.1f} ms")
    with Postgres() as postgres, PgBouncer(postgres, pool_size=4) as pgbouncer:
        print(f"memory for each guarded connection:     {memory(pgbouncer):8,.0f} bytes")


if __name__ == "__main__":
    main()
