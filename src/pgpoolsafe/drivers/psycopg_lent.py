"""psycopg_pool: a block on a connection that it has lent ends when the pool has that back.

The pool calls nobody then, so its `putconn`, through which every way back leads, is replaced
on this one pool while there is such a block, and put back with the last one.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import Lock
from typing import Any

from psycopg_pool.base import BasePool

Drop = Callable[[], None]


class Lent:
    """The blocks on the connections that one pool has lent. Keeps no pool alive."""

    def __init__(self, pool: BasePool) -> None:
        self._pool = weakref.ref(pool)
        self._own = vars(pool).get("putconn")  # a user's own, on this pool
        self._drops: dict[int, tuple[Any, Drop]] = {}
        pool.putconn = self.putconn  # type: ignore[attr-defined]

    def putconn(self, conn: Any) -> Any:
        """The pool's, in the place of which this stands; for an asynchronous pool a coroutine."""
        pool: Any = self._pool()
        if getattr(conn, "_pool", None) is pool:  # if not, psycopg_pool says what is wrong
            for at, (lent, drop) in list(self._drops.items()):
                if lent is conn:
                    drop()
                    self.forget(at)
        return self._own(conn) if self._own else type(pool).putconn(pool, conn)

    def note(self, at: int, conn: Any, drop: Drop) -> None:
        """`drop` is what ends the block `at` on this connection."""
        self._drops[at] = conn, drop

    def forget(self, at: int) -> None:
        """The block has ended."""
        with _LOCK:
            self._drops.pop(at, None)
            pool = self._pool()
            if self._drops or pool is None or vars(pool).get("putconn") != self.putconn:
                return
            del _LENT[pool]
            if self._own is None:
                del pool.putconn  # type: ignore[attr-defined]
            else:
                pool.putconn = self._own  # type: ignore[attr-defined]


_LENT: weakref.WeakKeyDictionary[BasePool, Lent] = weakref.WeakKeyDictionary()
_LOCK = Lock()


def watched(conn: Any, at: int, drop: Drop) -> Lent | None:
    """See to it that `drop` is called when a pool has the connection back; None: it has none."""
    pool = getattr(conn, "_pool", None)
    if pool is None:
        return None
    with _LOCK:
        lent = _LENT.get(pool)
        if lent is None:
            lent = _LENT[pool] = Lent(pool)
        lent.note(at, conn, drop)
    return lent
