"""SQLAlchemy, sync and asyncio, on any of its drivers: the connections of an engine's pool.

The engine's own events see neither BEGIN nor COMMIT nor what goes through `raw_connection()`;
the guard on the driver's connection sees all of it. So the events only put that guard on:
`first_connect` and `connect` (before the dialect's own first statements) for new connections,
and `checkout` for those that were made before, unless they were found when it was installed.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool.base import _ConnectionRecord

from ..errors import ConfigurationError
from ..poolers.endpoints import Endpoint
from ..rules.policy import Mode
from .connecting import ASKING, EngineConnect
from .fitting import check_policy
from .kinds import fitting
from .living import living

logger = logging.getLogger("pgpoolsafe")

FITTINGS = {
    "psycopg": "psycopg",
    "psycopg_async": "psycopg",
    "psycopg2": "psycopg2",
    "pg8000": "pg8000",
    "asyncpg": "asyncpg",
}
"""By the name of SQLAlchemy's driver, that of the driver whose guard it takes."""


def engines(driver: str) -> type[Engines]:
    """The attachment for engines on a driver."""
    return _ENGINES.get(driver, Engines)


class Engines:
    """The attachment of one engine."""

    def __init__(self, engine: Engine, installation: Any) -> None:
        self._installation = installation
        name = FITTINGS[engine.dialect.driver]
        self._driver = fitting(name)
        self._is_psycopg = name == "psycopg"
        self._seam = EngineConnect(engine.dialect, installation, ASKING[name], self._opened)

    def attach(self) -> None:
        """Guard the connections the engine makes and hands out."""
        engine = self._installation.target
        self._prepare(engine)
        # A user's own `first_connect` comes before any `connect`.
        event.listen(engine, "first_connect", self._connect, insert=True)
        event.listen(engine, "connect", self._connect, insert=True)
        event.listen(engine, "checkout", self._checkout, insert=True)
        for record in living(_ConnectionRecord):
            if record.dbapi_connection is not None and _pool_of(record) is engine.pool:
                self._found(record)

    def detach(self) -> None:
        """Make the engine as it was."""
        engine = self._installation.target
        if engine is not None:
            event.remove(engine, "first_connect", self._connect)
            event.remove(engine, "connect", self._connect)
            event.remove(engine, "checkout", self._checkout)
            self._restore(engine)

    def _prepare(self, engine: Any) -> None:
        if self._is_psycopg:
            from .psycopg_classes import check_layout

            check_layout()
        else:
            check_policy(self._installation.policy)
        self._seam.put()

    def _restore(self, engine: Any) -> None:
        """Undo what `_prepare` did."""
        self._seam.take_back()

    def _found(self, record: Any) -> None:
        """A connection that was made before."""
        self._guard(record.dbapi_connection)

    def _guard(self, dbapi_connection: Any, **more: Any) -> None:
        self._driver.attach(of_driver(dbapi_connection), self._installation, **more)

    def _opened(self, dbapi_connection: Any, refused: dict[str, str]) -> None:
        """A connection that was opened without the settings that its pooler refuses."""
        self._guard(dbapi_connection, refused_options=refused, **self._new)

    def _connect(self, dbapi_connection: Any, record: Any) -> None:
        self._guard(dbapi_connection, **self._new)

    @property
    def _new(self) -> dict[str, Any]:
        # Nobody has a cursor of it yet, so that none has to be looked for.
        return {"adopt": False} if self._is_psycopg else {}

    def _checkout(self, dbapi_connection: Any, record: Any, proxy: Any) -> None:
        self._guard(dbapi_connection)


class _Psycopg2(Engines):
    """psycopg2: connections have to be born as ones that can be guarded.

    Those that were made before are renewed when they are next taken from the pool.
    """

    def _prepare(self, engine: Any) -> None:
        super()._prepare(engine)
        event.listen(engine, "do_connect", _ask_for_guardable)

    def _restore(self, engine: Any) -> None:
        super()._restore(engine)
        event.remove(engine, "do_connect", _ask_for_guardable)

    def _found(self, record: Any) -> None:
        if _is_guardable(record.dbapi_connection):
            super()._found(record)
            return
        if record.in_use:
            logger.warning(
                "a psycopg2 connection that is in use was opened before install(); what it sends"
                " is not seen until it is back in its pool"
            )
        record.invalidate(soft=True)

    def _guard(self, dbapi_connection: Any, **more: Any) -> None:
        """An engine whose `creator` makes connections of C types: refused in strict mode."""
        try:
            super()._guard(dbapi_connection, **more)
        except ConfigurationError as error:
            if self._installation.policy.mode is Mode.STRICT:
                raise
            logger.error("%s; its statements are not seen", error)


def _ask_for_guardable(dialect: Any, record: Any, cargs: Any, cparams: Any) -> None:
    from .psycopg2 import guardable

    cparams["connection_factory"] = guardable(cparams.get("connection_factory"))


def _is_guardable(dbapi_connection: Any) -> bool:
    from .psycopg2 import is_guardable

    return is_guardable(dbapi_connection)


class _Pg8000(Engines):
    """pg8000: its connections forget by what name the host was called; the engine knows."""

    def _guard(self, dbapi_connection: Any, **more: Any) -> None:
        from .pg8000_names import ENDPOINT

        url = self._installation.target.url
        if url.host:
            dbapi_connection.__dict__[ENDPOINT] = Endpoint(
                url.host, url.port or 5432, url.username or "", url.database or ""
            )
        super()._guard(dbapi_connection, **more)


class _Asyncpg(Engines):
    """asyncpg: SQLAlchemy keeps what it has prepared, and how it was described, by itself."""

    def __init__(self, engine: Engine, installation: Any) -> None:
        super().__init__(engine, installation)
        self._caches: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def _restore(self, engine: Any) -> None:
        super()._restore(engine)
        for record in living(_ConnectionRecord):
            adapter = record.dbapi_connection
            if adapter is not None and _pool_of(record) is engine.pool:
                cache = self._caches.pop(of_driver(adapter), None)
                if cache is not None:
                    adapter._prepared_statement_cache = cache

    def _guard(self, dbapi_connection: Any, **more: Any) -> None:
        super()._guard(dbapi_connection, **more)
        self._forget(dbapi_connection)

    def _forget(self, adapter: Any) -> None:
        """No cache where it would be of no use, as far as is known before the first statement."""
        conn = of_driver(adapter)
        cache, guard = adapter._prepared_statement_cache, self._driver.seat_of(conn).guard
        if guard.pooler is None and self._installation.pooler is not None:
            guard.meet(self._installation.pooler)
        if cache is not None and guard.forbids_named_prepares:
            cache.clear()  # its statements hold on to the connection
            self._caches[conn] = cache
            adapter._prepared_statement_cache = None


_ENGINES: dict[str, type[Engines]] = {
    "psycopg2": _Psycopg2,
    "pg8000": _Pg8000,
    "asyncpg": _Asyncpg,
}


def _pool_of(record: Any) -> Any:
    return getattr(record, "_ConnectionRecord__pool", None)


def of_driver(dbapi_connection: Any) -> Any:
    """The connection inside SQLAlchemy's asyncio adapter, or the connection itself."""
    return getattr(dbapi_connection, "driver_connection", dbapi_connection)
