"""What the guard costs on psycopg2, pg8000 and asyncpg, alone and under SQLAlchemy.

    python benchmarks/overhead_drivers.py [--quick]

The method is that of `overhead.py`: bare and guarded in alternating blocks, the median of the
differences, and beside each a control that compares bare with bare. A statement that is known
to be safe, on a warm cache, through PgBouncer and directly in strict mode; `cold` reads each
text for the first time. What is measured is the time on the CPU of this thread, since a socket
on a busy machine hides what the guard adds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import pg8000.dbapi
import psycopg2
import sqlalchemy as sa
from overhead import Work, compare
from sqlalchemy.ext.asyncio import create_async_engine

import pgpoolsafe
from pgpoolsafe.drivers.psycopg2 import Connection
from tests.servers import PgBouncer, Postgres

Server = Postgres | PgBouncer
Make = Callable[[Server, bool], Work]
STATEMENT = "SELECT 1"
COLUMNS = "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(20))
_numbers = itertools.count()


def target(server: Server) -> dict[str, Any]:
    """Where to connect, as all three drivers call it."""
    wanted = server.parameters()
    kept = {name: wanted[name] for name in ("host", "port", "user")}
    return {**kept, "database": wanted["dbname"]}


def guard(thing: Any, guarded: bool) -> Any:
    """The thing, guarded in strict mode or not at all."""
    if guarded:
        pgpoolsafe.install(thing, mode="strict")
    return thing


def on_psycopg2(server: Server, guarded: bool) -> Work:
    """`cursor.execute` in autocommit mode."""
    conn = guard(psycopg2.connect(connection_factory=Connection, **target(server)), guarded)
    conn.autocommit = True
    return executing(conn.cursor(), lambda: STATEMENT)


def cold_on_psycopg2(server: Server, guarded: bool) -> Work:
    """Texts that were never seen before."""
    conn = guard(psycopg2.connect(connection_factory=Connection, **target(server)), guarded)
    conn.autocommit = True
    return executing(conn.cursor(), lambda: f"SELECT {next(_numbers)}")


def on_pg8000(server: Server, guarded: bool) -> Work:
    """`cursor.execute` in autocommit mode."""
    conn = guard(pg8000.dbapi.connect(**target(server)), guarded)
    conn.autocommit = True
    return executing(conn.cursor(), lambda: STATEMENT)


def executing(cursor: Any, text: Callable[[], str]) -> Work:
    """`cursor.execute`, again and again."""

    def work(size: int) -> None:
        for _ in range(size):
            cursor.execute(text())

    return work


def on_asyncpg(server: Server, guarded: bool) -> Work:
    """`connection.execute` on one event loop; without arguments it prepares nothing."""
    loop = asyncio.new_event_loop()
    options = {"statement_cache_size": 0}
    conn = guard(loop.run_until_complete(asyncpg.connect(**target(server), **options)), guarded)

    async def statements(size: int) -> None:
        for _ in range(size):
            await conn.execute(STATEMENT)

    return lambda size: loop.run_until_complete(statements(size))


def on_engine(driver: str, query: str) -> Make:
    """SQLAlchemy Core in transactions of ten statements."""

    def make(server: Server, guarded: bool) -> Work:
        engine = guard(sa.create_engine(address(server, driver)), guarded)
        text = sa.text(query)

        def work(size: int) -> None:
            for _ in range(size // 10):
                with engine.begin() as conn:
                    for _ in range(10):
                        conn.execute(text).all()

        return work

    return make


def on_async_engine(query: str) -> Make:
    """The same on asyncpg."""

    def make(server: Server, guarded: bool) -> Work:
        loop = asyncio.new_event_loop()
        options = {"connect_args": {"statement_cache_size": 0, "prepared_statement_cache_size": 0}}
        engine = guard(create_async_engine(address(server, "asyncpg"), **options), guarded)
        text = sa.text(query)

        async def statements(size: int) -> None:
            for _ in range(size // 10):
                async with engine.begin() as conn:
                    for _ in range(10):
                        (await conn.execute(text)).all()

        return lambda size: loop.run_until_complete(statements(size))

    return make


def address(server: Server, driver: str) -> sa.URL:
    """The server as an engine takes it."""
    where = target(server)
    user = where.pop("user")
    return sa.URL.create(f"postgresql+{driver}", username=user, **where)


CASES: tuple[tuple[str, Make, bool], ...] = (
    ("psycopg2, PgBouncer", on_psycopg2, True),
    ("psycopg2, direct", on_psycopg2, False),
    ("psycopg2, direct, cold", cold_on_psycopg2, False),
    ("pg8000, PgBouncer", on_pg8000, True),
    ("pg8000, direct", on_pg8000, False),
    ("asyncpg, PgBouncer", on_asyncpg, True),
    ("asyncpg, direct", on_asyncpg, False),
    ("SQLAlchemy psycopg2, 20 columns", on_engine("psycopg2", COLUMNS), False),
    ("SQLAlchemy pg8000, 20 columns", on_engine("pg8000", COLUMNS), False),
    ("SQLAlchemy asyncpg, 20 columns", on_async_engine(COLUMNS), False),
)
"""Name, how to make the work, and whether it goes through PgBouncer."""


def main() -> None:
    """Start the servers, run the pairs, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the blocks")
    blocks = 20 if parser.parse_args().quick else 200
    with Postgres() as postgres, PgBouncer(postgres, pool_size=4) as pgbouncer:
        print(f"{'':36}{'bare ns':>12} {'added ns':>12} {'ratio':>10}")
        for name, make, is_pooled in CASES:
            server: Server = pgbouncer if is_pooled else postgres
            for label, guarded in ((name, True), ("  control: bare/bare", False)):
                works = make(server, False), make(server, guarded)
                pair = compare(*works, blocks=blocks, size=200, clock=time.thread_time_ns)
                print(f"{label:36}{pair}")


if __name__ == "__main__":
    main()
