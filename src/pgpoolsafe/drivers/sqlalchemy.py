"""SQLAlchemy, sync and asyncio, on psycopg: the connections of an engine's pool.

The engine's own events see neither BEGIN nor COMMIT nor what goes through
`raw_connection()`; the psycopg guard sees all of it. So the events only put that guard
on: `connect` (before the dialect's own first statements) for new connections, and
`checkout` for those that were made before, unless they were found when it was installed.
"""

from __future__ import annotations

from typing import Any

from psycopg._connection_base import BaseConnection
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool.base import _ConnectionRecord

from . import psycopg as driver
from .living import living
from .psycopg_classes import check_layout


class Engines:
    """The attachment of one engine."""

    def __init__(self, engine: Engine, installation: Any) -> None:
        self._installation = installation

    def attach(self) -> None:
        """Guard the connections the engine makes and hands out."""
        check_layout()
        engine = self._installation.target
        event.listen(engine, "connect", self._connect, insert=True)
        event.listen(engine, "checkout", self._checkout, insert=True)
        for record in living(_ConnectionRecord):
            if record.dbapi_connection is not None and _pool_of(record) is engine.pool:
                self._guard(record.dbapi_connection)

    def detach(self) -> None:
        """Make the engine as it was."""
        engine = self._installation.target
        if engine is not None:
            event.remove(engine, "connect", self._connect)
            event.remove(engine, "checkout", self._checkout)

    def _guard(self, dbapi_connection: Any) -> None:
        driver.attach(of_driver(dbapi_connection), self._installation)

    def _connect(self, dbapi_connection: Any, record: Any) -> None:
        driver.attach(of_driver(dbapi_connection), self._installation, adopt=False)

    def _checkout(self, dbapi_connection: Any, record: Any, proxy: Any) -> None:
        self._guard(dbapi_connection)


def _pool_of(record: Any) -> Any:
    return getattr(record, "_ConnectionRecord__pool", None)


def of_driver(dbapi_connection: Any) -> BaseConnection[Any]:
    """The psycopg connection inside SQLAlchemy's asyncio adapter, or the connection itself."""
    conn: BaseConnection[Any] = getattr(dbapi_connection, "driver_connection", dbapi_connection)
    return conn
