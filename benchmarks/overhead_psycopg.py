"""The statements on psycopg that `overhead.py` measures, sync and async, alone and by the ORM."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import pgpoolsafe

try:
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
except ModuleNotFoundError:  # then its column is missing
    PsycopgInstrumentor = TracerProvider = None

Work = Callable[[int], None]
"""Runs so many statements."""

_numbers = itertools.count()


class Case(NamedTuple):
    """Its name, what makes the work of an address and a kind, statements a block."""

    name: str
    make: Callable[[str, str], Work]
    size: int
    has_telemetry: bool = False


class Base(orm.DeclarativeBase):
    """Of the one table."""


class Wide(Base):
    """Twenty columns."""

    __tablename__ = "wide"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    locals().update({f"c{n}": orm.mapped_column(sa.Text) for n in range(19)})


QUERY = sa.select(Wide).limit(1)


def make_table(url: str) -> None:
    """The table, with one row."""
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(Wide(id=1, **{f"c{n}": "text" for n in range(19)}))
        session.commit()
    engine.dispose()


def warm() -> str:
    """The same text every time."""
    return "SELECT 1"


def cold() -> str:
    """A text that nobody has seen."""
    return f"SELECT {next(_numbers)}"


def guard(target: Any, kind: str) -> Any:
    """The target, guarded in strict mode or not at all."""
    if kind == "guarded":
        pgpoolsafe.install(target, mode="strict")
    return target


@contextmanager
def _instrumented(kind: str) -> Iterator[None]:
    """What is connected inside is instrumented, if that is the kind."""
    if kind != "telemetry":
        yield
        return
    PsycopgInstrumentor().instrument(tracer_provider=TracerProvider())
    try:
        yield
    finally:
        PsycopgInstrumentor().uninstrument()


def _connected(dsn: str, kind: str) -> Any:
    with _instrumented(kind):
        conn = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
    return guard(conn, kind)


def unsent(dsn: str, kind: str) -> Work:
    """`cursor.execute` up to the first byte that would be sent."""
    conn = _connected(dsn, kind)
    cursor = conn.cursor()
    cursor.execute(warm())
    conn.wait = lambda gen, *args, **kwargs: gen.close()
    return _executing(cursor, warm)


def on_cursor(text: Callable[[], str]) -> Callable[[str, str], Work]:
    """`cursor.execute` in autocommit."""
    return lambda dsn, kind: _executing(_connected(dsn, kind).cursor(), text)


def on_connection(dsn: str, kind: str) -> Work:
    """`connection.execute`, which makes a cursor each time."""
    return _executing(_connected(dsn, kind), warm)


def _executing(target: Any, text: Callable[[], str]) -> Work:
    def work(size: int) -> None:
        execute = target.execute
        for _ in range(size):
            execute(text())

    return work


def in_transactions(dsn: str, kind: str) -> Work:
    """One statement in a transaction of its own."""
    conn = _connected(dsn, kind)

    def work(size: int) -> None:
        for _ in range(size):
            with conn.transaction():
                conn.execute("SELECT 1")

    return work


def asynchronous(text: Callable[[], str]) -> Callable[[str, str], Work]:
    """`cursor.execute` on asyncio."""

    def make(dsn: str, kind: str) -> Work:
        loop = asyncio.new_event_loop()

        async def connect() -> Any:
            options = {"autocommit": True, "prepare_threshold": None}
            with _instrumented(kind):
                return await psycopg.AsyncConnection.connect(dsn, **options)  # type: ignore[arg-type]

        cursor = guard(loop.run_until_complete(connect()), kind).cursor()

        async def statements(size: int) -> None:
            for _ in range(size):
                await cursor.execute(text())

        return lambda size: loop.run_until_complete(statements(size))

    return make


def entity(dsn: str, kind: str) -> Work:
    """One object of twenty columns, by SQLAlchemy's ORM, in a transaction of ten queries."""
    with _instrumented(kind):
        engine = guard(sa.create_engine("postgresql+psycopg://", **_connecting(dsn)), kind)
        engine.connect().close()

    def work(size: int) -> None:
        for _ in range(max(1, size // 10)):
            with orm.Session(engine) as session:
                for _ in range(10):
                    session.execute(QUERY).scalars().all()

    return work


def entity_async(dsn: str, kind: str) -> Work:
    """The same with AsyncSession."""
    loop = asyncio.new_event_loop()
    engine = guard(create_async_engine("postgresql+psycopg_async://", **_connecting(dsn)), kind)

    async def statements(size: int) -> None:
        for _ in range(max(1, size // 10)):
            async with AsyncSession(engine) as session:
                for _ in range(10):
                    (await session.execute(QUERY)).scalars().all()

    with _instrumented(kind):  # its one connection is pooled
        loop.run_until_complete(statements(1))
    return lambda size: loop.run_until_complete(statements(size))


def _connecting(dsn: str) -> dict[str, Any]:
    # What the bare one would be without: errors, behind a pooler that does not bring them along.
    arguments = {**psycopg.conninfo.conninfo_to_dict(dsn), "prepare_threshold": None}
    return {"connect_args": arguments}


_HAS_TELEMETRY = PsycopgInstrumentor is not None

CASES = (
    Case("psycopg, up to the first byte", unsent, 2000),
    Case("psycopg", on_cursor(warm), 60, _HAS_TELEMETRY),
    Case("psycopg, cold", on_cursor(cold), 60, _HAS_TELEMETRY),
    Case("psycopg, conn.execute", on_connection, 40),
    Case("psycopg, transaction()", in_transactions, 20),
    Case("psycopg async", asynchronous(warm), 40, _HAS_TELEMETRY),
    Case("psycopg async, cold", asynchronous(cold), 40, _HAS_TELEMETRY),
    Case("ORM, psycopg", entity, 10, _HAS_TELEMETRY),
    Case("ORM, psycopg_async", entity_async, 10, _HAS_TELEMETRY),
)
