"""Where an engine or a pool leads: what drivers are called with, in libpq's words."""

from __future__ import annotations

from typing import Any

import psycopg_pool
import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import create_async_engine

from pgpoolsafe import ConfigurationError
from pgpoolsafe.poolers.startup import settings_in
from pgpoolsafe.program_address import conninfo_of

Parameters = dict[str, Any]

PLACE = {"host": "db", "port": "6432", "dbname": "shop", "user": "app"}


def engine(url: str = "postgresql+psycopg://app@db:6432/shop", **more: Any) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, **more)


def parameters(target: Any) -> Parameters:
    return {name: value for name, value in conninfo_to_dict(conninfo_of(target)).items() if value}


ENGINES: list[tuple[str, dict[str, Any], Parameters]] = [
    ("postgresql+psycopg://app@db:6432/shop", {}, PLACE),
    ("postgresql+psycopg://app:p%40@db:6432/shop", {}, {**PLACE, "password": "p@"}),
    ("postgresql+psycopg://app@db:6432/shop?sslmode=require", {}, {**PLACE, "sslmode": "require"}),
    ("postgresql+psycopg://app@/shop?host=a:1&host=b:2", {}, {
        "user": "app", "dbname": "shop", "host": "a,b", "port": "1,2"}),
    ("postgresql+psycopg://", {**PLACE}, PLACE),
    ("postgresql+psycopg://app@elsewhere/shop", {"host": "db", "port": 6432}, PLACE),
    ("postgresql+psycopg://app@db:6432/shop", {"connect_timeout": 5, "autocommit": True}, {
        **PLACE, "connect_timeout": "5"}),
    ("postgresql+psycopg://app@db:6432/shop", {"options": "-c work_mem=1MB"}, {
        **PLACE, "options": "-c work_mem=1MB"}),
    # asyncpg's names
    ("postgresql+psycopg://app@db:6432", {"database": "shop", "timeout": 2.5, "ssl": False}, {
        **PLACE, "connect_timeout": "3", "sslmode": "disable"}),
    ("postgresql+psycopg://", {"host": ["a", "b"], "port": [1, 2], "ssl": "prefer"}, {
        "host": "a,b", "port": "1,2", "sslmode": "prefer"}),
    ("postgresql+psycopg://app@db:6432/shop", {"server_settings": {"jit": "off"}}, {
        **PLACE, "options": "-c jit=off"}),
    ("postgresql+psycopg://app@db:6432/shop", {
        "options": "-c work_mem=1MB", "server_settings": {"application_name": "x"}}, {
        **PLACE, "options": "-c work_mem=1MB", "application_name": "x"}),
    ("postgresql+psycopg://app@db:6432/shop", {
        "options": "-c work_mem=1MB", "server_settings": {"jit": "off"}}, {
        **PLACE, "options": "-c work_mem=1MB -c jit=off"}),
    ("postgresql+psycopg://app@db:6432/shop", {"password": lambda: "token"}, PLACE),
    # pg8000's
    ("postgresql+psycopg://app@/shop", {"unix_sock": "/run/pg/.s.PGSQL.6432"}, {
        **PLACE, "host": "/run/pg"}),
    ("postgresql+psycopg://app@db:6432/shop", {"startup_params": {"jit": "off"}}, {
        **PLACE, "options": "-c jit=off"}),
    # psycopg2's
    ("postgresql+psycopg://", {"dsn": "host=db port=6432 dbname=shop", "user": "app"}, PLACE),
]  # fmt: skip


@pytest.mark.parametrize("url, arguments, expected", ENGINES)
def test_what_an_engine_is_made_with(
    url: str, arguments: dict[str, Any], expected: Parameters
) -> None:
    assert parameters(engine(url, connect_args=arguments)) == expected
    assert parameters(create_async_engine(url, connect_args=arguments)) == expected


@pytest.mark.parametrize("value", ["a, b", r"back\slash", "tab\tand space", ""])
def test_a_value_with_spaces_stays_one(value: str) -> None:
    made = engine(connect_args={"server_settings": {"search_path": value}})
    assert settings_in(parameters(made)["options"]) == {"search_path": value}


def test_a_pool_has_its_own_arguments() -> None:
    more = {"port": 6432, "autocommit": True, "options": "-c work_mem=1MB"}
    pool = psycopg_pool.ConnectionPool("host=db dbname=shop user=app", kwargs=more, open=False)
    assert parameters(pool) == {**PLACE, "options": "-c work_mem=1MB"}


def ask() -> Any:
    raise AssertionError("nobody is asked")


FUNCTIONS: list[tuple[Any, str]] = [
    (engine(creator=ask), "the engine asks a function where to connect: hand over a DSN instead"),
    (
        psycopg_pool.ConnectionPool(kwargs=ask, open=False),
        "the pool asks a function where to connect: hand over a DSN instead",
    ),
]


@pytest.mark.parametrize("target, message", FUNCTIONS)
def test_where_a_function_decides_nobody_guesses(target: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        conninfo_of(target)
    assert str(caught.value) == message


def test_no_way_to_postgresql() -> None:
    with pytest.raises(TypeError, match="an engine on sqlite is no way to PostgreSQL"):
        conninfo_of(engine("sqlite://"))
