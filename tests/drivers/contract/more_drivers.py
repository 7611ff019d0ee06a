"""psycopg2, pg8000 and asyncpg under contract: their clients, alone and by SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import pg8000.dbapi
import psycopg2
from psycopg2 import extensions

from pgpoolsafe.drivers.psycopg2 import Connection
from tests.drivers.contract.base import Client, Core, CoreAsync, Server, Target


def where(server: Server) -> dict[str, Any]:
    """The server as these drivers take it."""
    wanted = server.parameters()
    kept = {name: wanted[name] for name in ("host", "port", "user")}
    return {**kept, "database": wanted["dbname"]}


def _poison(error: Exception) -> Any:
    def refuse(*_: Any) -> Any:
        raise error

    return refuse


class DbApi(Client):
    """A connection of psycopg2 or pg8000."""

    async def execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.cursor()
        cursor.execute(sql, params) if params else cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    async def commit(self) -> None:
        self.connection.commit()

    async def rollback(self) -> None:
        self.connection.rollback()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()


class Psycopg2(DbApi):
    """psycopg2's connection, of the Python class."""

    def poison(self, error: Exception) -> Any:
        return poison_psycopg2(error)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self.connection:
            yield


def poison_psycopg2(error: Exception) -> Any:
    class Poison:
        pass

    extensions.register_adapter(Poison, _poison(error))
    return Poison()


class Pg8000(DbApi):
    """pg8000.dbapi's connection."""

    def poison(self, error: Exception) -> Any:
        return poison_pg8000(self.connection, error)


def poison_pg8000(connection: Any, error: Exception) -> Any:
    class Poison:
        pass

    connection.register_out_adapter(Poison, _poison(error))
    return Poison()


class Asyncpg(Client):
    """asyncpg's connection, with a transaction begun where there is none."""

    def __init__(self, connection: Any, *, autocommit: bool = False) -> None:
        super().__init__(connection)
        self._autocommit = autocommit
        self._transaction: Any = None

    @property
    def driver_connection(self) -> Any:
        return getattr(self.connection, "_con", self.connection)

    async def execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        if self._transaction is None and not self._autocommit:
            self._transaction = self.connection.transaction()
            await self._transaction.start()
        numbers = count(1)
        text = re.sub("%s", lambda _: f"${next(numbers)}", sql)
        return [tuple(row) for row in await self.connection.fetch(text, *params)]

    async def commit(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            await transaction.commit()

    async def rollback(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None and self.connection.is_in_transaction():
            await transaction.rollback()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self.rollback()
        self._transaction = self.connection.transaction()
        try:
            async with self._transaction:
                yield
        finally:
            self._transaction = None


class CorePsycopg2(Core):
    """sqlalchemy.Connection on psycopg2."""

    def poison(self, error: Exception) -> Any:
        return poison_psycopg2(error)


class CorePg8000(Core):
    """sqlalchemy.Connection on pg8000."""

    def poison(self, error: Exception) -> Any:
        return poison_pg8000(self.driver_connection, error)


class CoreAsyncpg(CoreAsync):
    """sqlalchemy.ext.asyncio.AsyncConnection on asyncpg."""

    async def execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        numbers = count(1)
        return await super().execute(re.sub("%s", lambda _: f"${next(numbers)}", sql), *params)


class _Connection(Target):
    def __init__(self, connection: Any, kind: type[Client]) -> None:
        self.guarded = connection
        self.kind = kind

    @asynccontextmanager
    async def client(self, *, autocommit: bool = False) -> AsyncIterator[Client]:
        self.guarded.rollback()
        self.guarded.autocommit = autocommit
        yield self.kind(self.guarded)
        self.guarded.rollback()


class _Asyncpg(Target):
    def __init__(self, connection: Any) -> None:
        self.guarded = connection

    @asynccontextmanager
    async def client(self, *, autocommit: bool = False) -> AsyncIterator[Client]:
        made = Asyncpg(self.guarded, autocommit=autocommit)
        yield made
        await made.rollback()


async def connect_psycopg2(server: Server) -> Any:
    return psycopg2.connect(connection_factory=Connection, **where(server))


async def connect_pg8000(server: Server) -> Any:
    return pg8000.dbapi.connect(**where(server))


async def connect_asyncpg(server: Server) -> Any:
    return await asyncpg.connect(**where(server), statement_cache_size=0)


@asynccontextmanager
async def open_psycopg2(server: Server) -> AsyncIterator[Target]:
    connection = await connect_psycopg2(server)
    yield _Connection(connection, Psycopg2)
    connection.close()


@asynccontextmanager
async def open_pg8000(server: Server) -> AsyncIterator[Target]:
    connection = await connect_pg8000(server)
    yield _Connection(connection, Pg8000)
    connection.close()


@asynccontextmanager
async def open_asyncpg(server: Server) -> AsyncIterator[Target]:
    connection = await connect_asyncpg(server)
    yield _Asyncpg(connection)
    await connection.close(timeout=5)


OPTIONS: dict[str, dict[str, Any]] = {
    "psycopg2": {"connection_factory": Connection},
    # Behind a pooler that does not track names it works without the guard, too.
    "asyncpg": {"statement_cache_size": 0, "prepared_statement_cache_size": 0},
}
"""What an engine is made with, by SQLAlchemy's name of the driver."""

PSYCOPG2: dict[str, Any] = {
    "connect": connect_psycopg2,
    "wrapped": Psycopg2,
    "socket": lambda connection: connection.fileno(),
}
PG8000: dict[str, Any] = {
    "connect": connect_pg8000,
    "wrapped": Pg8000,
    "socket": lambda connection: connection._usock.fileno(),
    "has_cycles": True,
    "lets_users_errors_through": False,
}
ASYNCPG: dict[str, Any] = {
    "connect": connect_asyncpg,
    "wrapped": Asyncpg,
    "socket": lambda connection: connection._transport.get_extra_info("socket").fileno(),
    "begins_by": ["BEGIN"],
    "survives_copying": False,
    "lets_users_errors_through": False,
}
