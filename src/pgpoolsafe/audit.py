"""`audit()`: the database's own code that leaves something in the session."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, overload

from .guard import STAND_IN
from .poolers.answers import Pooler
from .rules.findings import Finding
from .rules.policy import make_policy

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy
    from sqlalchemy.ext.asyncio import AsyncConnection as AsyncSqlAlchemyConnection

    from .sql.stored import StoredCode

    SyncConnection = psycopg.Connection[Any] | sqlalchemy.Connection
    AsyncConnection = psycopg.AsyncConnection[Any] | AsyncSqlAlchemyConnection


@overload
def audit(connection: SyncConnection) -> list[Finding]: ...
@overload
def audit(connection: AsyncConnection) -> Awaitable[list[Finding]]: ...
def audit(connection: Any) -> Any:
    """The database's own functions, procedures and triggers that leave session state.

    connection: a psycopg Connection or AsyncConnection, or SQLAlchemy's over psycopg; for
        an asynchronous one the result is awaited.

    Returns one finding for each thing that a function would leave in the session, also by
    way of the functions that it calls, in the order of schema, name and line; `location`
    says which line of which body. What a function takes back itself is no finding, nor is
    its own SET clause. Levels come from the guard on the connection, or the environment;
    a rule that is ignored is not listed (`opaque-code`, unless it is asked for).

    After them come the functions, policies, views, defaults and checks of tables that cast
    a custom setting which may be '' (`empty-custom-setting`).

    Costs one round trip and changes nothing. PostgreSQL's own functions, those of
    extensions, and the calls in views, defaults and policies are left out. Raises the
    driver's error when the catalog cannot be read, TypeError on anything else.
    """
    found = _driver_connection(connection)
    if isinstance(found, Awaitable):
        return _audit_behind(found)
    from psycopg import AsyncConnection

    if not isinstance(found, AsyncConnection):
        return _audit_now(found)
    if found is connection:
        return _audit_later(found)
    from sqlalchemy.util import await_only  # inside run_sync()

    return await_only(_audit_later(found))


def _driver_connection(connection: Any) -> Any:
    """psycopg's connection, or what is awaited to have it. Raises TypeError."""
    from psycopg._connection_base import BaseConnection

    if isinstance(connection, BaseConnection):
        return connection
    if hasattr(connection, "get_raw_connection"):  # SQLAlchemy's AsyncConnection
        return _behind(connection)
    proxied = getattr(connection, "connection", None)
    found = getattr(proxied, "driver_connection", None)
    if not isinstance(found, BaseConnection):
        raise TypeError(
            f"audit(): cannot ask a {type(connection).__module__}.{type(connection).__qualname__};"
            " expected a psycopg connection, or SQLAlchemy's over psycopg"
        )
    return found


async def _behind(connection: Any) -> Any:
    proxied = await connection.get_raw_connection()
    return _driver_connection(proxied.driver_connection)


async def _audit_behind(connection: Awaitable[Any]) -> list[Finding]:
    return await _audit_later(await connection)


def _audit_now(conn: Any) -> list[Finding]:
    from .drivers.psycopg_audit import ask

    with conn.lock:
        stored = conn.wait(ask(conn, expressions=True))
    return _judged(conn, stored)


async def _audit_later(conn: Any) -> list[Finding]:
    from .drivers.psycopg_audit import ask

    async with conn.lock:
        stored = await conn.wait(ask(conn, expressions=True))
    return _judged(conn, stored)


def _judged(conn: Any, stored: StoredCode) -> list[Finding]:
    from .code_findings import judged_code  # most programs never audit
    from .drivers.psycopg import seat_of

    seat = seat_of(conn)
    if seat is None:
        return judged_code(stored, make_policy(), STAND_IN)
    return judged_code(stored, seat.guard.policy, _pooler_of(seat))


def _pooler_of(seat: Any) -> Pooler:
    stated: Pooler | None = seat.owners[-1].override
    found: Pooler = seat.guard.judged_as
    return stated if stated is not None and stated.shares_sessions else found
