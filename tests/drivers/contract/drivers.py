"""The drivers under contract, behind the same few verbs. A new driver is a row of `DRIVERS`.

The verbs are coroutines for sync drivers too (theirs never wait), so that each test is
written once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import psycopg_pool
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from tests.drivers.contract import more_drivers as more
from tests.drivers.contract.base import Client as Client
from tests.drivers.contract.base import Core, CoreAsync, Server
from tests.drivers.contract.base import Target as Target


class Psycopg(Client):
    """psycopg.Connection."""

    async def execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(sql, params or None)
        return cursor.fetchall() if cursor.description else []

    async def commit(self) -> None:
        self.connection.commit()

    async def rollback(self) -> None:
        self.connection.rollback()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self.connection.transaction():
            yield


class PsycopgAsync(Client):
    """psycopg.AsyncConnection."""

    async def execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        cursor = await self.connection.execute(sql, params or None)
        return await cursor.fetchall() if cursor.description else []

    async def commit(self) -> None:
        await self.connection.commit()

    async def rollback(self) -> None:
        await self.connection.rollback()

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        return self.connection.transaction()  # type: ignore[no-any-return]


Opened = AbstractAsyncContextManager[Target]


@dataclass(frozen=True)
class Driver:
    """A way to the database. `is_async`: many of its clients run as tasks, not in threads.

    `connect` opens a connection of the driver itself, which nobody else knows; `wrapped` has
    the verbs for it, and `socket` gives its file descriptor. `serves_many`: what is opened
    gives several clients at once; else it is one connection, which many may use in turn, if
    it `is_shared` at all.

    What differs from driver to driver: `has_cycles`: its connections refer to themselves;
    `survives_copying`: a connection outlives a copy of itself;
    `begins_by`: the commands it has sent before the first statement is known;
    `warns_at_rollback`: whether an exception is on its way cannot be told there, so that none
    is raised; `lets_users_errors_through`: those of a parameter's adapter.
    """

    name: str
    is_async: bool
    open: Callable[[Server], Opened]
    connect: Callable[[Server], Awaitable[Any]]
    wrapped: Callable[[Any], Client]
    socket: Callable[[Any], int]
    serves_many: bool = True
    is_shared: bool = True
    has_cycles: bool = False
    survives_copying: bool = True
    begins_by: list[str] = field(default_factory=list)
    warns_at_rollback: bool = False
    lets_users_errors_through: bool = True

    async def alone(self, server: Server) -> Any:
        """Such a connection."""
        return await self.connect(server)


# psycopg


async def _connect(server: Server) -> psycopg.Connection[Any]:
    return server.connect()


async def _connect_async(server: Server) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(server.dsn())


def _socket(connection: Any) -> int:
    return connection.pgconn.socket  # type: ignore[no-any-return]


_SYNC: dict[str, Any] = {"connect": _connect, "wrapped": Psycopg, "socket": _socket}
_ASYNC: dict[str, Any] = {"connect": _connect_async, "wrapped": PsycopgAsync, "socket": _socket}


class _Connection(Target):
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.guarded = connection

    @asynccontextmanager
    async def client(self, *, autocommit: bool = False) -> AsyncIterator[Client]:
        self.guarded.autocommit = autocommit
        yield Psycopg(self.guarded)
        self.guarded.rollback()


class _AsyncConnection(Target):
    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.guarded = connection

    @asynccontextmanager
    async def client(self, *, autocommit: bool = False) -> AsyncIterator[Client]:
        await self.guarded.set_autocommit(autocommit)
        yield PsycopgAsync(self.guarded)
        await self.guarded.rollback()


@asynccontextmanager
async def _psycopg(server: Server) -> AsyncIterator[Target]:
    with server.connect() as connection:
        yield _Connection(connection)


@asynccontextmanager
async def _psycopg_async(server: Server) -> AsyncIterator[Target]:
    async with await psycopg.AsyncConnection.connect(server.dsn()) as connection:
        yield _AsyncConnection(connection)


# psycopg_pool


class _Pool(Target):
    def __init__(self, pool: psycopg_pool.ConnectionPool) -> None:
        self.guarded = pool

    @asynccontextmanager
    async def client(self, *, autocommit: bool = False) -> AsyncIterator[Client]:
        with self.guarded.connection() as connection:
            connection.autocommit = autocommit
            try:
                yield Psycopg(connection)
            finally:
                connection.rollback()
                connection.autocommit = False


class _AsyncPool(Target):
    def __init__(self, pool: psycopg_pool.AsyncConnectionPool) -> None:
        self.guarded = pool

    @asynccontextmanager
    async def client(self, *, autocommit: bool = False) -> AsyncIterator[Client]:
        async with self.guarded.connection() as connection:
            await connection.set_autocommit(autocommit)
            try:
                yield PsycopgAsync(connection)
            finally:
                await connection.rollback()
                await connection.set_autocommit(False)


@asynccontextmanager
async def _psycopg_pool(server: Server) -> AsyncIterator[Target]:
    with psycopg_pool.ConnectionPool(server.dsn(), min_size=1, max_size=8, open=False) as pool:
        yield _Pool(pool)


@asynccontextmanager
async def _psycopg_pool_async(server: Server) -> AsyncIterator[Target]:
    pool = psycopg_pool.AsyncConnectionPool(server.dsn(), min_size=1, max_size=8, open=False)
    async with pool:
        yield _AsyncPool(pool)


# SQLAlchemy, on any driver of its own


class _Engine(Target):
    def __init__(self, engine: sa.Engine, client: type[Client]) -> None:
        self.guarded = engine
        self.kind = client

    @asynccontextmanager
    async def client(self, *, autocommit: bool = False) -> AsyncIterator[Client]:
        with self.guarded.connect() as connection:
            if autocommit:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            yield self.kind(connection)


class _AsyncEngine(Target):
    def __init__(self, engine: Any, client: type[Client]) -> None:
        self.guarded = engine
        self.kind = client

    @asynccontextmanager
    async def client(self, *, autocommit: bool = False) -> AsyncIterator[Client]:
        async with self.guarded.connect() as connection:
            if autocommit:
                connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            yield self.kind(connection)


def _url(server: Server, dialect: str) -> sa.URL:
    where = server.parameters()
    return sa.URL.create(
        f"postgresql+{dialect}",
        username=where["user"],
        host=where["host"],
        port=where["port"],
        database=where["dbname"],
    )


def engine(dialect: str, client: type[Client] = Core, **of_driver: Any) -> Driver:
    """SQLAlchemy's Engine on one of its drivers; `of_driver` are the last fields of Driver."""

    @asynccontextmanager
    async def opened(server: Server) -> AsyncIterator[Target]:
        options = more.OPTIONS.get(dialect, {})
        made = sa.create_engine(_url(server, dialect), max_overflow=10, connect_args=options)
        yield _Engine(made, client)
        made.dispose()

    return Driver(f"sqlalchemy-{dialect}", is_async=False, open=opened, **of_driver)


def async_engine(dialect: str, client: type[Client] = CoreAsync, **of_driver: Any) -> Driver:
    """SQLAlchemy's AsyncEngine on one of its drivers; `of_driver` as for `engine`."""

    @asynccontextmanager
    async def opened(server: Server) -> AsyncIterator[Target]:
        options = more.OPTIONS.get(dialect, {})
        made = create_async_engine(_url(server, dialect), max_overflow=10, connect_args=options)
        yield _AsyncEngine(made, client)
        await made.dispose()

    return Driver(f"sqlalchemy-{dialect}", is_async=True, open=opened, **of_driver)


DRIVERS = (
    Driver("psycopg", is_async=False, open=_psycopg, serves_many=False, **_SYNC),
    Driver("psycopg-async", is_async=True, open=_psycopg_async, serves_many=False, **_ASYNC),
    Driver("psycopg_pool", is_async=False, open=_psycopg_pool, **_SYNC),
    Driver("psycopg_pool-async", is_async=True, open=_psycopg_pool_async, **_ASYNC),
    engine("psycopg", **_SYNC),
    async_engine("psycopg_async", **_ASYNC),
    Driver("psycopg2", is_async=False, open=more.open_psycopg2, serves_many=False, **more.PSYCOPG2),
    Driver(
        "pg8000",
        is_async=False,
        open=more.open_pg8000,
        serves_many=False,
        is_shared=False,
        **more.PG8000,
    ),
    Driver(
        "asyncpg",
        is_async=True,
        open=more.open_asyncpg,
        serves_many=False,
        is_shared=False,
        **more.ASYNCPG,
    ),
    engine("psycopg2", more.CorePsycopg2, **more.PSYCOPG2),
    engine("pg8000", more.CorePg8000, **more.PG8000),
    async_engine("asyncpg", more.CoreAsyncpg, warns_at_rollback=True, **more.ASYNCPG),
)
