"""Each rule with the guard: stopped before it is sent, repaired, or told and sent.

Sync and async, psycopg and SQLAlchemy. Whether something reached the server is read in the
server's own log, and what it left is asked of the server connection itself.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pgpoolsafe import RULES, SessionStateError, SessionStateWarning
from tests.integration.clients import CLIENTS, Client, is_at_the_statement
from tests.integration.rule_cases import CASES, Case
from tests.integration.sessions import session_of
from tests.servers import PgBouncer, Postgres

IN_TRANSACTION = tuple(case for case in CASES if not case.alone_only)
REWRITTEN = tuple(case for case in CASES if case.rewritten)
REFUSED_AT_THE_END = tuple(case for case in IN_TRANSACTION if not case.rewritten)
HAVE_TESTS_OF_THEIR_OWN = {
    "empty-custom-setting",
    "named-prepare",
    "residue",
    "settings-not-carried",
    "statement-mode-transaction",
    "startup-options",
}

each_client = pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.__name__)


def each(cases: tuple[Case, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


class Server:
    """One server connection of a pooler, prepared for a case, and what has come to it."""

    def __init__(self, postgres: Postgres, pooler: PgBouncer, case: Case) -> None:
        self.postgres, self.pooler, self.case = postgres, pooler, case
        self.pid = pooler.warm(user=case.user)[0]
        self._prepare()
        self.before = self.session()
        self.mark = postgres.log_mark()

    def _prepare(self) -> None:
        with (
            self.pooler.only(self.pid, user=self.case.user),
            self.pooler.connect(self.case.user, autocommit=True) as other,
        ):
            for sql in self.case.before:
                other.execute(sql)

    def session(self) -> dict[str, Any]:
        return session_of(self.pooler, self.pid, user=self.case.user, trace=self.case.trace)

    @contextmanager
    def client(self, kind: type[Client], *, level: str, **options: Any) -> Iterator[Client]:
        """A guarded client whose statements all go to this server connection.

        What could be carried as a setting of the client is so only where a test says it.
        """
        if self.case.rewritten:
            options = {"settings": "local", **options}
        options = {"rules": self.case.rules(level), **options}
        with self.pooler.only(self.pid, user=self.case.user):
            with kind(self.pooler, self.case.user, **options) as client:
                for sql in self.case.prelude:
                    client.alone(sql)
                yield client

    def got(self, sql: str) -> bool:
        """Whether the statement reached the server, as it stands."""
        return self.postgres.log_contains(rf": {re.escape(sql)}$", since=self.mark) or (
            self.postgres.log_contains(rf": {re.escape(sql)}\n", since=self.mark)
        )

    def is_as_before(self) -> bool:
        return self.session() == self.before


@pytest.fixture
def server(postgres: Postgres, pgbouncer: PgBouncer, case: Case) -> Server:
    return Server(postgres, pgbouncer, case)


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} | HAVE_TESTS_OF_THEIR_OWN == set(RULES)


@each_client
@each(CASES)
def test_strict_refuses_it_before_it_is_sent(
    case: Case, kind: type[Client], server: Server
) -> None:
    with server.client(kind, level="raise", mode="strict") as client:
        with pytest.raises(SessionStateError) as caught:
            client.alone(case.hazard)
    assert caught.value.rule == case.rule
    assert caught.value.statement == case.hazard
    assert is_at_the_statement(caught.value.finding)
    assert not server.got(case.hazard)
    assert server.is_as_before()


@each_client
@each(REFUSED_AT_THE_END)
def test_strict_refuses_the_transaction_and_nothing_is_left(
    case: Case, kind: type[Client], server: Server
) -> None:
    with server.client(kind, level="raise", mode="strict") as client:
        with pytest.raises(SessionStateError) as caught:
            client.together(case.hazard)
        assert client.alone("SELECT 'goes on'") == "goes on"
    assert caught.value.rule == case.rule
    assert caught.value.statement == case.hazard
    assert is_at_the_statement(caught.value.finding)
    assert not server.got("COMMIT")
    assert server.is_as_before()


@each_client
@each(REWRITTEN)
@pytest.mark.parametrize("mode", ["strict", "warn"])
def test_in_a_transaction_it_is_made_local(
    case: Case, kind: type[Client], mode: str, server: Server
) -> None:
    assert case.rewritten is not None
    ask, expected = case.rewritten
    with server.client(kind, level="raise", mode=mode) as client:
        assert client.together(case.hazard, ask) == expected
        findings = client.installation.findings()
    assert [(f.rule, f.level, count) for f, count in findings] == [(case.rule, "rewrite", 1)]
    assert findings[0][0].sent is not None
    assert server.got(findings[0][0].sent)
    assert not server.got(case.hazard)
    assert server.is_as_before()


@each_client
@each(REWRITTEN)
@pytest.mark.parametrize("mode", ["strict", "warn"])
@pytest.mark.parametrize("verb", ["alone", "together"])
def test_it_is_carried_to_later_transactions(
    case: Case, kind: type[Client], mode: str, verb: str, server: Server
) -> None:
    assert case.rewritten is not None
    ask, expected = case.rewritten
    with server.client(kind, level="raise", mode=mode, settings="carry") as client:
        getattr(client, verb)(case.hazard)
        assert client.together("SELECT 'more'", ask) == expected
        assert client.alone(ask) == expected
        assert client.installation.findings() == []
    assert not server.got(case.hazard)
    assert server.is_as_before()


@each_client
@each(REWRITTEN)
def test_in_a_transaction_it_is_refused_where_nothing_may_be_rewritten(
    case: Case, kind: type[Client], server: Server
) -> None:
    with server.client(kind, level="raise", mode="strict", settings="leave") as client:
        with pytest.raises(SessionStateError) as caught:
            client.together(case.hazard)
    assert (caught.value.rule, caught.value.statement) == (case.rule, case.hazard)
    assert server.got(case.hazard)
    assert not server.got("COMMIT")
    assert server.is_as_before()


@each_client
@each(CASES)
def test_warn_tells_once_and_sends_it(case: Case, kind: type[Client], server: Server) -> None:
    with server.client(kind, level="warn", mode="warn") as client:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            client.alone(case.hazard)
    assert_told_once(heard, case)
    assert server.got(case.hazard)
    assert server.is_as_before() is not case.seen


@each_client
@each(REFUSED_AT_THE_END)
def test_warn_tells_of_the_statement_when_its_transaction_ends(
    case: Case, kind: type[Client], server: Server
) -> None:
    with server.client(kind, level="warn", mode="warn") as client:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            client.together(case.hazard, "SELECT 'more'")
    assert_told_once(heard, case)
    assert server.got("COMMIT")
    assert server.is_as_before() is not case.seen


def assert_told_once(heard: list[warnings.WarningMessage], case: Case) -> None:
    assert [warning.category for warning in heard] == [SessionStateWarning]
    finding = heard[0].message.finding  # type: ignore[union-attr]  # asserted above
    assert (finding.rule, finding.statement) == (case.rule, case.hazard)
    assert is_at_the_statement(finding)
    assert (heard[0].filename, heard[0].lineno) == (finding.location.file, finding.location.line)


@each_client
@each(CASES)
@pytest.mark.parametrize("settings", ["carry", "local"])
def test_made_and_undone_in_one_transaction_is_silent(
    case: Case, kind: type[Client], settings: str, server: Server
) -> None:
    with server.client(kind, level="raise", mode="strict", settings=settings) as client:
        client.together(*case.sound)
        levels = {finding.level for finding, _ in client.installation.findings()}
    assert levels <= {"rewrite"}
    assert server.got("COMMIT")
    assert server.is_as_before()


@each_client
@each(CASES)
def test_allow_lets_it_through(case: Case, kind: type[Client], server: Server) -> None:
    with server.client(kind, level="raise", mode="strict") as client:
        client.alone(f"/* pgpoolsafe: allow {case.rule} */ {case.hazard}")
        assert client.installation.findings() == []
    assert server.got(f"/* pgpoolsafe: allow {case.rule} */ {case.hazard}")
