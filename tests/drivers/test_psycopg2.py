"""psycopg2 without SQLAlchemy: what is seen, what reaches the server, what is put back."""

from __future__ import annotations

import gc
import io
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import psycopg2.pool
import pytest
from psycopg2 import extensions, extras, sql

import pgpoolsafe
from pgpoolsafe import ConfigurationError, SessionStateError, SessionStateWarning
from pgpoolsafe.drivers.psycopg2 import Connection
from tests.servers import PgBouncer, Postgres

HAZARD = "SELECT set_config('app.way', 'x', false)"
LEFT = "SELECT current_setting('app.way', true)"
REFUSED: dict[str, Any] = {"rules": {"session-set": "raise"}, "pooler": "pgbouncer"}


def connect(server: Postgres | PgBouncer, factory: Any = Connection, **options: Any) -> Any:
    wanted = server.parameters()
    kept = {name: wanted[name] for name in ("host", "port", "user", "dbname")}
    return psycopg2.connect(connection_factory=factory, **kept, **options)


@pytest.fixture
def conn(postgres: Postgres) -> Iterator[Any]:
    made = connect(postgres)
    yield made
    made.close()


@pytest.fixture
def pooled(pgbouncer: PgBouncer) -> Iterator[Any]:
    made = connect(pgbouncer)
    yield made
    made.close()


def value(cursor: Any) -> Any:
    row = cursor.fetchone()
    return next(iter(row.values() if isinstance(row, dict) else row))


def execute(conn: Any) -> Any:
    cursor = conn.cursor()
    cursor.execute(HAZARD)
    return value(cursor)


def as_bytes(conn: Any) -> Any:
    cursor = conn.cursor()
    cursor.execute(HAZARD.encode())
    return value(cursor)


def composed(conn: Any) -> Any:
    cursor = conn.cursor()
    query = sql.SQL("SELECT set_config({}, {}, false)")
    cursor.execute(query.format(sql.Literal("app.way"), sql.Literal("x")))
    return value(cursor)


def with_parameters(conn: Any) -> Any:
    cursor = conn.cursor()
    cursor.execute("SELECT set_config(%s, %s, false)", ("app.way", "x"))
    return value(cursor)


def with_named_parameters(conn: Any) -> Any:
    cursor = conn.cursor()
    cursor.execute("SELECT set_config('app.way', %(value)s, false)", {"value": "x"})
    return value(cursor)


def executemany(conn: Any) -> Any:
    conn.cursor().executemany("SELECT set_config('app.way', %s, false)", [("x",)])
    return "x"


def named_cursor(conn: Any) -> Any:
    cursor = conn.cursor("way")
    cursor.execute(HAZARD)
    return value(cursor)


def dictionary_cursor(conn: Any) -> Any:
    cursor = conn.cursor(cursor_factory=extras.RealDictCursor)
    cursor.execute(HAZARD)
    return value(cursor)


def copy_expert(conn: Any) -> Any:
    rows = io.StringIO()
    conn.cursor().copy_expert(f"COPY ({HAZARD}) TO STDOUT", rows)
    return rows.getvalue().strip()


def second_of_a_string(conn: Any) -> Any:
    cursor = conn.cursor()
    cursor.execute(f"SELECT 1; {HAZARD}")
    return value(cursor)


def execute_values(conn: Any) -> Any:
    cursor = conn.cursor()
    query = "SELECT set_config('app.way', v, false) FROM (VALUES %s) t(v)"
    extras.execute_values(cursor, query, [("x",)])
    return value(cursor)


WAYS: list[Callable[[Any], Any]] = [
    execute,
    as_bytes,
    composed,
    with_parameters,
    with_named_parameters,
    executemany,
    named_cursor,
    dictionary_cursor,
    copy_expert,
    second_of_a_string,
    execute_values,
]
WAY = pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])


@WAY
def test_seen_once(conn: Any, way: Callable[[Any], Any]) -> None:
    with pgpoolsafe.install(conn, rules={"session-set": "warn"}, pooler="pgbouncer") as guarded:
        with pytest.warns(SessionStateWarning, match=r"^session-set: "), conn:
            assert way(conn) == "x"
        assert [count for _, count in guarded.findings()] == [1]


@WAY
def test_refused(conn: Any, way: Callable[[Any], Any]) -> None:
    with pgpoolsafe.install(conn, **REFUSED):
        with pytest.raises(SessionStateError), conn:
            way(conn)
        assert conn.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
        assert not left(conn)


@WAY
def test_rewritten(conn: Any, way: Callable[[Any], Any]) -> None:
    with pgpoolsafe.install(conn, pooler="pgbouncer", settings="local") as guarded:
        with conn:
            assert way(conn) == "x"
        assert [finding.level for finding, _ in guarded.findings()] == ["rewrite"]
        assert not left(conn)


@pytest.mark.parametrize("way", [way for way in WAYS if way is not named_cursor])
def test_carried(pooled: Any, way: Callable[[Any], Any]) -> None:
    with pgpoolsafe.install(pooled) as guarded:
        with pooled:
            assert way(pooled) == "x"
        assert [left(pooled) for _ in range(3)] == ["x"] * 3
        pooled.autocommit = True
        for _ in range(3):
            cursor = pooled.cursor()
            cursor.execute("SELECT current_setting(%s, true), '%%'", ("app.way",))
            assert cursor.fetchone() == ("x", "%")
        assert guarded.findings() == []


def test_what_a_named_cursor_sets_is_told(pooled: Any) -> None:
    """It is set when the row is fetched: nobody knows whether it will be."""
    with pgpoolsafe.install(pooled):
        with pytest.warns(SessionStateWarning, match=r"^session-set: "), pooled:
            assert named_cursor(pooled) == "x"
        assert not left(pooled)


def test_a_block_of_settings(pooled: Any) -> None:
    with pgpoolsafe.install(pooled):
        with pooled:
            assert value(executed(pooled, "SHOW work_mem")) == "4MB"
            with pgpoolsafe.settings(pooled, work_mem="9MB"):
                assert value(executed(pooled, "SHOW work_mem")) == "9MB"
            assert value(executed(pooled, "SHOW work_mem")) == "4MB"
        with pgpoolsafe.settings(pooled, work_mem="9MB"), pooled:
            assert value(executed(pooled, "SHOW work_mem")) == "9MB"


def test_values_composed_into_a_text_appear_in_no_message(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict", settings="leave"), conn:
        query = sql.SQL("SELECT set_config('app.way', {}, false), {}")
        with pytest.raises(SessionStateError) as caught:
            conn.cursor().execute(query.format(sql.Literal("hush-hush"), sql.Literal(7)))
            conn.commit()
        assert "hush" not in str(caught.value)


def test_a_block_on_an_autocommit_connection(pooled: Any) -> None:
    """psycopg2 begins a transaction for `with conn:` in autocommit mode, too."""
    pooled.autocommit = True
    with pgpoolsafe.install(pooled, mode="strict") as guarded:
        with pytest.raises(ZeroDivisionError), pooled:
            execute(pooled)
            assert value(executed(pooled, LEFT)) == "x"
            raise ZeroDivisionError
        assert pooled.autocommit
        assert not value(executed(pooled, LEFT))
        with pooled:
            executed(pooled, "SELECT pg_advisory_lock(44)")
            executed(pooled, "SELECT pg_advisory_unlock(44)")
            execute(pooled)
        assert [value(executed(pooled, LEFT)) for _ in range(3)] == ["x"] * 3
        assert guarded.findings() == []


def executed(conn: Any, text: str) -> Any:
    cursor = conn.cursor()
    cursor.execute(text)
    return cursor


def left(conn: Any) -> Any:
    with conn, conn.cursor() as cursor:
        cursor.execute(LEFT)
        return value(cursor)


def test_refused_before_begin(conn: Any) -> None:
    """What is refused at once costs no transaction."""
    with pgpoolsafe.install(conn, mode="strict"):
        with pytest.raises(SessionStateError, match=r"^load-library: "):
            conn.cursor().execute("LOAD 'auto_explain'")
        assert conn.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE


@pytest.mark.parametrize(
    "procedure, arguments",
    [("set_config", ["app.way", "x", False]), ("pg_advisory_lock", [41])],
)
def test_callproc(conn: Any, procedure: str, arguments: list[Any]) -> None:
    with pgpoolsafe.install(conn, mode="strict", settings="leave"):
        with pytest.raises(SessionStateError), conn:
            conn.cursor().callproc(procedure, arguments)
        with conn, conn.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            assert value(cursor) == 0


def test_held_cursor(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict") as guarded:
        with conn:
            cursor = conn.cursor("held", withhold=True)
            cursor.execute("SELECT 1")
            cursor.close()
        assert guarded.findings() == []
        with pytest.raises(SessionStateError, match=r"^hold-cursor: "), conn:
            conn.cursor("held", withhold=True).execute("SELECT 1")


@pytest.mark.parametrize(
    "change",
    [
        lambda conn: conn.set_session(isolation_level="SERIALIZABLE"),
        lambda conn: conn.set_session("SERIALIZABLE", True),
        lambda conn: setattr(conn, "readonly", True),
        lambda conn: setattr(conn, "deferrable", True),
        lambda conn: setattr(conn, "isolation_level", 3),
        lambda conn: conn.set_session(readonly=True, autocommit=True),
    ],
)
def test_characteristics_in_autocommit_are_a_session_wide_set(
    conn: Any, change: Callable[[Any], Any]
) -> None:
    conn.autocommit = True
    with pgpoolsafe.install(conn, mode="strict", settings="leave"):
        with pytest.raises(SessionStateError, match=r"^session-set: SET default_transaction_"):
            change(conn)
        cursor = conn.cursor()
        for name, plain in (("isolation", "read committed"), ("read_only", "off")):
            cursor.execute(f"SHOW default_transaction_{name}")
            assert value(cursor) == plain
    assert (conn.isolation_level, conn.readonly, conn.deferrable) == (None, None, None)


def test_characteristics_of_transactions_are_their_own(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict") as guarded:
        conn.set_session(isolation_level="SERIALIZABLE", readonly=True)
        conn.set_isolation_level(extensions.ISOLATION_LEVEL_REPEATABLE_READ)
        with conn, conn.cursor() as cursor:
            cursor.execute("SHOW transaction_isolation")
            assert value(cursor) == "repeatable read"
        assert guarded.findings() == []


def test_what_the_pooler_keeps_is_silent(pooled: Any) -> None:
    with pgpoolsafe.install(pooled, mode="strict", pooler="pgbouncer") as guarded:
        pooled.set_client_encoding("LATIN1")
        pooled.rollback()
        assert guarded.findings() == []


def test_reset_is_told(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict", settings="leave"):
        with pytest.raises(SessionStateError, match=r"^(session-set|session-role): "):
            conn.reset()


def test_meeting_costs_one_round_trip_and_no_transaction(pooled: Any) -> None:
    with pgpoolsafe.install(pooled) as guarded:
        cursor = pooled.cursor()
        cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")  # first, or it is an error
        cursor.execute("SHOW transaction_isolation")
        assert value(cursor) == "serializable"
        assert not pooled.autocommit
        assert guarded.pooler is not None
        assert guarded.pooler.shares_sessions
        pooled.rollback()


def test_meeting_leaves_isolation_alone(pgbouncer: PgBouncer, pooled: Any) -> None:
    pooled.set_session(isolation_level="SERIALIZABLE", readonly=True)
    with pgpoolsafe.install(pooled) as guarded, pooled, pooled.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert value(cursor) == "serializable"
        assert guarded.pooler is not None
    for pid in pgbouncer.warm():
        with pgbouncer.only(pid), pgbouncer.connect() as other:
            row = other.execute("SHOW default_transaction_read_only").fetchone()
            assert row == ("off",)


def test_a_failed_transaction_is_a_rollback(conn: Any) -> None:
    with pgpoolsafe.install(conn, **REFUSED) as guarded:
        cursor = conn.cursor()
        cursor.execute(HAZARD)
        with pytest.raises(psycopg2.errors.DivisionByZero):
            cursor.execute("SELECT 1/0")
        conn.commit()
        assert guarded.findings() == []


def test_a_users_exception_is_never_masked(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict"):
        with pytest.warns(SessionStateWarning, match=r"^advisory-lock: "):
            with pytest.raises(ZeroDivisionError), conn:
                conn.cursor().execute("SELECT pg_advisory_lock(42)")
                raise ZeroDivisionError
        with conn, conn.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            assert value(cursor) == 0


def test_two_phase(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict", settings="leave") as guarded:
        conn.tpc_begin(conn.xid(1, "mine", "branch"))
        conn.cursor().execute("SELECT 1")
        conn.tpc_prepare()
        conn.tpc_commit()
        assert guarded.findings() == []
        conn.tpc_begin(conn.xid(1, "mine", "branch"))
        conn.cursor().execute(HAZARD)
        with pytest.raises(SessionStateError):
            conn.tpc_prepare()
        conn.tpc_rollback()
        assert conn.tpc_recover() == []
        assert not left(conn)


def begun_by_two_phase(conn: Any) -> None:
    conn.tpc_begin(conn.xid(1, "mine", "settings"))


def begun_by_large_object(conn: Any) -> None:
    conn.lobject().close()


BEGINNINGS = [begun_by_two_phase, begun_by_large_object]


@pytest.mark.parametrize("begin", BEGINNINGS, ids=[begin.__name__ for begin in BEGINNINGS])
def test_settings_are_in_force_where_a_method_begins(
    pooled: Any, begin: Callable[[Any], None]
) -> None:
    """psycopg2 sends these BEGINs without any statement of the program."""
    with pgpoolsafe.install(pooled, mode="strict") as guarded:
        execute(pooled)
        executed(pooled, "SET default_transaction_isolation TO 'serializable'")
        pooled.commit()
        begin(pooled)
        assert value(executed(pooled, LEFT)) == "x"
        assert value(executed(pooled, "SHOW transaction_isolation")) == "serializable"
        (pooled.tpc_rollback if begin is begun_by_two_phase else pooled.rollback)()
        assert value(executed(pooled, LEFT)) == "x"
        assert guarded.findings() == []


def test_a_question_leaves_the_row_to_the_user(conn: Any, postgres: Postgres) -> None:
    with postgres.connect() as other, pgpoolsafe.install(conn, mode="strict") as guarded, conn:
        other.execute("SELECT pg_advisory_lock(43)")
        for factory in (None, extras.RealDictCursor, extras.NamedTupleCursor, extras.DictCursor):
            cursor = conn.cursor(cursor_factory=factory)
            cursor.execute("SELECT pg_try_advisory_lock(43) AS got")
            assert [*cursor.fetchall()] in ([(False,)], [{"got": False}], [[False]])
        assert guarded.findings() == []


class Own(extensions.connection):
    """A user's own class, with a method and an attribute of its own."""

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("cursor_factory", extras.DictCursor)
        return super().cursor(*args, **kwargs)


def test_a_users_own_classes(postgres: Postgres) -> None:
    conn = connect(postgres, Own)
    with pgpoolsafe.install(conn, **REFUSED):
        assert isinstance(conn, Own)
        cursor = conn.cursor()
        assert isinstance(cursor, extras.DictCursor)
        cursor.execute("SELECT 1 AS one")
        assert cursor.fetchone()["one"] == 1
        with pytest.raises(SessionStateError), conn:
            cursor.execute(HAZARD)
    assert type(conn) is Own
    conn.close()


def test_a_connection_of_a_c_type_is_refused(postgres: Postgres) -> None:
    conn = connect(postgres, None)
    assert type(conn) is extensions.connection
    with pytest.raises(ConfigurationError, match=r"connection_factory=pgpoolsafe.drivers.psycopg2"):
        pgpoolsafe.install(conn)
    conn.close()


def test_an_asynchronous_connection_is_refused(postgres: Postgres) -> None:
    conn = connect(postgres, async_=True)
    extras.wait_select(conn)
    with pytest.raises(ConfigurationError, match="asynchronous"):
        pgpoolsafe.install(conn)
    conn.close()


def test_the_process(postgres: Postgres) -> None:
    own = psycopg2._connect
    with pgpoolsafe.install(**REFUSED):
        conn = connect(postgres, None)
        with pytest.raises(SessionStateError), conn:
            execute(conn)
        pool = psycopg2.pool.SimpleConnectionPool(1, 1, postgres.dsn())
        lent = pool.getconn()
        with pytest.raises(SessionStateError), lent:
            execute(lent)
        pool.putconn(lent)
    assert psycopg2._connect is own
    with conn:
        assert execute(conn) == "x"
    conn.close()
    pool.closeall()


def test_uninstall_with_cursors_in_use(conn: Any) -> None:
    with pgpoolsafe.install(conn, **REFUSED):
        cursor = conn.cursor()
        cursor.execute("SELECT generate_series(1, 3)")
        assert value(cursor) == 1
    assert type(conn) is Connection
    assert "_pgpoolsafe" not in vars(conn)
    assert value(cursor) == 2
    cursor.execute(HAZARD)
    assert value(cursor) == "x"


def test_no_cycle_keeps_a_connection_open(postgres: Postgres) -> None:
    gc.collect()
    gc.disable()
    try:
        conn = connect(postgres)
        installation = pgpoolsafe.install(conn, **REFUSED)
        conn.cursor().execute("SELECT 1")
        gone = weakref.ref(conn)
        del conn
        assert gone() is None
    finally:
        gc.enable()
    installation.uninstall()


def test_threads_share_a_connection(conn: Any) -> None:
    wrong: list[Any] = []

    def work(number: int) -> None:
        for turn in range(60):
            cursor = conn.cursor()
            cursor.execute("SELECT %s, current_setting('work_mem')", (number * 1000 + turn,))
            if value(cursor) != number * 1000 + turn:
                wrong.append(number)

    with pgpoolsafe.install(conn, mode="strict") as guarded:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        conn.rollback()
        assert (wrong, guarded.findings()) == ([], [])


def test_the_drivers_own_errors_are_unchanged(conn: Any) -> None:
    conn.close()
    with pgpoolsafe.install(conn, mode="strict"):
        for call in (conn.commit, conn.cursor, conn.reset, lambda: conn.set_session("DEFAULT")):
            with pytest.raises(psycopg2.InterfaceError, match="connection already closed"):
                call()


def test_a_do_block_with_doubled_percent_signs(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict"), conn:
        text = "DO $$ BEGIN PERFORM format('%%s', 1); END $$ -- %s"
        conn.cursor().execute(text, ("x",))


@pytest.mark.parametrize("withhold", [False, True])
@pytest.mark.parametrize("scrollable", [None, False, True])
def test_an_error_of_a_named_cursor_is_the_one_without_a_guard(
    postgres: Postgres, pgbouncer: PgBouncer, withhold: bool, scrollable: bool | None
) -> None:
    """Settings go before its transaction's first statement; psycopg2 makes the DECLARE."""

    def said(server: Postgres | PgBouncer, *, guarded: bool) -> tuple[str, str]:
        conn = connect(server)
        if guarded:
            pgpoolsafe.install(conn, rules={"hold-cursor": "ignore"})
        conn.cursor().execute("SET lock_timeout = '5s'")
        conn.commit()
        cursor = conn.cursor("c", withhold=withhold, scrollable=scrollable)
        with pytest.raises(psycopg2.errors.UndefinedColumn) as caught:
            cursor.execute("SELECT 'é', missing")
        conn.close()
        return str(caught.value), caught.value.diag.statement_position

    assert said(pgbouncer, guarded=True) == said(postgres, guarded=False)


def test_a_transaction_that_a_text_has_ended(pgbouncer: PgBouncer) -> None:
    """psycopg2 sends no BEGIN then, as it has not heard of the end, up to its own."""
    conn = connect(pgbouncer)
    with pgpoolsafe.install(conn, settings="carry", pooler="pgbouncer"):
        cursor = conn.cursor()
        cursor.execute("SET work_mem = '7MB'")
        cursor.execute("SET lock_timeout = '7s'; COMMIT")
        cursor.execute("RESET work_mem")
        conn.rollback()
        cursor.execute("SELECT current_setting('work_mem'), current_setting('lock_timeout')")
        assert cursor.fetchone() == ("4MB", "7s")
    conn.close()


def test_commit_of_a_transaction_that_a_text_began(pgbouncer: PgBouncer) -> None:
    """psycopg2 sends no COMMIT for it, and so it is still open."""
    conn = connect(pgbouncer)
    conn.autocommit = True
    with pgpoolsafe.install(conn, settings="carry", pooler="pgbouncer"):
        cursor = conn.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SET work_mem = '7MB'")
        conn.commit()
        cursor.execute("ROLLBACK")
        cursor.execute("SHOW work_mem")
        assert cursor.fetchone() == ("4MB",)
    conn.close()
