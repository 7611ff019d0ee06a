"""SQLAlchemy: the settings of `settings()` blocks on a connection or a session."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session, scoped_session

from ..errors import ConfigurationError
from ..session.settings import Carried
from .blocks import Connection as DriverConnection
from .sqlalchemy import of_driver

Steps = Generator[str, Any, None]

_OPTIONS = {"no_parameters": True}


def scope_of(target: Any) -> Connections | Sessions | None:
    """The scope of a Connection or a Session, sync or async; None for anything else."""
    if isinstance(target, (Connection, AsyncConnection)):
        return Connections(target)
    if isinstance(target, scoped_session):
        target = target()
    return Sessions(target) if isinstance(target, (Session, AsyncSession)) else None


class Connections:
    """The blocks on one Connection or AsyncConnection, until it gives its connection back."""

    def __init__(self, target: Connection | AsyncConnection) -> None:
        self._target = target
        self._open: dict[int, _Lent] = {}
        driver_connection(_sync_connection(target))  # raises where it is not guarded

    def entering(self, block: Carried) -> Steps:
        """As on the connection of the driver."""
        lent = _Lent(_sync_connection(self._target), block)
        yield from lent.scope.entering(block)
        self._open[id(block)] = lent
        lent.watch()

    def leaving(self, block: Carried) -> Steps:
        """As on the connection of the driver; nothing if the pool has it back."""
        lent = self._open.pop(id(block))
        lent.unwatch()
        return lent.scope.leaving(block)

    def run(self, text: str) -> Any:
        """The row that a text returns."""
        if isinstance(self._target, AsyncConnection):
            raise _wants_async(self._target)
        return self._target.exec_driver_sql(text, execution_options=_OPTIONS).one()

    async def run_async(self, text: str) -> Any:
        """The same, on an AsyncConnection."""
        if not isinstance(self._target, AsyncConnection):
            return self.run(text)
        return (await self._target.exec_driver_sql(text, execution_options=_OPTIONS)).one()


class _Lent:
    """A connection that the pool has lent, with a block on it that ends when it is back.

    SQLAlchemy resets isolation levels in the same way (`DefaultDialect`): an event of the
    pool would be called for every connection, and be there when all blocks are over.
    """

    def __init__(self, conn: Connection, block: Carried) -> None:
        self.scope = DriverConnection(driver_connection(conn))
        self._block = block
        self._lent = driver_connection(conn)
        self._record: Any = getattr(conn.connection, "_connection_record", None)

    def watch(self) -> None:
        if self._record is not None:  # None: it is detached, and nobody else gets it
            self._record.finalize_callback.append(self._given_back)

    def unwatch(self) -> None:
        if self._record is not None:
            with suppress(ValueError):  # it was given back
                self._record.finalize_callback.remove(self._given_back)

    def _given_back(self, dbapi_connection: Any) -> None:
        if of_driver(dbapi_connection) is self._lent:
            self.scope.drop(self._block)


class Sessions:
    """The blocks on one Session or AsyncSession: each of its transactions gets them."""

    def __init__(self, target: Session | AsyncSession) -> None:
        self._target = target
        self._session = target.sync_session if isinstance(target, AsyncSession) else target
        self._blocks: dict[int, _SessionBlock] = {}
        self._at: Connection | None = None

    def entering(self, block: Carried) -> Steps:
        """A transaction that is under way is given the settings, on each of its connections."""
        found = _SessionBlock(self._session, block)
        try:
            for self._at, steps in found.enter():
                yield from steps
        except BaseException:
            found.drop()
            raise
        found.listen()
        self._blocks[id(block)] = found

    def leaving(self, block: Carried) -> Steps:
        """A transaction that is under way is given back what it had."""
        found = self._blocks.pop(id(block))
        found.hush()
        try:
            for self._at, steps in found.leave():
                yield from steps
        finally:  # if one fails the others are free of the block, too
            found.drop()

    def run(self, text: str) -> Any:
        """The row that a text returns, on the connection that is being entered or left."""
        if isinstance(self._target, AsyncSession):
            raise _wants_async(self._target)
        return self._row(text)

    async def run_async(self, text: str) -> Any:
        """The same, on an AsyncSession."""
        if not isinstance(self._target, AsyncSession):
            return self.run(text)
        return await self._target.run_sync(lambda _: self._row(text))

    def _row(self, text: str) -> Any:
        if self._at is None:
            raise AssertionError("a text comes from a connection")
        return self._at.exec_driver_sql(text, execution_options=_OPTIONS).one()


class _SessionBlock:
    """One block on a session, and the connections that have it at the moment."""

    def __init__(self, session: Session, block: Carried) -> None:
        self._session = session
        self._block = block
        self._entered: list[tuple[Connection, DriverConnection]] = []

    def enter(self) -> Iterator[tuple[Connection, Steps]]:
        """Each connection of the transaction that is under way, and the steps on it."""
        for conn in _connections(self._session):
            scope = DriverConnection(driver_connection(conn))
            self._entered.append((conn, scope))
            yield conn, scope.entering(self._block)

    def leave(self) -> Iterator[tuple[Connection, Steps]]:
        """The same for the way back."""
        while self._entered:
            conn, scope = self._entered.pop(0)
            yield conn, scope.leaving(self._block)

    def drop(self) -> None:
        """The connections are nobody's at the moment, or not to be asked."""
        entered, self._entered = self._entered, []
        for _, scope in entered:
            scope.drop(self._block)

    def listen(self) -> None:
        event.listen(self._session, "after_begin", self._began)
        event.listen(self._session, "after_transaction_end", self._ended)

    def hush(self) -> None:
        event.remove(self._session, "after_begin", self._began)
        event.remove(self._session, "after_transaction_end", self._ended)

    def _began(self, _session: Any, _transaction: Any, conn: Connection) -> None:
        scope = DriverConnection(driver_connection(conn))
        if not any(scope.is_on(other) for _, other in self._entered):
            self._entered.append((conn, scope))
            steps, row = scope.entering(self._block), None
            with suppress(StopIteration):
                # Yields where the session joins a transaction that is open already.
                while True:
                    text = steps.send(row)
                    row = conn.exec_driver_sql(text, execution_options=_OPTIONS).one()

    def _ended(self, _session: Any, transaction: Any) -> None:
        if transaction.parent is None:
            self.drop()


def _connections(session: Session) -> list[Connection]:
    """Those of the transaction that is under way: one for each bind that it has used."""
    transaction: Any = session.get_transaction()
    entries = transaction._connections.values() if transaction is not None else ()
    return list(dict.fromkeys(entry[0] for entry in entries))


def driver_connection(conn: Connection) -> Any:
    """The connection of the driver below a Connection; ConfigurationError if unguarded."""
    return of_driver(conn.connection.dbapi_connection)


def _sync_connection(target: Connection | AsyncConnection) -> Connection:
    if isinstance(target, Connection):
        return target
    if target.sync_connection is None:
        raise ConfigurationError("settings(): this AsyncConnection is not started: await it first")
    return target.sync_connection


def _wants_async(target: Any) -> ConfigurationError:
    return ConfigurationError(
        f"settings(): a transaction is open on this {type(target).__name__}: use `async with`"
    )
