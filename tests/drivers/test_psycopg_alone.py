"""psycopg: where there is nothing to watch, connection and cursors are what they were."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from pgpoolsafe.drivers import psycopg_meeting
from tests.servers import PgBouncer, Postgres

HAZARD = "LISTEN x"


def is_plain(conn: psycopg.Connection[Any]) -> bool:
    return (type(conn), type(conn.cursor())) == (psycopg.Connection, psycopg.Cursor)


def test_once_the_connection_is_known_to_be_direct(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn):
            assert not is_plain(conn)
            conn.execute("SELECT 1")
            assert is_plain(conn)
            assert conn.execute("SELECT 1", prepare=True).fetchone() == (1,)
        assert is_plain(conn)
        assert "_pgpoolsafe" not in vars(conn)


def test_from_the_first_statement_where_the_endpoint_is_known(postgres: Postgres) -> None:
    with pgpoolsafe.install():
        psycopg.connect(postgres.dsn(), autocommit=True).execute("SELECT 1").connection.close()
        with psycopg.connect(postgres.dsn()) as conn:
            assert is_plain(conn)


@pytest.mark.parametrize(
    "options",
    [{"mode": "off"}, {"pooler": "direct"}, {"pooler": "pgbouncer", "pool_mode": "session"}],
    ids=str,
)
def test_from_the_start_where_the_user_says_so(pgbouncer: PgBouncer, options: Any) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn, pgpoolsafe.install(conn, **options):
        assert is_plain(conn)


def test_prepares_that_are_to_be_off_are_off(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, prepared="off"):
            conn.execute("SELECT 1", prepare=True)
            assert conn.prepare_threshold is None
            conn.prepare_threshold = 7
            assert conn.prepare_threshold is None
            count = "SELECT count(*) FROM pg_prepared_statements"
            assert conn.execute(count).fetchone() == (0,)
        assert conn.prepare_threshold == 7


def test_strict_watches_direct_connections(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, mode="strict"):
            conn.execute("SELECT 1")
            assert not is_plain(conn)


def test_other_options_for_a_connection_that_was_left_alone(postgres: Postgres) -> None:
    """The cursor that was made meanwhile is guarded as well."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn, pgpoolsafe.install(conn):
        conn.execute("SELECT 1")
        cursor = conn.cursor()
        with pgpoolsafe.install(conn, mode="strict"):
            with pytest.raises(SessionStateError):
                cursor.execute(HAZARD)
            with pytest.raises(SessionStateError):
                conn.execute(HAZARD)
        assert is_plain(conn)
        cursor.execute(HAZARD)


def test_of_two_installations_the_last_decides(postgres: Postgres) -> None:
    with pgpoolsafe.install(pooler="direct"):
        with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
            assert is_plain(conn)
            with pgpoolsafe.install(conn, pooler="pgbouncer"):
                with pytest.warns(SessionStateWarning, match=r"^listen: "):
                    conn.execute(HAZARD)
            assert is_plain(conn)


def test_a_pooler_is_never_left_alone(pgbouncer: PgBouncer) -> None:
    with pgpoolsafe.install(mode="observe") as installation:
        for _ in range(2):
            with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
                conn.execute(HAZARD)
                assert not is_plain(conn)
        assert [(f.rule, n) for f, n in installation.findings() if f.rule == "listen"] == [
            ("listen", 2)
        ]


def test_a_connection_that_is_closed_or_broken(postgres: Postgres) -> None:
    conn = psycopg.connect(postgres.dsn())
    conn.close()
    with pgpoolsafe.install(conn), pytest.raises(psycopg.OperationalError, match="is closed"):
        conn.execute("SELECT 1")


def test_async(postgres: Postgres) -> None:
    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(postgres.dsn()) as conn:
            with pgpoolsafe.install(conn):
                await conn.execute("SELECT 1")
                assert type(conn) is psycopg.AsyncConnection
                assert type(conn.cursor()) is psycopg.AsyncCursor

    asyncio.run(work())


class Remembered(psycopg.Connection[Any]):
    """A user's class whose objects are pickled by what they say of themselves."""

    def __getstate__(self) -> dict[str, Any]:
        return {"dsn": self.info.dsn}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def __del__(self, *_: Any) -> None:
        """What was unpickled is no connection, and has nothing to close."""


def test_a_connection_that_can_be_pickled(postgres: Postgres) -> None:
    with Remembered.connect(postgres.dsn()) as conn:
        bare = pickle.dumps(conn)
        with pgpoolsafe.install(conn, mode="strict"):
            guarded = pickle.loads(pickle.dumps(conn))
            assert type(guarded) is Remembered
            assert vars(guarded) == vars(pickle.loads(bare))


def test_a_copy_is_guarded_as_well(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, mode="strict"):
            twin = copy.copy(conn)
            with pytest.raises(SessionStateError):
                twin.execute(HAZARD)
        twin.close()


def test_a_connection_heeds_what_another_one_learns_meanwhile(
    pgbouncer: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, meet, thresholds = pgbouncer.dsn(), psycopg_meeting.meet_by_asking, []

    def late(conn: Any, seat: Any) -> Any:
        monkeypatch.undo()
        with psycopg.connect(pool, autocommit=True) as other:
            other.execute("SELECT 1")
            thresholds.append(other.prepare_threshold)
        return (yield from meet(conn, seat))

    with pgpoolsafe.install(), psycopg.connect(pool, autocommit=True) as conn:
        monkeypatch.setattr(psycopg_meeting, "meet_by_asking", late)
        conn.execute("SELECT 1")
        assert thresholds == [conn.prepare_threshold]


@pytest.mark.parametrize("autocommit", [True, False])
def test_many_after_a_stream(pgbouncer: PgBouncer, autocommit: bool) -> None:
    """Without named prepared statements psycopg itself fails here."""
    with psycopg.connect(pgbouncer.dsn(), autocommit=autocommit) as conn:
        pgpoolsafe.install(conn, prepared="off")
        cursor = conn.cursor()
        for _ in range(2):
            assert list(cursor.stream("SELECT 1")) == [(1,)]
            cursor.executemany("SELECT %s::int", [(1,), (2,)], returning=True)
            assert cursor.fetchall() == [(1,)]
            assert cursor.nextset()
            assert cursor.fetchall() == [(2,)]
