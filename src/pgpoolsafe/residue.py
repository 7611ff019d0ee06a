"""`residue()`: what the session of a connection carries that it did not carry at its start."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from .session.residue import Residue


@overload
def residue(
    connection: psycopg.Connection[Any] | Connection, *, settings: Iterable[str] = ()
) -> Residue: ...
@overload
def residue(
    connection: psycopg.AsyncConnection[Any] | AsyncConnection, *, settings: Iterable[str] = ()
) -> Awaitable[Residue]: ...
def residue(connection: Any, *, settings: Iterable[str] = ()) -> Any:
    """What a session carries that it did not carry at its start, whoever left it there.

    connection: a psycopg Connection or AsyncConnection, a SQLAlchemy Connection or
        AsyncConnection on psycopg; asynchronous ones are awaited. Guarded or not.
    settings: custom settings (`app.tenant`) to ask for. PostgreSQL lists none of them; those
        that a function of the database sets are asked for anyway.

    One round trip: one SELECT that writes nothing, opens no transaction, and in an open one
    is a statement like any other. Behind a pooler it sees the server connection that it is
    given; what the pooler gives to each client anew is not counted. What a transaction that
    is still open holds (SET LOCAL, its locks) cannot be told from what outlives it, and is
    counted. Returns a Residue, which is false when there is nothing.

    Raises TypeError on another target, psycopg.Error when the connection cannot be asked
    (closed, in an aborted transaction, in a busy pipeline).
    """
    if isinstance(settings, str):
        raise TypeError("residue(): settings is a list of names, not a string")
    names = tuple(settings)
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.engine import Connection
        from sqlalchemy.ext.asyncio import AsyncConnection

        if isinstance(connection, AsyncConnection):
            return _of_async_sqlalchemy(connection, names)
        if isinstance(connection, Connection):
            return _of_sqlalchemy(connection, names)
    return _of_psycopg(connection, names)


def _of_psycopg(connection: Any, names: tuple[str, ...]) -> Any:
    if "psycopg" in sys.modules:
        import psycopg

        if isinstance(connection, psycopg.AsyncConnection):
            return _ask_later(connection, names)
        if isinstance(connection, psycopg.Connection):
            return _ask(connection, names)
    raise TypeError(
        f"residue(): cannot ask a {type(connection).__module__}.{type(connection).__qualname__};"
        " expected a psycopg connection or a SQLAlchemy connection on psycopg (take one from the"
        " engine or the pool first)"
    )


def _of_sqlalchemy(connection: Any, names: tuple[str, ...]) -> Residue:
    from .session.residue import Residue

    found = _of_psycopg(connection.connection.driver_connection, names)
    if isinstance(found, Residue):
        return found
    from sqlalchemy.util import await_only  # inside AsyncConnection.run_sync()

    later: Residue = await_only(found)
    return later


async def _of_async_sqlalchemy(connection: Any, names: tuple[str, ...]) -> Residue:
    raw = await connection.get_raw_connection()
    found: Residue = await _of_psycopg(raw.driver_connection, names)
    return found


def _ask(connection: Any, names: tuple[str, ...]) -> Residue:
    from .drivers.psycopg_residue import residue as asking

    with connection.lock:
        found: Residue = connection.wait(asking(connection, names))
    return found


async def _ask_later(connection: Any, names: tuple[str, ...]) -> Residue:
    from .drivers.psycopg_residue import residue as asking

    async with connection.lock:
        found: Residue = await connection.wait(asking(connection, names))
    return found
