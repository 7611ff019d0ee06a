"""The backend: what is guarded, what is left alone, and what is refused."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.servers import Postgres

Make = Callable[..., Any]


def run(wrapper: Any, *statements: str) -> Any:
    with wrapper.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def rules(wrapper: Any) -> list[str]:
    return [finding.rule for finding, _ in wrapper.pgpoolsafe.findings()]


def test_a_hazard_is_warned_of_at_the_users_own_line(database: Make) -> None:
    wrapper = database("warned")
    with pytest.warns(SessionStateWarning) as told:
        run(wrapper, "LISTEN orders")
    finding = told[0].message.finding  # type: ignore[union-attr]
    assert (finding.rule, finding.location.file) == ("listen", __file__)


def test_strict_raises_and_the_connection_stays_usable(database: Make) -> None:
    from django.db import transaction

    wrapper = database("strict", OPTIONS={"pgpoolsafe": {"mode": "strict"}})
    with pytest.raises(SessionStateError, match=r"^temp-table: "):
        with transaction.atomic(using="strict"):
            run(wrapper, "CREATE TEMP TABLE basket (item text)")
    assert run(wrapper, "SELECT 1") == 1


CONNECTING: list[dict[str, Any]] = [
    {},
    {"OPTIONS": {"server_side_binding": True}},
    {"OPTIONS": {"isolation_level": 4}},
    {"OPTIONS": {"pool": {"min_size": 1, "max_size": 2}}},
    {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True},
    {"ATOMIC_REQUESTS": True},
    {"AUTOCOMMIT": False},
]


@pytest.mark.parametrize("stated", CONNECTING, ids=str)
def test_django_itself_is_not_reported(database: Make, stated: dict[str, Any]) -> None:
    from django.db import transaction
    from webshop.models import Item

    wrapper = database("plain", **stated)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SessionStateWarning)
        with transaction.atomic(using="plain"):
            Item.objects.using("plain").create(name="made")
            with transaction.atomic(using="plain"):
                Item.objects.using("plain").filter(name="made").update(name="made well")
        assert Item.objects.using("plain").filter(name="made well").delete()[0] == 1
        for _ in range(3):
            assert run(wrapper, "SHOW TimeZone") == "UTC"
        if not wrapper.get_autocommit():
            wrapper.rollback()
    assert rules(wrapper) == []


@pytest.mark.parametrize("is_pooled", [False, True])
def test_the_pool_is_guarded_from_its_first_connection(database: Make, is_pooled: bool) -> None:
    options = {"pool": {"min_size": 1, "max_size": 1}} if is_pooled else {}
    wrapper = database("one", OPTIONS={**options, "pgpoolsafe": {"mode": "observe"}})
    run(wrapper, "LISTEN orders")
    wrapper.close()
    run(wrapper, "LISTEN orders")
    ((finding, count),) = wrapper.pgpoolsafe.findings()
    assert (finding.rule, count) == ("listen", 2)


def test_connections_of_an_alias_share_what_was_learnt(database: Make, postgres: Postgres) -> None:
    wrapper = database("learnt")
    run(wrapper, "SELECT 1")
    mark = postgres.log_mark()
    wrapper.close()
    run(wrapper, "SELECT 2")
    sent = [line for line in postgres.log_since(mark).splitlines() if "@webshop" in line]
    assert not [line for line in sent if "pg_backend_pid" in line]


def test_a_direct_connection_stands_aside(database: Make, postgres: Postgres) -> None:
    wrapper = database("aside", PORT=postgres.port)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SessionStateWarning)
        run(wrapper, "SET search_path TO pg_catalog", "LISTEN orders")
        run(wrapper, "CREATE TEMP TABLE basket (item text)")
        assert run(wrapper, "SHOW search_path") == "pg_catalog"
        assert run(wrapper, "SELECT count(*) FROM basket") == 0
    assert wrapper.pgpoolsafe.pooler.product == "direct"


def test_two_aliases_have_two_guards(database: Make) -> None:
    strict = database("first", OPTIONS={"pgpoolsafe": {"mode": "strict"}})
    loose = database("second", OPTIONS={"pgpoolsafe": {"mode": "off"}})
    with pytest.raises(SessionStateError):
        run(strict, "LISTEN orders")
    run(loose, "LISTEN orders", "UNLISTEN *")
    assert (rules(strict), rules(loose)) == (["listen"], [])


INSTALL = ", ".join(list(inspect.signature(pgpoolsafe.install).parameters)[1:])
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"moed": "warn"}, f"unknown 'moed'; known are {INSTALL}"),
    ({"mode": "loud"}, "mode='loud': expected one of 'off', 'observe', 'warn', 'strict'"),
    ({"rules": {"listens": "warn"}}, "listens"),
    ({"pooler": "pgbouncr"}, "pgbouncr"),
]


@pytest.mark.parametrize("options,said", WRONG, ids=[str(options) for options, _ in WRONG])
def test_wrong_options_are_refused(database: Make, options: dict[str, Any], said: str) -> None:
    from django.core.exceptions import ImproperlyConfigured

    wrapper = database("wrong", OPTIONS={"pgpoolsafe": options})
    with pytest.raises(ImproperlyConfigured, match=r"DATABASES\['wrong'\]\['OPTIONS'\]") as error:
        wrapper.ensure_connection()
    assert said in str(error.value)


def test_options_that_are_no_dictionary(database: Make) -> None:
    from django.core.exceptions import ImproperlyConfigured

    wrapper = database("wrong", OPTIONS={"pgpoolsafe": "strict"})
    with pytest.raises(ImproperlyConfigured) as error:
        wrapper.ensure_connection()
    assert str(error.value) == (
        "DATABASES['wrong']['OPTIONS']['pgpoolsafe']: expected a dictionary with some of " + INSTALL
    )


@pytest.mark.usefixtures("pooler")
async def test_async_orm() -> None:
    from asgiref.sync import sync_to_async
    from django.db import connection, connections
    from webshop.models import Item

    made = await Item.objects.acreate(name="later")
    assert [item.name async for item in Item.objects.filter(pk=made.pk)] == ["later"]
    await made.adelete()
    with pytest.warns(SessionStateWarning):
        await sync_to_async(lambda: run(connection, "LISTEN orders"))()
    await sync_to_async(connections.close_all)()


@pytest.mark.usefixtures("pooler")
async def test_statements_of_the_async_orm_are_told_apart() -> None:
    """They run in a thread that has no line of the user's, and one told must not hush another."""
    from asgiref.sync import sync_to_async
    from django.db import connections
    from webshop.models import Item

    with pytest.warns(SessionStateWarning) as told:
        for key in (1, 2):
            await Item.objects.extra(where=[f"pg_advisory_lock({key}) IS NULL"]).acount()
    locations = [warning.message.finding.location for warning in told]  # type: ignore[union-attr]
    assert locations == [None, None]
    await sync_to_async(connections.close_all)()
