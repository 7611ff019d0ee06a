"""psycopg: prepared statements, COPY, streams, pipelines, notifications and cancelling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.servers import PgBouncer, Postgres

Conn = psycopg.Connection[Any]
HAZARD = "SELECT set_config('app.way', 'x', false)"


@pytest.fixture
def conn(pgbouncer: PgBouncer) -> Iterator[Conn]:
    """In autocommit, guarded in strict mode, behind PgBouncer in transaction mode."""
    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, mode="strict", settings="local")
        yield conn


@pytest.fixture
def direct(postgres: Postgres) -> Iterator[Conn]:
    """The same without a pooler, judged as if behind one."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, pooler="pgbouncer", mode="strict", settings="local")
        yield conn


# prepared statements


def prepared_on_the_server(conn: Conn) -> int:
    row = conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("threshold", [0, 1, 5, None])
def test_none_is_made_where_it_would_be_lost(direct: Conn, threshold: int | None) -> None:
    direct.prepare_threshold = threshold
    for _ in range(7):
        direct.execute("SELECT %s::int", (1,))
        direct.execute("SELECT %s::int", (1,), prepare=True)
        direct.cursor().executemany("SELECT %s::int", [(1,), (2,)])
        with direct.pipeline():
            direct.execute("SELECT %s::int", (1,), prepare=True)
    assert prepared_on_the_server(direct) == 0
    assert direct.prepare_threshold is None
    pgpoolsafe.uninstall(direct)
    assert direct.prepare_threshold == threshold


@pytest.mark.parametrize("threshold", [0, 1])
def test_those_made_before_are_forgotten(pgbouncer: PgBouncer, threshold: int) -> None:
    """A ROLLBACK would have psycopg send DEALLOCATE ALL for them, to whichever session."""
    with psycopg.connect(pgbouncer.dsn(), prepare_threshold=threshold) as conn:
        for _ in range(2):
            conn.execute("SELECT 1")
        conn.commit()
        pgpoolsafe.install(conn, mode="strict")
        for _ in range(6):
            assert conn.execute("SELECT 1").fetchone() == (1,)
            conn.rollback()


def test_two_clients_with_the_same_name(pgbouncer: PgBouncer) -> None:
    """Unguarded, one of them reads the other's row, or an error."""
    with psycopg.connect(pgbouncer.dsn(), prepare_threshold=0, autocommit=True) as a:
        with psycopg.connect(pgbouncer.dsn(), prepare_threshold=0, autocommit=True) as b:
            for conn in (a, b):
                pgpoolsafe.install(conn)
            for _ in range(8):
                assert a.execute("SELECT 'a'").fetchone() == ("a",)
                assert b.execute("SELECT 'b'").fetchone() == ("b",)


async def test_async_connections_prepare_nothing(pgbouncer: PgBouncer) -> None:
    connecting = psycopg.AsyncConnection.connect(
        pgbouncer.dsn(), prepare_threshold=0, autocommit=True
    )
    async with await connecting as conn:
        pgpoolsafe.install(conn, mode="strict")
        for _ in range(6):
            cursor = await conn.execute("SELECT %s::int", (1,), prepare=True)
            assert await cursor.fetchone() == (1,)


def test_a_prepared_text_is_judged_every_time(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True, prepare_threshold=0) as conn:
        options = {"mode": "strict", "prepared": "leave", "settings": "local"}
        with pgpoolsafe.install(conn, pooler="pgbouncer", **options) as guard:  # type: ignore[arg-type]
            with pgpoolsafe.allow("named-prepare"):
                for _ in range(3):
                    with pytest.raises(SessionStateError):
                        conn.execute(HAZARD, prepare=True)
            assert [n for f, n in guard.findings() if f.rule == "session-set"] == [3]


# objects of psycopg.sql

OBJECTS = [
    sql.SQL("LISTEN x"),
    sql.SQL("LISTEN {}").format(sql.Identifier("x")),
    sql.Composed([sql.SQL("LISTEN "), sql.Identifier("x")]),
    sql.SQL(" ").join([sql.SQL("LISTEN"), sql.Identifier("x")]),
    b"LISTEN x",
]


@pytest.mark.parametrize("query", OBJECTS, ids=repr)
def test_objects_are_read_as_the_text_they_make(conn: Conn, query: Any) -> None:
    with pytest.raises(SessionStateError) as caught:
        conn.execute(query)
    assert caught.value.statement.replace('"', "") == "LISTEN x"
    with pgpoolsafe.allow("listen"):
        conn.execute(query)


def test_a_literal_in_an_object_is_a_value(conn: Conn) -> None:
    """It stands in the text, as the user wrote it there, and is judged as such."""
    query = sql.SQL("SELECT set_config('app.way', {}, {})")
    with conn.transaction():
        conn.execute(query.format(sql.Literal("x"), sql.Literal(True)))
    with pytest.raises(SessionStateError):
        conn.execute(query.format(sql.Literal("x"), sql.Literal(False)))


HIDDEN = [
    (
        "SELECT set_config('app.way', {}, false)",
        "hush'hush",
        "SELECT set_config('app.way', …, false)",
    ),
    ("SET app.way = {}", "hush", "SET app.way = …"),
    ("SELECT pg_advisory_lock({})", 987654321, "SELECT pg_advisory_lock(…)"),
    ("SELECT set_config('app.way1', {}, false)", 1, "SELECT set_config('app.way1', …, false)"),
]


@pytest.mark.parametrize("text,value,shown", HIDDEN, ids=[text for text, *_ in HIDDEN])
def test_a_literal_in_an_object_never_appears(
    conn: Conn, text: Any, value: Any, shown: str
) -> None:
    for composed in (sql.Literal(value), value, sql.SQL("{}").format(value)):
        with pytest.raises(SessionStateError) as caught:
            conn.execute(sql.SQL(text).format(composed))
        assert caught.value.statement == shown
        assert value == 1 or str(value) not in str(caught.value)  # 1 is in many a line number


def test_an_object_in_a_transaction_is_rewritten(direct: Conn) -> None:
    with direct.transaction():
        direct.execute(sql.SQL("SET {} = {}").format(sql.Identifier("app", "way"), "x"))
        assert direct.execute("SHOW app.way").fetchone() == ("x",)
    assert direct.execute("SELECT current_setting('app.way', true)").fetchone() in [("",), (None,)]


# COPY and stream


def test_copy_in_and_out(conn: Conn) -> None:
    with conn.transaction():
        conn.execute("CREATE TEMP TABLE goods (i int) ON COMMIT DROP")
        with conn.cursor().copy("COPY goods FROM STDIN") as rows:
            for number in range(3):
                rows.write_row((number,))
        query = sql.SQL("COPY (SELECT i FROM goods WHERE i > {}) TO STDOUT").format(0)
        with conn.cursor().copy(query) as rows:
            assert [row for row in rows.rows()] == [("1",), ("2",)]  # noqa: C416
        with conn.cursor().copy("COPY (SELECT i FROM goods WHERE i > %s) TO STDOUT", (1,)) as rows:
            assert b"".join(bytes(block) for block in rows) == b"2\n"


def test_a_copy_that_the_user_breaks_off(conn: Conn) -> None:
    error = ZeroDivisionError("of the user's")
    conn.execute("CREATE TABLE IF NOT EXISTS goods (i int)")
    with pytest.raises(ZeroDivisionError) as caught:
        with conn.cursor().copy("COPY goods FROM STDIN") as rows:
            rows.write_row((1,))
            raise error
    assert caught.value is error
    assert conn.execute("SELECT count(*) FROM goods").fetchone() == (0,)
    conn.execute("DROP TABLE goods")


def test_a_stream_that_is_not_read_to_its_end(conn: Conn) -> None:
    for row in conn.cursor().stream("SELECT generate_series(1, 1000)"):
        assert row == (1,)
        break
    with pytest.raises(SessionStateError):
        list(conn.cursor().stream("SELECT set_config('app.way', 'x', false)"))
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert conn.execute("SELECT 1").fetchone() == (1,)


# pipelines


def test_a_refusal_in_the_middle_of_a_pipeline(conn: Conn) -> None:
    with conn.pipeline() as pipeline:
        first = conn.execute("SELECT 1")
        with pytest.raises(SessionStateError):
            conn.execute(HAZARD)
        second = conn.execute("SELECT 2")
        pipeline.sync()
        assert (first.fetchone(), second.fetchone()) == ((1,), (2,))


def test_a_transaction_in_a_pipeline(conn: Conn) -> None:
    with conn.pipeline():
        with conn.transaction():
            conn.execute("SET app.way = 'x'")
            shown = conn.execute("SHOW app.way")
        with conn.transaction():
            after = conn.execute("SELECT current_setting('app.way', true)")
        assert shown.fetchone() == ("x",)
        assert after.fetchone() in [("",), (None,)]


def test_executemany_in_a_pipeline(conn: Conn) -> None:
    with conn.pipeline():
        cursor = conn.cursor()
        cursor.executemany("SELECT %s::int", [(n,) for n in range(3)], returning=True)
        found = [cursor.fetchone()]
        while cursor.nextset():
            found.append(cursor.fetchone())
    assert found == [(0,), (1,), (2,)]


def test_an_error_in_a_pipeline_is_the_servers(conn: Conn) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), conn.pipeline():
        conn.execute("SELECT 1/0")
        conn.execute("SELECT 1")
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert conn.execute("SELECT 1").fetchone() == (1,)


# notifications


def test_notifies(postgres: Postgres) -> None:
    """LISTEN is told of; what comes is handed out as ever."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, pooler="pgbouncer"):
            with pytest.warns(SessionStateWarning, match=r"^listen: "):
                conn.execute("LISTEN news")
            for payload in ("one", "two"):
                with postgres.connect(autocommit=True) as other:
                    other.execute("SELECT pg_notify('news', %s)", (payload,))
            generator = conn.notifies(timeout=10, stop_after=2)
            assert [notify.payload for notify in generator] == ["one", "two"]


def test_notify_handlers(postgres: Postgres) -> None:
    heard: list[str] = []
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, pooler="pgbouncer"), pgpoolsafe.allow("listen"):
            conn.add_notify_handler(lambda notify: heard.append(notify.payload))
            conn.execute("LISTEN news")
            conn.execute("NOTIFY news, 'one'")
            conn.execute("SELECT pg_notify('news', 'two')")
    assert heard == ["one", "two"]


async def test_notifies_async(postgres: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, pooler="pgbouncer"), pgpoolsafe.allow("listen"):
            await conn.execute("LISTEN news")
            with postgres.connect(autocommit=True) as other:
                other.execute("NOTIFY news, 'one'")
            found = [n.payload async for n in conn.notifies(timeout=10, stop_after=1)]
            assert found == ["one"]


# cancelling


def _is_running(postgres: Postgres) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
    with postgres.connect("postgres", autocommit=True) as watcher:
        return watcher.execute(query).fetchone() == (1,)


@pytest.mark.parametrize("way", ["cancel", "cancel_safe"])
def test_cancelling(conn: Conn, postgres: Postgres, way: str) -> None:
    """The statement ends with the server's own error, and the books know that it did nothing."""

    def cancel() -> None:
        while not _is_running(postgres):
            pass
        getattr(conn, way)()

    with pytest.raises(psycopg.errors.QueryCanceled), conn.transaction():
        conn.execute("CREATE TEMP TABLE goods (i int)")
        canceller = threading.Thread(target=cancel)
        canceller.start()
        conn.execute("SELECT pg_sleep(60)")
    canceller.join()
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert conn.execute("SELECT 1").fetchone() == (1,)


async def test_a_task_that_is_cancelled(pgbouncer: PgBouncer, postgres: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(pgbouncer.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, mode="strict")
        task = asyncio.create_task(conn.execute("SELECT pg_sleep(60)"))
        while not await asyncio.to_thread(_is_running, postgres):
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert conn.info.transaction_status == TransactionStatus.IDLE
        assert await (await conn.execute("SELECT 1")).fetchone() == (1,)
