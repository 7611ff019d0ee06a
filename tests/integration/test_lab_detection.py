"""What detection says of every pooler of the lab, in every pool mode, on both servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from pgpoolsafe import Pooler
from tests.servers import Server
from tests.servers.lab import ENDPOINTS, POSTGRES, Endpoint, Lab
from tests.servers.turnstile import Turnstile

CONNECTIONS = 10
"""What is told must be told of every connection: process ids are random, for one."""


@dataclass(frozen=True)
class Verdict:
    """What detection says: `mode` by its value, None where it says that it does not know.

    `has_version`: whether it says one; it is then that of the program.
    """

    product: str
    has_version: bool
    mode: str | None
    prepared: bool | None

    def wrong_about(self, endpoint: Endpoint) -> bool:
        """Whether it says anything that is not so, or calls safe what is not."""
        return (
            self.product not in ("unknown", endpoint.product)
            or self.mode not in (None, endpoint.mode)
            or (self.prepared is True and not endpoint.prepared)
        )


UNKNOWN = Verdict("unknown", False, None, False)

DIRECT = Verdict("direct", False, None, True)
PGBOUNCER_1_26 = ("pgbouncer", True)
ODYSSEY = Verdict("odyssey", False, None, False)
PGAGROAL = Verdict("pgagroal", False, None, False)

VERDICTS = {
    # Nothing tells an older PgBouncer that tracks no statements from other proxies.
    "pgbouncer-1.18.0-*": (UNKNOWN,),
    "pgbouncer-1.24.1-*=0": (UNKNOWN,),
    "pgbouncer-1.24.1-session-*": (UNKNOWN,),
    "pgbouncer-1.24.1-*=200": (Verdict("pgbouncer", False, "transaction", True),),
    "pgbouncer-1.26.1-session-*": (Verdict(*PGBOUNCER_1_26, "session", True),),
    "pgbouncer-1.26.1-transaction-*=0": (Verdict(*PGBOUNCER_1_26, "transaction", False),),
    "pgbouncer-1.26.1-transaction-*=200": (Verdict(*PGBOUNCER_1_26, "transaction", True),),
    "pgbouncer-1.26.1-statement-*=0": (Verdict(*PGBOUNCER_1_26, "statement", False),),
    "pgbouncer-1.26.1-statement-*=200": (Verdict(*PGBOUNCER_1_26, "statement", True),),
    # One in 512 of its random process ids could be a real one; then a sign is missing.
    "odyssey-*-session-*": (ODYSSEY, UNKNOWN),
    "odyssey-*-pool_reserve_prepared_statement=no": (ODYSSEY, UNKNOWN),
    "odyssey-*": (Verdict("odyssey", False, "transaction", True),),
    # It shows some clients the process id of another server connection than theirs.
    "pgagroal-1.6.0-transaction-*": (PGAGROAL, UNKNOWN),
    "pgagroal-1.6.0-*": (PGAGROAL, DIRECT),
    "pgagroal-*": (PGAGROAL,),
    "pgpool-*": (DIRECT,),
}
"""By pattern of the endpoint's name, the first that fits; where chance decides, all that it may
come to."""

KNOWN_MISTAKES = {
    "pgbouncer-1.24.1-statement-*=200": "transaction and statement pooling look the same"
    " until somebody sends BEGIN, and that ends the connection",
    "odyssey-*-statement-*": "as PgBouncer's; its BEGIN does not even fail",
    "pgpool-*": "every sign is that of a server behind an address translation, and what a"
    " client does to its session is kept as on a server",
    "pgagroal-1.6.0-session-*": "as Pgpool-II, where a client is handed a server connection that"
    " was opened for a client of the same application_name",
}
"""What it gets wrong, with the reason. Anything else must be right or unknown."""


def verdicts_on(endpoint: Endpoint) -> tuple[Verdict, ...]:
    return next(found for pattern, found in VERDICTS.items() if fnmatchcase(endpoint.name, pattern))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_a_verdict_is_right_or_unknown(endpoint: Endpoint) -> None:
    mistake = any(fnmatchcase(endpoint.name, pattern) for pattern in KNOWN_MISTAKES)
    wrong = any(verdict.wrong_about(endpoint) for verdict in verdicts_on(endpoint))
    assert wrong is mistake


@pytest.fixture(scope="module", params=ENDPOINTS, ids=lambda endpoint: endpoint.name)
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    return request.param


@pytest.fixture(scope="module")
def server(lab: Lab, endpoint: Endpoint) -> Iterator[Any]:
    with lab.running(endpoint) as running:
        yield running


def detected(server: Server) -> Pooler:
    """What is found out, on a connection of its own."""
    options = {"autocommit": True, "application_name": "shop", "prepare_threshold": None}
    with server.connect(**options) as connection:
        return pgpoolsafe.detect(connection)


async def detected_by_asyncio(server: Server) -> Pooler:
    connection = await psycopg.AsyncConnection.connect(
        server.dsn(application_name="shop"), autocommit=True, prepare_threshold=None
    )
    async with connection:
        return await pgpoolsafe.detect(connection)


def verdict(pooler: Pooler) -> Verdict:
    mode = pooler.mode.value if pooler.mode else None
    return Verdict(pooler.product, pooler.version is not None, mode, pooler.prepared)


@pytest.mark.lab
def test_every_connection_gets_a_verdict_that_is_expected(endpoint: Endpoint, server: Any) -> None:
    found = [detected(server) for _ in range(CONNECTIONS)]
    assert {verdict(pooler) for pooler in found} <= set(verdicts_on(endpoint))
    assert {pooler.version for pooler in found} <= {None, server.version}
    assert all(pooler.evidence for pooler in found)
    certain = endpoint.product == "pgbouncer" and endpoint.version >= (1, 26)
    assert {pooler.confidence for pooler in found} == {"certain" if certain else "likely"}


@pytest.mark.lab
def test_asyncio_gets_a_verdict_that_is_expected(endpoint: Endpoint, server: Any) -> None:
    found = asyncio.run(detected_by_asyncio(server))
    assert verdict(found) in verdicts_on(endpoint)
    assert found.version in (None, server.version)


@pytest.mark.lab
@pytest.mark.parametrize("version", POSTGRES)
def test_a_server_is_a_server(lab: Lab, version: int) -> None:
    found = [detected(lab.postgres(version)) for _ in range(CONNECTIONS)]
    assert {verdict(pooler) for pooler in found} == {DIRECT}


UNTRACKED = [e for e in ENDPOINTS if e.mode != "session" and not e.prepared and not e.keeps]


@pytest.mark.lab
@pytest.mark.parametrize("endpoint", UNTRACKED, ids=lambda endpoint: endpoint.name)
def test_detection_leaves_nothing_on_the_server_connections(lab: Lab, endpoint: Endpoint) -> None:
    with lab.running(endpoint) as server:
        gate = Turnstile(server, lab.postgres(endpoint.postgres), server.pool_size)
        pids = gate.pids()
        for pid in pids:
            with gate.only(pid):
                detected(server)
        with server.connect(autocommit=True, prepare_threshold=None) as client:
            for pid in pids:
                with gate.only(pid):
                    left = client.execute("SELECT name FROM pg_prepared_statements").fetchall()
                    assert left == []
