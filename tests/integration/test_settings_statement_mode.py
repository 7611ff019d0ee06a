"""Settings in statement mode: PgBouncer ends a connection that opens a transaction block.

They go with each statement that they can go with otherwise, and the others are told of.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pg8000.dbapi
import psycopg
import pytest

import pgpoolsafe
from tests.servers import PgBouncer

READ_ONLY = "SET default_transaction_read_only = on"


@pytest.fixture
def pool(pgbouncer_with: Callable[..., PgBouncer]) -> PgBouncer:
    return pgbouncer_with(pool_mode="statement")


def guard(target: Any) -> Any:
    return pgpoolsafe.install(target, pooler="pgbouncer", pool_mode="statement")


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What was told so far."""
    found: list[str] = []

    def show(message: Any, *_: Any, **__: Any) -> None:
        found.append(str(message).splitlines()[0])

    with warnings.catch_warnings():
        warnings.simplefilter("always", pgpoolsafe.SessionStateWarning)
        warnings.showwarning = show
        yield found


def without(command: str, name: str) -> str:
    return f"settings-not-carried: {command} runs without this connection's settings ({name})"


MODES: dict[tuple[str, tuple[Any, ...] | None], tuple[str, list[str]]] = {
    ("SHOW transaction_read_only", None): ("on", []),
    ("SELECT current_setting('transaction_read_only') WHERE 1 = %s", (1,)): (
        "off",
        [without("SELECT", "default_transaction_read_only")],
    ),
    ("SELECT current_setting('work_mem') WHERE 1 = %s", (1,)): (
        "9MB",
        [without("SELECT", "default_transaction_read_only")],
    ),
}


@pytest.mark.parametrize("statement, expected", MODES.items(), ids=str)
def test_psycopg(
    statement: tuple[str, Any], expected: tuple[str, list[str]], pool: PgBouncer, told: list[str]
) -> None:
    with pool.connect("app", autocommit=True) as conn, guard(conn):
        conn.execute("SET work_mem = '9MB'")
        conn.execute(READ_ONLY)
        assert conn.execute(*statement).fetchone() == (expected[0],)
        assert told == expected[1]


@pytest.mark.parametrize("params", [None, (0,)], ids=["plain", "with parameters"])
def test_an_error_is_the_servers_and_the_connection_stays(
    params: tuple[int, ...] | None, pool: PgBouncer, told: list[str]
) -> None:
    divides = "SELECT 1 / 0" if params is None else "SELECT 1 / %s::int"
    with pool.connect("app", autocommit=True) as conn, guard(conn):
        conn.execute(READ_ONLY)
        with pytest.raises(psycopg.errors.DivisionByZero) as raised:
            conn.execute(divides, params)
        assert "SET " not in str(raised.value)
        assert told == [without("SELECT", "default_transaction_read_only")] * bool(params)
        assert conn.execute("SHOW transaction_read_only").fetchone() == ("on",)


@pytest.mark.parametrize(
    "set_it",
    ["SET work_mem = '9MB'", "SELECT set_config('work_mem', '9MB', false)"],
)
def test_pg8000(set_it: str, pool: PgBouncer, told: list[str]) -> None:
    conn = pg8000.dbapi.connect(
        user="app", host="127.0.0.1", port=pool.parameters()["port"], database="shop"
    )
    conn.autocommit = True
    cursor = conn.cursor()
    with guard(conn):
        cursor.execute(set_it)
        cursor.execute("SHOW work_mem")
        assert (cursor.fetchall(), told) == ((["9MB"],), [])
        cursor.execute("SELECT current_setting('work_mem') WHERE 1 = %s", (1,))
        assert (cursor.fetchall(), told) == ((["4MB"],), [without("SELECT", "work_mem")])
        cursor.execute("SHOW work_mem")
        assert cursor.fetchall() == (["9MB"],)
    conn.close()


def test_pg8000_with_a_list_in_a_spelling_of_its_own(pool: PgBouncer, told: list[str]) -> None:
    conn = pg8000.dbapi.connect(
        user="app", host="127.0.0.1", port=pool.parameters()["port"], database="shop"
    )
    conn.autocommit = True
    cursor = conn.cursor()
    with guard(conn):
        cursor.execute("SELECT set_config('search_path', 'a,b', false)")
        cursor.execute("SHOW search_path")
        assert len(told) == (cursor.fetchall() != (["a,b"],))
    conn.close()


def test_asyncpg(pool: PgBouncer, told: list[str]) -> None:
    async def played() -> list[Any]:
        port = pool.parameters()["port"]
        conn = await asyncpg.connect(host="127.0.0.1", port=port, user="app", database="shop")
        with guard(conn):
            await conn.execute("SET work_mem = '9MB'")
            silent = list(told)
            found = [await conn.fetchval("SELECT current_setting('work_mem') WHERE 1 = $1", 1)]
            await conn.executemany("SELECT $1::int", [(1,), (2,)])
            with pytest.raises(asyncpg.DivisionByZeroError):
                await conn.fetchval("SELECT 1 / $1", 0)
            statement = await conn.prepare("SHOW work_mem")
            found.append(await statement.fetchval())
            found.append(conn.is_closed())
        await conn.close()
        return [*silent, *found]

    assert asyncio.run(played()) == ["4MB", "4MB", False]
    assert set(told) == {without("SELECT", "work_mem"), without("SHOW", "work_mem")}


def test_asyncpg_says_so_of_a_set_that_it_prepares(pool: PgBouncer, told: list[str]) -> None:
    async def played() -> bool:
        port = pool.parameters()["port"]
        conn = await asyncpg.connect(host="127.0.0.1", port=port, user="app", database="shop")
        with guard(conn):
            await conn.fetch("SET work_mem = '9MB'")
            is_closed: bool = conn.is_closed()
        await conn.close()
        return is_closed

    assert asyncio.run(played()) is False
    assert told == ["session-set: SET work_mem outlives the transaction"]
