"""Poolers that cannot run here: what is made of their documented greetings and errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

import pgpoolsafe
from pgpoolsafe import Pooler
from pgpoolsafe.drivers.psycopg_active import prove
from pgpoolsafe.poolers.active import Sharing
from pgpoolsafe.poolers.answers import PoolMode
from pgpoolsafe.poolers.products import ROWS, named, pooler
from pgpoolsafe.testing.server import HOST
from tests.servers.scripted import Scripted
from tests.servers.scripts import SCRIPTS

SESSION, TRANSACTION = PoolMode.SESSION, PoolMode.TRANSACTION

SUPABASE = "aws-0-eu-west-1.pooler.supabase.com"
RDS_PROXY = "shop.proxy-abc123.eu-west-1.rds.amazonaws.com"
TENANT = "postgres.abcdefghijklmnop"


@dataclass(frozen=True)
class Case:
    """A product behind an address, and what detection may say of it."""

    script: str
    product: str
    mode: PoolMode | None
    prepared: bool | None
    host: str = HOST
    port: int | None = None
    user: str = "app"
    text: str = ""


DOCUMENTED = "documented, not measured"

CASES = [
    Case("pgdog", "pgdog", TRANSACTION, True, text=f"PgDog (transaction pooling; {DOCUMENTED})"),
    Case(
        "pg_doorman",
        "pg_doorman",
        TRANSACTION,
        True,
        text=f"pg_doorman (transaction pooling; {DOCUMENTED})",
    ),
    # Nothing but its address tells these from other proxies.
    Case("pgcat", "unknown", None, False, text="an unknown proxy (pool mode unknown)"),
    Case(
        "supavisor",
        "unknown",
        None,
        False,
        user=TENANT,
        text="an unknown proxy (pool mode unknown)",
    ),
    Case("rds-proxy", "unknown", None, False, text="an unknown proxy (pool mode unknown)"),
    Case(
        "supavisor",
        "supavisor",
        TRANSACTION,
        False,
        SUPABASE,
        6543,
        TENANT,
        f"Supavisor (transaction pooling; {DOCUMENTED})",
    ),
    Case(
        "supavisor",
        "supavisor",
        SESSION,
        True,
        SUPABASE,
        5432,
        TENANT,
        f"Supavisor (session pooling; {DOCUMENTED})",
    ),
    Case(
        "rds-proxy",
        "rds-proxy",
        TRANSACTION,
        True,
        RDS_PROXY,
        text=f"RDS Proxy (transaction pooling; {DOCUMENTED})",
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case.script}-at-{case.host}-{case.port or 0}")
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def server(case: Case) -> Iterator[Scripted]:
    with Scripted(SCRIPTS[case.script], case.host, case.port) as running:
        yield running


def detected(server: Scripted, user: str) -> Pooler:
    with server.connect(user, autocommit=True, prepare_threshold=None) as connection:
        return pgpoolsafe.detect(connection)


def test_a_documented_pooler_is_recognised_and_marked(case: Case, server: Scripted) -> None:
    for _ in range(3):
        found = detected(server, case.user)
        assert (found.product, found.mode, found.prepared) == (
            case.product,
            case.mode,
            case.prepared,
        )
        assert str(found) == case.text
        assert found.measured is (found.product == "unknown")
        assert found.evidence
        assert found.confidence == "likely"


def test_an_address_that_tells_everything_costs_no_question() -> None:
    with Scripted(SCRIPTS["rds-proxy"], RDS_PROXY) as server:
        detected(server, "app")
        assert server.log == ""


def test_a_detection_asks_one_question_if_any(case: Case, server: Scripted) -> None:
    detected(server, case.user)
    asked = [line for line in server.log.splitlines() if "pg_backend_pid" in line]
    assert len(asked) == (0 if case.host == RDS_PROXY or case.port == 5432 else 1)


# What they refuse


@pytest.mark.parametrize(
    "script, options, text",
    [
        (
            "rds-proxy",
            {"options": "-c statement_timeout=1000"},
            "RDS Proxy currently doesn’t support command-line options.",
        ),
        ("supavisor", {"user": "app"}, "(ENOIDENTIFIER) no tenant identifier provided"),
    ],
)
def test_a_refused_start_is_told_in_the_poolers_words(
    script: str, options: dict[str, str], text: str
) -> None:
    with Scripted(SCRIPTS[script]) as server:
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(server.dsn(**options))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "script, user, statement, sqlstate, text, goes_on",
    [
        (
            "supavisor",
            TENANT,
            "DEALLOCATE ALL",
            "XX000",
            "(EPSSIMPLEQUERY) transaction mode only supports prepared statements",
            False,
        ),
        ("pgcat", "app", "SELECT pg_sleep(60)", "58000", "pool statement timeout", True),
        (
            "pgdog",
            "app",
            "BEGIN; SET LOCAL statement_timeout = 0",
            "58000",
            "multi-statement queries cannot mix SET with other commands",
            True,
        ),
        ("pgdog", "app", "LISTEN news", "58000", "pub/sub disabled", True),
        ("pg_doorman", "app", "SELECT pg_sleep(60)", "57014", "Query wait timed out.", True),
    ],
)
def test_a_documented_error_reaches_the_user_as_it_is(
    script: str, user: str, statement: str, sqlstate: str, text: str, goes_on: bool
) -> None:
    with Scripted(SCRIPTS[script]) as server:
        connection = server.connect(user, autocommit=True, prepare_threshold=None)
        with connection, pgpoolsafe.install(connection, mode="observe"):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement)
            assert caught.value.sqlstate == sqlstate
            assert text in str(caught.value)
            assert connection.closed is not goes_on
            if goes_on:
                assert connection.execute("SELECT 1").fetchone() == ("1",)


# What is marked


@pytest.mark.parametrize("product", ["pgcat", "pgdog", "supavisor", "pg_doorman", "rds-proxy"])
def test_what_the_user_names_is_marked_as_well(product: str) -> None:
    assert DOCUMENTED in str(named(product))
    assert DOCUMENTED in named(product, "session").label


@pytest.mark.parametrize("text", ["pgbouncer", "pgbouncer 1.18", "pgbouncer>=1.26", "odyssey"])
def test_what_was_measured_is_not_marked(text: str) -> None:
    for mode in ("transaction", "statement", "session"):
        assert DOCUMENTED not in str(named(text, mode))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.product} {row.since}")
def test_the_mark_follows_the_source_of_the_row(row: object) -> None:
    found = pooler(row.product, version=row.since, mode=row.modes[0])
    assert found.measured is row.source.startswith("measured")


# The active probe


def test_the_active_probe_proves_nothing_by_what_it_cannot_read() -> None:
    # The scripted server gives one column where two were asked for.
    with Scripted(SCRIPTS["pgcat"]) as server:
        answer = prove(server.dsn(), seconds=5)
    assert answer.sharing is not Sharing.SHARED
