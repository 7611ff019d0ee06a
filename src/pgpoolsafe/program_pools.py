"""What an engine or a pool of the program's tells the doctor: where it leads, how big it is."""

from __future__ import annotations

from typing import Any

from .checkup.facts import ClientPool
from .program_address import conninfo_of
from .targets import Kind, kind_of, text_in


def text_of(target: Any) -> str:
    """A connection string that leads where the target does, with its password.

    Raises TypeError for a connection: a pool or its DSN says more.
    """
    kind = kind_of(target)
    if kind is Kind.TEXT:
        return text_in(target)
    if kind in (Kind.ENGINE, Kind.ASYNC_ENGINE, Kind.POOL, Kind.ASYNC_POOL):
        return conninfo_of(target)
    raise TypeError("the doctor looks at a DSN, a URL, an Engine or a pool, not at a connection")


def pool_of(target: Any) -> ClientPool | None:
    """The pool of an engine, or the pool itself; None for a text."""
    kind = kind_of(target)
    if kind in (Kind.ENGINE, Kind.ASYNC_ENGINE):
        return _engine_pool(target.pool)
    if kind in (Kind.POOL, Kind.ASYNC_POOL):
        return ClientPool("psycopg_pool's pool", target.max_size or None, target.timeout)
    return None


def _engine_pool(pool: Any) -> ClientPool | None:
    """SQLAlchemy's QueuePool and its asyncio kin; the others neither limit nor wait."""
    from sqlalchemy.pool import QueuePool

    if not isinstance(pool, QueuePool):
        return None
    overflow = pool._max_overflow
    most = None if overflow < 0 or pool.size() == 0 else pool.size() + overflow
    return ClientPool("SQLAlchemy's pool", most, pool.timeout())
