"""SQLAlchemy engines on every driver, and how a sync function runs on each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from tests.servers import PgBouncer, Postgres

DRIVERS = ("psycopg2", "pg8000", "asyncpg")
_ON_A_LOOP = ("asyncpg", "psycopg_async")


def url(server: Postgres | PgBouncer, driver: str) -> sa.URL:
    parameters = server.parameters()
    return sa.URL.create(
        f"postgresql+{driver}",
        username=parameters["user"],
        host=parameters["host"],
        port=parameters["port"],
        database=parameters["dbname"],
    )


class Lane:
    """An engine on one driver. `engine` is the sync one; `do` runs a sync function with it.

    Connections of asyncio live on one event loop, which is this lane's own.
    """

    def __init__(self, server: Postgres | PgBouncer, driver: str, **options: Any) -> None:
        self.driver = driver
        self.loop = asyncio.new_event_loop() if driver in _ON_A_LOOP else None
        self.target: Any
        if self.loop is None:
            self.target = sa.create_engine(url(server, driver), **options)
            self.engine: sa.Engine = self.target
        else:
            self.target = create_async_engine(url(server, driver), **options)
            self.engine = self.target.sync_engine

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the function gives for the sync engine."""
        if self.loop is None:
            return function(self.engine, *args)
        return self.loop.run_until_complete(greenlet_spawn(function, self.engine, *args))

    def close(self) -> None:
        """Close every connection."""
        self.do(lambda engine: engine.dispose())
        if self.loop is not None:
            self.loop.close()


def scalar(conn: sa.Connection, text: str) -> Any:
    """The one value of a statement."""
    return conn.execute(sa.text(text)).scalar()
