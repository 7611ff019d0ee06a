"""The verbs that every driver under contract has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from psycopg.adapt import Dumper

from tests.servers import PgBouncer, Postgres

Server = Postgres | PgBouncer


class Client(ABC):
    """One connection of a driver: in transactions of its own making, unless in autocommit."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    @property
    def driver_connection(self) -> Any:
        """The connection of the driver itself."""
        return self.connection

    @abstractmethod
    async def execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Send a statement; `%s` stands for a parameter. Returns the rows, if any."""

    @abstractmethod
    async def commit(self) -> None:
        """Commit, by the driver's own method."""

    @abstractmethod
    async def rollback(self) -> None:
        """Roll back, by the driver's own method."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """The driver's own transaction block."""

    def poison(self, error: Exception) -> Any:
        """A parameter that raises an error of the user's when the driver takes it."""

        class Poison:
            pass

        class PoisonDumper(Dumper):
            def dump(self, _: Any) -> bytes:
                raise error

        self.driver_connection.adapters.register_dumper(Poison, PoisonDumper)
        return Poison()


class Core(Client):
    """sqlalchemy.Connection."""

    @property
    def driver_connection(self) -> Any:
        return self.connection.connection.driver_connection

    async def execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        result = self.connection.exec_driver_sql(sql, params or None)
        return [tuple(row) for row in result] if result.returns_rows else []

    async def commit(self) -> None:
        self.connection.commit()

    async def rollback(self) -> None:
        self.connection.rollback()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self.connection.begin():
            yield


class CoreAsync(Client):
    """sqlalchemy.ext.asyncio.AsyncConnection."""

    @property
    def driver_connection(self) -> Any:
        return self.connection.sync_connection.connection.driver_connection

    async def execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        result = await self.connection.exec_driver_sql(sql, params or None)
        return [tuple(row) for row in result] if result.returns_rows else []

    async def commit(self) -> None:
        await self.connection.commit()

    async def rollback(self) -> None:
        await self.connection.rollback()

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        return self.connection.begin()  # type: ignore[no-any-return]


class Target(ABC):
    """What install() is given, and the clients that come from it."""

    guarded: Any

    @abstractmethod
    def client(self, *, autocommit: bool = False) -> AbstractAsyncContextManager[Client]:
        """A client, given back at the end."""
