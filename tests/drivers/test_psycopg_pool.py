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
