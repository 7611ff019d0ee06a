"""Engines on other drivers than psycopg, which a test may be the first to import."""

from __future__ import annotations

import pytest

from .conftest import Suite, found

ENGINES = """
import os
import sys

import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import create_async_engine

DRIVERS = ("psycopg2", "pg8000", "asyncpg")
assert not any(name in sys.modules for name in DRIVERS)


def url(driver):
    said = conninfo_to_dict(os.environ["SHOP"])
    names = {"username": "user", "host": "host", "port": "port", "database": "dbname"}
    return sa.URL.create(f"postgresql+{driver}", **{a: said[b] for a, b in names.items()})


@pytest.fixture(params=DRIVERS)
def run(request):
    if request.param != "asyncpg":
        with sa.create_engine(url(request.param)).connect() as connection:
            yield lambda text: connection.execute(sa.text(text))
            connection.rollback()
        return
    import asyncio

    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(create_async_engine(url("asyncpg")).connect())
    yield lambda text: loop.run_until_complete(connection.execute(sa.text(text)))
    loop.run_until_complete(connection.rollback())
    loop.run_until_complete(connection.close())
    loop.close()


def test_lock_survives_the_rollback(run):
    run("SELECT pg_advisory_lock(42)")


def test_listen(run):
    run("LISTEN orders")


def test_set(run):
    run("SET app.tenant = 'acme'")


def test_safe(run):
    run("SET LOCAL app.tenant = 'acme'")
    run("SELECT pg_advisory_xact_lock(42)")
"""


def test_engines_on_other_drivers_are_guarded(suite: Suite) -> None:
    words = ("--pgpoolsafe-report=r.json", "--pgpoolsafe-pooler=pgbouncer>=1.24", "-rA")
    result = suite.strict(*words, test=ENGINES)
    result.assert_outcomes(passed=3, failed=9)
    rules = sorted({rule for rule, *_ in found(suite.report("r.json"))})
    assert rules == ["advisory-lock", "listen", "session-set"]
    drivers = ("psycopg2", "pg8000", "asyncpg")
    result.stdout.fnmatch_lines([f"PASSED *test_safe?{driver}?" for driver in drivers])


ALONE = """
import os

import pg8000.dbapi


def test_it():
    where = dict(word.split("=") for word in os.environ["SHOP"].split())
    where = {name: where[name] for name in ("user", "host", "port")} | {"database": where["dbname"]}
    with pg8000.dbapi.connect(**where | {"port": int(where["port"])}) as conn:
        conn.cursor().execute("SELECT pg_advisory_lock(42)")
        conn.commit()
"""


@pytest.mark.parametrize("mode, outcome", [("strict", "failed"), ("warn", "passed")])
def test_without_psycopg_the_others_are_guarded(suite: Suite, mode: str, outcome: str) -> None:
    suite.files(without="import sys\nsys.modules['psycopg'] = None\n")
    result = suite.run("-pwithout", f"--pgpoolsafe={mode}", test=ALONE)
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["advisory-lock  1x  test_shop.py:* in test_it()"])
