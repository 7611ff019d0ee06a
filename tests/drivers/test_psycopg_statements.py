"""psycopg: every way to send a statement is seen once, judged before it is sent, and undamaged."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from tests.drivers.ways import ASYNC_WAYS, HAZARD, WAYS, AsyncWay, Way
from tests.servers import PgBouncer, Postgres

WATCHED = {"rules": {"session-set": "warn"}, "pooler": "pgbouncer"}
REFUSED = {**WATCHED, "rules": {"session-set": "raise"}}


@pytest.fixture
def conn(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """Direct, so that what a statement leaves behind can be read afterwards."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        yield conn


@pytest.fixture
async def aconn(postgres: Postgres) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True) as conn:
        yield conn


def what_is_set(conn: psycopg.Connection[Any]) -> Any:
    return conn.execute("SELECT current_setting('app.way', true)").fetchone()[0] or None  # type: ignore[index]


async def what_is_set_async(conn: psycopg.AsyncConnection[Any]) -> Any:
    row = await (await conn.execute("SELECT current_setting('app.way', true)")).fetchone()
    assert row is not None
    return row[0] or None


def times(installation: pgpoolsafe.Installation) -> list[tuple[str, int]]:
    return [(finding.rule, count) for finding, count in installation.findings()]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_seen_once_and_sent(conn: psycopg.Connection[Any], way: Way) -> None:
    with pgpoolsafe.install(conn, **WATCHED) as installation:
        with pytest.warns(pgpoolsafe.SessionStateWarning, match="^session-set: "):
            assert way(conn) == [("x",)]
        assert times(installation) == [("session-set", 1)]
    assert what_is_set(conn) == "x"


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_refused_before_it_is_sent(conn: psycopg.Connection[Any], way: Way) -> None:
    with pgpoolsafe.install(conn, **REFUSED):
        with pytest.raises(pgpoolsafe.SessionStateError) as caught:
            way(conn)
    assert caught.value.rule == "session-set"
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert what_is_set(conn) is None


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_same_without_findings(conn: psycopg.Connection[Any], way: Way) -> None:
    """Allowed, the statement does what it does on a bare connection, and silently."""
    with pgpoolsafe.install(conn, **REFUSED) as installation:
        with pgpoolsafe.allow("session-set"):
            assert way(conn) == [("x",)]
        assert times(installation) == []
    assert what_is_set(conn) == "x"


@pytest.mark.parametrize("way", ASYNC_WAYS, ids=[way.__name__ for way in ASYNC_WAYS])
async def test_async_seen_once_and_sent(aconn: psycopg.AsyncConnection[Any], way: AsyncWay) -> None:
    with pgpoolsafe.install(aconn, **WATCHED) as installation:
        with pytest.warns(pgpoolsafe.SessionStateWarning, match="^session-set: "):
            assert await way(aconn) == [("x",)]
        assert times(installation) == [("session-set", 1)]
    assert await what_is_set_async(aconn) == "x"


@pytest.mark.parametrize("way", ASYNC_WAYS, ids=[way.__name__ for way in ASYNC_WAYS])
async def test_async_refused_before_it_is_sent(
    aconn: psycopg.AsyncConnection[Any], way: AsyncWay
) -> None:
    with pgpoolsafe.install(aconn, **REFUSED):
        with pytest.raises(pgpoolsafe.SessionStateError):
            await way(aconn)
    assert await what_is_set_async(aconn) is None


# settings of the session are carried


# Whether the call succeeds shows later than its statement: at FETCH, if at all.
CANNOT_CARRY = (
    *("named_cursor", "scrolling_cursor", "raw_server_cursor"),
    *("async_named_cursor", "async_scrolling_cursor", "async_raw_server_cursor"),
    *("stream", "stream_by_the_chunk", "async_stream"),
)


def with_found(way: Way | AsyncWay) -> Any:
    """What is awaited of a way: silence, or one finding where the setting cannot be carried."""
    if way.__name__ in CANNOT_CARRY:
        return pytest.warns(pgpoolsafe.SessionStateWarning, match="^session-set: ")
    return nullcontext()


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_carried(postgres: Postgres, way: Way, autocommit: bool) -> None:
    """The client keeps its setting; the session never has it."""
    with psycopg.connect(postgres.dsn(), autocommit=autocommit) as conn:
        is_carried = way.__name__ not in CANNOT_CARRY
        with pgpoolsafe.install(conn, pooler="pgbouncer") as installation, with_found(way):
            assert way(conn) == [("x",)]
            conn.commit()
            assert what_is_set(conn) == ("x" if is_carried else None)
            conn.commit()
            assert times(installation) == ([] if is_carried else [("session-set", 1)])
        assert what_is_set(conn) is None


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("way", ASYNC_WAYS, ids=[way.__name__ for way in ASYNC_WAYS])
async def test_async_carried(postgres: Postgres, way: AsyncWay, autocommit: bool) -> None:
    connecting = psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=autocommit)
    async with await connecting as conn:
        is_carried = way.__name__ not in CANNOT_CARRY
        with pgpoolsafe.install(conn, pooler="pgbouncer") as installation, with_found(way):
            assert await way(conn) == [("x",)]
            await conn.commit()
            assert await what_is_set_async(conn) == ("x" if is_carried else None)
            await conn.commit()
            assert times(installation) == ([] if is_carried else [("session-set", 1)])
        assert await what_is_set_async(conn) is None


# settings become local inside a transaction, and end with it


LOCAL = {"pooler": "pgbouncer", "settings": "local"}


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_rewritten_in_a_transaction(postgres: Postgres, way: Way) -> None:
    """On a connection without autocommit every way runs in a transaction."""
    with psycopg.connect(postgres.dsn()) as conn:
        with pgpoolsafe.install(conn, **LOCAL) as installation:
            assert way(conn) == [("x",)]
            assert [f.level for f, _ in installation.findings()] == ["rewrite"]
            conn.commit()
        assert what_is_set(conn) is None


@pytest.mark.parametrize("way", ASYNC_WAYS, ids=[way.__name__ for way in ASYNC_WAYS])
async def test_async_rewritten_in_a_transaction(postgres: Postgres, way: AsyncWay) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.dsn()) as conn:
        with pgpoolsafe.install(conn, **LOCAL) as installation:
            assert await way(conn) == [("x",)]
            assert [f.level for f, _ in installation.findings()] == ["rewrite"]
            await conn.commit()
        assert await what_is_set_async(conn) is None


@pytest.mark.parametrize("settings", ["carry", "local"])
@pytest.mark.parametrize(
    "statement,tag",
    [
        ("SET work_mem = '1MB'", "SET"),
        ("RESET work_mem", "RESET"),
        ("SET ROLE reporting", "SET"),
        ("RESET ROLE", "RESET"),
    ],
)
def test_the_tag_is_that_of_the_users_statement(
    postgres: Postgres, statement: str, tag: str, settings: str
) -> None:
    with psycopg.connect(postgres.dsn()) as conn:
        pgpoolsafe.install(conn, pooler="pgbouncer", settings=settings)
        cursor = conn.execute(statement)
        if settings == "carry" or hasattr(cursor, "_statusmessage"):
            assert cursor.statusmessage == tag
        else:  # psycopg 3.2 asks the result itself, which cannot be changed
            assert cursor.statusmessage == "SET"


# cursors made earlier


def test_a_cursor_made_before_install(conn: psycopg.Connection[Any]) -> None:
    cursor, named = conn.cursor(), conn.cursor("early")
    with pgpoolsafe.install(conn, **REFUSED):
        with pytest.raises(pgpoolsafe.SessionStateError):
            cursor.execute(HAZARD)
        with pytest.raises(pgpoolsafe.SessionStateError), conn.transaction():
            named.execute(HAZARD)
    assert type(cursor) is psycopg.Cursor
    assert cursor.execute(HAZARD).fetchall() == [("x",)]
    named.close()


def test_a_cursor_that_outlives_the_guard(conn: psycopg.Connection[Any]) -> None:
    with pgpoolsafe.install(conn, **REFUSED):
        cursor = conn.cursor()
    assert type(cursor) is psycopg.Cursor
    assert cursor.execute(HAZARD).fetchall() == [("x",)]


# errors are the driver's own


BROKEN: list[tuple[Any, Any]] = [
    ("SELEC 1", None),
    ("SELECT 1/0", None),
    ("SET no_such_setting = 1", None),
    ("SET work_mem = 'unclosed", None),
    ("", None),
    ("SELECT %s", None),
    ("SELECT %s", ()),
    ("SELECT set_config(%s, %s, %s)", ("a",)),
    ("SELECT set_config(%(a)s, %(b)s, %(c)s)", {"a": "x"}),
    (None, None),
    (42, None),
    ("SELECT 1\0; SET x = 1", None),
    ("SELECT '\ud800'", None),
    (b"\xff\xfe", None),
]


@pytest.mark.parametrize("query,params", BROKEN, ids=[repr(query)[:30] for query, _ in BROKEN])
def test_errors_are_those_of_a_bare_connection(postgres: Postgres, query: Any, params: Any) -> None:
    def attempt(guarded: bool) -> tuple[type, str] | list[Any]:
        with psycopg.connect(postgres.dsn(), autocommit=True) as conn, warnings.catch_warnings():
            warnings.simplefilter("ignore", pgpoolsafe.SessionStateWarning)
            if guarded:
                pgpoolsafe.install(conn, pooler="pgbouncer")
            try:
                cursor = conn.execute(query, params)
            except Exception as error:  # noqa: BLE001  # whatever psycopg makes of it
                return type(error), str(error)
            return cursor.fetchall() if cursor.description else []

    assert attempt(guarded=True) == attempt(guarded=False)


def test_parameters_never_appear(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, mode="strict", settings="leave")
        for query, params in (
            ("SELECT set_config(%s, %s, %s)", ("app.hush", "hush-hush", False)),
            ("SELECT pg_advisory_lock(%s)", (987654321,)),
        ):
            with pytest.raises(pgpoolsafe.SessionStateError) as caught:
                psycopg.ClientCursor(conn).execute(query, params)
            assert "hush" not in str(caught.value)
            assert "987654321" not in str(caught.value)


def test_a_named_cursor_where_the_guard_stands_aside(conn: psycopg.Connection[Any]) -> None:
    with pgpoolsafe.install(conn):
        with conn.cursor("plain", withhold=True) as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchall() == [(1,)]
