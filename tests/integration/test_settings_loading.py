"""psycopg makes values of what the server returns by settings that the server tells it of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres, Wiretap

QUERIES = (
    "SELECT timestamptz '2020-02-03 04:05:06+00'",
    "SELECT tstzrange('2020-02-03 04:05:06+00', NULL)",
    "SELECT ARRAY[date '2020-02-03'], timestamp '2020-02-03 04:05:06'",
    "SELECT date '2020-02-03' WHERE false",
    "SELECT date 'never'",
)
SETTINGS = {"TimeZone": "Asia/Tokyo", "DateStyle": "SQL, DMY"}


def answered(conn: psycopg.Connection[Any], text: str, **how: Any) -> Any:
    """The rows as Python has them, read when the transaction is over."""
    try:
        cursor = conn.execute(text, **how)
    except psycopg.Error as error:
        conn.rollback()
        return str(error)
    conn.commit()
    try:
        return repr(cursor.fetchall())
    except NotImplementedError:  # psycopg reads some types in one DateStyle only
        return NotImplementedError


@contextmanager
def by_a_block(dsn: str, name: str, **opening: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, **opening) as conn, pgpoolsafe.install(conn):
        with pgpoolsafe.settings(conn, **{name: SETTINGS[name]}):
            yield conn


@contextmanager
def by_options(dsn: str, name: str, **opening: Any) -> Iterator[psycopg.Connection[Any]]:
    said = SETTINGS[name].replace(" ", "\\ ")
    with (
        pgpoolsafe.install(),
        psycopg.connect(dsn, options=f"-c {name}={said}", **opening) as conn,
    ):
        yield conn


@pytest.mark.parametrize("how", [{}, {"params": []}, {"prepare": True}, {"binary": True}])
@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("way", [by_a_block, by_options])
def test_values_are_what_they_are_on_a_connection_of_ones_own(
    way: Callable[..., Any],
    name: str,
    autocommit: bool,
    how: Any,
    postgres: Postgres,
    pgbouncer: PgBouncer,
) -> None:
    with (
        postgres.connect(autocommit=autocommit) as alone,
        way(pgbouncer.dsn(), name, autocommit=autocommit) as shared,
    ):
        alone.execute("SELECT set_config(%s, %s, false)", [name, SETTINGS[name]])
        for text in QUERIES:
            assert answered(shared, text, **how) == answered(alone, text, **how), text


def test_it_takes_no_further_round_trip(pgbouncer: PgBouncer) -> None:
    with (
        Wiretap(pgbouncer, delay=0.02) as tap,  # libpq sends with each Sync, and waits for none
        by_a_block(tap.dsn(), "TimeZone", autocommit=True) as conn,
    ):
        conn.execute("SELECT 1")
        with tap.counting() as count:
            conn.execute(QUERIES[0])
    assert count.trips == 1


@pytest.mark.parametrize(
    "settings",
    [{"TimeZone": "Asia/Tokyo"}, {"default_transaction_isolation": "serializable"}],
)
@pytest.mark.parametrize("how", [{}, {"prepare": True}])
def test_nor_does_a_statement_that_fails(settings: Any, how: Any, pgbouncer: PgBouncer) -> None:
    with (
        Wiretap(pgbouncer, delay=0.02) as tap,
        psycopg.connect(tap.dsn(), autocommit=True) as conn,
        pgpoolsafe.install(conn),
        pgpoolsafe.settings(conn, **settings),
    ):
        conn.execute("SELECT 1")
        for text in ("SELECT 1/0", "SELECT nope", "SELECT 1 / count(*) FROM pg_class WHERE false"):
            with tap.counting() as count, pytest.raises(psycopg.Error):
                conn.execute(text, **how)
            assert count.trips == 1
            assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
            assert conn.execute("SELECT 1").fetchone() == (1,)
