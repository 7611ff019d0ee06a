"""SQLAlchemy, sync and asyncio, on psycopg: the connections of an engine's pool.

The engine's own events see neither BEGIN nor COMMIT nor what goes through
`raw_connection()`; the psycopg guard sees all of it. So the events only put that guard
on: `connect` (before the dialect's own first statements) for new connections,
`checkout` for those that were in the pool already.
"""

from __future__ import annotations

from typing import Any

from psycopg._connection_base import BaseConnection
from sqlalchemy import event
from sqlalchemy.engine import Engine

from . import psycopg as driver
from .psycopg_classes import check_layout


class Engines:
    """The attachment of one engine."""

    def __init__(self, engine: Engine, installation: Any) -> None:
        if engine.dialect.name != "postgresql" or engine.dialect.driver not in _DRIVERS:
            raise TypeError(
                f"pgpoolsafe: cannot guard an engine on {engine.dialect.name}+"
                f"{engine.dialect.driver}; expected one of "
                + ", ".join(f"postgresql+{name}" for name in _DRIVERS)
            )
        self._installation = installation

    def attach(self) -> None:
        """Guard the connections the engine makes and hands out."""
        check_layout()
        engine = self._installation.target
        event.listen(engine, "connect", self._connect, insert=True)
        event.listen(engine, "checkout", self._checkout, insert=True)

    def detach(self) -> None:
        """Put the engine and all its connections back as they were."""
        engine = self._installation.target
        if engine is not None:
            event.remove(engine, "connect", self._connect)
            event.remove(engine, "checkout", self._checkout)
        for conn in self._installation.connections():
            driver.detach(conn, self._installation)

    def _connect(self, dbapi_connection: Any, record: Any) -> None:
        driver.attach(_of_driver(dbapi_connection), self._installation, adopt=False)

    def _checkout(self, dbapi_connection: Any, record: Any, proxy: Any) -> None:
        driver.attach(_of_driver(dbapi_connection), self._installation)


_DRIVERS = ("psycopg", "psycopg_async")


def _of_driver(dbapi_connection: Any) -> BaseConnection[Any]:
    """The psycopg connection inside SQLAlchemy's asyncio adapter, or the connection itself."""
    conn: BaseConnection[Any] = getattr(dbapi_connection, "driver_connection", dbapi_connection)
    return conn
