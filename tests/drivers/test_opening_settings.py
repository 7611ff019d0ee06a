"""Settings that an engine's connections are opened with, and that the pooler refuses or drops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from inspect import signature
from typing import Any

import asyncpg
import pg8000.dbapi
import pytest
import sqlalchemy as sa

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

from .engines import Lane, scalar

WAYS: dict[str, dict[str, Any]] = {
    "psycopg": {"options": "-c work_mem=3MB -c statement_timeout=7s"},
    "psycopg_async": {"options": "-c work_mem=3MB -c statement_timeout=7s"},
    "psycopg2": {"options": "-c work_mem=3MB -c statement_timeout=7s"},
    "pg8000": {"startup_params": {"work_mem": "3MB", "statement_timeout": "7s"}},
    "asyncpg": {"server_settings": {"work_mem": "3MB", "statement_timeout": "7s"}},
}
"""How each driver is asked for the same settings."""

ASKED = ["3MB", "7s"]

if "startup_params" not in signature(pg8000.dbapi.connect).parameters:
    del WAYS["pg8000"]  # an old version cannot be asked for settings


@pytest.fixture(params=WAYS)
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def lane_to(server: PgBouncer | Postgres, driver: str, **more: Any) -> Lane:
    arguments = {**WAYS[driver], **more}
    return Lane(server, driver, pool_size=1, max_overflow=0, connect_args=arguments)


def seen(engine: sa.Engine, *, autocommit: bool = False) -> list[Any]:
    options = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
    with engine.connect().execution_options(**options) as conn:
        return [scalar(conn, f"SHOW {name}") for name in ("work_mem", "statement_timeout")]


@pytest.mark.parametrize("autocommit", [False, True])
def test_what_the_pooler_refuses_is_carried(
    pgbouncer: PgBouncer, driver: str, autocommit: bool
) -> None:
    lane = lane_to(pgbouncer, driver)
    with pgpoolsafe.install(lane.target):
        for _ in range(4):  # on one server connection after the other
            assert lane.do(lambda engine: seen(engine, autocommit=autocommit)) == ASKED
    lane.close()
    with pgbouncer.connect("app", "shop", autocommit=True) as other:
        assert other.execute("SHOW work_mem").fetchone() != ("3MB",)


def test_reset_goes_back_to_it(pgbouncer: PgBouncer, driver: str) -> None:
    def use(engine: sa.Engine) -> list[Any]:
        with engine.begin() as conn:
            conn.execute(sa.text("SET work_mem = '5MB'"))
        with engine.begin() as conn:
            changed = scalar(conn, "SHOW work_mem")
            conn.execute(sa.text("RESET work_mem"))
        with engine.begin() as conn:
            return [changed, scalar(conn, "SHOW work_mem")]

    lane = lane_to(pgbouncer, driver)
    with pgpoolsafe.install(lane.target):
        assert lane.do(use) == ["5MB", "3MB"]
    lane.close()


@pytest.fixture
def dropping(postgres: Postgres) -> Iterator[PgBouncer]:
    """It lets such clients in, and leaves what they ask for out."""
    ignored = "options,work_mem,statement_timeout"
    with PgBouncer(postgres, pool_size=3, ignore_startup_parameters=ignored) as pooler:
        pooler.warm()
        yield pooler


# pg8000 forgets what it was opened with.
@pytest.mark.parametrize("driver", [name for name in WAYS if name != "pg8000"])
def test_what_the_pooler_drops_is_carried(dropping: PgBouncer, driver: str) -> None:
    lane = lane_to(dropping, driver)
    with pgpoolsafe.install(lane.target):
        assert [lane.do(seen) for _ in range(4)] == [ASKED] * 4
    lane.close()


def test_directly_nothing_changes(postgres: Postgres, driver: str) -> None:
    lane = lane_to(postgres, driver)
    with pgpoolsafe.install(lane.target):
        mark = postgres.log_mark()
        assert lane.do(seen) == ASKED
        assert "SET LOCAL" not in postgres.log_since(mark)
    lane.close()


@pytest.mark.parametrize("options", [{"settings": "leave"}, {"mode": "observe"}, {"mode": "off"}])
def test_where_nothing_is_carried_the_refusal_stands(
    pgbouncer: PgBouncer, driver: str, options: dict[str, Any]
) -> None:
    lane = lane_to(pgbouncer, driver)
    with (
        pgpoolsafe.install(lane.target, **options),
        pytest.raises(Exception, match="unsupported startup parameter"),
    ):
        lane.do(seen)
    lane.close()


def test_another_error_at_connect_is_the_drivers(pgbouncer: PgBouncer, driver: str) -> None:
    lane = lane_to(pgbouncer, driver)
    _point_at(lane.engine, "nowhere")
    with pgpoolsafe.install(lane.target), pytest.raises(Exception, match="nowhere"):
        lane.do(seen)
    lane.close()


def _point_at(engine: sa.Engine, database: str) -> None:
    """Let the next connection be one to another database."""
    name = "dbname" if "psycopg" in engine.dialect.driver else "database"

    def elsewhere(*event: Any) -> None:
        event[3][name] = database

    sa.event.listen(engine, "do_connect", elsewhere)


def test_uninstalled_the_dialect_connects_by_itself(pgbouncer: PgBouncer, driver: str) -> None:
    lane = lane_to(pgbouncer, driver)
    with pgpoolsafe.install(lane.target):
        assert "connect" in vars(lane.engine.dialect)
    assert "connect" not in vars(lane.engine.dialect)
    lane.close()


def test_psycopg2_anywhere_in_the_process(pgbouncer: PgBouncer) -> None:
    import psycopg2

    dsn = pgbouncer.dsn("app", "shop")
    with pgpoolsafe.install():
        for _ in range(2):
            conn = psycopg2.connect(dsn, options="-c work_mem=3MB")
            with conn, conn.cursor() as cursor:
                cursor.execute("SHOW work_mem")
                assert cursor.fetchone() == ("3MB",)
            conn.close()
    with pytest.raises(psycopg2.OperationalError, match="unsupported startup parameter"):
        psycopg2.connect(dsn, options="-c work_mem=3MB")


HAS_CONNECT = "connect" in signature(asyncpg.create_pool).parameters


def asyncpg_pool(pgbouncer: PgBouncer, **more: Any) -> Any:
    return asyncpg.create_pool(
        host="127.0.0.1",
        port=pgbouncer.port,
        user="app",
        database="shop",
        server_settings={**WAYS["asyncpg"]["server_settings"], "application_name": "mine"},
        min_size=2,
        max_size=2,
        **more,
    )


@pytest.mark.skipif(HAS_CONNECT, reason="asyncpg's pools have `connect` from 0.30 on")
def test_an_older_pool_of_asyncpg_cannot_carry_them_and_that_is_said(
    pgbouncer: PgBouncer, caplog: pytest.LogCaptureFixture
) -> None:
    async def refused() -> None:
        pool = asyncpg_pool(pgbouncer)
        with pgpoolsafe.install(pool):
            async with pool:
                pass

    with pytest.raises(asyncpg.PostgresError, match="unsupported startup parameter"):
        asyncio.run(refused())
    assert caplog.text.count("from 0.30 on they can") == 1


@pytest.mark.skipif(not HAS_CONNECT, reason="asyncpg's pools have `connect` from 0.30 on")
def test_a_pool_of_asyncpg(pgbouncer: PgBouncer) -> None:
    made = []

    async def connect(*args: Any, **kwargs: Any) -> Any:
        made.append(sorted(kwargs["server_settings"]))
        return await asyncpg.connect(*args, **kwargs)

    async def carried(**more: Any) -> list[Any]:
        pool = asyncpg_pool(pgbouncer, **more)
        before = pool._connect
        names = ("work_mem", "statement_timeout", "application_name")
        with pgpoolsafe.install(pool):
            async with pool:
                found = [[await pool.fetchval(f"SHOW {name}") for name in names] for _ in range(3)]
        assert pool._connect is before
        return found

    expected = [[*ASKED, "mine"]] * 3
    assert asyncio.run(carried()) == expected
    assert asyncio.run(carried(connect=connect)) == expected
    # What was refused once is not asked for again.
    everything, nothing = (
        ["application_name", "statement_timeout", "work_mem"],
        ["application_name"],
    )
    assert made[0] == everything
    assert made[-1] == nothing

    async def refused() -> None:
        pool = asyncpg_pool(pgbouncer)
        with pgpoolsafe.install(pool, settings="leave"):
            async with pool:
                pass

    with pytest.raises(asyncpg.PostgresError, match="unsupported startup parameter"):
        asyncio.run(refused())
