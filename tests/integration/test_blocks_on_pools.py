"""A block on a connection that a pool of the driver's has lent ends when that is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import asyncpg
import psycopg
import psycopg_pool
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

DOORS = ["direct", "pooled"]
WAYS = ["pool", "process"]
SHOW = "SELECT current_setting('work_mem')"


@pytest.fixture
def doors(postgres: Postgres, pgbouncer: PgBouncer) -> dict[str, Any]:
    return {"direct": postgres, "pooled": pgbouncer}


def block(conn: Any, **more: str) -> Any:
    return pgpoolsafe.settings(conn, **(more or {"work_mem": "9MB"}))


@contextmanager
def guarded_pool(way: str, server: Any, size: int = 1) -> Iterator[Any]:
    with pgpoolsafe.install() if way == "process" else nullcontext():
        pool = psycopg_pool.ConnectionPool(server.dsn(), min_size=size, open=False)
        if way == "pool":
            pgpoolsafe.install(pool)
        with pool:
            yield pool
            assert "putconn" not in vars(pool)


def shown(pool: Any) -> Any:
    with pool.connection() as conn:
        return conn.execute(SHOW).fetchone()[0]


@pytest.mark.parametrize("in_transaction", [False, True], ids=["idle", "open"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("way", WAYS)
def test_psycopg_pool(way: str, door: str, in_transaction: bool, doors: dict[str, Any]) -> None:
    with guarded_pool(way, doors[door]) as pool:
        conn = pool.getconn()
        if in_transaction:
            conn.execute("SELECT 1")
        with block(conn):
            assert conn.execute(SHOW).fetchone()[0] == "9MB"
            pool.putconn(conn)
            assert shown(pool) == "4MB"
            other = pool.getconn()
            assert other is conn
            assert other.execute(SHOW).fetchone()[0] == "4MB"  # and leaves its transaction open
        assert other.execute(SHOW).fetchone()[0] == "4MB"
        pool.putconn(other)


def test_the_next_ones_own_block_holds(pgbouncer: PgBouncer) -> None:
    with guarded_pool("pool", pgbouncer) as pool:
        conn = pool.getconn()
        first = block(conn)
        first.__enter__()
        pool.putconn(conn)
        with pool.connection() as other, block(other, work_mem="7MB"):
            first.__exit__(None, None, None)
            assert other.execute(SHOW).fetchone()[0] == "7MB"
        assert shown(pool) == "4MB"


def test_other_connections_of_the_pool_keep_theirs(pgbouncer: PgBouncer) -> None:
    with guarded_pool("pool", pgbouncer, size=2) as pool:
        one, other = pool.getconn(), pool.getconn()
        with block(one), block(other):
            pool.putconn(one)
            assert other.execute(SHOW).fetchone()[0] == "9MB"
        pool.putconn(other)


def test_a_pool_with_a_putconn_of_the_users_own(pgbouncer: PgBouncer) -> None:
    given_back = []
    with psycopg_pool.ConnectionPool(pgbouncer.dsn(), min_size=1, open=True) as pool:

        def putconn(conn: psycopg.Connection[Any]) -> None:
            given_back.append(conn)
            type(pool).putconn(pool, conn)

        pool.putconn = putconn  # type: ignore[method-assign]
        with pgpoolsafe.install(pool):
            conn = pool.getconn()
            with block(conn):
                pool.putconn(conn)
                assert shown(pool) == "4MB"
        assert given_back == [conn, conn]
        assert pool.putconn is putconn


@pytest.mark.parametrize("door", DOORS)
def test_async_psycopg_pool(door: str, doors: dict[str, Any]) -> None:
    async def given_back() -> list[Any]:
        found = []
        pool = psycopg_pool.AsyncConnectionPool(doors[door].dsn(), min_size=1, open=False)
        with pgpoolsafe.install(pool):
            async with pool:
                conn = await pool.getconn()
                async with block(conn):
                    found.append(await value(conn))
                    await pool.putconn(conn)
                    async with pool.connection() as other:
                        found.append(await value(other))
                async with pool.connection() as other:
                    found.append(await value(other))
                found.append("putconn" in vars(pool))
        return found

    async def value(conn: psycopg.AsyncConnection[Any]) -> Any:
        row = await (await conn.execute(SHOW)).fetchone()
        return row[0] if row else None

    assert asyncio.run(given_back()) == ["9MB", "4MB", "4MB", False]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", [SHOW, "BEGIN"], ids=["statement", "begin"])
def test_asyncpg_pool(text: str, way: str, door: str, doors: dict[str, Any]) -> None:
    server = doors[door]

    async def given_back() -> list[Any]:
        pool = asyncpg.create_pool(
            host="127.0.0.1", port=server.port, user="app", database="shop", min_size=1, max_size=1
        )
        installed = pgpoolsafe.install(pool if way == "pool" else None)
        async with pool:
            conn = await pool.acquire()
            async with block(conn):
                found = [await conn.fetchval(SHOW)]
                await pool.release(conn)
                other = await pool.acquire()
                await other.execute(text)
                found.append(await other.fetchval(SHOW))
            found.append(await other.fetchval(SHOW))
            async with block(other, work_mem="7MB"):
                found.append(await other.fetchval(SHOW))
            await pool.release(other)
        installed.uninstall()
        return found

    assert asyncio.run(given_back()) == ["9MB", "4MB", "4MB", "7MB"]
