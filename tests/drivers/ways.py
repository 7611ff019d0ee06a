"""Every way a program can send a statement: what the driver contract is tried on.

Each way sends `hazard(mark)`, a statement that leaves a setting in the session, and
reads what it gives, so that a guard that breaks the statement shows as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg import capabilities, sql
from psycopg.rows import dict_row

Way = Callable[[Any], Any]
AsyncWay = Callable[[Any], Awaitable[Any]]

HAZARD = "SELECT set_config('app.way', 'x', false)"
COPY = f"COPY ({HAZARD}) TO STDOUT"


def cursor_execute(conn: Any) -> Any:
    return conn.cursor().execute(HAZARD).fetchall()


def connection_execute(conn: Any) -> Any:
    return conn.execute(HAZARD).fetchall()


def as_bytes(conn: Any) -> Any:
    return conn.execute(HAZARD.encode()).fetchall()


def composed(conn: Any) -> Any:
    query = sql.SQL("SELECT set_config({}, {}, false)").format("app.way", "x")
    return conn.execute(query).fetchall()


def with_parameters(conn: Any) -> Any:
    query = "SELECT set_config(%s, %s, %s)"
    return conn.execute(query, ("app.way", "x", False)).fetchall()


def with_named_parameters(conn: Any) -> Any:
    query = "SELECT set_config('app.way', %(value)s, %(local)s)"
    return conn.execute(query, {"value": "x", "local": False}).fetchall()


def prepared(conn: Any) -> Any:
    return conn.execute(HAZARD, prepare=True).fetchall()


def binary(conn: Any) -> Any:
    return conn.execute(HAZARD, binary=True).fetchall()


def executemany(conn: Any) -> Any:
    cursor = conn.cursor()
    cursor.executemany("SELECT set_config('app.way', %s, false)", [("x",)], returning=True)
    return cursor.fetchall()


def stream(conn: Any) -> Any:
    return list(conn.cursor().stream(HAZARD))


def copy(conn: Any) -> Any:
    with conn.cursor().copy(COPY) as rows:
        return [tuple(row) for row in rows.rows()]


def raw_cursor(conn: Any) -> Any:
    query = "SELECT set_config('app.way', $1, $2)"
    return psycopg.RawCursor(conn).execute(query, ["x", False]).fetchall()


def client_cursor(conn: Any) -> Any:
    query = "SELECT set_config('app.way', %s, %s)"
    return psycopg.ClientCursor(conn).execute(query, ["x", False]).fetchall()


def hand_built_cursor(conn: Any) -> Any:
    return psycopg.Cursor(conn).execute(HAZARD).fetchall()


def second_of_a_string(conn: Any) -> Any:
    cursor = conn.execute(f"SELECT 1; {HAZARD}")
    cursor.nextset()
    return cursor.fetchall()


def named_cursor(conn: Any) -> Any:
    with conn.transaction(), conn.cursor("way") as cursor:
        return cursor.execute(HAZARD).fetchall()


def scrolling_cursor(conn: Any) -> Any:
    with conn.transaction(), psycopg.ServerCursor(conn, "way", scrollable=True) as cursor:
        return cursor.execute(HAZARD).fetchall()


def raw_server_cursor(conn: Any) -> Any:
    query = "SELECT set_config('app.way', $1, $2)"
    with conn.transaction(), psycopg.RawServerCursor(conn, "way") as cursor:
        return cursor.execute(query, ["x", False]).fetchall()


def plain_sql(conn: Any) -> Any:
    return conn.execute(sql.SQL(HAZARD)).fetchall()  # type: ignore[arg-type]


def identifiers_and_placeholders(conn: Any) -> Any:
    function = sql.Identifier("pg_catalog", "set_config")
    query = sql.SQL("SELECT {}('app.way', {}, {})").format(
        function, sql.Placeholder("value"), sql.Placeholder("local")
    )
    return conn.execute(query, {"value": "x", "local": False}).fetchall()


def row_factory(conn: Any) -> Any:
    rows = conn.cursor(row_factory=dict_row).execute(HAZARD).fetchall()
    return [tuple(row.values()) for row in rows]


def stream_by_the_chunk(conn: Any) -> Any:
    size = 10 if capabilities.has_stream_chunked() else 1  # libpq 17
    return list(conn.cursor().stream(HAZARD, size=size))


def pipeline(conn: Any) -> Any:
    with conn.pipeline():
        cursor = conn.execute(HAZARD)
        return cursor.fetchall()


def in_a_transaction(conn: Any) -> Any:
    with conn.transaction():
        return conn.execute(HAZARD).fetchall()


def in_a_savepoint(conn: Any) -> Any:
    with conn.transaction(), conn.transaction():
        return conn.execute(HAZARD).fetchall()


WAYS: tuple[Way, ...] = (
    cursor_execute,
    connection_execute,
    as_bytes,
    composed,
    with_parameters,
    with_named_parameters,
    prepared,
    binary,
    executemany,
    stream,
    copy,
    raw_cursor,
    client_cursor,
    hand_built_cursor,
    second_of_a_string,
    named_cursor,
    scrolling_cursor,
    raw_server_cursor,
    plain_sql,
    identifiers_and_placeholders,
    row_factory,
    stream_by_the_chunk,
    pipeline,
    in_a_transaction,
    in_a_savepoint,
)


async def async_execute(conn: Any) -> Any:
    return await (await conn.cursor().execute(HAZARD)).fetchall()


async def async_connection_execute(conn: Any) -> Any:
    return await (await conn.execute(HAZARD)).fetchall()


async def async_parameters(conn: Any) -> Any:
    query = "SELECT set_config(%s, %s, %s)"
    return await (await conn.execute(query, ("app.way", "x", False))).fetchall()


async def async_executemany(conn: Any) -> Any:
    cursor = conn.cursor()
    many = "SELECT set_config('app.way', %s, false)"
    await cursor.executemany(many, [("x",)], returning=True)
    return await cursor.fetchall()


async def async_stream(conn: Any) -> Any:
    return [row async for row in conn.cursor().stream(HAZARD)]


async def async_copy(conn: Any) -> Any:
    async with conn.cursor().copy(COPY) as rows:
        return [tuple(row) async for row in rows.rows()]


async def async_client_cursor(conn: Any) -> Any:
    cursor = psycopg.AsyncClientCursor(conn)
    await cursor.execute("SELECT set_config('app.way', %s, %s)", ["x", False])
    return await cursor.fetchall()


async def async_raw_cursor(conn: Any) -> Any:
    cursor = psycopg.AsyncRawCursor(conn)
    await cursor.execute("SELECT set_config('app.way', $1, $2)", ["x", False])
    return await cursor.fetchall()


async def async_named_cursor(conn: Any) -> Any:
    async with conn.transaction(), conn.cursor("way") as cursor:
        await cursor.execute(HAZARD)
        return await cursor.fetchall()


async def async_raw_server_cursor(conn: Any) -> Any:
    query = "SELECT set_config('app.way', $1, $2)"
    async with conn.transaction(), psycopg.AsyncRawServerCursor(conn, "way") as cursor:
        await cursor.execute(query, ["x", False])
        return await cursor.fetchall()


async def async_scrolling_cursor(conn: Any) -> Any:
    async with conn.transaction(), conn.cursor("way", scrollable=True) as cursor:
        await cursor.execute(HAZARD)
        return await cursor.fetchall()


async def async_composed(conn: Any) -> Any:
    query = sql.SQL("SELECT set_config({}, {}, false)").format("app.way", "x")
    return await (await conn.execute(query)).fetchall()


async def async_prepared(conn: Any) -> Any:
    return await (await conn.execute(HAZARD, prepare=True)).fetchall()


async def async_binary(conn: Any) -> Any:
    return await (await conn.cursor(binary=True).execute(HAZARD)).fetchall()


async def async_pipeline(conn: Any) -> Any:
    async with conn.pipeline():
        return await (await conn.execute(HAZARD)).fetchall()


async def async_transaction(conn: Any) -> Any:
    async with conn.transaction(), conn.transaction():
        return await (await conn.execute(HAZARD)).fetchall()


ASYNC_WAYS: tuple[AsyncWay, ...] = (
    async_execute,
    async_connection_execute,
    async_parameters,
    async_executemany,
    async_stream,
    async_copy,
    async_client_cursor,
    async_raw_cursor,
    async_named_cursor,
    async_raw_server_cursor,
    async_scrolling_cursor,
    async_composed,
    async_prepared,
    async_binary,
    async_pipeline,
    async_transaction,
)
