"""SQLAlchemy on psycopg: every way of sending is seen, once, on new and on pooled connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.servers import PgBouncer, Postgres

HAZARD = "SELECT set_config('app.way', 'x', false)"
REFUSED = {"rules": {"session-set": "raise"}, "pooler": "pgbouncer"}


def url(server: Postgres | PgBouncer) -> sa.URL:
    parameters = server.parameters()
    return sa.URL.create(
        "postgresql+psycopg",
        username=parameters["user"],
        host=parameters["host"],
        port=parameters["port"],
        database=parameters["dbname"],
    )


@pytest.fixture
def engine(postgres: Postgres) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url(postgres))
    yield engine
    engine.dispose()


@pytest.fixture
async def async_engine(postgres: Postgres) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url(postgres))
    yield engine
    await engine.dispose()


class Base(orm.DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "pg_settings"
    name = orm.mapped_column(sa.Text, primary_key=True)


def core(engine: sa.Engine) -> Any:
    with engine.begin() as conn:
        return conn.execute(sa.text(HAZARD)).scalar()


def expression(engine: sa.Engine) -> Any:
    with engine.begin() as conn:
        return conn.execute(sa.select(sa.func.set_config("app.way", "x", False))).scalar()


def driver_sql(engine: sa.Engine) -> Any:
    with engine.begin() as conn:
        return conn.exec_driver_sql(HAZARD).scalar()


def session(engine: sa.Engine) -> Any:
    with orm.Session(engine) as session, session.begin():
        return session.execute(sa.text(HAZARD)).scalar()


def entities(engine: sa.Engine) -> Any:
    query = sa.select(Item.name, sa.func.set_config("app.way", "x", False)).limit(1)
    with orm.Session(engine) as session, session.begin():
        return session.execute(query).one()[1]


def savepoint(engine: sa.Engine) -> Any:
    with engine.begin() as conn, conn.begin_nested():
        return conn.execute(sa.text(HAZARD)).scalar()


def streaming(engine: sa.Engine) -> Any:
    with engine.connect().execution_options(stream_results=True) as conn, conn.begin():
        return conn.execute(sa.text(HAZARD)).scalar()


def raw_connection(engine: sa.Engine) -> Any:
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute(HAZARD)
        row = cursor.fetchone()
        raw.commit()
        return row and row[0]
    finally:
        raw.close()


def driver_connection(engine: sa.Engine) -> Any:
    with engine.connect() as conn:
        driver: psycopg.Connection[Any] = conn.connection.driver_connection  # type: ignore[assignment]
        value = driver.execute(HAZARD).fetchone()
        driver.commit()
        return value and value[0]


def autocommit(engine: sa.Engine) -> Any:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        return conn.execute(sa.text(HAZARD)).scalar()


WAYS = [core, expression, driver_sql, session, entities, savepoint, streaming]
WAYS += [raw_connection, driver_connection, autocommit]


@pytest.fixture(params=[False, True], ids=["new", "pooled"])
def pooled(request: pytest.FixtureRequest) -> bool:
    """Whether the connection was in the engine's pool before install()."""
    return bool(request.param)


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_seen_once(engine: sa.Engine, way: Callable[[sa.Engine], Any], pooled: bool) -> None:
    if pooled:
        engine.connect().close()
    with pgpoolsafe.install(
        engine, rules={"session-set": "warn"}, pooler="pgbouncer"
    ) as installation:
        with pytest.warns(SessionStateWarning, match="^session-set: "):
            assert way(engine) == "x"
        assert [(f.rule, count) for f, count in installation.findings()] == [("session-set", 1)]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_seen_once_when_the_process_is_guarded_too(
    engine: sa.Engine, way: Callable[[sa.Engine], Any]
) -> None:
    options: dict[str, Any] = {"rules": {"session-set": "warn"}, "pooler": "pgbouncer"}
    with pgpoolsafe.install(**options) as process, pgpoolsafe.install(engine, **options) as own:
        with pytest.warns(SessionStateWarning, match="^session-set: "):
            assert way(engine) == "x"
        counts = [count for i in (process, own) for _, count in i.findings()]
        assert counts == [1]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_refused(engine: sa.Engine, way: Callable[[sa.Engine], Any]) -> None:
    with pgpoolsafe.install(engine, **REFUSED):  # type: ignore[arg-type]
        with pytest.raises(SessionStateError):
            way(engine)
        with engine.connect() as conn:
            left = conn.execute(sa.text("SELECT current_setting('app.way', true)")).scalar()
        assert not left


def test_located_in_the_users_code(engine: sa.Engine) -> None:
    with pgpoolsafe.install(engine, **REFUSED):  # type: ignore[arg-type]
        with pytest.raises(SessionStateError) as caught:
            core(engine)
    assert caught.value.location is not None
    assert caught.value.location.file == __file__
    assert caught.value.location.function == "core"


async def test_async_located_across_the_greenlet(async_engine: AsyncEngine) -> None:
    async def users_own_function() -> None:
        async with async_engine.begin() as conn:
            await conn.execute(sa.text(HAZARD))

    with pgpoolsafe.install(async_engine, **REFUSED):  # type: ignore[arg-type]
        with pytest.raises(SessionStateError) as caught:
            await users_own_function()
    assert caught.value.location is not None
    assert caught.value.location.function == "users_own_function"


async def test_async_ways(async_engine: AsyncEngine) -> None:
    with pgpoolsafe.install(async_engine, **REFUSED):  # type: ignore[arg-type]
        with pytest.raises(SessionStateError):
            async with AsyncSession(async_engine) as session, session.begin():
                await session.execute(sa.text(HAZARD))
        with pytest.raises(SessionStateError):
            async with async_engine.begin() as conn:
                async with conn.stream(sa.text(HAZARD)) as rows:
                    await rows.one()
    async with async_engine.begin() as conn:
        assert (await conn.execute(sa.text(HAZARD))).scalar() == "x"


def test_dialect_initialisation_is_guarded_and_silent(pgbouncer: PgBouncer) -> None:
    engine = sa.create_engine(url(pgbouncer))
    with pgpoolsafe.install(engine, mode="strict") as installation:
        with engine.connect() as conn:
            assert conn.execute(sa.text("SELECT 1")).scalar() == 1
        assert installation.findings() == []
        assert installation.pooler is not None
        assert installation.pooler.shares_sessions
    engine.dispose()


def test_isolation_levels_and_two_phase(pgbouncer: PgBouncer) -> None:
    engine = sa.create_engine(url(pgbouncer), isolation_level="SERIALIZABLE")
    with pgpoolsafe.install(engine, mode="strict") as installation:
        with engine.connect() as conn:
            assert conn.execute(sa.text("SHOW transaction_isolation")).scalar() == "serializable"
        readonly = engine.connect().execution_options(postgresql_readonly=True)
        with readonly as conn, conn.begin():
            assert conn.execute(sa.text("SHOW transaction_read_only")).scalar() == "on"
        with engine.connect() as conn:
            transaction = conn.begin_twophase()
            conn.execute(sa.text("SELECT 1"))
            transaction.prepare()
            transaction.commit()
        assert installation.findings() == []
    engine.dispose()


def test_a_connection_that_is_out_at_install(engine: sa.Engine) -> None:
    with engine.connect() as conn, pgpoolsafe.install(engine, **REFUSED):  # type: ignore[arg-type]
        conn.execute(sa.text(HAZARD))
        with pytest.raises(SessionStateError):
            conn.commit()


def test_an_engine_with_execution_options_is_its_engine(engine: sa.Engine) -> None:
    installation = pgpoolsafe.install(engine.execution_options(isolation_level="AUTOCOMMIT"))
    assert pgpoolsafe.install(engine) is installation
    pgpoolsafe.uninstall(engine)


async def test_a_connection_of_sqlalchemy_is_no_target(async_engine: AsyncEngine) -> None:
    async with async_engine.connect() as conn:
        with pytest.raises(TypeError, match="cannot guard a"):
            pgpoolsafe.install(conn)


def test_after_dispose(engine: sa.Engine) -> None:
    with pgpoolsafe.install(engine, **REFUSED):  # type: ignore[arg-type]
        engine.connect().close()
        engine.dispose()
        with pytest.raises(SessionStateError):
            core(engine)


def test_uninstall_restores(engine: sa.Engine) -> None:
    with engine.connect() as conn:
        before = type(conn.connection.driver_connection)
    installation = pgpoolsafe.install(engine, **REFUSED)  # type: ignore[arg-type]
    with engine.connect() as conn:
        assert type(conn.connection.driver_connection) is not before
        pgpoolsafe.uninstall(engine)
        driver = conn.connection.driver_connection
        assert type(driver) is before
        assert "_pgpoolsafe" not in vars(driver)
    installation.uninstall()
    assert core(engine) == "x"


def test_async_engine_and_its_sync_engine_are_one_target(async_engine: AsyncEngine) -> None:
    first = pgpoolsafe.install(async_engine)
    assert pgpoolsafe.install(async_engine.sync_engine) is first
    first.uninstall()


def test_other_engines_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^pgpoolsafe: cannot guard an engine on sqlite\+"):
        pgpoolsafe.install(sa.create_engine("sqlite://"))
