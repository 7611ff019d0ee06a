"""psycopg: cases that went wrong once, each against the servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.servers import PgBouncer, Postgres

Conn = psycopg.Connection[Any]
FAILING = "SELECT 1/(random() * 0)::int"


@pytest.fixture
def conn(pgbouncer: PgBouncer) -> Iterator[Conn]:
    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn, mode="strict")
        yield conn
        conn.rollback()


@pytest.fixture
def direct(postgres: Postgres) -> Iterator[Conn]:
    """What is left is still there to be read, and judged as if behind PgBouncer."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        yield conn


def held(conn: Conn) -> list[Any]:
    query = "SELECT objid::int FROM pg_locks WHERE locktype = 'advisory' ORDER BY 1"
    return [row[0] for row in conn.execute(query).fetchall()]


def test_an_undo_that_failed_condemns_nothing(conn: Conn) -> None:
    conn.execute("PREPARE p1 AS SELECT 1")
    with pytest.raises(psycopg.errors.DivisionByZero):
        conn.execute(f"DEALLOCATE p1; {FAILING}")
    with pytest.raises(SessionStateError):
        conn.rollback()
    conn.execute("SELECT 1")
    conn.commit()


def test_a_refusal_releases_its_own_locks_only(direct: Conn) -> None:
    direct.execute("SELECT pg_advisory_lock(100)")  # as an unguarded client left it
    pgpoolsafe.install(direct, mode="strict")
    with pytest.raises(SessionStateError), direct.transaction():
        direct.execute("SELECT pg_advisory_lock(5)")
        direct.execute("SELECT pg_advisory_lock_shared(6)")
    assert held(direct) == [100]


TOUCHED = [
    "/* pgpoolsafe: allow session-set */ SET work_mem = '99MB'",
    "DO $$ BEGIN SET work_mem = '99MB'; END $$",
    "UPDATE pg_settings SET setting = '101376' WHERE name = 'work_mem'",
]
UNDONE = ["RESET work_mem", "SET work_mem TO DEFAULT", "SELECT set_config('work_mem', NULL, false)"]


@pytest.mark.parametrize("touch", TOUCHED)
@pytest.mark.parametrize("undo", UNDONE)
def test_undoing_what_was_not_local(direct: Conn, touch: str, undo: str) -> None:
    before = direct.execute("SHOW work_mem").fetchone()
    with pgpoolsafe.install(direct, mode="strict"), direct.transaction():
        direct.execute(touch)
        assert direct.execute("SHOW work_mem").fetchone() == ("99MB",)
        direct.execute(undo)
    assert direct.execute("SHOW work_mem").fetchone() == before


def test_resetting_what_an_earlier_transaction_was_allowed(direct: Conn) -> None:
    before = direct.execute("SHOW work_mem").fetchone()
    with pgpoolsafe.install(direct, pooler="pgbouncer"):
        with pgpoolsafe.allow("session-set"):
            direct.execute("SET work_mem = '99MB'")
            with direct.transaction():
                direct.execute("RESET work_mem")
    assert direct.execute("SHOW work_mem").fetchone() == before


DRAWN = [
    "INSERT INTO child (parent) VALUES (currval('parent_id_seq'))",
    "INSERT INTO child (parent) SELECT lastval()",
    "UPDATE child SET parent = lastval()",
    "CALL no_such(currval('parent_id_seq'))",
]
DREW = [
    "INSERT INTO parent DEFAULT VALUES RETURNING currval('parent_id_seq')",
    "INSERT INTO parent (id, root) VALUES (DEFAULT, currval('parent_id_seq'))",
    "SELECT nextval('s'), currval('s')",
    "BEGIN; INSERT INTO parent DEFAULT VALUES; SELECT lastval(); COMMIT",
]


@pytest.mark.parametrize("text", DRAWN)
def test_another_clients_number(text: str) -> None:
    assert [finding.rule for finding in pgpoolsafe.check(text)] == ["sequence-state"]


@pytest.mark.parametrize("text", DREW)
def test_its_own_number(text: str) -> None:
    assert pgpoolsafe.check(text) == []


def test_percent_signs_that_sqlalchemy_doubles(postgres: Postgres) -> None:
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(postgres.dsn())
    )
    with pgpoolsafe.install(engine, mode="strict"):
        with pytest.raises(SessionStateError, match="listen"), engine.begin() as connection:
            connection.execute(sa.text("DO $$ BEGIN EXECUTE format('LISTEN %I', 'ch'); END $$"))
    engine.dispose()


def test_a_lock_that_was_got_before_the_other_timed_out(conn: Conn, pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as other:
        other.execute("SELECT pg_advisory_xact_lock(77)")
        conn.execute("SET LOCAL lock_timeout = '1ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            conn.execute("SELECT pg_advisory_lock(1), pg_advisory_lock(77)")
        with pytest.raises(SessionStateError):
            conn.rollback()


def test_a_name_that_cannot_be_told_releases_nothing(conn: Conn) -> None:
    conn.execute("PREPARE p1 AS SELECT 1")
    conn.execute("PREPARE p2 AS SELECT 1")
    conn.execute("DO $$ BEGIN EXECUTE format('DEALLOCATE %I', lower('P2')); END $$")
    with pytest.raises(SessionStateError, match="p1"):
        conn.commit()


def test_a_prepare_of_a_text_that_failed(conn: Conn) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        conn.execute(f"PREPARE pp AS SELECT 1; {FAILING}")
    with pytest.raises(SessionStateError, match="sql-prepare"):
        conn.rollback()


def test_bytes_that_are_no_text_are_sent_as_they_are(direct: Conn) -> None:
    pgpoolsafe.install(direct, pooler="pgbouncer")
    with pytest.raises(psycopg.errors.CharacterNotInRepertoire), direct.transaction():
        direct.execute(b"SET app.x = '\xff'")


BOUND = ["default_transaction_read_only", "on"]
LATER = [
    "SET default_transaction_read_only = on",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
]
TOLD: list[tuple[str, Any]] = [
    *((text, None) for text in LATER),
    ("SELECT set_config(%s, %s, false)", BOUND),
    ("SELECT set_config(%(name)s, 'on', false)", {"name": BOUND[0].upper()}),
]


@pytest.mark.parametrize("text,params", TOLD, ids=[text for text, _ in TOLD])
def test_what_only_later_transactions_read_is_told(
    pgbouncer: PgBouncer, text: str, params: Any
) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn, pooler="pgbouncer", settings="local")
        with pytest.warns(SessionStateWarning, match="session-set"):
            conn.execute(text, params)
            conn.commit()


@pytest.mark.parametrize("text", LATER)
def test_what_only_later_transactions_read_is_carried_to_them(
    pgbouncer: PgBouncer, text: str
) -> None:
    def is_read_only() -> list[Any]:
        return conn.execute("SHOW transaction_read_only").fetchall()

    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn, pooler="pgbouncer")
        conn.execute(text)
        assert is_read_only() == [("off",)]
        conn.commit()
        assert is_read_only() == [("on",)]
