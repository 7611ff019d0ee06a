"""What a target is, and that no complaint repeats a piece of a password."""

from __future__ import annotations

from typing import Any

import psycopg
import psycopg_pool
import pytest
import sqlalchemy
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from pgpoolsafe.errors import ConfigurationError
from pgpoolsafe.program_pools import pool_of, text_of
from pgpoolsafe.targets import Address, Kind, address_of, kind_of, text_in

SECRET = "s3cret-pw"

ADDRESSES = [
    ("host=db port=6432 dbname=shop user=app", {"host": "db", "port": "6432", "user": "app"}),
    ("postgresql://app@db:6432/shop", {"host": "db", "port": "6432", "dbname": "shop"}),
    ("postgres://app@db/shop", {"host": "db", "dbname": "shop"}),
    ("postgresql+psycopg://app@db/shop", {"host": "db", "user": "app"}),
    ("postgresql+psycopg_async://app@db/shop", {"host": "db", "user": "app"}),
    ("postgresql+asyncpg://app@db/shop", {"host": "db", "user": "app"}),
    ("POSTGRESQL://app@db/shop", {"host": "db", "user": "app"}),
    ("pgsql://app@db/shop", {"host": "db"}),
    ("postgis://app@db/shop", {"host": "db"}),
    ("  postgresql://app@db/shop\n", {"host": "db"}),
    ("host=db password=a://b=c", {"host": "db", "password": "a://b=c"}),
    ("postgresql://[::1]:6432/shop", {"host": "::1", "port": "6432"}),
    ("postgresql://a:1,b:2/shop", {"host": "a,b", "port": "1,2"}),
    ("postgresql:///shop?host=/run/pg&port=6432", {"host": "/run/pg", "port": "6432"}),
    ("postgresql://app:p%40%2F%3F@db/shop", {"password": "p@/?", "host": "db"}),
    ("postgresql://postgres.ref@db/shop?sslmode=require", {"sslmode": "require"}),
    ("service=shop", {"service": "shop"}),
    ("shop", {"service": "shop"}),
    ("", {}),
]


@pytest.mark.parametrize("text, parameters", ADDRESSES)
def test_texts_are_read(text: str, parameters: dict[str, str]) -> None:
    found = address_of(text).parameters
    assert {name: found.get(name) for name in parameters} == parameters


LEFT_OUT = [
    ("postgresql://db/shop?pgbouncer=true&schema=public", ("pgbouncer", "schema"), {}),
    ("postgresql://db/shop?sslmode=require&connection_limit=1", ("connection_limit",),
     {"sslmode": "require"}),
    ("postgresql+asyncpg://db/shop?prepared_statement_cache_size=0&ssl=require",
     ("prepared_statement_cache_size", "ssl"), {"sslmode": "require"}),
    (f"postgresql://db/shop?{SECRET}", ("…",), {}),
]  # fmt: skip


@pytest.mark.parametrize("text, left_out, parameters", LEFT_OUT)
def test_what_libpq_does_not_know_is_left_out(
    text: str, left_out: tuple[str, ...], parameters: dict[str, str]
) -> None:
    address = address_of(text)
    assert address.left_out == left_out
    assert parameters.items() <= address.parameters.items()


COMPLAINTS = [
    (f"postgres//app:{SECRET}@db/shop", "this is no connection string"),
    (f"mysql://app:{SECRET}@db/shop", "not a PostgreSQL URL"),
    (f"host=db {SECRET}", "this is no connection string"),
    (f"host=db pasword={SECRET}", "did you mean password?"),
    (f"password=x {SECRET.replace('-', '_')}=1", "an option that libpq does not know"),
    (f"host=db password='{SECRET}", "a quote that is not closed"),
    (f"postgresql://app:{SECRET}@db:port/shop", "the port in the connection string"),
    (f"postgresql://app:{SECRET}/x@db/shop", "the URL cannot be read"),
    (f"postgresql://app:1@{SECRET}@db/shop", "the URL cannot be read"),
    (f"postgresql://app:1?{SECRET}@db/shop", "the URL cannot be read"),
    (f"postgresql://app:{SECRET}%zz@db/shop", "a % that is not followed by"),
    (f"postgresql://app:{SECRET}@[::1/shop", "without its closing bracket"),
    (f"host=db port={SECRET}", "the port in the connection string"),
    (f"postgresql://app:{SECRET}/shop", "the port in the connection string"),
    (f"host=db password={SECRET}\ud800", "characters that UTF-8 lacks"),
]


@pytest.mark.parametrize("text, complaint", COMPLAINTS)
def test_complaints_repeat_nothing(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        address_of(text)
    said = str(caught.value)
    assert complaint in said
    assert SECRET not in said
    assert SECRET.replace("-", "_") not in said
    assert "\n" not in said
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_password_is_not_in_the_repr() -> None:
    address = address_of(f"postgresql://app:{SECRET}@db/shop")
    assert address.parameters["password"] == SECRET
    assert SECRET not in repr(address)


SCRUBBED = [
    ("s3cret-pw", "it was s3cret-pw, said the server", "it was ***, said the server"),
    ("app", 'role "app" is not an application', 'role "***" is not an application'),
    ("a.c", "abc a.c", "abc ***"),
    ("", "nothing to hide", "nothing to hide"),
]


@pytest.mark.parametrize("password, text, scrubbed", SCRUBBED)
def test_secrets_are_scrubbed(password: str, text: str, scrubbed: str) -> None:
    assert Address({"password": password}).scrubbed(text) == scrubbed


PLACES = [
    ("host=db port=6432", "db:6432"),
    ("host=db", "db:5432"),
    ("hostaddr=10.0.0.1", "10.0.0.1:5432"),
    ("service=shop", "service shop"),
    ("host=/run/pg", "/run/pg:5432"),
    ("dbname=shop", "the default host:5432"),
]


@pytest.mark.parametrize("text, place", PLACES)
def test_place(text: str, place: str) -> None:
    assert address_of(text).place == place


TIMEOUTS = [
    ("host=db", None, "10", False),
    ("host=db connect_timeout=3", None, "3", True),
    ("host=db connect_timeout=0", None, "10", True),
    ("host=db connect_timeout=3", 7, "7", True),
    ("host=db", 7, "7", True),
]


@pytest.mark.parametrize("text, option, seconds, stated", TIMEOUTS)
def test_there_is_always_a_connect_timeout(
    text: str, option: int | None, seconds: str, stated: bool
) -> None:
    address = address_of(text, connect_timeout=option)
    assert address.parameters["connect_timeout"] == seconds
    assert address.timeout == float(seconds)
    assert ("connect_timeout" in address.stated) is stated


def test_the_environment_states_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    monkeypatch.setenv("PGOPTIONS", "-c geqo=off")
    monkeypatch.setenv("PGAPPNAME", "shop")
    address = address_of("host=db")
    assert address.timeout == 4
    assert address.parameters["options"] == "-c geqo=off"
    assert "application_name" not in address.parameters
    assert address.without_settings["options"] == ""


def test_what_a_provider_reads_in_the_options_stays() -> None:
    address = address_of("host=db options='endpoint=ep-1 -c geqo=off -e'")
    assert address.without_settings["options"] == "endpoint=ep-1"
    assert address.without_settings["host"] == "db"


def test_our_own_connections_have_a_name() -> None:
    assert address_of("host=db").parameters["application_name"] == "pgpoolsafe"
    assert address_of("host=db application_name=shop").parameters["application_name"] == "shop"


# objects

URL = f"postgresql+psycopg://app:{SECRET}@127.0.0.1:1/shop"


def test_kinds() -> None:
    engine = sqlalchemy.create_engine(URL)
    pool = psycopg_pool.ConnectionPool("host=127.0.0.1 port=1", open=False)
    assert kind_of("host=db") is Kind.TEXT
    assert kind_of(engine) is Kind.ENGINE
    assert kind_of(create_async_engine(URL)) is Kind.ASYNC_ENGINE
    assert kind_of(pool) is Kind.POOL
    assert kind_of(psycopg.Connection.__new__(psycopg.Connection)) is Kind.CONNECTION
    assert kind_of(engine.url) is Kind.TEXT
    assert text_in(engine.url) == URL
    assert kind_of(Connection.__new__(Connection)) is Kind.SQLALCHEMY
    assert kind_of(AsyncConnection.__new__(AsyncConnection)) is Kind.ASYNC_SQLALCHEMY


def test_the_inner_engine_of_an_asynchronous_one_cannot_be_asked() -> None:
    with pytest.raises(TypeError, match="the sync_engine of an AsyncEngine cannot be asked"):
        kind_of(create_async_engine(URL).sync_engine)


async def test_async_pools_are_awaited() -> None:
    pool = psycopg_pool.AsyncConnectionPool("host=127.0.0.1", open=False)
    assert kind_of(pool) is Kind.ASYNC_POOL


@pytest.mark.parametrize("target", [None, 1, b"host=db", object(), ["host=db"]])
def test_other_targets_are_a_type_error(target: Any) -> None:
    with pytest.raises(TypeError, match=r"^cannot look at a builtins\.\w+; expected a DSN"):
        kind_of(target)


def test_an_engine_says_where_it_leads_and_how_big_its_pool_is() -> None:
    engine = sqlalchemy.create_engine(URL, pool_size=7, max_overflow=3, pool_timeout=4)
    address = address_of(text_of(engine))
    assert address.place == "127.0.0.1:1"
    assert address.parameters["password"] == SECRET
    found = pool_of(engine)
    assert found is not None
    assert (found.title, found.most, found.timeout) == ("SQLAlchemy's pool", 10, 4)
    assert pool_of(sqlalchemy.create_engine(URL, poolclass=sqlalchemy.NullPool)) is None
    endless = pool_of(sqlalchemy.create_engine(URL, max_overflow=-1))
    assert endless is not None
    assert endless.most is None


def test_a_pool_says_where_it_leads_and_how_big_it_is() -> None:
    pool = psycopg_pool.ConnectionPool(
        "host=db", kwargs={"port": 6432, "autocommit": True}, open=False, min_size=0, max_size=6
    )
    assert address_of(text_of(pool)).place == "db:6432"
    found = pool_of(pool)
    assert found is not None
    assert (found.most, found.timeout) == (6, 30.0)


def test_a_connection_is_nothing_for_the_doctor() -> None:
    with pytest.raises(TypeError, match="not at a connection"):
        text_of(psycopg.Connection.__new__(psycopg.Connection))
    assert pool_of("host=db") is None
