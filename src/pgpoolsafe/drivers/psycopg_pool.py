"""psycopg_pool, sync, async and null pools: connections guarded from their first statement.

The pool makes its connections through its `connection_class`, before its `configure`
callback runs, so that is where new ones are guarded; those made before are guarded when
they are handed out. Both are attributes of this one pool and put back by detach().
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any

from psycopg_pool.base import BasePool

from . import psycopg as driver
from .psycopg_classes import check_layout


class Pool:
    """The attachment of one pool."""

    def __init__(self, pool: BasePool, installation: Any) -> None:
        self._installation = installation
        self._original: type | None = None

    def attach(self) -> None:
        """Guard the connections the pool has, hands out and makes."""
        check_layout()
        pool = self._installation.target
        self._original = pool.connection_class
        pool.connection_class = _born_guarded(pool.connection_class, self._guard)
        pool.getconn = _guarding(pool, self._guard)
        for conn in list(pool._pool):
            self._guard(conn)

    def detach(self) -> None:
        """Put the pool and all its connections back as they were."""
        pool = self._installation.target
        if pool is not None:
            del pool.getconn
            pool.connection_class = self._original
        for conn in self._installation.connections():
            driver.detach(conn, self._installation)

    def _guard(self, conn: Any) -> None:
        driver.attach(conn, self._installation)


def _guarding(pool: Any, guard: Callable[[Any], None]) -> Callable[..., Any]:
    """`pool.getconn`, which guards what it hands out. Keeps no pool alive."""
    getconn = type(pool).getconn
    reference = weakref.ref(pool)

    @wraps(getconn)
    def sync(*args: Any, **kwargs: Any) -> Any:
        conn = getconn(reference(), *args, **kwargs)
        guard(conn)
        return conn

    @wraps(getconn)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        conn = await getconn(reference(), *args, **kwargs)
        guard(conn)
        return conn

    return asynchronous if driver.is_async(pool.connection_class) else sync


def _born_guarded(cls: Any, guard: Callable[[Any], None]) -> Any:
    """A subclass that makes connections of the user's class, guarded before anyone has them."""

    def _connect_gen(subclass: Any, *args: Any, **kwargs: Any) -> Any:
        conn = yield from cls._connect_gen(*args, **kwargs)
        guard(conn)
        return conn

    names = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__slots__": (),
        "_connect_gen": classmethod(_connect_gen),
    }
    return type(cls)(cls.__name__, (cls,), names)
