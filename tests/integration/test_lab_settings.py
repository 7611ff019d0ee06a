"""Settings are carried, too, where the pooler keeps more by itself than PgBouncer 1.18 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pg8000.dbapi
import psycopg
import pytest
from psycopg_pool import ConnectionPool

import pgpoolsafe
from tests.servers import Postgres, Server
from tests.servers.lab import ENDPOINTS, Endpoint, Lab

pytestmark = pytest.mark.lab

KEEPS_MORE = next(
    e for e in ENDPOINTS if e.name.startswith("pgbouncer-1.26.1-transaction-pg18") and e.is_default
)
"""It keeps whatever the server reports, `default_transaction_read_only` among that."""


@pytest.fixture(scope="module")
def pool(lab: Lab) -> Iterator[Server]:
    with lab.running(KEEPS_MORE) as server:
        yield server


def on_psycopg(server: Server) -> psycopg.Connection[Any]:
    return server.connect("app")


def on_pg8000(server: Server) -> pg8000.dbapi.Connection:
    return pg8000.dbapi.connect(user="app", host="127.0.0.1", port=server.port, database="shop")


MODES = "SET SESSION CHARACTERISTICS AS TRANSACTION"
SHOW = """
    SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'),
           current_setting('transaction_deferrable'), current_setting('work_mem')
"""

PROGRAMS: list[tuple[str, ...]] = [
    (f"{MODES} READ ONLY", f"{MODES} ISOLATION LEVEL READ COMMITTED, READ WRITE"),
    (f"{MODES} READ WRITE, ISOLATION LEVEL SERIALIZABLE", f"{MODES} READ ONLY"),
    (f"{MODES} READ ONLY, DEFERRABLE", "RESET default_transaction_read_only"),
    (f"{MODES} READ ONLY, DEFERRABLE", "RESET ALL"),
    (f"{MODES} READ ONLY", f"{MODES} DEFERRABLE, READ WRITE", "RESET ALL"),
    (f"{MODES} READ ONLY", "RESET ALL"),
    (
        "SELECT set_config('default_transaction_read_only', 'on', false),"
        " set_config('work_mem', '3MB', false)",
        f"{MODES} ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    ),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=" / ".join)
@pytest.mark.parametrize("connect", [on_psycopg, on_pg8000])
def test_modes_are_as_on_a_connection_of_ones_own(
    connect: Callable[[Any], Any], program: tuple[str, ...], lab: Lab, pool: Any
) -> None:
    expected = played(connect(lab.postgres(18)), program)
    conn = connect(pool)
    pgpoolsafe.install(conn)
    assert played(conn, program) == expected
    assert bystander(pool) == bystander(lab.postgres(18))


def played(conn: Any, program: tuple[str, ...]) -> list[Any]:
    """What each transaction is like that follows one of the texts."""
    seen = []
    for text in program:
        cursor = conn.cursor()
        cursor.execute(text)
        conn.commit()
        cursor.execute(SHOW)
        seen.append(tuple(cursor.fetchone()))
        conn.rollback()
    conn.close()
    return seen


def bystander(server: Server | Postgres) -> Any:
    """What a client finds that has set nothing, on the server connection of the last one."""
    with server.connect("app") as conn:
        return conn.execute(SHOW).fetchone()


ODYSSEYS = [e for e in ENDPOINTS if e.product == "odyssey" and "-transaction-" in e.name]
PATHS = ["pg_catalog, public", '"a b", "C"', "pg_catalog", '"pg_catalog, public"']


@pytest.mark.parametrize("endpoint", ODYSSEYS, ids=lambda endpoint: endpoint.name)
def test_odyssey_does_not_restore_a_list_as_one_name(endpoint: Endpoint, lab: Lab) -> None:
    """On PostgreSQL 18, which reports it, it would say SET search_path = 'a, b'."""
    with lab.running(endpoint) as server, server.connect("app", autocommit=True) as conn:
        with pgpoolsafe.install(conn):
            for path in PATHS:
                conn.execute(f"SET search_path TO {path}")
                found = [conn.execute("SHOW search_path").fetchone() for _ in range(3)]
                with conn.transaction():
                    found.append(conn.execute("SHOW search_path").fetchone())
                assert found == [(path,)] * 4


@pytest.mark.parametrize("endpoint", ODYSSEYS, ids=lambda endpoint: endpoint.name)
def test_nor_does_a_connection_that_asks_for_one(endpoint: Endpoint, lab: Lab) -> None:
    asked = {"options": "-c search_path=pg_catalog,public", "autocommit": True}
    with lab.running(endpoint) as server:
        pool = ConnectionPool(server.dsn("app"), kwargs=asked, min_size=1, open=False)
        with pgpoolsafe.install(pool), pool, pool.connection() as conn:
            found = [conn.execute("SHOW search_path").fetchone()]
            conn.execute("SET search_path TO public")
            conn.execute("RESET search_path")
            found.append(conn.execute("SHOW search_path").fetchone())
    assert [path.replace(" ", "") for (path,) in found] == ["pg_catalog,public"] * 2


SPELLED = [
    "SELECT set_config('search_path', 'pg_catalog,public', false)",
    "SELECT set_config('search_path', '', false)",
    f"SET search_path TO {'long' * 20}, public",
    "SET search_path TO pg_catalog, public",
    "RESET search_path",
]


def test_a_path_shows_as_it_was_spelled(lab: Lab, pool: Any) -> None:
    """The pooler would restore it as SET spells it, and nothing at all for an empty one."""
    server = lab.postgres(18)
    with server.connect("app", autocommit=True) as alone, on_psycopg(pool) as conn:
        conn.autocommit = True
        pgpoolsafe.install(conn)
        for text in SPELLED:
            assert paths(conn, text) == paths(alone, text), text
            with on_psycopg(pool) as other:
                assert other.execute("SHOW search_path").fetchone() == ('"$user", public',)


def paths(conn: psycopg.Connection[Any], text: str) -> list[Any]:
    conn.execute(text)
    found = [conn.execute("SHOW search_path").fetchone() for _ in range(2)]
    with conn.transaction():
        found.append(conn.execute("SHOW search_path").fetchone())
    return found
