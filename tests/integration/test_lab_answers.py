"""What the table of poolers says, shown on the real ones with two clients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import pq

from pgpoolsafe.drivers.psycopg_meeting import greet
from pgpoolsafe.poolers import products
from pgpoolsafe.poolers.answers import Answer, Pooler, PoolMode
from pgpoolsafe.testing.bouncer import backend_pid
from tests.integration.lab_states import STATES, State, measure, random_after_seed, sees
from tests.servers import Server
from tests.servers.lab import ENDPOINTS, Endpoint, Lab
from tests.servers.turnstile import Turnstile

pytestmark = pytest.mark.lab

SHARED = [e for e in ENDPOINTS if e.mode != "session" and not e.keeps]
"""Endpoints where server connections change hands while clients stay."""

AS_THE_TABLE_SAYS = [
    e
    for e in SHARED
    if e.is_default  # the table's answers are about the defaults
]
KEPT = [e for e in ENDPOINTS if e.mode == "session" or e.keeps]


@dataclass
class Running:
    """A running endpoint, and what the table says of it."""

    endpoint: Endpoint
    server: Server
    pooler: Pooler
    random: str

    def question(self, state: State) -> str:
        return state.seen.format(random=self.random)

    def connect(self, state: State | None = None) -> psycopg.Connection[Any]:
        # A name of its own: before 1.22 PgBouncer shows a nameless client another's.
        return self.server.connect(
            state.user if state else "app",
            autocommit=True,
            prepare_threshold=None,
            application_name="lab",
        )


def run(lab: Lab, endpoint: Endpoint) -> Iterator[Running]:
    with lab.running(endpoint) as server:
        with server.connect() as client:
            reported = greet(client).reported
        with lab.postgres(endpoint.postgres).connect(autocommit=True) as direct:
            random = random_after_seed(direct)
        pooler = products.pooler(
            endpoint.product,
            version=endpoint.version,
            mode=PoolMode(endpoint.mode),
            reported=reported,
        )
        yield Running(endpoint, server, pooler, random)


@pytest.fixture(scope="module", params=AS_THE_TABLE_SAYS, ids=lambda e: e.name)
def pool(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Running]:
    yield from run(lab, request.param)


@pytest.fixture(scope="module", params=SHARED, ids=lambda e: e.name)
def any_pool(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Running]:
    yield from run(lab, request.param)


HANDED_ON = [e for e in ENDPOINTS if e.keeps and e.mode == "transaction"]
"""Endpoints where a client keeps its server connection, and the next one gets it as it is."""


@pytest.fixture(scope="module", params=HANDED_ON, ids=lambda e: e.name)
def handing_on(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Running]:
    yield from run(lab, request.param)


@pytest.fixture(scope="module", params=KEPT, ids=lambda e: e.name)
def session_pool(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Running]:
    yield from run(lab, request.param)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_the_table_says_what_the_pooler_does(pool: Running, state: State) -> None:
    size: int = pool.server.pool_size
    gate = Turnstile(pool.server, pool.server.postgres, size, state.user)
    with pool.connect(state) as mine, pool.connect(state) as other:
        measured = measure(state, pool.question(state), gate, mine, other)
    assert measured is pool.pooler.answer(state.kind, state.setting)


def test_prepared_statements_follow_their_client_or_not(any_pool: Running) -> None:
    gate = Turnstile(any_pool.server, any_pool.server.postgres, any_pool.server.pool_size)
    home, away = gate.pids()[:2]
    with any_pool.connect() as client:
        with gate.only(home):
            done = client.pgconn.prepare(b"one", b"SELECT 1")
            assert done.status == pq.ExecStatus.COMMAND_OK
        with gate.only(away):
            done = client.pgconn.exec_prepared(b"one", None)
    followed = done.status == pq.ExecStatus.TUPLES_OK
    assert followed is any_pool.endpoint.prepared
    if any_pool.endpoint.is_default and any_pool.pooler.prepared is not None:
        assert followed is any_pool.pooler.prepared


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_the_table_says_what_the_next_client_meets(handing_on: Running, state: State) -> None:
    with handing_on.connect(state) as mine:
        home = backend_pid(mine)
        mine.execute(state.made_by.encode())
    # The one that was given back last need not come first.
    for _ in range(4 * handing_on.server.pool_size):
        with handing_on.connect(state) as other:
            if backend_pid(other) != home:
                continue
            met = sees(other, handing_on.question(state))
            other.execute("DISCARD ALL")
            break
    else:
        pytest.fail("the server connection did not come round")
    assert (Answer.LEAKS if met else Answer.LOST) is handing_on.pooler.answer(
        state.kind, state.setting
    )


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_session_of_its_own_keeps_everything(session_pool: Running, state: State) -> None:
    question = session_pool.question(state)
    with session_pool.connect(state) as mine, session_pool.connect(state) as other:
        mine.execute(state.made_by.encode())
        backend_pid(other)
        assert sees(mine, question)
        if state.name != "setseed":  # only the first number after it is known
            assert sees(mine, question)


def test_a_session_of_its_own_keeps_prepared_statements(session_pool: Running) -> None:
    with session_pool.connect() as mine, session_pool.connect() as other:
        mine.execute("DISCARD ALL")  # what an earlier client may have left under this name
        done = mine.pgconn.prepare(b"one", b"SELECT 1")
        assert done.status == pq.ExecStatus.COMMAND_OK
        backend_pid(other)
        for _ in range(3):
            done = mine.pgconn.exec_prepared(b"one", None)
            assert done.status == pq.ExecStatus.TUPLES_OK
