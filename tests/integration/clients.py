"""Guarded clients: the same few verbs over each way to the database.

A test names the statement that makes the hazard first; it is sent from a line that says
`# the statement`, all others from lines that do not.
"""

from __future__ import annotations

import asyncio
import linecache
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import pgpoolsafe
from pgpoolsafe import Finding, Installation
from tests.servers import PgBouncer

MARK = "# the statement"


class Client(ABC):
    """A client connection behind a pooler, with the guard on.

    `options` are those of `install()`, `prepare_threshold` is psycopg's.
    """

    installation: Installation

    @abstractmethod
    def __init__(
        self,
        pooler: PgBouncer,
        /,
        user: str = "app",
        prepare_threshold: int | None = 5,
        **options: Any,
    ) -> None: ...

    @abstractmethod
    def alone(self, sql: str) -> Any:
        """Send one statement in autocommit; returns the first value of its answer."""

    @abstractmethod
    def together(self, sql: str, *more: str) -> Any:
        """Send statements in one transaction; returns the first value of the last answer."""

    @abstractmethod
    def close(self) -> None:
        """Take the guard off and close."""

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def value(result: Any) -> Any:
    """The first value of a psycopg cursor or a SQLAlchemy result; None without rows."""
    has_rows = getattr(result, "returns_rows", None)
    if has_rows is None:
        has_rows = result.description is not None
    row = result.fetchone() if has_rows else None
    return row[0] if row else None


def is_at_the_statement(finding: Finding) -> bool:
    """Whether the finding points at the line that sent the hazard."""
    place = finding.location
    return place is not None and MARK in linecache.getline(place.file, place.line)


class Psycopg(Client):
    """psycopg, synchronous."""

    def __init__(
        self,
        pooler: PgBouncer,
        /,
        user: str = "app",
        prepare_threshold: int | None = 5,
        **options: Any,
    ) -> None:
        self.connection = pooler.connect(user, autocommit=True, prepare_threshold=prepare_threshold)
        self.installation = pgpoolsafe.install(self.connection, **options)

    def alone(self, sql: str) -> Any:
        return value(self.connection.execute(sql))  # the statement

    def together(self, sql: str, *more: str) -> Any:
        with self.connection.transaction():
            last = self.connection.execute(sql)  # the statement
            for another in more:
                last = self.connection.execute(another)
            return value(last)

    def close(self) -> None:
        self.installation.uninstall()
        self.connection.close()


class PsycopgAsync(Client):
    """psycopg on asyncio."""

    def __init__(
        self,
        pooler: PgBouncer,
        /,
        user: str = "app",
        prepare_threshold: int | None = 5,
        **options: Any,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self.connection = self._run(
            psycopg.AsyncConnection.connect(
                pooler.dsn(user), autocommit=True, prepare_threshold=prepare_threshold
            )
        )
        self.installation = pgpoolsafe.install(self.connection, **options)

    def _run(self, awaitable: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(awaitable)

    def alone(self, sql: str) -> Any:
        return self._run(self._alone(sql))

    async def _alone(self, sql: str) -> Any:
        cursor = await self.connection.execute(sql)  # the statement
        return await self._value(cursor)

    def together(self, sql: str, *more: str) -> Any:
        return self._run(self._together(sql, *more))

    async def _together(self, sql: str, *more: str) -> Any:
        async with self.connection.transaction():
            last = await self.connection.execute(sql)  # the statement
            for another in more:
                last = await self.connection.execute(another)
            return await self._value(last)

    async def _value(self, cursor: psycopg.AsyncCursor[Any]) -> Any:
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def close(self) -> None:
        self.installation.uninstall()
        self._run(self.connection.close())
        self._loop.close()


class SqlAlchemy(Client):
    """A SQLAlchemy engine on psycopg."""

    def __init__(
        self,
        pooler: PgBouncer,
        /,
        user: str = "app",
        prepare_threshold: int | None = 5,
        **options: Any,
    ) -> None:
        self.engine = sqlalchemy.create_engine(
            pooler.url(user), connect_args={"prepare_threshold": prepare_threshold}
        )
        self.installation = pgpoolsafe.install(self.engine, **options)

    def alone(self, sql: str) -> Any:
        engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            return value(connection.execute(sqlalchemy.text(sql)))  # the statement

    def together(self, sql: str, *more: str) -> Any:
        with self.engine.begin() as connection:
            last = connection.execute(sqlalchemy.text(sql))  # the statement
            for another in more:
                last = connection.execute(sqlalchemy.text(another))
            return value(last)

    def close(self) -> None:
        self.installation.uninstall()
        self.engine.dispose()


class SqlAlchemyAsync(Client):
    """A SQLAlchemy engine on asyncio."""

    def __init__(
        self,
        pooler: PgBouncer,
        /,
        user: str = "app",
        prepare_threshold: int | None = 5,
        **options: Any,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self.engine: AsyncEngine = create_async_engine(
            pooler.url(user), connect_args={"prepare_threshold": prepare_threshold}
        )
        self.installation = pgpoolsafe.install(self.engine, **options)

    def alone(self, sql: str) -> Any:
        return self._loop.run_until_complete(self._alone(sql))

    async def _alone(self, sql: str) -> Any:
        engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            return value(await connection.execute(sqlalchemy.text(sql)))  # the statement

    def together(self, sql: str, *more: str) -> Any:
        return self._loop.run_until_complete(self._together(sql, *more))

    async def _together(self, sql: str, *more: str) -> Any:
        async with self.engine.begin() as connection:
            last = await connection.execute(sqlalchemy.text(sql))  # the statement
            for another in more:
                last = await connection.execute(sqlalchemy.text(another))
            return value(last)

    def close(self) -> None:
        self.installation.uninstall()
        self._loop.run_until_complete(self.engine.dispose())
        self._loop.close()


CLIENTS: tuple[type[Client], ...] = (Psycopg, PsycopgAsync, SqlAlchemy, SqlAlchemyAsync)
