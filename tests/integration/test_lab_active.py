"""The active probe on every pooler of the lab: whatever it says must be so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pgpoolsafe.drivers.psycopg_active import prove, prove_async
from pgpoolsafe.poolers.active import ActiveAnswer, Sharing
from pgpoolsafe.poolers.active_settings import CUSTOM
from tests.servers import Server
from tests.servers.lab import ENDPOINTS, POSTGRES, Endpoint, Lab
from tests.servers.turnstile import Turnstile

pytestmark = pytest.mark.lab

RUNS = 10


@dataclass(frozen=True)
class Truth:
    """What a proof may say of settings: those restored, and those met by other clients."""

    restored: frozenset[str]
    leaked: frozenset[str]


ALL = frozenset({"application_name", "search_path", "statement_timeout", CUSTOM})
NAME, NAME_AND_PATH = (
    frozenset({"application_name"}),
    frozenset({"application_name", "search_path"}),
)


def truth_about(endpoint: Endpoint) -> Truth:
    """By what each of them was seen to do; search_path is reported by PostgreSQL 18 only."""
    reported = NAME_AND_PATH if endpoint.postgres >= 18 else NAME
    if endpoint.product == "odyssey":
        if ("pool_discard", "no") in endpoint.options:
            return Truth(reported, ALL)  # restored for its client, and met by others as well
        return Truth(reported, frozenset())
    if endpoint.product != "pgbouncer" or endpoint.version < (1, 20):
        # Before 1.22 PgBouncer shows the name of another to a client that has none.
        return Truth(NAME if endpoint.product == "pgbouncer" else frozenset(), ALL)
    restored = reported if endpoint.version >= (1, 26) else NAME
    return Truth(restored, ALL - restored)


@pytest.fixture(scope="module", params=ENDPOINTS, ids=lambda endpoint: endpoint.name)
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    return request.param


@pytest.fixture(scope="module")
def server(lab: Lab, endpoint: Endpoint) -> Iterator[Server]:
    with lab.running(endpoint) as running:
        yield running


def check(answer: ActiveAnswer, endpoint: Endpoint) -> None:
    truth = truth_about(endpoint)
    if answer.sharing is not Sharing.SHARED:
        assert (answer.prepared, dict(answer.restored), answer.leaked) == (None, {}, frozenset())
        return
    assert endpoint.mode != "session"
    assert not endpoint.keeps
    assert answer.mode is None or answer.mode.value == endpoint.mode
    assert answer.prepared in (None, endpoint.prepared)
    assert {name for name, kept in answer.restored.items() if kept} <= truth.restored
    assert answer.leaked <= truth.leaked


def test_no_answer_is_false(endpoint: Endpoint, server: Server) -> None:
    # pgagroal 1.6 leaves clients waiting; its answers need not be waited for.
    seconds = 2 if endpoint.product == "pgagroal" else 10
    for _ in range(RUNS):
        check(prove(server.dsn(), seconds=seconds), endpoint)
    check(asyncio.run(prove_async(server.dsn(), seconds=seconds)), endpoint)


PROVABLE = [e for e in ENDPOINTS if e.mode != "session" and e.product in ("pgbouncer", "odyssey")]


@pytest.mark.parametrize("endpoint", PROVABLE, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("pool_size", [1, 3])
def test_an_idle_pool_that_is_shared_is_shown_to_be(
    lab: Lab, endpoint: Endpoint, pool_size: int
) -> None:
    with lab.running(endpoint, pool_size=pool_size) as server:
        answers = [prove(server.dsn()) for _ in range(RUNS)]
        assert {answer.sharing for answer in answers} == {Sharing.SHARED}
        assert endpoint.prepared in {answer.prepared for answer in answers}
        gate = Turnstile(server, server.postgres, pool_size)
        with server.connect(autocommit=True, prepare_threshold=None) as client:
            for pid in gate.pids():
                with gate.only(pid):
                    left = client.execute(
                        "SELECT name FROM pg_prepared_statements WHERE name ~ '^pgpoolsafe'"
                        " UNION SELECT name FROM pg_settings WHERE setting ~ 'pgpoolsafe_'"
                        " AND name <> 'application_name'"
                    ).fetchall()
                    assert left == []


@pytest.mark.parametrize("version", POSTGRES)
def test_a_server_shows_nothing(lab: Lab, version: int) -> None:
    for _ in range(RUNS):
        assert prove(lab.postgres(version).dsn()).sharing is Sharing.NOT_SHOWN


FULL = ("pgbouncer-1.26.1-session-pg18-max_prepared_statements=0", "odyssey-1.5.2-session-pg18")


@pytest.mark.parametrize("name", FULL)
def test_a_full_session_pool_is_inconclusive_within_the_time(lab: Lab, name: str) -> None:
    endpoint = next(e for e in ENDPOINTS if e.name == name)
    with lab.running(endpoint, pool_size=1) as server:
        for answer in (
            prove(server.dsn(), seconds=1),
            asyncio.run(prove_async(server.dsn(), seconds=1)),
        ):
            assert answer.sharing is Sharing.INCONCLUSIVE
            assert answer.evidence == ("the proof failed: no answer in time",)


def test_nobody_there_is_inconclusive(lab: Lab) -> None:
    with lab.running(PROVABLE[0]) as server:
        target = server.dsn()
    answer = prove(target, seconds=2)
    assert answer.sharing is Sharing.INCONCLUSIVE
    assert "Connection refused" in answer.evidence[0]
