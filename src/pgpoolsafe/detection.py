"""`detect()` and `require()`: what a target leads to, and whether that is the right place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, overload

from .endpoint_check import Requirement, refuse, requirement
from .installation import Installation, installation_of
from .poolers.answers import Pooler
from .poolers.startup import Reception, refusal_in
from .program_address import conninfo_of, conninfo_of_engine
from .rules.findings import caller
from .rules.policy import make_policy
from .rules.reporting import Reporter
from .startup_options import startup_findings
from .targets import Kind, address_of, kind_of, text_in

if TYPE_CHECKING:
    import psycopg
    import psycopg_pool
    import sqlalchemy
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from .drivers.psycopg_sight import Sight

    SyncTarget = (
        psycopg.Connection[Any]
        | psycopg_pool.ConnectionPool[Any]
        | sqlalchemy.Connection
        | sqlalchemy.Engine
        | sqlalchemy.URL
    )
    AsyncTarget = (
        psycopg.AsyncConnection[Any]
        | psycopg_pool.AsyncConnectionPool[Any]
        | AsyncConnection
        | AsyncEngine
    )

_ASYNC = (Kind.ASYNC_CONNECTION, Kind.ASYNC_ENGINE, Kind.ASYNC_POOL, Kind.ASYNC_SQLALCHEMY)
_ENGINES = (Kind.ENGINE, Kind.ASYNC_ENGINE)
_PSYCOPG = ("psycopg", "psycopg_async")


@overload
def detect(target: str) -> Pooler: ...
@overload
def detect(target: SyncTarget) -> Pooler: ...
@overload
def detect(target: AsyncTarget) -> Awaitable[Pooler]: ...
def detect(target: Any) -> Any:
    """What a target leads to: a pooler, its mode, what it keeps, and the evidence.

    target: a DSN (`host=… dbname=…`), a URL (`postgresql://…`, also with a driver's name, as
        SQLAlchemy has it), a service's name, a SQLAlchemy URL, Engine, AsyncEngine or
        connection, a psycopg connection or a psycopg_pool pool. For an asynchronous target
        the result is awaited. What uses another driver than psycopg is visited with psycopg.

    A text is connected to, with a timeout of 10 s unless it states one. Costs at most one
    round trip (one more, if settings stand in the connection's options), and none where the
    address or the greeting tells, or an Installation has found out before. A connection in
    the middle of a transaction is asked nothing: then the result may be "unknown".
    Settings in the options that the pooler refuses or drops are reported by the rule
    `startup-options`: a SessionStateWarning, unless it is set to another level.
    Raises TypeError on another target, ConfigurationError on a text that cannot be read,
    and the driver's error where there is no connection to be had.
    """
    if kind_of(target) in _ASYNC:
        return _detect_later(target)
    return _reported(target, _see(target)).pooler


@overload
def require(
    target: str,
    *,
    direct: bool | None = None,
    pool_mode: str | None = None,
    product: str | None = None,
) -> Pooler: ...
@overload
def require(
    target: SyncTarget,
    *,
    direct: bool | None = None,
    pool_mode: str | None = None,
    product: str | None = None,
) -> Pooler: ...
@overload
def require(
    target: AsyncTarget,
    *,
    direct: bool | None = None,
    pool_mode: str | None = None,
    product: str | None = None,
) -> Awaitable[Pooler]: ...
def require(
    target: Any,
    *,
    direct: bool | None = None,
    pool_mode: str | None = None,
    product: str | None = None,
) -> Any:
    """Make sure, at start-up, that a target leads to the right place; returns what is there.

    target: as for `detect()`; asynchronous ones are awaited.
    direct: True: no pooler in between; False: some pooler.
    pool_mode: "session", "transaction" or "statement". A proxy whose mode cannot be told
        counts as "transaction", as everywhere, and as nothing else.
    product: such as "pgbouncer" or "pgbouncer>=1.21" (at least that version).

    Raises WrongEndpointError, which says what is there, why it is thought so, and what to
    type; also when it cannot be told. ConfigurationError: nothing is required, or an option
    is wrong. Otherwise as `detect()`.
    """
    wanted = requirement(direct=direct, pool_mode=pool_mode, product=product)
    if kind_of(target) in _ASYNC:
        return _require_later(target, wanted)
    return _fitting(_reported(target, _see(target)), wanted)


async def _detect_later(target: Any) -> Pooler:
    return _reported(target, await _see_later(target)).pooler


async def _require_later(target: Any, wanted: Requirement) -> Pooler:
    return _fitting(_reported(target, await _see_later(target)), wanted)


def _fitting(sight: Sight, wanted: Requirement) -> Pooler:
    reason = wanted.unmet_by(sight.pooler)
    if reason is not None:
        raise refuse(sight.pooler, sight.endpoint, wanted, reason)
    return sight.pooler


def _reported(target: Any, sight: Sight) -> Sight:
    """Tell what becomes of the settings in the options, as the rule's level says."""
    installation = _installation(target)
    policy = installation.policy if installation else make_policy()
    findings = startup_findings(
        sight.pooler, sight.startup, role=sight.endpoint.user, policy=policy, location=caller()
    )
    reporter = installation.reporter if installation else Reporter()
    reporter.report(findings)
    return sight


# looking


def _see(target: Any) -> Sight:
    from psycopg import OperationalError

    try:
        return _see_by_its_own(target)
    except OperationalError as error:
        sight = _see_what_is_refused(target, error)
        if sight is None:
            raise
        return sight


async def _see_later(target: Any) -> Sight:
    from psycopg import OperationalError

    try:
        return await _see_later_by_its_own(target)
    except OperationalError as error:
        sight = await asyncio.to_thread(_see_what_is_refused, target, error)
        if sight is None:
            raise
        return sight


def _see_by_its_own(target: Any) -> Sight:
    """Through the target's own connection, where it has one of psycopg's."""
    kind = kind_of(target)
    if kind is Kind.TEXT:
        return _see_text(text_in(target))
    if kind is Kind.POOL:
        with target.connection() as conn:
            return _see_connection(conn, target)
    if kind is Kind.CONNECTION:
        return _see_connection(target, target)
    if target.dialect.driver not in _PSYCOPG:
        return _see_text(conninfo_of_engine(target.engine))
    if kind is Kind.SQLALCHEMY:
        return _see_connection(target.connection.driver_connection, target.engine)
    return _see_engine(target)


def _see_engine(engine: Any) -> Sight:
    raw = engine.raw_connection()
    try:
        return _see_connection(raw.driver_connection, engine)
    finally:
        raw.close()


async def _see_later_by_its_own(target: Any) -> Sight:
    kind = kind_of(target)
    if kind is Kind.ASYNC_POOL:
        async with target.connection() as conn:
            return await _see_async_connection(conn, target)
    if kind is Kind.ASYNC_CONNECTION:
        return await _see_async_connection(target, target)
    if target.dialect.driver not in _PSYCOPG:
        return await asyncio.to_thread(_see_text, conninfo_of_engine(target.engine))
    if kind is Kind.ASYNC_SQLALCHEMY:
        raw = await target.get_raw_connection()
        return await _see_async_connection(raw.driver_connection, target.engine)
    return await _see_async_engine(target)


async def _see_async_engine(engine: Any) -> Sight:
    from sqlalchemy.exc import DBAPIError

    try:
        async with engine.connect() as connection:
            raw = await connection.get_raw_connection()
            return await _see_async_connection(raw.driver_connection, engine)
    except DBAPIError as error:
        raise (error.orig or error) from None  # the driver's, as everywhere


def _see_what_is_refused(target: Any, error: Exception) -> Sight | None:
    """Where the pooler refuses settings in the options: what stands there, and which.

    A pool only says that no connection came in time, so it is worth a look by itself.
    """
    is_refusal = kind_of(target) in _ENGINES and refusal_in(str(error)) is not None
    if not is_refusal and type(error).__name__ != "PoolTimeout":
        return None
    sight = _see_text(conninfo_of(target))
    return sight if Reception.REJECTED in sight.startup.values() else None


def _see_connection(conn: Any, target: Any) -> Sight:
    generator = _sight(conn, target)
    with conn.lock:
        found: Sight = conn.wait(generator)
    return found


async def _see_async_connection(conn: Any, target: Any) -> Sight:
    generator = _sight(conn, target)
    async with conn.lock:
        found: Sight = await conn.wait(generator)
    return found


def _sight(conn: Any, target: Any) -> Any:
    from .drivers.psycopg_sight import sight

    installation = _installation(target)
    if installation is None:
        return sight(conn, {})
    return sight(conn, installation.poolers, installation.override)


def _see_text(text: str) -> Sight:
    address = address_of(text)
    from .drivers.psycopg_sight import come_without_what_is_refused, with_refused

    visitor, refused = come_without_what_is_refused(address.parameters, address.timeout)
    try:
        return with_refused(visitor.look(), refused)
    finally:
        visitor.close()


def _installation(target: Any) -> Installation | None:
    """The guard on the target, or on the whole process."""
    if kind_of(target) is Kind.TEXT:
        return installation_of(None)
    return installation_of(target) or _owner(target) or installation_of(None)


def _owner(target: Any) -> Installation | None:
    """The guard on the engine or pool that a connection comes from."""
    if kind_of(target) not in (Kind.CONNECTION, Kind.ASYNC_CONNECTION):
        return None
    from .drivers.psycopg import seat_of

    seat = seat_of(target)
    return seat.owners[-1] if seat is not None and seat.owners else None
