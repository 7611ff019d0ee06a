"""What an engine or a pool of the program's tells the doctor: where it leads, how big it is."""

from __future__ import annotations

from typing import Any

from .checkup.facts import ClientPool
from .errors import ConfigurationError
from .targets import Kind, kind_of


def text_of(target: Any) -> str:
    """A connection string that leads where the target does, with its password.

    Raises TypeError for a connection: a pool or its DSN says more.
    """
    kind = kind_of(target)
    if kind is Kind.TEXT:
        return str(target)
    if kind in (Kind.ENGINE, Kind.ASYNC_ENGINE):
        return str(target.url.render_as_string(hide_password=False))
    if kind in (Kind.POOL, Kind.ASYNC_POOL):
        return _conninfo_of(target)
    raise TypeError("the doctor looks at a DSN, a URL, an Engine or a pool, not at a connection")


def _conninfo_of(pool: Any) -> str:
    from psycopg.conninfo import make_conninfo

    kwargs = pool.kwargs or {}
    if callable(pool.conninfo) or callable(kwargs):
        raise ConfigurationError("the pool asks a function where to connect: hand over a DSN")
    known = {name: value for name, value in kwargs.items() if name not in _NOT_LIBPQ}
    return make_conninfo(pool.conninfo or "", **known)


_NOT_LIBPQ = ("autocommit", "prepare_threshold", "row_factory", "cursor_factory", "context")
"""What psycopg.connect() takes beside libpq's parameters."""


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
