"""The two rules that no single statement breaks: how the driver prepares, how the pool pools."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import sqlalchemy.exc
from psycopg import errors

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.integration import clients
from tests.integration.clients import CLIENTS, Client, Psycopg, PsycopgAsync
from tests.integration.sessions import session_of
from tests.servers import PgBouncer, Postgres

each_client = pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.__name__)
each_psycopg = pytest.mark.parametrize(
    "kind", (Psycopg, PsycopgAsync), ids=lambda kind: kind.__name__
)

STATEMENT = {"pooler": "pgbouncer", "pool_mode": "statement"}


def crossing(pooler: PgBouncer, a: Client, b: Client) -> Any:
    """What A's question is answered where B prepared its own under the same name."""
    first, second = pooler.warm()
    with pooler.only(first):
        assert a.together("SELECT 'tenant-A'") == "tenant-A"
    with pooler.only(second):
        assert b.together("SELECT 'tenant-B'") == "tenant-B"
        return a.together("SELECT 'tenant-A'")


@each_client
def test_clients_do_not_cross(kind: type[Client], pgbouncer: PgBouncer) -> None:
    options: dict[str, Any] = {"prepare_threshold": 0, "mode": "strict"}
    with kind(pgbouncer, **options) as a, kind(pgbouncer, **options) as b:
        assert crossing(pgbouncer, a, b) == "tenant-A"
        assert a.installation.findings() + b.installation.findings() == []
        left = [session_of(pgbouncer, pid)["prepared"] for pid in pgbouncer.warm()]
    assert left == [None, None]


def test_what_was_prepared_before_is_not_counted_on(pgbouncer: PgBouncer) -> None:
    first, second = pgbouncer.warm()
    with pgbouncer.connect(autocommit=True, prepare_threshold=0) as connection:
        with pgbouncer.only(first):
            connection.execute("SELECT 'prepared by name'")
        with pgpoolsafe.install(connection, mode="strict"), pgbouncer.only(second):
            row = connection.execute("SELECT 'prepared by name'").fetchone()
        assert connection.prepare_threshold == 0  # as it was
    assert row == ("prepared by name",)


@each_client
def test_strict_refuses_named_prepares_that_are_to_be_left(
    kind: type[Client], pgbouncer: PgBouncer, postgres: Postgres
) -> None:
    mark = postgres.log_mark()
    options: dict[str, Any] = {"prepare_threshold": 0, "prepared": "leave"}
    with kind(pgbouncer, mode="strict", **options) as client:
        with pytest.raises(SessionStateError) as caught:
            client.together("SELECT 'tenant-A'")
    assert caught.value.rule == "named-prepare"
    assert caught.value.location is not None
    assert caught.value.location.file == clients.__file__
    assert not postgres.log_contains("tenant-A", since=mark)


def test_named_prepares_may_be_allowed(pgbouncer: PgBouncer) -> None:
    options: dict[str, Any] = {"prepare_threshold": 0, "prepared": "leave", "mode": "strict"}
    first, _ = pgbouncer.warm()
    with pgbouncer.only(first), Psycopg(pgbouncer, **options) as client:
        with pgpoolsafe.allow("named-prepare"):
            assert client.together("SELECT 'by name'") == "by name"
        assert client.installation.findings() == []


@each_client
def test_warn_tells_of_named_prepares_and_sends(kind: type[Client], pgbouncer: PgBouncer) -> None:
    options: dict[str, Any] = {"prepare_threshold": 0, "prepared": "leave", "mode": "warn"}
    with kind(pgbouncer, **options) as a, kind(pgbouncer, **options) as b:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            answer = crossing(pgbouncer, a, b)
    assert answer == "tenant-B"  # as the warnings say, one for each client
    assert [warning.category for warning in heard] == [SessionStateWarning] * 2
    assert {warning.message.finding.rule for warning in heard} == {"named-prepare"}  # type: ignore[union-attr]


def test_prepares_are_left_alone_where_the_pooler_tracks_them(pgbouncer: PgBouncer) -> None:
    first, _ = pgbouncer.warm()
    with pgbouncer.only(first), pgbouncer.connect(prepare_threshold=0) as connection:
        with pgpoolsafe.install(connection, mode="strict", pooler="pgbouncer>=1.24") as guard:
            connection.execute("SELECT 'by name'")
            ask = "SELECT statement FROM pg_prepared_statements"
            assert ("SELECT 'by name'",) in connection.execute(ask).fetchall()
            assert guard.findings() == []


@pytest.fixture
def statement_mode(pgbouncer_with: Callable[..., PgBouncer]) -> PgBouncer:
    return pgbouncer_with(pool_mode="statement")


@each_client
def test_strict_refuses_a_transaction_in_statement_mode(
    kind: type[Client], statement_mode: PgBouncer
) -> None:
    mark = statement_mode.log_mark()
    with kind(statement_mode, mode="strict", **STATEMENT) as client:
        with pytest.raises(SessionStateError) as caught:
            client.together("SELECT 1")
    assert caught.value.rule == "statement-mode-transaction"
    assert not statement_mode.log_contains("transaction blocks not allowed", since=mark)


@each_psycopg
def test_the_connection_outlives_the_refusal(kind: type[Client], statement_mode: PgBouncer) -> None:
    with kind(statement_mode, mode="strict", **STATEMENT) as client:
        with pytest.raises(SessionStateError):
            client.together("SELECT 1")
        assert client.alone("SELECT 'goes on'") == "goes on"


@each_psycopg
def test_autocommit_is_silent_in_statement_mode(
    kind: type[Client], statement_mode: PgBouncer
) -> None:
    with kind(statement_mode, mode="strict", **STATEMENT) as client:
        assert client.alone("SELECT 'goes on'") == "goes on"
        assert client.installation.findings() == []


@each_client
def test_warn_tells_of_the_transaction_and_sends_it(
    kind: type[Client], statement_mode: PgBouncer
) -> None:
    with kind(statement_mode, mode="warn", **STATEMENT) as client:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            with pytest.raises((errors.ProtocolViolation, sqlalchemy.exc.DBAPIError)):
                client.together("SELECT 1")
    told = [w for w in heard if issubclass(w.category, SessionStateWarning)]
    assert [w.message.finding.rule for w in told] == ["statement-mode-transaction"]  # type: ignore[union-attr]


def test_a_refused_transaction_leaves_psycopg_usable(statement_mode: PgBouncer) -> None:
    with statement_mode.connect() as connection:
        pgpoolsafe.install(connection, mode="strict", **STATEMENT)
        with pytest.raises(SessionStateError):
            connection.execute("SELECT 1")
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
