"""Settings that are carried, on psycopg2, pg8000 and asyncpg, behind a PgBouncer that rotates."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import psycopg2.extensions
import pytest
import sqlalchemy as sa
from psycopg2.extras import NamedTupleCursor, RealDictCursor
from sqlalchemy import orm

import pgpoolsafe
from pgpoolsafe.drivers.psycopg2 import guardable
from tests.drivers.engines import DRIVERS, Lane, scalar
from tests.servers import PgBouncer

SHOW = "SELECT current_setting('work_mem')"
WITH_PARAMETER = sa.text("SELECT current_setting(CAST(:name AS text))")


@pytest.fixture(params=DRIVERS)
def lane(request: pytest.FixtureRequest, pgbouncer: PgBouncer) -> Iterator[Lane]:
    """A guarded engine of one connection."""
    made = Lane(pgbouncer, request.param, pool_size=1, max_overflow=0)
    with pgpoolsafe.install(made.target, settings="carry"):
        yield made
    made.close()


def transaction(engine: sa.Engine, *texts: str) -> list[Any]:
    """One transaction; the value of each text that has one."""
    with engine.begin() as conn:
        return [values(conn.execute(sa.text(text))) for text in texts]


def values(result: Any) -> Any:
    return result.scalar() if result.returns_rows else None


def autocommit(engine: sa.Engine, *texts: str) -> list[Any]:
    """Each text by itself."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        return [values(conn.execute(sa.text(text))) for text in texts]


def with_parameters(engine: sa.Engine) -> Any:
    with engine.begin() as conn:
        return conn.execute(WITH_PARAMETER, {"name": "work_mem"}).scalar()


def with_parameters_in_autocommit(engine: sa.Engine) -> Any:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        return conn.execute(WITH_PARAMETER, {"name": "work_mem"}).scalar()


def simply(engine: sa.Engine) -> Any:
    return transaction(engine, SHOW)[0]


def in_autocommit(engine: sa.Engine) -> Any:
    return autocommit(engine, SHOW)[0]


def in_a_session(engine: sa.Engine) -> Any:
    with orm.Session(engine) as session:
        return session.execute(sa.text(SHOW)).scalar()


def streaming(engine: sa.Engine) -> Any:
    with engine.connect().execution_options(stream_results=True) as conn:
        return conn.execute(sa.text(SHOW)).scalar()


def serializable(engine: sa.Engine) -> Any:
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as conn:
        assert scalar(conn, "SHOW transaction_isolation") == "serializable"
        return scalar(conn, SHOW)


def raw(engine: sa.Engine) -> Any:
    conn = engine.raw_connection()
    try:
        cursor = conn.cursor()
        cursor.execute(SHOW)
        row = cursor.fetchone()
        conn.rollback()
        return row[0] if row else None
    finally:
        conn.close()


READS: list[Callable[[sa.Engine], Any]] = [
    simply,
    in_autocommit,
    with_parameters,
    with_parameters_in_autocommit,
    in_a_session,
    streaming,
    serializable,
    raw,
]


def bystanders(pgbouncer: PgBouncer, name: str = "work_mem") -> set[Any]:
    """What the other clients find on each of the server connections."""
    found = set()
    for pid in pgbouncer.warm():
        with pgbouncer.only(pid), pgbouncer.connect() as other:
            row = other.execute(f"SELECT current_setting('{name}', true)").fetchone()
            found.add(row and row[0])
    return found


@pytest.mark.parametrize("read", READS, ids=[read.__name__ for read in READS])
@pytest.mark.parametrize("write", [transaction, autocommit])
def test_in_force_from_then_on(
    lane: Lane, pgbouncer: PgBouncer, write: Callable[..., Any], read: Callable[[sa.Engine], Any]
) -> None:
    lane.do(write, "SET work_mem TO '7MB'")
    assert [lane.do(read) for _ in range(4)] == ["7MB"] * 4
    assert bystanders(pgbouncer) == {"4MB"}


def test_by_function_and_with_parameters(lane: Lane, pgbouncer: PgBouncer) -> None:
    def write(engine: sa.Engine) -> Any:
        query = sa.text("SELECT set_config('app.tenant', CAST(:tenant AS text), false)")
        with engine.begin() as conn:
            return conn.execute(query, {"tenant": "it's 100 % \\ new"}).scalar()

    read = "SELECT current_setting('app.tenant', true)"
    assert lane.do(write) == "it's 100 % \\ new"
    assert lane.do(transaction, read, read) == ["it's 100 % \\ new"] * 2
    assert lane.do(autocommit, read, read, read) == ["it's 100 % \\ new"] * 3
    assert bystanders(pgbouncer, "app.tenant") <= {None, ""}


@pytest.mark.parametrize("level", ["READ COMMITTED", "AUTOCOMMIT"])
def test_by_function_as_sqlalchemy_writes_it(lane: Lane, level: str) -> None:
    def write(engine: sa.Engine) -> Any:
        with engine.connect().execution_options(isolation_level=level) as conn:
            call = sa.func.set_config("app.tenant", "acme", False)
            said = conn.execute(sa.select(call)).scalar()
            conn.commit()
            return said

    assert lane.do(write) == "acme"
    read = "SELECT current_setting('app.tenant', true)"
    assert [lane.do(transaction, read), lane.do(autocommit, read)] == [["acme"], ["acme"]]


def test_a_list_of_names_spelled_as_set_does_not(lane: Lane) -> None:
    """Only set_config() can put it back, whose own row is not among the user's."""

    def rows(engine: sa.Engine, *texts: str) -> list[Any]:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            results = (conn.exec_driver_sql(text) for text in texts)
            return [list(map(tuple, r)) if r.returns_rows else r.rowcount for r in results]

    spelled, show = "public,  pg_catalog", "SELECT current_setting('search_path'), 1"
    lane.do(rows, f"SELECT set_config('search_path', '{spelled}', false)")
    assert lane.do(rows, show, show) == [[(spelled, 1)], [(spelled, 1)]]
    begun, shown, *_ = lane.do(rows, "BEGIN", show, "COMMIT")
    assert (begun, shown) == (-1, [(spelled, 1)])
    created, added, _ = lane.do(
        rows, "CREATE TABLE spelled ()", "INSERT INTO spelled DEFAULT VALUES", "DROP TABLE spelled"
    )
    assert (created, added) == (-1, 1)


@pytest.mark.parametrize("lane", ["psycopg2", "pg8000"], indirect=True)
def test_a_list_in_a_text_of_several_statements(lane: Lane) -> None:
    def rows(engine: sa.Engine, text: str) -> list[Any]:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            return list(map(tuple, conn.exec_driver_sql(text)))

    lane.do(rows, "SELECT set_config('search_path', 'pg_catalog,public', false)")
    expected = {"psycopg2": [(2,)], "pg8000": [(1,), (2,)]}  # the last result's rows, and all
    assert lane.do(rows, "SELECT 1; SELECT 2") == expected[lane.driver]
    assert lane.do(rows, "SET work_mem = '5MB'; SELECT 1; SELECT 2") == expected[lane.driver]


def test_undone_by_rollback_and_by_savepoints(lane: Lane) -> None:
    def given_up(engine: sa.Engine) -> None:
        with engine.connect() as conn:
            conn.execute(sa.text("SET work_mem TO '7MB'"))
            conn.rollback()

    def half(engine: sa.Engine) -> Any:
        with engine.begin() as conn:
            conn.execute(sa.text("SET work_mem TO '8MB'"))
            nested = conn.begin_nested()
            conn.execute(sa.text("SET work_mem TO '9MB'"))
            nested.rollback()
            return scalar(conn, SHOW)

    lane.do(given_up)
    assert lane.do(simply) == "4MB"
    assert lane.do(half) == "8MB"
    assert lane.do(simply) == "8MB"
    lane.do(transaction, "RESET work_mem")
    assert [lane.do(simply), lane.do(in_autocommit)] == ["4MB", "4MB"]


def test_what_fails_is_not_kept(lane: Lane) -> None:
    def failing(engine: sa.Engine, text: str) -> None:
        with pytest.raises(sa.exc.DBAPIError), engine.begin() as conn:
            conn.execute(sa.text("SET work_mem TO '7MB'"))
            conn.execute(sa.text(text))

    lane.do(failing, "SELECT 1/0")
    lane.do(failing, "SET work_mem TO 'nonsense'")
    assert lane.do(simply) == "4MB"
    with pytest.raises(sa.exc.DBAPIError):
        lane.do(autocommit, "SET work_mem TO 'nonsense'")
    with pytest.raises(sa.exc.DBAPIError):
        lane.do(autocommit, "SET work_mem TO '7MB'", "SELECT 1/0")
    assert [lane.do(in_autocommit), lane.do(simply)] == ["7MB", "7MB"]


@pytest.mark.parametrize("text", ["SELECT 1/0", "SELECT nowhere"])
def test_a_commit_that_is_a_rollback_keeps_nothing(lane: Lane, text: str) -> None:
    """Some drivers hear of an error when they prepare the statement, some when it runs."""

    def failing(engine: sa.Engine) -> None:
        with engine.connect() as conn:
            conn.execute(sa.text("SET work_mem TO '7MB'"))
            with pytest.raises(sa.exc.DBAPIError):
                conn.execute(sa.text(text))
            with contextlib.suppress(sa.exc.DBAPIError):  # so pg8000 calls it
                conn.commit()

    lane.do(failing)
    assert [lane.do(simply), lane.do(in_autocommit)] == ["4MB", "4MB"]


def test_and_chain_after_a_failure_begins_as_the_settings_say(lane: Lane) -> None:
    def chained(engine: sa.Engine) -> Any:
        with engine.connect() as conn:
            with pytest.raises(sa.exc.DBAPIError):
                conn.execute(sa.text("SELECT 1/0"))
            conn.exec_driver_sql("ROLLBACK AND CHAIN")
            return scalar(conn, "SHOW transaction_isolation"), scalar(conn, SHOW)

    lane.do(transaction, "SET default_transaction_isolation TO 'repeatable read'")
    lane.do(transaction, "SET work_mem TO '7MB'")
    assert lane.do(chained) == ("repeatable read", "7MB")


def test_executemany(lane: Lane, pgbouncer: PgBouncer) -> None:
    def write(engine: sa.Engine) -> Any:
        with engine.begin() as conn:
            conn.execute(sa.text("SET application_name TO 'carried'"))
        with engine.begin() as conn:
            conn.execute(sa.text("CREATE TABLE said (n int, name text)"))
            insert = sa.text("INSERT INTO said VALUES (:n, current_setting('application_name'))")
            conn.execute(insert, [{"n": 1}, {"n": 2}])
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(insert, [{"n": 3}, {"n": 4}])
            return conn.execute(sa.text("SELECT n, name FROM said ORDER BY n")).all()

    try:
        lane.do(transaction, "SET search_path TO public, pg_catalog")
        assert lane.do(write) == [(n, "carried") for n in (1, 2, 3, 4)]
    finally:
        with pgbouncer.connect(autocommit=True) as conn:
            conn.execute("DROP TABLE IF EXISTS said")


def test_search_path_is_that_of_the_client(lane: Lane, pgbouncer: PgBouncer) -> None:
    with pgbouncer.connect(autocommit=True) as conn:
        conn.execute("CREATE SCHEMA one; CREATE TABLE one.here AS SELECT 'one' AS name")
        conn.execute("CREATE SCHEMA two; CREATE TABLE two.here AS SELECT 2 AS name")
    try:
        for schema, found in (("one", "one"), ("two", 2), ("one", "one")):
            lane.do(transaction, f"SET search_path TO {schema}")
            read = "SELECT name FROM here"
            assert lane.do(transaction, read) == [found]
            assert lane.do(autocommit, read, read) == [found, found]
    finally:
        with pgbouncer.connect(autocommit=True) as conn:
            conn.execute("DROP SCHEMA one CASCADE")
            conn.execute("DROP SCHEMA two CASCADE")


def test_a_block_of_settings(lane: Lane, pgbouncer: PgBouncer) -> None:
    def inside(engine: sa.Engine) -> list[Any]:
        with pgpoolsafe.settings(engine, work_mem="9MB"):
            found = [simply(engine), in_autocommit(engine), with_parameters(engine)]
        return [*found, simply(engine)]

    lane.do(transaction, "SET work_mem TO '7MB'")
    assert lane.do(inside) == ["9MB", "9MB", "9MB", "7MB"]
    assert bystanders(pgbouncer) == {"4MB"}


def test_a_block_on_a_connection_and_on_a_session(lane: Lane) -> None:
    def on_a_connection(engine: sa.Engine) -> list[Any]:
        with engine.begin() as conn:
            before = scalar(conn, SHOW)
            with pgpoolsafe.settings(conn, work_mem="9MB"):
                inside = scalar(conn, SHOW)
            return [before, inside, scalar(conn, SHOW)]

    def on_a_session(engine: sa.Engine) -> list[Any]:
        with orm.Session(engine) as session, pgpoolsafe.settings(session, work_mem="8MB"):
            first = session.execute(sa.text(SHOW)).scalar()
            session.commit()
            return [first, session.execute(sa.text(SHOW)).scalar()]

    assert lane.do(on_a_connection) == ["4MB", "9MB", "4MB"]
    assert lane.do(on_a_session) == ["8MB", "8MB"]
    assert lane.do(simply) == "4MB"


def test_isolation_that_is_set_for_the_session(lane: Lane, pgbouncer: PgBouncer) -> None:
    """Where the driver names a level in its BEGIN, that one counts, as on a plain connection."""
    if lane.driver != "asyncpg":  # with it, an old SQLAlchemy always names one
        lane.do(transaction, "SET default_transaction_isolation TO 'serializable'")
        assert lane.do(transaction, "SHOW transaction_isolation") == ["serializable"]
    lane.do(transaction, "SET default_transaction_deferrable TO on")
    lane.do(transaction, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    shown = ["SHOW transaction_deferrable", "SHOW transaction_read_only"]
    assert lane.do(transaction, *shown) == ["on", "on"]
    assert lane.do(autocommit, *shown) == ["on", "on"]
    assert bystanders(pgbouncer, "default_transaction_isolation") == {"read committed"}
    assert bystanders(pgbouncer, "default_transaction_read_only") == {"off"}


@pytest.mark.parametrize("way", [transaction, autocommit])
def test_several_modes_set_for_the_session(
    lane: Lane, pgbouncer: PgBouncer, way: Callable[..., list[Any]]
) -> None:
    both = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, DEFERRABLE"
    assert lane.do(way, both) == [None]
    shown = ["SHOW transaction_deferrable", "SHOW transaction_read_only"]
    assert lane.do(transaction, *shown) == ["on", "on"]
    assert lane.do(autocommit, *shown) == ["on", "on"]
    assert bystanders(pgbouncer, "default_transaction_deferrable") == {"off"}


OWN_ROWS = [{"cursor_factory": RealDictCursor}, {"cursor_factory": NamedTupleCursor}]


@pytest.mark.parametrize("options", OWN_ROWS, ids=["dicts", "named tuples"])
def test_a_block_with_the_users_own_rows(options: Any, pgbouncer: PgBouncer) -> None:
    conn = psycopg2.connect(pgbouncer.dsn(), **options, connection_factory=guardable(None))
    with pgpoolsafe.install(conn), conn.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
        cursor.execute(SHOW)
        with pgpoolsafe.settings(conn, work_mem="9MB"):
            cursor.execute(SHOW)
            assert cursor.fetchone() == ("9MB",)
        cursor.execute(SHOW)
        assert cursor.fetchone() == ("4MB",)
    conn.close()


class OwnRecord(asyncpg.Record):  # type: ignore[misc]
    """What `tuple()` makes nothing of."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys())


def test_a_block_with_the_users_own_records(pgbouncer: PgBouncer) -> None:
    async def blocks() -> list[Any]:
        address = {name: pgbouncer.parameters()[name] for name in ("host", "port", "user")}
        conn = await asyncpg.connect(
            **address, database="shop", record_class=OwnRecord, statement_cache_size=0
        )
        with pgpoolsafe.install(conn):
            async with conn.transaction():
                await conn.execute("SET LOCAL work_mem TO '7MB'")
                async with pgpoolsafe.settings(conn, work_mem="9MB"):
                    found = [await conn.fetchval(SHOW)]
                found.append(await conn.fetchval(SHOW))
        await conn.close()
        return found

    assert asyncio.run(blocks()) == ["9MB", "7MB"]


def test_a_backslash_escapes_where_strings_are_not_standard(lane: Lane) -> None:
    def asked(conn: sa.Connection, text: str) -> Any:
        return values(conn.exec_driver_sql(text))

    def play(engine: sa.Engine) -> list[Any]:
        with engine.connect() as conn:
            return list(answers(conn))

    def answers(conn: sa.Connection) -> Iterator[Any]:
        for text in (
            "SET standard_conforming_strings = off",
            r"SET app.escaped = 'a\\b\x41'",
            "SET standard_conforming_strings = on",
            r"SET app.plain = 'a\\b'",
        ):
            asked(conn, text)
            conn.commit()
            yield asked(conn, "SELECT current_setting('app.escaped', true)")
            conn.commit()
        yield asked(conn, "SELECT current_setting('app.plain')")

    assert lane.do(play)[1:] == ["a\\bA", "a\\bA", "a\\bA", "a\\\\b"]
