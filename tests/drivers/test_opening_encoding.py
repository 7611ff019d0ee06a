"""`client_encoding` in a connection's options: what the driver itself encodes and decodes by."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import psycopg
import psycopg2
import psycopg_pool
import pytest
import sqlalchemy as sa

import pgpoolsafe
from pgpoolsafe import ConfigurationError
from tests.servers import PgBouncer, Postgres

LATIN = "-c work_mem=3MB -c client_encoding=latin1"
LETTERS = "SELECT 'é'::text, ascii('é'), ascii(%s), current_setting('client_encoding')"

DOORS: dict[str, dict[str, Any]] = {
    "refused": {},
    "dropped": {"ignore_startup_parameters": "options"},
}
GIVEN: dict[str, dict[str, Any]] = {
    "in the options": {"options": LATIN},
    "beside them": {"options": LATIN, "client_encoding": "win1252"},
}
"""How it is asked for. A parameter of its own counts, whatever stands in the options."""


def by_pool(server: Any, given: dict[str, Any]) -> list[Any]:
    pool = psycopg_pool.ConnectionPool(server.dsn(), kwargs=given, min_size=1, open=False)
    pgpoolsafe.install(pool)
    with pool, pool.connection() as conn:  # which opens it: its connections are all made guarded
        return seen(conn)


def by_connection(driver: Any) -> Callable[[Any, dict[str, Any]], list[Any]]:
    def use(server: Any, given: dict[str, Any]) -> list[Any]:
        is_guarded = isinstance(server, PgBouncer)
        with pgpoolsafe.install() if is_guarded else nullcontext():
            conn = driver.connect(server.dsn(), **given)
            try:
                return seen(conn)
            finally:
                conn.close()

    return use


def by_engine(driver: str) -> Callable[[Any, dict[str, Any]], list[Any]]:
    def use(server: Any, given: dict[str, Any]) -> list[Any]:
        url = sa.make_url(server.url()).set(drivername=f"postgresql+{driver}")
        engine = sa.create_engine(url, connect_args=given)
        with pgpoolsafe.install(engine), engine.connect() as conn:
            found = seen(conn.connection.dbapi_connection)
        engine.dispose()
        return found

    return use


def seen(conn: Any) -> list[Any]:
    """In a transaction, and in autocommit."""
    found = []
    for autocommit in (False, True):
        conn.autocommit = autocommit
        for _ in range(2):
            cursor = conn.cursor()
            cursor.execute(LETTERS, ("é",))
            found += cursor.fetchall()
            conn.commit()
    return found


WAYS = {
    "psycopg pool": by_pool,
    "psycopg, process": by_connection(psycopg),
    "psycopg2, process": by_connection(psycopg2),
    "psycopg engine": by_engine("psycopg"),
    "psycopg2 engine": by_engine("psycopg2"),
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("way", WAYS)
def test_letters_stay_what_they_are(
    way: str,
    door: str,
    given: dict[str, Any],
    postgres: Postgres,
    pgbouncer_with: Callable[..., PgBouncer],
) -> None:
    alone = by_connection(psycopg)(postgres, given)
    name = "WIN1252" if "client_encoding" in given else "LATIN1"
    assert alone == [("é", 233, 233, name)] * 4
    assert WAYS[way](pgbouncer_with(**DOORS[door]), given) == alone


def test_by_the_environment(pgbouncer: PgBouncer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", LATIN)
    for driver in (psycopg, psycopg2):
        assert by_connection(driver)(pgbouncer, {})[0][-1] == "LATIN1"
    monkeypatch.setenv("PGCLIENTENCODING", "win1252")
    for driver in (psycopg, psycopg2):
        assert by_connection(driver)(pgbouncer, {})[0][-1] == "WIN1252"


def test_a_block_cannot_have_it(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn, pgpoolsafe.install(conn):
        with pytest.raises(ConfigurationError) as refused:
            pgpoolsafe.settings(conn, client_encoding="latin1")
    assert str(refused.value) == (
        "settings(): client_encoding cannot be changed for a block: the driver encodes by what it"
        " knows before the statement is sent; ask for it when you connect, or SET it"
    )


def test_where_no_pooler_keeps_it_a_set_is_told(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn:
        with pgpoolsafe.install(conn, pooler="supavisor", mode="warn"):
            with pytest.warns(pgpoolsafe.SessionStateWarning, match="session-set"):
                conn.execute("SET client_encoding = 'latin1'")
            assert conn.execute(LETTERS, ("é",)).fetchone() == ("é", 233, 233, "LATIN1")
            conn.commit()
            assert conn.execute(LETTERS, ("é",)).fetchone() == ("é", 233, 233, "UTF8")
