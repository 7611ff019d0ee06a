"""psycopg2, pg8000 and asyncpg: an error shows its place in the user's text, whatever was sent.

Measured by a bare connection: the same text, the same fields and the same message.
"""

from __future__ import annotations

import asyncio
import copy
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pg8000.dbapi
import psycopg2
import pytest
from psycopg2 import errors

import pgpoolsafe
from pgpoolsafe.drivers.psycopg2 import Connection
from tests.servers import Postgres

from .test_psycopg_errors import ERRING

TEXTS = [text for text in ERRING if "%s" not in text and "LOCK" not in text]
"""Without those that psycopg alone, or a client that is in a block, gets an error for."""

FIELDS = (
    "severity",
    "sqlstate",
    "message_primary",
    "message_detail",
    "message_hint",
    "statement_position",
    "internal_position",
    "context",
)


class Psycopg2:
    """Each client sends a text, and says what became of it."""

    placeholder = "%s"

    def __init__(self, server: Postgres) -> None:
        wanted = server.parameters()
        kept = {name: wanted[name] for name in ("host", "port", "user", "dbname")}
        self.conn: Any = psycopg2.connect(connection_factory=Connection, **kept)
        self.conn.autocommit = True

    def send(self, text: str, *params: Any) -> Any:
        cursor = self.conn.cursor()
        try:
            if text.startswith("COPY"):
                cursor.copy_expert(text, io.StringIO())
            else:
                cursor.execute(text, params or None)
        except psycopg2.Error as error:
            fields = [getattr(error.diag, name) for name in FIELDS]
            what = (type(error).__qualname__, str(error), error.pgerror, error.pgcode)
            return *what, *fields, error.cursor is cursor, cursor.query
        return cursor.query

    def rollback(self) -> None:
        self.conn.rollback()

    def close(self) -> None:
        self.conn.close()


class Pg8000:
    """The same with pg8000."""

    placeholder = "%s"

    def __init__(self, server: Postgres) -> None:
        wanted = server.parameters()
        self.conn: Any = pg8000.dbapi.connect(
            wanted["user"], host=wanted["host"], port=wanted["port"], database=wanted["dbname"]
        )
        self.conn.autocommit = True

    def send(self, text: str, *params: Any) -> Any:
        cursor = self.conn.cursor()
        try:
            cursor.execute(text, params, stream=io.BytesIO())
        except pg8000.dbapi.Error as error:
            return type(error), error.args
        return None

    def rollback(self) -> None:
        self.conn.rollback()

    def close(self) -> None:
        self.conn.close()


class Asyncpg:
    """The same with asyncpg."""

    placeholder = "$1::text"

    def __init__(self, server: Postgres) -> None:
        self.loop = asyncio.new_event_loop()
        wanted = server.parameters()
        self.conn: Any = self.loop.run_until_complete(
            asyncpg.connect(
                host=wanted["host"],
                port=wanted["port"],
                user=wanted["user"],
                database=wanted["dbname"],
            )
        )

    def send(self, text: str, *params: Any) -> Any:
        try:
            self.loop.run_until_complete(self._send(text, params))
        except asyncpg.PostgresError as error:
            return type(error), str(error), error.as_dict(), error.query
        return None

    async def _send(self, text: str, params: Any) -> None:
        if text.startswith("COPY"):
            await self.conn._copy_out(text, io.BytesIO(), None)
        else:
            await self.conn.execute(text, *params)

    def rollback(self) -> None:
        if self.conn.is_in_transaction():
            self.send("ROLLBACK")

    def close(self) -> None:
        self.loop.run_until_complete(self.conn.close())
        self.loop.close()


CLIENTS = {client.__name__.lower(): client for client in (Psycopg2, Pg8000, Asyncpg)}


@pytest.fixture(scope="module", params=CLIENTS)
def pair(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Any]:
    """A bare client, and a guarded one with settings that travel with every text."""
    bare, carrying = (CLIENTS[request.param](postgres) for _ in range(2))
    pgpoolsafe.install(carrying.conn, pooler="pgbouncer")
    carrying.send("SET statement_timeout = '20s'")
    carrying.send('SET search_path TO shop, "$user", public')
    yield bare, carrying
    pgpoolsafe.uninstall(carrying.conn)
    bare.close()
    carrying.close()


@pytest.mark.filterwarnings("ignore::pgpoolsafe.SessionStateWarning")  # of VACUUM
@pytest.mark.parametrize("text", TEXTS)
def test_an_error_is_the_one_of_a_bare_connection(pair: Any, text: str) -> None:
    bare, carrying = pair
    try:
        assert carrying.send(text) == bare.send(text)
    finally:
        bare.rollback()
        carrying.rollback()


@pytest.mark.parametrize(
    "text", ["SELECT {}, no_such", "SELECT {}::int / 0", "SELECT {}::text, 'é漢', no_such"]
)
def test_an_error_of_a_text_with_parameters(pair: Any, text: str) -> None:
    bare, carrying = pair
    text = text.format(bare.placeholder)
    assert carrying.send(text, "100%s é") == bare.send(text, "100%s é") != None  # noqa: E711


# asyncpg's own ways


@pytest.fixture
def asyncpgs(postgres: Postgres) -> Iterator[Any]:
    bare, carrying = Asyncpg(postgres), Asyncpg(postgres)
    pgpoolsafe.install(carrying.conn, pooler="pgbouncer")
    carrying.send("SET statement_timeout = '20s'")
    yield bare, carrying
    bare.close()
    carrying.close()


ERRING_CALLS: dict[str, Callable[[Any], Any]] = {
    "fetch": lambda conn: conn.fetch("SELECT set_config('app.x', '1', false), no_such"),
    "prepare": lambda conn: conn.prepare("SELECT set_config('app.x', '1', false), no_such"),
    "many": lambda conn: conn.executemany("INSERT INTO no_such VALUES ($1)", [(1,)]),
    "copy": lambda conn: conn.copy_from_query("SELECT no_such", output=io.BytesIO()),
    "run": lambda conn: conn.fetch("SELECT set_config('app.x', '1', false), 1 / (1 - $1::int)", 1),
}


@pytest.mark.parametrize("call", ERRING_CALLS)
def test_an_error_of_what_asyncpg_prepares(asyncpgs: Any, call: str) -> None:
    def seen(client: Any) -> Any:
        with pytest.raises(asyncpg.PostgresError) as caught:
            client.loop.run_until_complete(ERRING_CALLS[call](client.conn))
        return caught.value.as_dict()

    bare, carrying = asyncpgs
    assert seen(carrying) == seen(bare)


# psycopg2's own ways


@pytest.fixture
def psycopg2s(postgres: Postgres) -> Iterator[Any]:
    bare, carrying = Psycopg2(postgres), Psycopg2(postgres)
    pgpoolsafe.install(carrying.conn, pooler="pgbouncer")
    carrying.send("SET statement_timeout = '20s'")
    yield bare, carrying
    bare.close()
    carrying.close()


def test_an_error_in_the_statement_that_follows_begin(psycopg2s: Any) -> None:
    def seen(client: Psycopg2) -> Any:
        client.conn.autocommit = False
        return client.send("SELECT %s, no_such", "x")

    bare, carrying = psycopg2s
    assert seen(carrying) == seen(bare)


def test_an_error_of_executemany(psycopg2s: Any) -> None:
    def seen(client: Psycopg2) -> Any:
        cursor = client.conn.cursor()
        with pytest.raises(errors.UndefinedTable) as caught:
            cursor.executemany("INSERT INTO no_such VALUES (%s)", [("a",), ("b",)])
        return str(caught.value), cursor.query

    bare, carrying = psycopg2s
    assert seen(carrying) == seen(bare)


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_can_be_pickled_and_copied(psycopg2s: Any, again: Any) -> None:
    def seen(client: Psycopg2) -> Any:
        with pytest.raises(errors.UndefinedColumn) as caught:
            client.conn.cursor().execute("SELECT no_such")
        other = again(caught.value)
        return other.args, other.pgerror, other.pgcode, str(other), type(other).__name__

    bare, carrying = psycopg2s
    assert seen(carrying) == seen(bare)


def test_what_was_sent_is_shown_without_the_settings(psycopg2s: Any) -> None:
    bare, carrying = psycopg2s
    for text, params in (("SELECT %s", "a"), ("SELECT 1", ())):
        assert carrying.send(text, *params) == bare.send(text, *params)
    cursor = carrying.conn.cursor()
    cursor.execute("SELECT 'first'")
    carrying.conn.cursor().execute("SELECT 'second'")
    assert cursor.query == b"SELECT 'first'"


@pytest.mark.parametrize("text", ["BEGIN", "START TRANSACTION", "RESET app.x", "SET app.x = '1'"])
def test_the_command_tag_is_that_of_the_users_statement(psycopg2s: Any, text: str) -> None:
    def seen(client: Psycopg2) -> Any:
        cursor = client.conn.cursor()
        cursor.execute(text)
        return cursor.statusmessage, cursor.query

    bare, carrying = psycopg2s
    assert seen(carrying) == seen(bare)


@pytest.mark.parametrize("text", ["", " ; ", "-- nothing", "/* nothing */", "SELECT '\0"])
@pytest.mark.parametrize("autocommit", [False, True])
def test_a_text_without_a_statement(psycopg2s: Any, text: str, autocommit: bool) -> None:
    def seen(client: Psycopg2) -> Any:
        client.conn.autocommit = autocommit
        return client.send(text)

    bare, carrying = psycopg2s
    assert seen(carrying)[:4] == seen(bare)[:4]
