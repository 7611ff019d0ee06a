"""Together with the plugins and test cases that programs with a database use."""

from __future__ import annotations

import pytest

from tests.servers import Postgres

from .conftest import Suite, found

ASYNC = """
import asyncio

import psycopg
import pytest
import shop

{mark}


@pytest.fixture{fixture}
async def conn():
    async with await psycopg.AsyncConnection.connect(shop.DSN, autocommit=True) as conn:
        yield conn


async def test_line(conn):
    await conn.execute("LISTEN orders")


async def test_swallowed_in_a_task(conn):
    async def work():
        await conn.execute("SELECT pg_advisory_lock(42)")

    await asyncio.gather(asyncio.create_task(work()), return_exceptions=True)


async def test_left_open():
    conn = await psycopg.AsyncConnection.connect(shop.DSN)
    await conn.execute("SET app.tenant = 'acme'")
    await asyncio.sleep(0)
    globals()["kept"] = conn  # open at the end of the test


@pytest.mark.pgpoolsafe(allow=["advisory-lock"], reason="x")
async def test_allowed(conn):
    await conn.execute("SELECT pg_advisory_lock(42)")


async def test_safe(conn):
    await conn.execute("SELECT 1")
"""


@pytest.mark.parametrize(
    "plugin, words, fixture, mark",
    [
        ("pytest_asyncio.plugin", ("-oasyncio_mode=auto",), "", ""),
        ("anyio", (), "", "pytestmark = pytest.mark.anyio(backend='asyncio')"),
    ],
)
def test_coroutines(
    suite: Suite, plugin: str, words: tuple[str, ...], fixture: str, mark: str
) -> None:
    if plugin == "anyio":
        suite.pytester.makeconftest(
            "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'"
        )
        mark = "pytestmark = pytest.mark.anyio"
        plugin = "anyio.pytest_plugin"
    body = ASYNC.format(fixture=fixture, mark=mark)
    filters = ("-Wignore::ResourceWarning", "-Wignore::pytest.PytestUnraisableExceptionWarning")
    more = ("-oasyncio_default_fixture_loop_scope=function",) if words else ()
    result = suite.strict(
        *words, *more, *filters, "--pgpoolsafe-report=r.json", test=body, plugins=(plugin,)
    )
    result.assert_outcomes(passed=2, failed=3)
    assert [finding[:2] for finding in found(suite.report("r.json"))] == [
        ("listen", "fails"),
        ("advisory-lock", "fails"),
        ("session-set", "fails"),
    ]


SETTINGS = """
import os
from psycopg.conninfo import conninfo_to_dict

said = conninfo_to_dict(os.environ["SUPER"])
SECRET_KEY = "x"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": said["dbname"],
        "USER": said["user"],
        "HOST": said["host"],
        "PORT": said["port"],
    }
}
"""

DJANGO = """
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase


def tenant():
    with connection.cursor() as cursor:
        cursor.execute("SET app.tenant = 'acme'")


def local():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL app.tenant = 'acme'")


def orm():
    User.objects.create(username="anna")
    assert list(User.objects.iterator())


@pytest.mark.django_db
def test_rolled_back():
    tenant()


@pytest.mark.django_db(transaction=True)
def test_committed():
    tenant()


@pytest.mark.django_db
def test_safe():
    local()
    with transaction.atomic():
        orm()


class Case(TestCase):
    def test_rolled_back_in_a_case(self):
        tenant()

    def test_safe_in_a_case(self):
        local()
        with transaction.atomic():
            orm()


class Committing(TransactionTestCase):
    def test_committed_in_a_case(self):
        tenant()

    def test_hold_cursor_of_an_iterator(self):
        orm()
"""


@pytest.fixture
def django_suite(suite: Suite, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """With Django settings; the role may make databases."""
    monkeypatch.setenv("SUPER", postgres.dsn("postgres"))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_settings")
    suite.files(shop_settings=SETTINGS)
    return suite


def _name(test: dict[str, str]) -> str:
    return test["test"].split("::test_")[1]


def test_django(django_suite: Suite) -> None:
    result = django_suite.strict(
        "--pgpoolsafe-report=r.json", test=DJANGO, plugins=("pytest_django.plugin",)
    )
    result.assert_outcomes(passed=2, failed=5)
    report = django_suite.report("r.json")
    tests = {
        f["rule"]: sorted(t["test"].split("::test_")[1] for t in f["tests"])
        for f in report["findings"]
    }
    assert tests == {
        "session-set": ["committed", "committed_in_a_case", "rolled_back", "rolled_back_in_a_case"],
        "hold-cursor": ["hold_cursor_of_an_iterator"],
    }


POSTGRESQL = """
import psycopg


def test_line(postgresql):
    postgresql.execute("SELECT pg_advisory_lock(42)")
    postgresql.commit()


def test_left_open(postgresql):
    postgresql.execute("SET app.tenant = 'acme'")


def test_safe(postgresql):
    postgresql.execute("CREATE TABLE t (i int)")
    postgresql.commit()
"""


def test_pytest_postgresql(suite: Suite, postgres: Postgres) -> None:
    suite.pytester.makeconftest(
        "from pytest_postgresql import factories\n"
        f"proc = factories.postgresql_noproc(host='127.0.0.1', port={postgres.port},"
        " user='postgres')\npostgresql = factories.postgresql('proc')\n"
    )
    plugins = ("pytest_postgresql.plugin",)
    result = suite.strict("--pgpoolsafe-report=r.json", test=POSTGRESQL, plugins=plugins)
    result.assert_outcomes(passed=1, failed=2)
    assert [finding[0] for finding in found(suite.report("r.json"))] == [
        "advisory-lock",
        "session-set",
    ]
