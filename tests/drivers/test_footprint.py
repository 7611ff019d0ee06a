"""What one more guarded connection takes: memory, and nothing that grows with use."""

from __future__ import annotations

import gc
import tracemalloc

import psycopg

import pgpoolsafe
from tests.servers import PgBouncer

CONNECTIONS = 20
MOST = 10_000
"""Bytes a connection."""


def used(connections: list[psycopg.Connection[tuple[object, ...]]], times: int) -> None:
    """Everything that a program does again and again."""
    for connection in connections:
        for number in range(times):
            connection.execute("SELECT set_config('app.way', %s, false)", (f"way {number}",))
            connection.execute("SELECT current_setting('app.way')").fetchone()
            connection.commit()


def test_memory_of_a_connection(pgbouncer: PgBouncer) -> None:
    connections = [pgbouncer.connect() for _ in range(CONNECTIONS)]
    spare = pgbouncer.connect()
    pgpoolsafe.install(spare, mode="strict", pooler="pgbouncer")
    used([spare], 3)  # classes, readings and caches are for all connections
    gc.collect()
    tracemalloc.start()
    try:
        for connection in connections:
            pgpoolsafe.install(connection, mode="strict", pooler="pgbouncer")
        used(connections, 3)
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        used(connections, 30)
        gc.collect()
        later = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        for connection in [*connections, spare]:
            connection.close()
    assert first / CONNECTIONS < MOST
    assert (later - first) / CONNECTIONS < MOST / 10
