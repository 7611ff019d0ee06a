"""psycopg: the books follow its own BEGIN, COMMIT, savepoints, pipelines and two-phase commit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.servers import PgBouncer, Postgres

Conn = psycopg.Connection[Any]


@pytest.fixture
def conn(pgbouncer: PgBouncer) -> Iterator[Conn]:
    """In autocommit, guarded in strict mode, behind PgBouncer in transaction mode."""
    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, mode="strict")
        yield conn


def locks(server: Postgres) -> int:
    with server.connect(user="postgres") as conn:
        row = conn.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert row is not None
    return int(row[0])


UNDONE = [
    ("CREATE TEMP TABLE t (i int)", "DROP TABLE t"),
    ("SELECT pg_advisory_lock(7)", "SELECT pg_advisory_unlock(7)"),
    ("PREPARE p AS SELECT 1", "DEALLOCATE p"),
    ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE c"),
    ("LISTEN x", "UNLISTEN x"),
    ("SET work_mem = '1MB'", "RESET work_mem"),
]
"""What is made and undone, and what undoes it."""


@pytest.mark.parametrize("make,undo", UNDONE, ids=[make for make, _ in UNDONE])
def test_undone_in_the_same_transaction(conn: Conn, make: str, undo: str) -> None:
    with conn.transaction():
        conn.execute(make)
        conn.execute(undo)


@pytest.mark.parametrize("make", [make for make, _ in UNDONE[:-1]])
def test_left_at_commit(conn: Conn, postgres: Postgres, make: str) -> None:
    with pytest.raises(SessionStateError) as caught, conn.transaction():
        conn.execute(make)
    assert caught.value.statement == make
    assert caught.value.location is not None
    assert caught.value.location.function == "test_left_at_commit"
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert locks(postgres) == 0
    assert conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


WITHIN_SAVEPOINTS: dict[str, tuple[list[str], str | None]] = {
    "back to the savepoint": (
        ["SAVEPOINT a", "SET work_mem = '1MB'", "ROLLBACK TO a", "RELEASE a"], None
    ),
    "released": (["SAVEPOINT a", "LISTEN x", "RELEASE a"], "LISTEN x"),
    "made before": (["LISTEN x", "SAVEPOINT a", "ROLLBACK TO a"], "LISTEN x"),
    "a drop is undone": (
        ["CREATE TEMP TABLE t (i int)", "SAVEPOINT a", "DROP TABLE t", "ROLLBACK TO a"],
        "CREATE TEMP TABLE t (i int)",
    ),
    "a lock stays": (
        ["SAVEPOINT a", "SELECT pg_advisory_lock(7)", "ROLLBACK TO a"],
        "SELECT pg_advisory_lock(7)",
    ),
    "back out of an error": (
        ["SAVEPOINT a", "LISTEN x", "SELECT 1 / 0", "ROLLBACK TO SAVEPOINT a"], None
    ),
    "an unknown savepoint": (
        ["SAVEPOINT a", "SAVEPOINT b", "LISTEN x", "ROLLBACK TO c", "ROLLBACK TO b"], None
    ),
    "a sequence value drawn in between": (
        ["CREATE TEMP SEQUENCE s", "SAVEPOINT a", "SELECT nextval('s')", "ROLLBACK TO a",
         "SELECT currval('s')", "DROP SEQUENCE s"], None
    ),
    "within and after": (
        ["SAVEPOINT a", "SAVEPOINT b", "RELEASE b", "ROLLBACK TO a", "LISTEN x"], "LISTEN x"
    ),
}  # fmt: skip
"""What is sent in one transaction, and the statement that COMMIT is refused for."""


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("title", WITHIN_SAVEPOINTS)
def test_within_savepoints(pgbouncer: PgBouncer, title: str, autocommit: bool) -> None:
    """The first of them opens the transaction where psycopg is not in autocommit."""
    texts, left = WITHIN_SAVEPOINTS[title]
    refused: list[str] = []
    with psycopg.connect(pgbouncer.dsn(), autocommit=autocommit) as conn:
        pgpoolsafe.install(conn, mode="strict")
        for text in (*(["BEGIN"] if autocommit else []), *texts):
            with suppress(psycopg.Error):
                conn.execute(text)
        try:
            conn.execute("COMMIT") if autocommit else conn.commit()
        except SessionStateError as error:
            refused.append(error.statement)
        # Nothing of it is left to be refused in the next one.
        with conn.transaction():
            conn.execute("SELECT 1")
    assert refused == ([left] if left else [])


SURVIVORS = [UNDONE[1], UNDONE[2]]


@pytest.mark.parametrize("make,undo", UNDONE, ids=[make for make, _ in UNDONE])
def test_rolled_back(conn: Conn, postgres: Postgres, make: str, undo: str) -> None:
    """ROLLBACK undoes all but locks and prepared statements, which are released with it."""
    survives = (make, undo) in SURVIVORS
    conn.execute("BEGIN")
    conn.execute(make)
    if survives:
        with pytest.raises(SessionStateError):
            conn.execute("ROLLBACK")
    else:
        conn.execute("ROLLBACK")
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert locks(postgres) == 0
    assert conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


@pytest.mark.parametrize("make,undo", UNDONE, ids=[make for make, _ in UNDONE])
def test_rolled_back_to_a_savepoint(conn: Conn, make: str, undo: str) -> None:
    def work() -> None:
        with conn.transaction():
            with conn.transaction() as inner:
                conn.execute(make)
                raise psycopg.Rollback(inner)
            conn.execute("SELECT 1")

    if (make, undo) in SURVIVORS:
        with pytest.raises(SessionStateError):
            work()
    else:
        work()


def test_undone_undoing(conn: Conn) -> None:
    """The DROP is rolled back to before it, so the table is there again at COMMIT."""
    with pytest.raises(SessionStateError) as caught, conn.transaction():
        conn.execute("CREATE TEMP TABLE t (i int)")
        with conn.transaction(force_rollback=True):
            conn.execute("DROP TABLE t")
    assert caught.value.rule == "temp-table"


def test_released_savepoint_keeps(conn: Conn) -> None:
    with pytest.raises(SessionStateError), conn.transaction(), conn.transaction():
        conn.execute("CREATE TEMP TABLE t (i int)")


def test_commit_of_a_failed_transaction(conn: Conn) -> None:
    """It answers ROLLBACK, so the temporary table is gone and nothing is to be told."""
    conn.execute("BEGIN")
    conn.execute("CREATE TEMP TABLE t (i int)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        conn.execute("SELECT 1/0")
    assert conn.execute("COMMIT").statusmessage == "ROLLBACK"
    conn.execute("SELECT 1")


def test_a_failed_statement_made_nothing(conn: Conn) -> None:
    with conn.transaction():
        with pytest.raises(psycopg.errors.UndefinedObject), conn.transaction():
            conn.execute("CREATE TEMP TABLE t (i no_such_type)")


def test_a_lock_of_a_failed_statement_stays(conn: Conn, postgres: Postgres) -> None:
    conn.execute("BEGIN")
    with pytest.raises(psycopg.errors.DivisionByZero):
        conn.execute("SELECT pg_advisory_lock(7), 1/0")
    with pytest.raises(SessionStateError):
        conn.execute("ROLLBACK")
    assert locks(postgres) == 0


def test_the_users_own_error_is_not_masked(conn: Conn, postgres: Postgres) -> None:
    with pytest.warns(SessionStateWarning, match="advisory-lock"):
        with pytest.raises(ZeroDivisionError), conn.transaction():
            conn.execute("SELECT pg_advisory_lock(7)")
            raise ZeroDivisionError
    assert locks(postgres) == 0


def test_locks_stack(conn: Conn) -> None:
    with pytest.raises(SessionStateError), conn.transaction():
        conn.execute("SELECT pg_advisory_lock(7)")
        conn.execute("SELECT pg_advisory_lock(7)")
        conn.execute("SELECT pg_advisory_unlock(7)")


def test_a_lock_that_was_not_got(conn: Conn, pgbouncer: PgBouncer) -> None:
    """pg_try_advisory_lock says false: there is nothing to release."""
    with psycopg.connect(pgbouncer.dsn()) as other:
        other.execute("SELECT pg_advisory_xact_lock(7)")
        for query in ("SELECT pg_try_advisory_lock(7)", "SELECT pg_try_advisory_lock(7) AS got"):
            with conn.transaction():
                assert conn.execute(query).fetchone() == (False,)
                conn.execute("SELECT 1")
    with pytest.raises(SessionStateError), conn.transaction():
        assert conn.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)


def test_a_lock_that_timed_out(conn: Conn, pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as other:
        other.execute("SELECT pg_advisory_xact_lock(7)")
        with pytest.raises(psycopg.errors.LockNotAvailable), conn.transaction():
            conn.execute("SET LOCAL lock_timeout = '1ms'")
            conn.execute("SELECT pg_advisory_lock(7)")


def test_bound_names_that_end_with_the_transaction(conn: Conn) -> None:
    conn.execute("SELECT set_config(%s, %s, false)", ("transaction_read_only", "on"))


def test_lock_and_unlock_by_parameters(conn: Conn) -> None:
    with conn.transaction():
        conn.execute("SELECT pg_advisory_lock(%s)", (7,))
        conn.execute("SELECT pg_advisory_unlock(%(key)s)", {"key": 7})
    with pytest.raises(SessionStateError), conn.transaction():
        conn.execute("SELECT pg_advisory_lock(%s)", (7,))
        conn.execute("SELECT pg_advisory_unlock(%s)", (8,))


def test_without_autocommit(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn, mode="strict")
        conn.execute("CREATE TEMP TABLE t (i int)")
        with pytest.raises(SessionStateError):
            conn.commit()
        assert conn.info.transaction_status == TransactionStatus.IDLE
        conn.execute("CREATE TEMP TABLE t (i int)")
        conn.rollback()
        conn.execute("CREATE TEMP TABLE t (i int) ON COMMIT DROP")
        conn.commit()


def test_warned_at_the_statement_that_made_it(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn)
        conn.execute("CREATE TEMP TABLE t (i int)")
        line = test_warned_at_the_statement_that_made_it.__code__.co_firstlineno + 3
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            conn.commit()
        assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]


def test_a_refusal_opens_no_transaction(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn, mode="strict")
        with pytest.raises(SessionStateError):
            conn.execute("LOAD 'auto_explain'")
        assert conn.info.transaction_status == TransactionStatus.IDLE


def test_two_phase_commit(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn, mode="strict")
        conn.tpc_begin("way")
        conn.execute("SELECT pg_advisory_lock(7)")
        with pytest.raises(SessionStateError):
            conn.tpc_prepare()
        assert conn.info.transaction_status == TransactionStatus.IDLE
    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn, mode="strict")
        conn.tpc_begin("way")
        conn.execute("SELECT 1")
        conn.tpc_prepare()
        conn.tpc_commit()


def test_pipeline(conn: Conn) -> None:
    with conn.pipeline(), conn.transaction():
        conn.execute("CREATE TEMP TABLE t (i int)")
        conn.execute("DROP TABLE t")
    with pytest.raises(SessionStateError), conn.pipeline(), conn.transaction():
        conn.execute("CREATE TEMP TABLE t (i int)")
    assert conn.info.transaction_status == TransactionStatus.IDLE
    with conn.pipeline():
        with pytest.raises(SessionStateError):
            conn.execute("LISTEN x")
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_in_one_string(conn: Conn) -> None:
    conn.execute("BEGIN; CREATE TEMP TABLE t (i int); DROP TABLE t; COMMIT")
    conn.execute("BEGIN; CREATE TEMP TABLE t (i int); ROLLBACK")
    conn.execute("SELECT pg_advisory_lock(7); SELECT pg_advisory_unlock(7)")
    with pytest.raises(SessionStateError):
        conn.execute("BEGIN; CREATE TEMP TABLE t (i int); COMMIT")
    with pytest.raises(SessionStateError):
        conn.execute("CREATE TEMP TABLE t (i int); SELECT 1")
    assert conn.info.transaction_status == TransactionStatus.IDLE


def test_a_string_that_leaves_its_transaction_open(conn: Conn) -> None:
    conn.execute("BEGIN; CREATE TEMP TABLE t (i int)")
    with pytest.raises(SessionStateError):
        conn.execute("COMMIT")
    assert conn.info.transaction_status == TransactionStatus.IDLE


def test_a_commit_on_the_raw_connection_is_told_late(conn: Conn) -> None:
    conn.execute("BEGIN")
    conn.execute("CREATE TEMP TABLE t (i int)")
    conn.pgconn.exec_(b"COMMIT")
    with pytest.raises(SessionStateError, match="temp-table"):
        conn.execute("SET LOCAL work_mem = '1MB'")
    with pytest.raises(SessionStateError, match="listen"):
        conn.execute("LISTEN x")


def test_currval_after_insert(conn: Conn) -> None:
    with conn.transaction():
        conn.execute("CREATE TABLE drawn (id serial)")
        conn.execute("INSERT INTO drawn DEFAULT VALUES")
        assert conn.execute("SELECT lastval()").fetchone() == (1,)
        raise psycopg.Rollback
    with pytest.raises(SessionStateError), conn.transaction():
        conn.execute("SELECT lastval()")


def test_closed_things_say_so_themselves(conn: Conn) -> None:
    cursor = conn.cursor()
    cursor.close()
    with pytest.raises(psycopg.InterfaceError, match="the cursor is closed"):
        cursor.execute("LISTEN x")
    conn.close()
    with pytest.raises(psycopg.OperationalError, match="the connection is closed"):
        conn.execute("LISTEN x")
    with pytest.raises(psycopg.OperationalError, match="the connection is closed"):
        conn.commit()
