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

from psycopg._connection_base import BaseConnection
from psycopg_pool.base import BasePool

from . import psycopg as driver
from .living import living
from .psycopg_birth import connecting
from .psycopg_classes import check_layout
from .psycopg_connecting import connect


class Pool:
    """The attachment of one pool."""

    def __init__(self, pool: BasePool, installation: Any) -> None:
        self._installation = installation
        self._class: type | None = None
        self._getconn: Any = None
        self._ours: Any = None

    def attach(self) -> None:
        """Guard the connections the pool has, has handed out, hands out and makes."""
        check_layout()
        pool = self._installation.target
        self._class = pool.connection_class
        self._getconn = vars(pool).get("getconn")  # a user's own, on this pool
        self._ours = _guarding(pool, self._getconn, self._guard)
        pool.connection_class = _born_guarded(pool.connection_class, self._installation)
        pool.getconn = self._ours
        for conn in [*pool._pool, *_handed_out(pool)]:
            self._guard(conn)

    def detach(self) -> None:
        """Make the pool as it was."""
        pool = self._installation.target
        if pool is None:
            return
        pool.connection_class = self._class
        if vars(pool).get("getconn") is not self._ours:
            return  # wrapped by somebody else since: theirs to take off
        if self._getconn is None:
            del pool.getconn
        else:
            pool.getconn = self._getconn

    def _guard(self, conn: Any) -> None:
        driver.attach(conn, self._installation)


def _handed_out(pool: Any) -> list[Any]:
    return [conn for conn in living(BaseConnection) if getattr(conn, "_pool", None) is pool]


def _guarding(pool: Any, own: Any, guard: Callable[[Any], None]) -> Callable[..., Any]:
    """`pool.getconn`, which guards what it hands out. Keeps no pool alive."""
    getconn = type(pool).getconn
    reference = weakref.ref(pool)

    def hand_out(*args: Any, **kwargs: Any) -> Any:
        return own(*args, **kwargs) if own else getconn(reference(), *args, **kwargs)

    @wraps(type(pool).getconn)
    def sync(*args: Any, **kwargs: Any) -> Any:
        conn = hand_out(*args, **kwargs)
        guard(conn)
        return conn

    @wraps(type(pool).getconn)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        conn = await hand_out(*args, **kwargs)
        guard(conn)
        return conn

    return asynchronous if driver.is_async(pool.connection_class) else sync


def _born_guarded(cls: Any, owner: Any) -> Any:
    """A subclass that makes connections of the user's class, guarded before anyone has them."""

    def _connect_gen(subclass: Any, /, conninfo: str = "", **kwargs: Any) -> Any:
        make = connecting(cls)
        conn, refused = yield from connect(owner, lambda text: make(text, **kwargs), conninfo)
        driver.attach(conn, owner, refused_options=refused)
        return conn

    names = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__slots__": (),
        "_connect_gen": classmethod(_connect_gen),
    }
    return type(cls)(cls.__name__, (cls,), names)
