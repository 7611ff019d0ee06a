"""What is there when a `settings()` block is over, however it comes to its end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

import pgpoolsafe
from pgpoolsafe import ConfigurationError
from tests.drivers.engines import DRIVERS, Lane, scalar
from tests.servers import PgBouncer, Postgres

DOORS = ["direct", "pooled"]
SHOW = sa.text("SELECT current_setting('work_mem')")


@pytest.fixture
def doors(postgres: Postgres, pgbouncer: PgBouncer) -> dict[str, Any]:
    return {"direct": postgres, "pooled": pgbouncer}


@pytest.mark.parametrize("in_transaction", [False, True], ids=["idle", "open"])
@pytest.mark.parametrize("door", DOORS)
def test_a_connection_that_is_given_back_inside_takes_no_block_along(
    door: str, in_transaction: bool, doors: dict[str, Any]
) -> None:
    engine = sa.create_engine(doors[door].url(), pool_size=1, max_overflow=0)
    with pgpoolsafe.install(engine):
        conn = engine.connect()
        if in_transaction:
            conn.execute(SHOW)
        with pgpoolsafe.settings(conn, work_mem="9MB"):
            assert conn.execute(SHOW).scalar() == "9MB"
            conn.close()
            other = engine.connect()
            assert other.execute(SHOW).scalar() == "4MB"  # and leaves its transaction open
        assert other.execute(SHOW).scalar() == "4MB"
        other.close()
    engine.dispose()


def test_an_async_connection_that_is_given_back_inside(pgbouncer: PgBouncer) -> None:
    async def given_back() -> list[Any]:
        engine = create_async_engine(pgbouncer.url(), pool_size=1, max_overflow=0)
        with pgpoolsafe.install(engine):
            conn = await engine.connect()
            async with pgpoolsafe.settings(conn, work_mem="9MB"):
                found = [(await conn.execute(SHOW)).scalar()]
                await conn.close()
                other = await engine.connect()
                found.append((await other.execute(SHOW)).scalar())
            found.append((await other.execute(SHOW)).scalar())
            await other.close()
        await engine.dispose()
        return found

    assert asyncio.run(given_back()) == ["9MB", "4MB", "4MB"]


@pytest.mark.parametrize("is_first_out", [True, False], ids=["first in", "last in"])
def test_threads_share_one_object(is_first_out: bool, pgbouncer: PgBouncer) -> None:
    engine = sa.create_engine(pgbouncer.url())

    def shown() -> Any:
        with engine.connect() as conn:
            return conn.execute(SHOW).scalar()

    with (
        pgpoolsafe.install(engine),
        ThreadPoolExecutor(1) as first,
        ThreadPoolExecutor(1) as second,
    ):
        shared = pgpoolsafe.settings(engine, work_mem="9MB")
        one, other = (first, second) if is_first_out else (second, first)

        def on_both(what: Any, *args: Any) -> list[Any]:
            return [thread.submit(what, *args).result() for thread in (one, other)]

        first.submit(shared.__enter__).result()
        second.submit(shared.__enter__).result()
        assert on_both(shown) == ["9MB", "9MB"]
        one.submit(shared.__exit__, None, None, None).result()
        assert on_both(shown) == ["4MB", "9MB"]
        other.submit(shared.__exit__, None, None, None).result()
        assert on_both(shown) == ["4MB", "4MB"]
    engine.dispose()


def test_tasks_share_one_object_and_so_does_one_task_with_itself(pgbouncer: PgBouncer) -> None:
    async def shared() -> list[Any]:
        engine = create_async_engine(pgbouncer.url())
        found = []

        async def shown() -> Any:
            async with engine.connect() as conn:
                return (await conn.execute(SHOW)).scalar()

        with pgpoolsafe.install(engine):
            nine = pgpoolsafe.settings(engine, work_mem="9MB")
            entered, is_over = asyncio.Event(), asyncio.Event()

            async def longer() -> None:
                async with nine, nine:
                    entered.set()
                    await is_over.wait()
                    found.append(await shown())

            async with nine:
                task = asyncio.create_task(longer())
                await entered.wait()
            found.append(await shown())
            is_over.set()
            await task
        await engine.dispose()
        return found

    assert asyncio.run(shared()) == ["4MB", "9MB"]


REFUSED = {
    "transaction_read_only": ("on", "default_transaction_read_only"),
    "Transaction_Isolation": ("serializable", "default_transaction_isolation"),
    "transaction_deferrable": ("on", "default_transaction_deferrable"),
    "seed": (0.5, r"setseed\(\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_block_could_put_back_is_refused(name: str, pgbouncer: PgBouncer) -> None:
    value, instead = REFUSED[name]
    with psycopg.connect(pgbouncer.dsn()) as conn, pgpoolsafe.install(conn):
        with pytest.raises(ConfigurationError, match=f"{name} cannot be put back.*{instead}"):
            pgpoolsafe.settings(conn, **{name: value})  # type: ignore[arg-type]
        conn.execute("SELECT 1")  # what is refused has sent nothing


@pytest.mark.parametrize("autocommit", [False, True], ids=["transaction", "autocommit"])
@pytest.mark.parametrize("door", DOORS)
def test_the_default_for_transactions_takes_its_place(
    door: str, autocommit: bool, doors: dict[str, Any]
) -> None:
    with psycopg.connect(doors[door].dsn(), autocommit=autocommit) as conn:
        with pgpoolsafe.install(conn):
            with pgpoolsafe.settings(conn, default_transaction_read_only=True):
                assert conn.execute("SHOW transaction_read_only").fetchone() == ("on",)
            assert conn.execute("SHOW default_transaction_read_only").fetchone() == ("off",)
            conn.rollback()
            assert conn.execute("SHOW transaction_read_only").fetchone() == ("off",)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("values", [["role", "log_statement"], ["log_statement", "role"]])
def test_a_role_and_what_only_a_superuser_may_set(
    values: list[str], door: str, doors: dict[str, Any]
) -> None:
    given = {"role": "reporting", "log_statement": "ddl"}
    show = "SELECT current_user, current_setting('log_statement')"
    with psycopg.connect(doors[door].dsn("postgres"), autocommit=True) as conn:
        with pgpoolsafe.install(conn):
            before = conn.execute(show).fetchone()
            with conn.transaction():
                with pgpoolsafe.settings(conn, **{name: given[name] for name in values}):
                    assert conn.execute(show).fetchone() == ("reporting", "ddl")
                assert conn.execute(show).fetchone() == before
            with pgpoolsafe.settings(conn, **{name: given[name] for name in values}):
                assert conn.execute(show).fetchone() == ("reporting", "ddl")
                conn.execute("BEGIN")
                assert conn.execute(show).fetchone() == ("reporting", "ddl")
            assert conn.execute(show).fetchone() == before
            conn.rollback()


@pytest.mark.parametrize("is_open", [False, True], ids=["idle", "open"])
@pytest.mark.parametrize("autocommit", [False, True], ids=["transaction", "autocommit"])
@pytest.mark.parametrize("door", DOORS)
def test_no_role_for_a_while(
    door: str, autocommit: bool, is_open: bool, doors: dict[str, Any]
) -> None:
    def shown() -> list[Any]:
        return [conn.execute("SELECT current_user").fetchone() for _ in range(2)]

    with psycopg.connect(doors[door].dsn(), autocommit=autocommit) as conn:
        with pgpoolsafe.install(conn):
            conn.execute("SET ROLE reporting")
            conn.commit()
            if is_open:
                conn.execute("BEGIN" if autocommit else "SELECT 1")
            with pgpoolsafe.settings(conn, role="none"):
                assert shown() == [("app",)] * 2
                with pgpoolsafe.settings(conn, role="reporting"):
                    assert shown() == [("reporting",)] * 2
                assert shown() == [("app",)] * 2
            conn.commit()
            assert shown() == [("reporting",)] * 2
            with pgpoolsafe.settings(conn, role="none"):
                conn.execute("SET ROLE reporting")
                assert shown() == [("reporting",)] * 2
            assert shown() == [("reporting",)] * 2


class Base(orm.DeclarativeBase):
    """What the engines of a session are told apart by."""


class Here(Base):
    __tablename__ = "here"
    id: Mapped[int] = mapped_column(primary_key=True)


class There(Base):
    __tablename__ = "there"
    id: Mapped[int] = mapped_column(primary_key=True)


def on_each(session: orm.Session) -> list[Any]:
    return [session.execute(SHOW, bind_arguments={"mapper": one}).scalar() for one in (Here, There)]


BEFORE: list[tuple[Any, ...]] = [(), (There,), (Here, There)]


@pytest.mark.parametrize("used", BEFORE, ids=["no connection", "one", "both"])
def test_each_connection_of_a_session_with_several_binds(
    used: tuple[Any, ...], doors: dict[str, Any]
) -> None:
    engines = [sa.create_engine(doors[door].url()) for door in DOORS]
    with (
        pgpoolsafe.install(engines[0]),
        pgpoolsafe.install(engines[1]),
        orm.Session(binds=dict(zip((Here, There), engines, strict=True))) as session,
    ):
        for count, one in enumerate(used, 5):
            text = sa.text(f"SET LOCAL work_mem TO '{count}MB'")
            session.execute(text, bind_arguments={"mapper": one})
        session.begin() if not used else None
        before = {(): ["4MB", "4MB"], (There,): ["4MB", "5MB"], (Here, There): ["5MB", "6MB"]}
        with pgpoolsafe.settings(session, work_mem="9MB"):
            assert on_each(session) == ["9MB", "9MB"]
        assert on_each(session) == before[used]
        with pytest.raises(sa.exc.DBAPIError), pgpoolsafe.settings(session, work_mem="nonsense"):
            pass
        session.rollback()
        assert on_each(session) == ["4MB", "4MB"]
    for engine in engines:
        engine.dispose()


def test_an_async_session_with_several_binds(doors: dict[str, Any]) -> None:
    async def shown() -> list[Any]:
        engines = [create_async_engine(doors[door].url()) for door in DOORS]
        binds = dict(zip((Here, There), engines, strict=True))
        with pgpoolsafe.install(engines[0]), pgpoolsafe.install(engines[1]):
            async with AsyncSession(binds=binds) as session:
                found = [await session.run_sync(on_each)]
                async with pgpoolsafe.settings(session, work_mem="9MB"):
                    found.append(await session.run_sync(on_each))
                found.append(await session.run_sync(on_each))
        for engine in engines:
            await engine.dispose()
        return found

    assert asyncio.run(shown()) == [["4MB", "4MB"], ["9MB", "9MB"], ["4MB", "4MB"]]


REPORTED = {"timezone": ("Europe/Vienna", "Asia/Tokyo"), "datestyle": ("SQL, DMY", "German, DMY")}


@pytest.mark.parametrize("name", REPORTED)
@pytest.mark.parametrize("driver", ["psycopg", *DRIVERS])
@pytest.mark.parametrize("door", DOORS)
def test_what_was_set_before_is_there_when_the_block_ends_in_its_own_transaction(
    door: str, driver: str, name: str, doors: dict[str, Any]
) -> None:
    own, of_block = REPORTED[name]
    show = f"SELECT current_setting('{name}')"

    def ends_inside(engine: sa.Engine) -> list[Any]:
        with engine.connect() as conn:
            conn.execute(sa.text(f"SET {name} = '{own}'"))
            conn.commit()
            with pgpoolsafe.settings(conn, **{name: of_block}):
                found = [scalar(conn, show)]
            found.append(scalar(conn, show))
            conn.commit()
            return [*found, scalar(conn, show)]

    lane = Lane(doors[door], driver, pool_size=1, max_overflow=0)
    with pgpoolsafe.install(lane.target):
        assert lane.do(ends_inside) == [of_block, own, own]
    lane.close()


@pytest.mark.parametrize("driver", ["psycopg", *DRIVERS])
def test_a_drivers_connection_that_is_closed_inside(driver: str, pgbouncer: PgBouncer) -> None:
    def closes(engine: sa.Engine) -> Any:
        with engine.connect() as conn:
            with pgpoolsafe.settings(conn, work_mem="9MB"):
                found = scalar(conn, "SHOW work_mem")
                conn.connection.dbapi_connection.close()  # type: ignore[union-attr]
            conn.invalidate()
            return found

    lane = Lane(pgbouncer, driver)
    with pgpoolsafe.install(lane.target):
        assert lane.do(closes) == "9MB"
    lane.close()
