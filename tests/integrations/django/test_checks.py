"""The system checks, whole: what is said, with which id, and what is not said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import PgBouncer, Postgres

Make = Callable[..., Any]

PGBOUNCER = {"pgpoolsafe": {"pooler": "pgbouncer>=1.18", "pool_mode": "transaction"}}
LOOKING_ON = {"pgpoolsafe": {**PGBOUNCER["pgpoolsafe"], "mode": "observe"}}
NAME = "PgBouncer 1.18 (transaction pooling)"


def said(wrapper: Any) -> list[tuple[str, str, str, str]]:
    from django.core.checks import run_checks

    found = run_checks(databases=[wrapper.alias], tags=["database"])
    return [(m.id, m.obj, m.msg, m.hint) for m in found]


def ids(wrapper: Any) -> list[str]:
    return [identity for identity, *_ in said(wrapper)]


@pytest.fixture
def direct(settings: Any, postgres: Postgres) -> None:
    """Every alias of the tests has a direct endpoint."""
    endpoint = {"direct": {"PORT": postgres.port, "OPTIONS": {}}}
    settings.PGPOOLSAFE = {"default": endpoint, "checked": endpoint}


CASES: list[tuple[dict[str, Any], list[tuple[str, str, str, str]]]] = [
    ({}, []),
    ({"DISABLE_SERVER_SIDE_CURSORS": True, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}, []),
    (
        {"DISABLE_SERVER_SIDE_CURSORS": False},
        [
            (
                "pgpoolsafe.W001",
                "DATABASES['checked']",
                f"DISABLE_SERVER_SIDE_CURSORS is False behind {NAME}: outside of a transaction,"
                " QuerySet.iterator() uses a cursor WITH HOLD, which the next statement does not"
                " find",
                "Leave it out: the backend then uses cursors on the server where they hold,"
                " inside of transactions. See docs/django.md#w001.",
            )
        ],
    ),
    (
        {"OPTIONS": LOOKING_ON},
        [
            (
                "pgpoolsafe.W001",
                "DATABASES['checked']",
                f"DISABLE_SERVER_SIDE_CURSORS is not set behind {NAME}: outside of a transaction,"
                " QuerySet.iterator() uses a cursor WITH HOLD, which the next statement does not"
                " find",
                "Set it to True, or let the guard do its part: mode 'warn' or 'strict'. See"
                " docs/django.md#w001.",
            )
        ],
    ),
    ({"OPTIONS": LOOKING_ON, "DISABLE_SERVER_SIDE_CURSORS": True}, []),
    (
        {"CONN_MAX_AGE": 60},
        [
            (
                "pgpoolsafe.W007",
                "DATABASES['checked']",
                f"CONN_MAX_AGE = 60 keeps connections open, and nobody looks whether {NAME} still"
                " does: after its restart, or its client_idle_timeout, a request fails for each",
                "Set CONN_HEALTH_CHECKS = True; one round trip for each request. See"
                " docs/django.md#w007.",
            )
        ],
    ),
    (
        {"OPTIONS": {**PGBOUNCER, "prepare_threshold": 5}},
        [
            (
                "pgpoolsafe.W005",
                "DATABASES['checked']",
                "OPTIONS['prepare_threshold'] has no effect, for the guard switches them off:"
                " prepared statements are not safe (PgBouncer does not track them: a name may not"
                " exist on the next server connection, or belong to another client's statement,"
                " whose rows then come back without an error)",
                "Leave it out. See docs/django.md#w005.",
            )
        ],
    ),
]


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("stated,messages", CASES, ids=[str(stated) for stated, _ in CASES])
def test_messages(
    database: Make, stated: dict[str, Any], messages: list[tuple[str, str, str, str]]
) -> None:
    assert said(database("checked", **{"OPTIONS": PGBOUNCER, **stated})) == messages


def test_without_a_direct_endpoint(database: Make, settings: Any) -> None:
    settings.PGPOOLSAFE = {}
    assert said(database("checked", OPTIONS=PGBOUNCER)) == [
        (
            "pgpoolsafe.W002",
            "DATABASES['checked']",
            f"migrate, dbshell and dumpdata run through {NAME}: a SET, a session advisory lock or"
            " a temporary table of a migration is lost, or reaches other clients, and a pooler's"
            " time limit may end a long CREATE INDEX CONCURRENTLY",
            'Set PGPOOLSAFE = {"checked": {"direct": …}} to an alias of DATABASES without the'
            " pooler, with pgpoolsafe_django first in INSTALLED_APPS. See docs/django.md#w002.",
        )
    ]


def test_a_direct_endpoint_that_is_none(database: Make, settings: Any, pooler: PgBouncer) -> None:
    settings.PGPOOLSAFE = {"checked": {"direct": {"PORT": pooler.port, "OPTIONS": {}}}}
    assert [(i, o, m) for i, o, m, _ in said(database("checked", OPTIONS=PGBOUNCER))] == [
        (
            "pgpoolsafe.W003",
            "DATABASES['checked'] (direct)",
            "the direct endpoint leads to an unknown proxy (pool mode unknown) as well",
        )
    ]


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("mode", ["off", "observe"])
def test_a_guard_that_only_looks_on(database: Make, mode: str) -> None:
    """Nothing of what Django sends is made harmless there, and the checks say so."""
    guard = {"pgpoolsafe": {**PGBOUNCER["pgpoolsafe"], "mode": mode}}
    options = {**guard, "assume_role": "app", "prepare_threshold": 5}
    found = said(database("checked", OPTIONS=options))
    assert [identity for identity, *_ in found] == [f"pgpoolsafe.W00{n}" for n in (1, 5, 6)]
    assert found[1][2].startswith("OPTIONS['prepare_threshold'] stays in force: ")


# the options, what the guard may do, the checks
OPTIONS: list[tuple[str, dict[str, str], list[str]]] = [
    ("-c statement_timeout=5s", {}, []),
    ("-c statement_timeout=5s", {"settings": "leave"}, ["pgpoolsafe.W004"]),
    (
        "-c statement_timeout=5s -c work_mem=64MB",
        {"settings": "local"},
        ["pgpoolsafe.W004", "pgpoolsafe.W004"],
    ),
    ("-c statement_timeout=5s", {"mode": "observe"}, ["pgpoolsafe.W001", "pgpoolsafe.W004"]),
]


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("options,guard,expected", OPTIONS, ids=str)
def test_settings_that_the_pooler_refuses(
    database: Make, options: str, guard: dict[str, str], expected: list[str]
) -> None:
    stated = {"pgpoolsafe": {**PGBOUNCER["pgpoolsafe"], **guard}, "options": options}
    assert ids(database("checked", OPTIONS=stated)) == expected


def test_a_pool_that_is_too_big_for_the_server(database: Make, postgres: Postgres) -> None:
    pool = {"pool": {"min_size": 1, "max_size": 5000}}
    ((identity, _, message, _),) = said(database("checked", PORT=postgres.port, OPTIONS=pool))
    assert identity == "pgpoolsafe.W008"
    assert message.startswith("OPTIONS['pool'] may open 5000 connections, the server lets in 197")


def test_a_direct_connection_has_nothing_to_be_told(database: Make, postgres: Postgres) -> None:
    stated = {"CONN_MAX_AGE": 60, "DISABLE_SERVER_SIDE_CURSORS": False}
    assert said(database("checked", PORT=postgres.port, **stated)) == []


@pytest.mark.usefixtures("direct")
def test_statement_mode(database: Make, pgbouncer_with: Callable[..., PgBouncer]) -> None:
    statement = pgbouncer_with(databases=("webshop",), pool_mode="statement")
    guard = {"pgpoolsafe": {"pooler": "pgbouncer", "pool_mode": "statement"}}
    assert ids(database("checked", PORT=statement.port, OPTIONS=guard)) == ["pgpoolsafe.W009"]


NOT_CARRIED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("pgbouncer", {}, []),
    ("pgagroal", {}, []),
    ("pgagroal", {"settings": "leave"}, ["pgpoolsafe.W006"]),
    ("pgagroal", {"rules": {"session-set": "warn"}}, ["pgpoolsafe.W006"]),
    ("pgagroal", {"settings": "leave", "assume_role": "app"}, ["pgpoolsafe.W006"] * 2),
    ("pgbouncer", {"settings": "leave", "assume_role": "app"}, ["pgpoolsafe.W006"]),
]


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("product,stated,expected", NOT_CARRIED, ids=str)
def test_settings_of_django_that_nobody_keeps(
    database: Make, product: str, stated: dict[str, Any], expected: list[str]
) -> None:
    guard = {"pooler": product, "pool_mode": "transaction", **stated}
    role = {"assume_role": guard.pop("assume_role")} if "assume_role" in guard else {}
    assert ids(database("checked", OPTIONS={"pgpoolsafe": guard, **role})) == expected


@pytest.mark.usefixtures("direct")
def test_nobody_answers(database: Make) -> None:
    (message,) = said(database("checked", PORT=1, OPTIONS=PGBOUNCER))
    assert (message[0], message[1]) == ("pgpoolsafe.W010", "DATABASES['checked']")
    assert message[2].startswith("nothing was looked at: there is no connection: ")


WRONG: list[tuple[Any, str]] = [
    ({"checked": {"direct": "nowhere"}}, "PGPOOLSAFE['checked']['direct'] = 'nowhere': expected"),
    ({"checked": {"direct": "checked"}}, "PGPOOLSAFE['checked']['direct'] = 'checked': expected"),
    ({"checked": {"driect": "x"}}, "PGPOOLSAFE['checked']: unknown 'driect'; known are direct, "),
    ({"chekced": {}}, "PGPOOLSAFE: no such alias: 'chekced'"),
    ({"checked": {"direct": {"HSOT": ""}}}, "PGPOOLSAFE['checked']['direct']: unknown 'HSOT'"),
    ({"checked": "default_direct"}, "PGPOOLSAFE['checked']: expected a dictionary"),
    ("default_direct", "PGPOOLSAFE: expected a dictionary by alias of DATABASES"),
]


@pytest.mark.parametrize("stated,message", WRONG, ids=[message for _, message in WRONG])
def test_wrong_settings(database: Make, settings: Any, stated: Any, message: str) -> None:
    wrapper = database("checked", OPTIONS=PGBOUNCER)
    settings.PGPOOLSAFE = stated
    ((identity, _, found, _),) = said(wrapper)
    assert identity == "pgpoolsafe.E001"
    assert found.startswith(message)


def test_wrong_options_of_the_guard(database: Make) -> None:
    ((identity, _, found, _),) = said(database("checked", OPTIONS={"pgpoolsafe": {"moed": 1}}))
    assert identity == "pgpoolsafe.E001"
    assert "unknown 'moed'" in found
