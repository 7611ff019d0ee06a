"""install() and uninstall() on connections and the whole process."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from typing import Any

import psycopg
import psycopg_pool
import pytest
import sqlalchemy as sa

import pgpoolsafe
from pgpoolsafe import ConfigurationError, SessionStateError
from tests.servers import PgBouncer, Postgres

HAZARD = "LISTEN x"


def test_a_connection_is_as_it_was(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn(), autocommit=True, prepare_threshold=3) as conn:
        before = dict(vars(conn)), repr(conn).partition(" at ")[0], conn.prepare_threshold
        installation = pgpoolsafe.install(conn, mode="strict")
        assert repr(conn).partition(" at ")[0] == before[1]
        with pytest.raises(SessionStateError):
            conn.execute(HAZARD)
        assert conn.prepare_threshold is None
        pgpoolsafe.uninstall(conn)
        pgpoolsafe.uninstall(conn)
        installation.uninstall()
        assert type(conn) is psycopg.Connection
        assert vars(conn).keys() == before[0].keys()
        assert conn.prepare_threshold == 3
        with pytest.raises(SessionStateError), pgpoolsafe.install(conn, mode="strict"):
            conn.execute(HAZARD)


def test_installing_twice(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        first = pgpoolsafe.install(conn, mode="strict")
        assert pgpoolsafe.install(conn, mode="strict") is first
        with pytest.raises(SessionStateError):
            conn.execute(HAZARD)
        assert [count for _, count in first.findings()] == [1]
        second = pgpoolsafe.install(conn, mode="off")
        assert second is not first
        conn.execute("SELECT 1")
        pgpoolsafe.uninstall(conn)
        assert type(conn) is psycopg.Connection


def test_wrong_options_install_nothing(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn:
        for options in ({"mode": "loud"}, {"pooler": "squid"}, {"rules": {"nope": "warn"}}):
            with pytest.raises(ConfigurationError):
                pgpoolsafe.install(conn, **options)  # type: ignore[arg-type]
            assert type(conn) is psycopg.Connection


@pytest.mark.parametrize("target", [42, "postgresql://h/d", object(), psycopg, sa])
def test_other_targets(target: object) -> None:
    for act in (pgpoolsafe.install, pgpoolsafe.uninstall):
        with pytest.raises(TypeError, match=r"cannot guard a .*; expected a SQLAlchemy Engine"):
            act(target)


def test_direct_connections_are_left_alone(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn) as installation:
            conn.execute("SET work_mem = '1MB'")
            conn.execute(HAZARD)
            assert conn.prepare_threshold == 5
            assert installation.findings() == []
            assert installation.pooler is not None
            assert installation.pooler.product == "direct"
        assert conn.execute("SHOW work_mem").fetchone() == ("1MB",)


def test_strict_judges_direct_connections(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, mode="strict"):
            with pytest.raises(SessionStateError) as caught:
                conn.execute(HAZARD)
        assert caught.value.pooler.product == "pgbouncer"


def test_session_pools_are_left_alone(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, pooler="pgbouncer", pool_mode="session") as installation:
            conn.execute(HAZARD)
            assert installation.findings() == []


def test_off_and_observe(pgbouncer: PgBouncer, caplog: pytest.LogCaptureFixture) -> None:
    for mode, rules in (("off", []), ("observe", ["named-prepare", "session-set"])):
        with psycopg.connect(pgbouncer.dsn()) as conn:
            with pgpoolsafe.install(conn, mode=mode) as installation:
                conn.execute("SET work_mem = '1MB'")
                conn.commit()
                assert conn.prepare_threshold == 5
                assert [f.rule for f, _ in installation.findings()] == rules
    assert [r.levelname for r in caplog.records if r.name == "pgpoolsafe"] == ["WARNING"] * 2
    assert caplog.messages[1].startswith("session-set: SET work_mem outlives the transaction (")


def test_whole_process(pgbouncer: PgBouncer) -> None:
    dsn = pgbouncer.dsn()
    early = psycopg.connect(dsn, autocommit=True)
    with pgpoolsafe.install(mode="strict"):
        with psycopg.connect(dsn, autocommit=True) as conn, pytest.raises(SessionStateError):
            conn.execute(HAZARD)
        with psycopg.Connection.connect(dsn) as conn, pytest.raises(SessionStateError):
            conn.execute("LOAD 'auto_explain'")
        with psycopg_pool.ConnectionPool(dsn, open=False) as pool, pool.connection() as conn:
            with pytest.raises(SessionStateError):
                conn.execute("LOAD 'auto_explain'")
        engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
        with engine.connect() as connection, pytest.raises(SessionStateError):
            connection.execute(sa.text("LOAD 'auto_explain'"))
        engine.dispose()
        late = psycopg.connect(dsn, autocommit=True)
        assert asyncio.run(refused_async(dsn))
        assert type(early) is psycopg.Connection
    assert type(late) is psycopg.Connection
    with psycopg.connect(dsn) as conn:
        assert type(conn) is psycopg.Connection
    early.close()
    late.close()


async def refused_async(dsn: str) -> bool:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        with pytest.raises(SessionStateError):
            await conn.execute(HAZARD)
    return True


def test_one_connection_of_two_installations(pgbouncer: PgBouncer) -> None:
    """The last one decides; without it, the one before."""
    with pgpoolsafe.install(mode="strict"):
        with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
            with pgpoolsafe.install(conn, mode="off"):
                conn.execute("UNLISTEN x")
            with pytest.raises(SessionStateError):
                conn.execute(HAZARD)


def test_other_options_keep_the_books(pgbouncer: PgBouncer) -> None:
    """What an open transaction holds is not forgotten with the former options."""
    with psycopg.connect(pgbouncer.dsn()) as conn:
        pgpoolsafe.install(conn, mode="strict")
        conn.execute("SELECT pg_advisory_lock(4242)")
        pgpoolsafe.install(conn, mode="strict", rules={"listen": "ignore"})
        with pytest.raises(SessionStateError):
            conn.commit()
        assert conn.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        ).fetchone() == (0,)


def test_nested_blocks(pgbouncer: PgBouncer) -> None:
    def refused(conn: psycopg.Connection[Any]) -> bool:
        try:
            conn.execute("UNLISTEN x")
        except SessionStateError:
            return True
        return False

    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        with pgpoolsafe.install(conn, mode="strict"):
            with pgpoolsafe.install(conn, mode="strict"):
                assert refused(conn)
            assert refused(conn)
            with pgpoolsafe.install(conn, mode="off"):
                assert not refused(conn)
            assert refused(conn)
        assert type(conn) is psycopg.Connection


def test_the_admin_console_is_left_alone(pgbouncer: PgBouncer) -> None:
    with pgpoolsafe.install(mode="strict"), pgbouncer.admin() as console:
        for _ in range(2):
            row = console.execute("SHOW VERSION").fetchone()
            assert row is not None
            assert row[0].startswith("PgBouncer ")


def test_reconnecting_by_the_connections_own_class(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, mode="strict")
        with type(conn).connect(pgbouncer.dsn()) as other:
            assert type(other) is psycopg.Connection
            assert other.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["sync_engine", "_proxied"])
def test_what_only_looks_like_an_engine(name: str) -> None:
    target = type("Db", (), {name: None})()
    with pytest.raises(TypeError, match="cannot guard a"):
        pgpoolsafe.install(target)


def test_named_prepares_that_are_left_are_refused_every_time(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, mode="strict", prepared="leave")
        for _ in range(3):
            with pytest.raises(SessionStateError, match="named-prepare"):
                conn.execute("SELECT 1")
        conn.rollback()


def test_installing_and_uninstalling_under_load(pgbouncer: PgBouncer) -> None:
    """Whoever uses the connection meanwhile is not disturbed."""
    errors: list[BaseException] = []
    over = threading.Event()

    def work(conn: psycopg.Connection[Any]) -> None:
        while not over.is_set():
            try:
                conn.execute("SELECT 1")
                with conn.transaction(), conn.cursor() as cursor:
                    cursor.execute("SELECT 2")
            except Exception as error:  # noqa: BLE001  # whatever it is, it is not to be
                errors.append(error)
                return

    with psycopg.connect(pgbouncer.dsn(), autocommit=True, prepare_threshold=None) as conn:
        worker = threading.Thread(target=work, args=(conn,))
        worker.start()
        for _ in range(200):
            pgpoolsafe.install(conn, mode="strict")
            pgpoolsafe.uninstall(conn)
        over.set()
        worker.join()
    assert errors == []


def test_the_process_twice() -> None:
    first = pgpoolsafe.install(mode="strict")
    assert pgpoolsafe.install(mode="strict") is first
    pgpoolsafe.uninstall()
    assert pgpoolsafe.install(mode="strict") is not first
    pgpoolsafe.uninstall()


class Unwilling(psycopg.Connection[Any]):
    def __init_subclass__(cls, *, key: str) -> None: ...


def test_a_class_that_takes_no_subclass(pgbouncer: PgBouncer) -> None:
    with Unwilling.connect(pgbouncer.dsn()) as conn:
        with pytest.raises(ConfigurationError, match="Unwilling cannot be guarded"):
            pgpoolsafe.install(conn)
        assert conn.execute("SELECT 1").fetchone() == (1,)
        assert "_pgpoolsafe" not in vars(conn)
    with pgpoolsafe.install(), Unwilling.connect(pgbouncer.dsn()) as conn:
        assert type(conn) is Unwilling  # told in the log, and left to work
    with pgpoolsafe.install(mode="strict"), pytest.raises(ConfigurationError):
        Unwilling.connect(pgbouncer.dsn())


class OwnCursor(psycopg.Cursor[Any]):
    pass


class SlottedConnection(psycopg.Connection[Any]):
    __slots__ = ("extra",)


def test_users_own_classes(pgbouncer: PgBouncer) -> None:
    with SlottedConnection.connect(
        pgbouncer.dsn(), autocommit=True, cursor_factory=OwnCursor
    ) as conn:
        conn.extra = 1
        with pgpoolsafe.install(conn, mode="strict"):
            assert isinstance(conn.cursor(), OwnCursor)
            assert conn.extra == 1
            with pytest.raises(SessionStateError):
                conn.execute(HAZARD)
        assert type(conn) is SlottedConnection


def test_nothing_keeps_a_connection_alive(postgres: Postgres) -> None:
    gc.disable()
    try:
        conn = psycopg.connect(postgres.dsn(), autocommit=True)
        pgpoolsafe.install(conn, mode="strict")
        conn.execute("SELECT 1")
        conn.close()
        alive = weakref.ref(conn)
        del conn
        assert alive() is None
    finally:
        gc.enable()


def test_threads_share_a_connection(pgbouncer: PgBouncer) -> None:
    """psycopg lets threads share a connection; refusals must not cross."""
    outcomes: list[object] = []
    with psycopg.connect(pgbouncer.dsn(), autocommit=True) as conn:
        pgpoolsafe.install(conn, mode="strict")

        def work(number: int) -> None:
            for _ in range(50):
                row = conn.execute("SELECT %s::int", (number,)).fetchone()
                outcomes.append(row == (number,))
                try:
                    conn.execute(HAZARD)
                except SessionStateError:
                    outcomes.append(True)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes == [True] * 600


def test_a_cancelled_task_leaves_the_connection_usable(postgres: Postgres) -> None:
    async def main() -> None:
        dsn = postgres.dsn()
        async with (
            await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn,
            await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watcher,
        ):
            pgpoolsafe.install(conn, mode="strict")
            await conn.execute("SELECT 1")
            sleeping = asyncio.create_task(conn.execute("SELECT pg_sleep(30)"))
            asleep = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s"
            while True:  # the server runs it: only then is there something to cancel
                cursor = await watcher.execute(asleep, [conn.info.backend_pid])
                if await cursor.fetchone() == (True,):
                    break
            sleeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sleeping
            assert await (await conn.execute("SELECT 2")).fetchone() == (2,)

    asyncio.run(main())


def test_at_most_one_probe_per_endpoint(postgres: Postgres) -> None:
    """One connection asks, the others of the same installation know."""
    asked = """SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_prepared_statements%'
               AND application_name = 'probed'"""
    dsn = postgres.dsn(application_name="probed")
    with pgpoolsafe.install():
        first = psycopg.connect(dsn, autocommit=True)
        # The pipeline's last statement is what pg_stat_activity shows.
        first.execute("SELECT 1")
        others = [psycopg.connect(dsn, autocommit=True) for _ in range(3)]
        for conn in others:
            conn.execute("BEGIN")
        with postgres.connect(user="postgres") as admin:
            assert admin.execute(asked).fetchone() == (0,)
        for conn in [first, *others]:
            conn.close()


LATER = """
import sys
import pgpoolsafe
from pgpoolsafe.drivers import process

def broken(guard):
    raise KeyError("another driver than we know")

process._MAKERS["pg8000"] = broken
pgpoolsafe.install(mode=sys.argv[1])
import pg8000
import psycopg2
print(pg8000.__name__, psycopg2._connect.__module__)
"""


@pytest.mark.parametrize("mode, status", [("warn", 0), ("strict", 1)])
def test_a_driver_that_is_imported_later_and_cannot_be_guarded(mode: str, status: int) -> None:
    command = [sys.executable, "-c", LATER, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    if mode == "warn":
        assert done.stdout == "pg8000 pgpoolsafe.drivers.process\n"
        assert "connections of pg8000 cannot be guarded" in done.stderr
    else:
        assert "another driver than we know" in done.stderr
