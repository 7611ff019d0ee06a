"""psycopg_pool: all four pools, connections made before and after install(), callbacks too."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import psycopg
import psycopg_pool
import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError
from tests.servers import PgBouncer, Postgres

HAZARD = "LISTEN x"
STRICT = {"mode": "strict"}

POOLS = [
    (psycopg_pool.ConnectionPool, {"min_size": 1}),
    (psycopg_pool.NullConnectionPool, {"max_size": 2}),
]
ASYNC_POOLS = [
    (psycopg_pool.AsyncConnectionPool, {"min_size": 1}),
    (psycopg_pool.AsyncNullConnectionPool, {"max_size": 2}),
]


def refused(conn: psycopg.Connection[Any]) -> None:
    with pytest.raises(SessionStateError):
        conn.execute(HAZARD)
        conn.commit()
    conn.rollback()


@pytest.mark.parametrize("cls,size", POOLS, ids=[cls.__name__ for cls, _ in POOLS])
@pytest.mark.parametrize("before", [True, False], ids=["before-open", "after-open"])
def test_sync(pgbouncer: PgBouncer, cls: Any, size: dict[str, int], before: bool) -> None:
    pool = cls(pgbouncer.dsn(), open=False, **size)
    if before:
        pgpoolsafe.install(pool, **STRICT)
    with pool:
        pool.wait()
        if not before:
            pgpoolsafe.install(pool, **STRICT)
        with pool.connection() as conn:
            refused(conn)
        conn = pool.getconn()
        refused(conn)
        pool.putconn(conn)
        pgpoolsafe.uninstall(pool)
        assert "getconn" not in vars(pool)
        assert pool.connection_class is psycopg.Connection
        with pool.connection() as conn:
            assert type(conn) is psycopg.Connection
            assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("cls,size", ASYNC_POOLS, ids=[cls.__name__ for cls, _ in ASYNC_POOLS])
@pytest.mark.parametrize("before", [True, False], ids=["before-open", "after-open"])
async def test_async(pgbouncer: PgBouncer, cls: Any, size: dict[str, int], before: bool) -> None:
    pool = cls(pgbouncer.dsn(), open=False, **size)
    if before:
        pgpoolsafe.install(pool, **STRICT)
    async with pool:
        await pool.wait()
        if not before:
            pgpoolsafe.install(pool, **STRICT)
        async with pool.connection() as conn:
            with pytest.raises(SessionStateError):
                await conn.execute(HAZARD)
                await conn.commit()
        pgpoolsafe.uninstall(pool)
        async with pool.connection() as conn:
            assert type(conn) is psycopg.AsyncConnection
            await conn.execute("SELECT 1")


def test_a_connection_that_is_out_at_uninstall(pgbouncer: PgBouncer) -> None:
    with psycopg_pool.ConnectionPool(pgbouncer.dsn(), min_size=1, open=False) as pool:
        pgpoolsafe.install(pool, **STRICT)
        with pool.connection() as conn:
            refused(conn)
            pgpoolsafe.uninstall(pool)
            assert type(conn) is psycopg.Connection


def test_a_connection_that_is_out_at_install(pgbouncer: PgBouncer) -> None:
    with psycopg_pool.ConnectionPool(pgbouncer.dsn(), min_size=1, open=False) as pool:
        with pool.connection() as conn:
            pgpoolsafe.install(pool, **STRICT)
            refused(conn)
        pgpoolsafe.uninstall(pool)


def test_a_connection_that_was_being_made_at_install(pgbouncer: PgBouncer) -> None:
    """A worker of the pool that had begun with the pool's former class: guarded when given."""
    with psycopg_pool.ConnectionPool(pgbouncer.dsn(), min_size=1, max_size=3, open=False) as pool:
        pool.wait()
        pgpoolsafe.install(pool, **STRICT)
        late = psycopg.connect(pgbouncer.dsn())
        pool._set_connection_expiry_date(late)
        pool._nconns += 1
        pool._add_to_pool(late)
        given = [pool.getconn(), pool.getconn()]
        assert late in given
        refused(late)
        for conn in given:
            pool.putconn(conn)
        pgpoolsafe.uninstall(pool)
        assert type(late) is psycopg.Connection


def test_a_getconn_of_the_users_own(pgbouncer: PgBouncer) -> None:
    with psycopg_pool.ConnectionPool(pgbouncer.dsn(), min_size=1, open=False) as pool:
        asked: list[float | None] = []
        plain = pool.getconn

        def getconn(timeout: float | None = None) -> psycopg.Connection[Any]:
            asked.append(timeout)
            return plain(timeout)

        pool.getconn = getconn  # type: ignore[method-assign]
        pgpoolsafe.install(pool, **STRICT)
        with pool.connection() as conn:
            refused(conn)
        assert asked == [None]
        pgpoolsafe.uninstall(pool)
        assert pool.getconn is getconn


def test_callbacks_are_guarded(pgbouncer: PgBouncer) -> None:
    seen: list[str] = []

    def configure(conn: psycopg.Connection[Any]) -> None:
        with pytest.raises(SessionStateError) as caught, conn.transaction():
            conn.execute(HAZARD)
        seen.append(caught.value.rule)

    pool = psycopg_pool.ConnectionPool(pgbouncer.dsn(), min_size=1, open=False, configure=configure)
    pgpoolsafe.install(pool, **STRICT)
    with pool:
        pool.wait()
        with pool.connection() as conn:
            conn.execute("SELECT 1")
    assert seen == ["listen"]


class OwnConnection(psycopg.Connection[Any]):
    """A user's connection class."""


def test_the_users_connection_class(pgbouncer: PgBouncer) -> None:
    pool = psycopg_pool.ConnectionPool(
        pgbouncer.dsn(), connection_class=OwnConnection, min_size=1, open=False
    )
    pgpoolsafe.install(pool, **STRICT)
    with pool, pool.connection() as conn:
        assert isinstance(conn, OwnConnection)
        refused(conn)


def test_nothing_keeps_a_pool_alive(postgres: Postgres) -> None:
    with psycopg_pool.ConnectionPool(postgres.dsn(), min_size=1, open=False) as pool:
        pgpoolsafe.install(pool)
        with pool.connection() as conn:
            conn.execute("SELECT 1")
    alive = weakref.ref(pool)
    del pool, conn
    gc.collect()
    assert alive() is None


SYNC_CLASSES = [cls for cls, _ in POOLS]


@pytest.mark.parametrize("cls,size", POOLS, ids=[cls.__name__ for cls in SYNC_CLASSES])
def test_check_and_reset_are_guarded(pgbouncer: PgBouncer, cls: Any, size: dict[str, int]) -> None:
    """What the pool itself runs on a connection is the user's code like any other."""
    seen: list[tuple[str, str]] = []

    def attempt(name: str, conn: psycopg.Connection[Any]) -> None:
        with pytest.raises(SessionStateError) as caught, conn.transaction():
            conn.execute(HAZARD)
        seen.append((name, caught.value.rule))

    pool = cls(
        pgbouncer.dsn(),
        open=False,
        check=lambda conn: attempt("check", conn),
        reset=lambda conn: attempt("reset", conn),
        **size,
    )
    pgpoolsafe.install(pool, **STRICT)
    with pool:
        with pool.connection() as conn:
            conn.execute("SELECT 1")
        with pool.connection() as conn:
            conn.execute("SELECT 2")
    # A null pool resets only what it can hand to somebody who waits.
    called = ["check"] if cls is psycopg_pool.NullConnectionPool else ["check", "reset"]
    assert {(name, "listen") for name in called} == set(seen)


@pytest.mark.parametrize("cls,size", POOLS, ids=[cls.__name__ for cls in SYNC_CLASSES])
def test_the_check_of_the_pools_own(pgbouncer: PgBouncer, cls: Any, size: dict[str, int]) -> None:
    pool = cls(pgbouncer.dsn(), open=False, check=cls.check_connection, **size)
    with pgpoolsafe.install(pool, **STRICT) as installation, pool:
        for _ in range(3):
            with pool.connection() as conn:
                assert conn.execute("SELECT 1").fetchone() == (1,)
        assert installation.findings() == []


async def test_async_callbacks_are_guarded(pgbouncer: PgBouncer) -> None:
    seen: list[str] = []

    def of(name: str) -> Any:
        async def attempt(conn: psycopg.AsyncConnection[Any]) -> None:
            with pytest.raises(SessionStateError):
                async with conn.transaction():
                    await conn.execute(HAZARD)
            seen.append(name)

        return attempt

    pool = psycopg_pool.AsyncConnectionPool(
        pgbouncer.dsn(),
        min_size=1,
        open=False,
        configure=of("configure"),
        check=of("check"),
        reset=of("reset"),
    )
    pgpoolsafe.install(pool, **STRICT)
    async with pool:
        for _ in range(2):
            async with pool.connection() as conn:
                await conn.execute("SELECT 1")
    assert seen[:2] == ["configure", "check"]
    assert "reset" in seen


def test_what_configure_sets_is_told_at_its_line(pgbouncer: PgBouncer) -> None:
    """configure() is where sessions used to be set up."""

    def configure(conn: psycopg.Connection[Any]) -> None:
        conn.autocommit = True
        conn.execute("SET app.way = 'x'")
        conn.autocommit = False

    pool = psycopg_pool.ConnectionPool(pgbouncer.dsn(), min_size=1, open=False, configure=configure)
    with pgpoolsafe.install(pool, mode="observe", rules={"session-set": "observe"}) as installation:
        with pool:
            pool.wait()
        [(finding, count)] = [f for f in installation.findings() if f[0].rule == "session-set"]
    assert count == 1
    assert finding.location is not None
    assert finding.location.function == "configure"


def test_connections_that_the_pool_replaces(pgbouncer: PgBouncer) -> None:
    """One that broke is made anew, by the pool's worker, and guarded from birth."""
    with psycopg_pool.ConnectionPool(pgbouncer.dsn(), min_size=1, open=False) as pool:
        pgpoolsafe.install(pool, **STRICT)
        with pytest.raises(ZeroDivisionError), pool.connection() as broken:
            broken.close()
            raise ZeroDivisionError
        with pool.connection() as conn:
            assert conn is not broken
            refused(conn)


def test_a_pool_behind_a_pooler_prepares_nothing(pgbouncer: PgBouncer) -> None:
    options = {"prepare_threshold": 0}
    with psycopg_pool.ConnectionPool(
        pgbouncer.dsn(), kwargs=options, min_size=2, open=False
    ) as pool:
        pgpoolsafe.install(pool)
        for turn in range(12):
            with pool.connection() as conn:
                assert conn.execute("SELECT %s::int", (turn,)).fetchone() == (turn,)
                assert conn.prepare_threshold is None
