"""psycopg: what a later transaction counts on, made by an earlier one, is told too."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.servers import Postgres

Conn = psycopg.Connection[Any]
Tell = Callable[[str], list[str]]

TABLE = "CREATE TEMP TABLE t (i int)"
CURSOR = "DECLARE c CURSOR WITH HOLD FOR SELECT 1"


@pytest.fixture
def conn(postgres: Postgres) -> Iterator[Conn]:
    """On a direct connection everything is still there, so that only the guard speaks."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, pooler="pgbouncer")
        yield conn


@pytest.fixture
def tell(conn: Conn) -> Tell:
    """Send a statement, each from a place of its own; what was said of it."""
    places = count()

    def send(statement: str) -> list[str]:
        code = compile("conn.execute(statement)", f"place {next(places)}", "exec")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            exec(code, {"conn": conn, "statement": statement})
        return [str(warning.message).partition("\n")[0] for warning in caught]

    return send


LATER = [
    (TABLE, "SELECT * FROM t", "temp-table: the temporary object t"),
    (TABLE, "INSERT INTO t VALUES (1)", "temp-table: the temporary object t"),
    (TABLE, "SELECT 1 FROM pg_class, t", "temp-table: the temporary object t"),
    (TABLE, "DROP TABLE t", "temp-table: the temporary object t"),
    (CURSOR, "FETCH 1 FROM c", "hold-cursor: the WITH HOLD cursor c"),
    (CURSOR, "MOVE c", "hold-cursor: the WITH HOLD cursor c"),
    (CURSOR, "CLOSE c", "hold-cursor: the WITH HOLD cursor c"),
]
"""What makes it, what comes back to it, and what is said then."""


@pytest.mark.parametrize("make,use,found", LATER, ids=[use for _, use, _ in LATER])
def test_counted_on_later(tell: Tell, make: str, use: str, found: str) -> None:
    assert tell(make) == [f"{found} outlives the transaction"]
    assert tell(use) == [f"{found} was made in an earlier transaction"]
    assert tell("SELECT 1 AS t") == []


def test_the_same_text_before_and_after(tell: Tell) -> None:
    """A text that was plain yesterday is not once its table is a temporary one."""
    with_table = "SELECT count(*) FROM t"
    tell("CREATE TABLE public.t (i int)")
    try:
        assert tell(with_table) == []
        tell(TABLE)
        assert tell(with_table) == [
            "temp-table: the temporary object t was made in an earlier transaction"
        ]
        assert tell("SELECT count(*) FROM public.t") == []
        assert tell("WITH t AS (SELECT 1) SELECT * FROM t") == []
    finally:
        tell("DROP TABLE public.t")


def test_within_its_own_transaction(tell: Tell) -> None:
    for statement in ("BEGIN", TABLE, "INSERT INTO t VALUES (1)", "SELECT * FROM t", "ROLLBACK"):
        assert tell(statement) == []
    for statement in ("BEGIN", CURSOR, "FETCH 1 FROM c", "ROLLBACK"):
        assert tell(statement) == []


def test_made_again(tell: Tell) -> None:
    tell(TABLE)
    tell("DROP TABLE t")
    for statement in ("BEGIN", TABLE, "SELECT * FROM t", "DROP TABLE t", "COMMIT"):
        assert tell(statement) == []


def test_a_named_cursor_of_psycopg(conn: Conn) -> None:
    with conn.cursor("held", withhold=True) as cursor:
        with pytest.warns(SessionStateWarning, match="outlives the transaction"):
            cursor.execute("SELECT generate_series(1, 3)")
        with pytest.warns(SessionStateWarning, match="was made in an earlier transaction"):
            assert cursor.fetchone() == (1,)


def test_an_unlock_that_found_nothing(conn: Conn, tell: Tell) -> None:
    """The server says false, and nobody looks at it."""
    assert tell("BEGIN") == []
    assert tell("SELECT pg_advisory_lock(1)") == []
    assert tell("SELECT pg_advisory_unlock(1)") == []
    conn.execute("SELECT pg_advisory_lock_shared(2)")
    conn.pgconn.exec_(b"SELECT pg_advisory_unlock_all()")
    [said] = tell("SELECT pg_advisory_unlock_shared(2)")
    assert said == "unlock-not-held: pg_advisory_unlock_shared(2) found no such lock"
    conn.execute("ROLLBACK")


def test_an_unlock_that_found_nothing_in_strict(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, mode="strict")
        conn.execute("BEGIN")
        conn.execute("SELECT pg_advisory_lock(1)")
        conn.pgconn.exec_(b"SELECT pg_advisory_unlock_all()")
        with pytest.raises(SessionStateError, match="found no such lock"):
            conn.execute("SELECT pg_advisory_unlock(1)")
        conn.execute("ROLLBACK")
