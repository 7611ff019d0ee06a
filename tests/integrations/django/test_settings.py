"""Settings on a Django connection: in and out of transactions, for a request, for a tenant."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest

import pgpoolsafe
from tests.servers import Postgres

Make = Callable[..., Any]


def run(wrapper: Any, statement: str) -> Any:
    with wrapper.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def timeouts(wrapper: Any) -> set[str]:
    """What several statements in autocommit find, each on another server connection."""
    return {run(wrapper, "SHOW statement_timeout") for _ in range(4)}


PLACES = ["pooled", "direct", "pool"]


@pytest.fixture(params=PLACES)
def wrapper(request: pytest.FixtureRequest, database: Make, postgres: Postgres) -> Any:
    """A connection through PgBouncer, directly, and from Django's own pool."""
    stated: dict[str, Any] = (
        {"OPTIONS": {"pool": {"min_size": 1}}} if request.param == "pool" else {}
    )
    port = {"PORT": postgres.port} if request.param == "direct" else {}
    return database("set", **port, **stated)


def test_a_block_in_autocommit(wrapper: Any) -> None:
    with pgpoolsafe.settings(wrapper, statement_timeout="5s"):
        assert timeouts(wrapper) == {"5s"}
        with pgpoolsafe.settings(wrapper, statement_timeout="7s"):
            assert timeouts(wrapper) == {"7s"}
        assert timeouts(wrapper) == {"5s"}
    assert timeouts(wrapper) == {"0"}


def test_a_block_around_transactions(wrapper: Any) -> None:
    from django.db import transaction

    with pgpoolsafe.settings(wrapper, statement_timeout="5s"):
        for _ in range(3):
            with transaction.atomic(using="set"), transaction.atomic(using="set"):
                assert run(wrapper, "SHOW statement_timeout") == "5s"
    assert timeouts(wrapper) == {"0"}


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_block_within_a_transaction(wrapper: Any, has_begun: bool) -> None:
    from django.db import transaction

    with transaction.atomic(using="set"):
        if has_begun:
            run(wrapper, "SELECT 1")
        with pgpoolsafe.settings(wrapper, statement_timeout="5s"):
            assert run(wrapper, "SHOW statement_timeout") == "5s"
        assert run(wrapper, "SHOW statement_timeout") == "0"
    assert timeouts(wrapper) == {"0"}


def test_a_wrong_value_is_djangos_error(wrapper: Any) -> None:
    from django.db import transaction
    from django.db.utils import DataError

    with transaction.atomic(using="set"):
        run(wrapper, "SELECT 1")
        with pytest.raises(DataError, match='invalid value for parameter "statement_timeout"'):
            with pgpoolsafe.settings(wrapper, statement_timeout="soon"):
                pass
        transaction.set_rollback(True, using="set")
    assert timeouts(wrapper) == {"0"}


def test_set_by_hand_is_carried(database: Make) -> None:
    wrapper = database("set")
    run(wrapper, "SET statement_timeout = '3s'")
    assert timeouts(wrapper) == {"3s"}
    assert timeouts(database("other")) == {"0"}
    assert wrapper.pgpoolsafe.findings() == []


@pytest.mark.usefixtures("pooler")
def test_the_connection_of_django_db() -> None:
    from django.db import connection

    with pgpoolsafe.settings(connection, statement_timeout="5s"):
        assert timeouts(connection) == {"5s"}


# what Django sends at each connect

# the alias' settings, what is asked, what it finds, what a stranger finds
CONNECTS: list[tuple[dict[str, Any], str, str, str]] = [
    ({}, "SHOW TimeZone", "UTC", "UTC"),
    ({"TIME_ZONE": "Asia/Tokyo"}, "SHOW TimeZone", "Asia/Tokyo", "UTC"),
    ({"OPTIONS": {"assume_role": "reporting"}}, "SELECT current_user", "reporting", "app"),
]
# The first tracks the time zone; the second tracks nothing.
POOLERS = [{"pooler": "pgbouncer"}, {"pooler": "pgagroal"}]


@pytest.mark.parametrize("guard", POOLERS, ids=str)
@pytest.mark.parametrize("stated,question,answer,others", CONNECTS, ids=str)
def test_what_django_sends_at_connect_is_its_own(
    database: Make, guard: dict[str, str], stated: Any, question: str, answer: str, others: str
) -> None:
    options = {**stated.get("OPTIONS", {}), "pgpoolsafe": {**guard, "pool_mode": "transaction"}}
    wrapper = database("set", **{**stated, "OPTIONS": options})
    assert {run(wrapper, question) for _ in range(4)} == {answer}
    assert wrapper.pgpoolsafe.findings() == []
    stranger = database("stranger", engine="django.db.backends.postgresql")
    assert {run(stranger, question) for _ in range(4)} == {others}


@pytest.mark.parametrize("pool", [{}, {"pool": {"min_size": 1}}], ids=str)
def test_options_that_the_pooler_refuses_are_carried(database: Make, pool: Any) -> None:
    stated = {**pool, "options": "-c statement_timeout=5s -c geqo=off"}
    for alias in ("first", "second"):
        wrapper = database(alias, OPTIONS=stated)
        assert timeouts(wrapper) == {"5s"}
        run(wrapper, "SET statement_timeout = '7s'")
        assert timeouts(wrapper) == {"7s"}
        run(wrapper, "RESET statement_timeout")
        assert (timeouts(wrapper), run(wrapper, "SHOW geqo")) == ({"5s"}, "off")
        wrapper.close()
        assert timeouts(wrapper) == {"5s"}
    assert timeouts(database("stranger")) == {"0"}


def test_options_that_the_pooler_refuses_and_nobody_may_carry(database: Make) -> None:
    from django.db.utils import OperationalError

    guard = {"settings": "leave"}
    wrapper = database("set", OPTIONS={"options": "-c geqo=off", "pgpoolsafe": guard})
    with pytest.raises(OperationalError, match="unsupported startup parameter"):
        wrapper.ensure_connection()


@pytest.mark.parametrize("is_pool", [False, True])
def test_it_is_not_reported_where_settings_are_not_carried(database: Make, is_pool: bool) -> None:
    guard = {"mode": "strict", "settings": "leave", "pooler": "pgagroal"}
    pool = {"pool": {"min_size": 1}} if is_pool else {}
    options = {**pool, "assume_role": "reporting", "pgpoolsafe": guard}
    wrapper = database("set", TIME_ZONE="Asia/Tokyo", OPTIONS=options)
    assert run(wrapper, "SELECT 1") == 1
    with pytest.raises(pgpoolsafe.SessionStateError, match=r"^session-set: "):
        run(wrapper, "SET statement_timeout = '1s'")


# a request

MIDDLEWARE = "pgpoolsafe_django.middleware.statement_timeout"


@pytest.fixture
def timed(settings: Any) -> Iterator[None]:
    """Requests may take two seconds for each statement."""
    from django.test import override_settings

    stated = {**settings.PGPOOLSAFE, "default": {"statement_timeout": "2s"}}
    with override_settings(MIDDLEWARE=[MIDDLEWARE], PGPOOLSAFE=stated):
        yield


@pytest.mark.usefixtures("pooler", "timed")
def test_a_request() -> None:
    from django.db import connection
    from django.test import Client

    assert Client().get("/now/").content == b"2s 2s"
    assert timeouts(connection) == {"0"}


@pytest.mark.usefixtures("pooler", "timed")
async def test_an_async_request() -> None:
    from asgiref.sync import sync_to_async
    from django.db import connection, connections
    from django.test import AsyncClient

    assert (await AsyncClient().get("/later/")).content == b"2s"
    assert await sync_to_async(timeouts)(connection) == {"0"}
    await sync_to_async(connections.close_all)()


@pytest.mark.usefixtures("pooler", "timed")
def test_a_statement_that_takes_too_long() -> None:
    from django.db import connection
    from django.db.utils import OperationalError

    with pytest.raises(OperationalError, match="statement timeout"):
        with pgpoolsafe.settings(connection, statement_timeout=50):
            run(connection, "SELECT pg_sleep(20)")
    assert run(connection, "SELECT 1") == 1


def test_a_middleware_without_timeouts(settings: Any) -> None:
    from django.core.exceptions import MiddlewareNotUsed

    from pgpoolsafe_django.middleware import statement_timeout

    settings.PGPOOLSAFE = {}
    with pytest.raises(MiddlewareNotUsed, match=r"^PGPOOLSAFE has no statement_timeout"):
        statement_timeout(lambda request: request)


def test_a_middleware_on_another_backend(settings: Any, database: Make) -> None:
    from django.core.exceptions import ImproperlyConfigured

    from pgpoolsafe_django.middleware import statement_timeout

    database("bare", engine="django.db.backends.postgresql")
    settings.PGPOOLSAFE = {"bare": {"statement_timeout": "1s"}}
    with pytest.raises(ImproperlyConfigured) as error:
        statement_timeout(lambda request: request)
    assert str(error.value) == (
        "PGPOOLSAFE['bare']['statement_timeout']: its ENGINE is django.db.backends.postgresql,"
        " not pgpoolsafe_django"
    )


# tenants

ROWS = """
CREATE TABLE IF NOT EXISTS orders (tenant text, item text);
TRUNCATE orders;
INSERT INTO orders VALUES ('a', 'from a'), ('b', 'from b');
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own ON orders;
CREATE POLICY own ON orders USING (tenant = current_setting('app.tenant', true));
"""
SCHEMAS = """
DROP SCHEMA IF EXISTS tenant_a CASCADE; CREATE SCHEMA tenant_a;
DROP SCHEMA IF EXISTS tenant_b CASCADE; CREATE SCHEMA tenant_b;
CREATE TABLE tenant_a.parcels (item text); INSERT INTO tenant_a.parcels VALUES ('from a');
CREATE TABLE tenant_b.parcels (item text); INSERT INTO tenant_b.parcels VALUES ('from b');
"""


def prepare(postgres: Postgres, statements: str) -> None:
    with postgres.connect("postgres", "webshop", autocommit=True) as admin:
        admin.execute(f"SET ROLE app; {statements}")


def together(*visits: Callable[[], list[str]]) -> list[list[str]]:
    """Every visit in a thread (and on a connection) of its own, all at the same time."""
    start = threading.Barrier(len(visits))

    def visit(look: Callable[[], list[str]]) -> list[str]:
        from django.db import connections

        start.wait()
        try:
            return look()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(visits)) as threads:
        return list(threads.map(visit, visits))


def seen(alias: str, question: str) -> list[str]:
    """What a tenant sees in many short transactions and statements of its own."""
    from django.db import connections, transaction

    found = []
    for number in range(40):
        with transaction.atomic(using=alias) if number % 2 else nullcontext():
            found.append(run(connections[alias], question))
    return found


def test_row_level_security(database: Make, postgres: Postgres) -> None:
    from django.db import connections

    prepare(postgres, ROWS)

    def look(tenant: str) -> list[str]:
        with pgpoolsafe.settings(connections[f"of_{tenant}"], **{"app.tenant": tenant}):
            return seen(f"of_{tenant}", "SELECT string_agg(item, ',') FROM orders")

    for tenant in "ab":
        database(f"of_{tenant}")
    for_a, for_b = together(lambda: look("a"), lambda: look("b"))
    assert (set(for_a), set(for_b)) == ({"from a"}, {"from b"})
    assert run(database("nobody"), "SELECT count(*) FROM orders") == 0


TENANTS = "django_tenants.postgresql_backend"


def parcels(name: str) -> list[str]:
    """What one tenant sees by django-tenants, which sets its search_path."""
    from django.db import connections

    connections[f"tenant_{name}"].set_schema(f"tenant_{name}")
    return seen(f"tenant_{name}", "SELECT string_agg(item, ',') FROM parcels")


@pytest.mark.parametrize("limit_set_calls", [True, False])
def test_django_tenants(database: Make, postgres: Postgres, limit_set_calls: bool) -> None:
    from django.test import override_settings

    prepare(postgres, SCHEMAS)
    for name in "ab":
        database(f"tenant_{name}", engine=TENANTS)
    with override_settings(TENANT_LIMIT_SET_CALLS=limit_set_calls):
        for_a, for_b = together(lambda: parcels("a"), lambda: parcels("b"))
    assert (set(for_a), set(for_b)) == ({"from a"}, {"from b"})


def test_django_tenants_without_the_guard(database: Make, postgres: Postgres) -> None:
    from django.db import connections
    from django.db.utils import ProgrammingError
    from django.test import override_settings

    prepare(postgres, SCHEMAS)
    for name in "ab":
        database(f"tenant_{name}", engine=TENANTS, OPTIONS={"pgpoolsafe": {"mode": "off"}})
        connections[f"tenant_{name}"].set_schema(f"tenant_{name}")
    with override_settings(TENANT_LIMIT_SET_CALLS=True):
        with pytest.raises((AssertionError, ProgrammingError)):  # another's rows, or no table
            for _ in range(4):
                for name in "ab":
                    found = run(connections[f"tenant_{name}"], "SELECT item FROM parcels")
                    assert found == f"from {name}"
