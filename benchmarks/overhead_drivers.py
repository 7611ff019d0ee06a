"""The statements on psycopg2, pg8000 and asyncpg that `overhead.py` measures, also by the ORM."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pg8000.dbapi
import psycopg2
import sqlalchemy as sa
from overhead_psycopg import QUERY, Case, Work, cold, guard, warm
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from pgpoolsafe.drivers.psycopg2 import Connection

Text = Callable[[], str]
NO_CACHE = {"statement_cache_size": 0}


def target(dsn: str) -> dict[str, Any]:
    """Where to connect, as psycopg2 and asyncpg call it."""
    wanted = conninfo_to_dict(dsn)
    kept = {name: wanted[name] for name in ("host", "port", "user")}
    return {**kept, "database": wanted["dbname"]}


def pg8000_target(dsn: str) -> dict[str, Any]:
    """Where to connect, as pg8000 calls it."""
    where = target(dsn)
    folder, port = Path(where["host"]), where["port"]
    if folder.is_dir():
        return {**where, "host": None, "unix_sock": str(folder / f".s.PGSQL.{port}")}
    return {**where, "port": int(port)}


def on_psycopg2(text: Text) -> Callable[[str, str], Work]:
    """`cursor.execute` in autocommit mode."""

    def make(dsn: str, kind: str) -> Work:
        connected = psycopg2.connect(connection_factory=Connection, **target(dsn))
        return _executing(guard(connected, kind), text)

    return make


def on_pg8000(text: Text) -> Callable[[str, str], Work]:
    """The same on pg8000."""
    return lambda dsn, kind: _executing(
        guard(pg8000.dbapi.connect(**pg8000_target(dsn)), kind), text
    )


def _executing(conn: Any, text: Text) -> Work:
    conn.autocommit = True
    cursor = conn.cursor()

    def work(size: int) -> None:
        execute = cursor.execute
        for _ in range(size):
            execute(text())

    return work


def on_asyncpg(text: Text) -> Callable[[str, str], Work]:
    """`connection.execute`; without arguments it prepares nothing."""

    def make(dsn: str, kind: str) -> Work:
        loop = asyncio.new_event_loop()
        conn = guard(loop.run_until_complete(asyncpg.connect(**target(dsn), **NO_CACHE)), kind)

        async def statements(size: int) -> None:
            for _ in range(size):
                await conn.execute(text())

        return lambda size: loop.run_until_complete(statements(size))

    return make


def entity(driver: str) -> Callable[[str, str], Work]:
    """One object of twenty columns, by SQLAlchemy's ORM, in a transaction of ten queries."""

    def make(dsn: str, kind: str) -> Work:
        where = pg8000_target(dsn) if driver == "pg8000" else target(dsn)
        engine = guard(sa.create_engine(f"postgresql+{driver}://", connect_args=where), kind)

        def work(size: int) -> None:
            for _ in range(max(1, size // 10)):
                with orm.Session(engine) as session:
                    for _ in range(10):
                        session.execute(QUERY).scalars().all()

        return work

    return make


def entity_asyncpg(dsn: str, kind: str) -> Work:
    """The same on asyncpg."""
    loop = asyncio.new_event_loop()
    options = {**target(dsn), **NO_CACHE, "prepared_statement_cache_size": 0}
    engine = guard(create_async_engine("postgresql+asyncpg://", connect_args=options), kind)

    async def statements(size: int) -> None:
        for _ in range(max(1, size // 10)):
            async with AsyncSession(engine) as session:
                for _ in range(10):
                    (await session.execute(QUERY)).scalars().all()

    return lambda size: loop.run_until_complete(statements(size))


CASES = (
    Case("psycopg2", on_psycopg2(warm), 60),
    Case("psycopg2, cold", on_psycopg2(cold), 60),
    Case("pg8000", on_pg8000(warm), 30),
    Case("pg8000, cold", on_pg8000(cold), 30),
    Case("asyncpg", on_asyncpg(warm), 40),
    Case("asyncpg, cold", on_asyncpg(cold), 40),
    Case("ORM, psycopg2", entity("psycopg2"), 10),
    Case("ORM, pg8000", entity("pg8000"), 10),
    Case("ORM, asyncpg", entity_asyncpg, 10),
)
