"""The servers every test may ask for, and their logs beside a failing test."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any, NoReturn

import pytest

from tests.servers import (
    PgBouncer,
    Postgres,
    ServerMissing,
    VersionTooOld,
    forget_libpq_environment,
    running_servers,
)

pytest_plugins = ["pytester"]

LOG_MARKS = pytest.StashKey[dict[str, int]]()


def pytest_configure() -> None:
    forget_libpq_environment()


def servers_required() -> bool:
    """Whether an absent server is a failure (in CI) rather than a reason to skip."""
    said = (os.environ.get("CI", ""), os.environ.get("PGPOOLSAFE_REQUIRE_SERVERS", ""))
    return any(word.lower() in ("1", "true") for word in said)


def without(missing: ServerMissing) -> NoReturn:
    """End the test that wanted the server."""
    if servers_required():
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL with database `shop` and roles `app`, `reporting`, `postgres`."""
    try:
        server = Postgres()
    except ServerMissing as missing:
        without(missing)
    with server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer_with(postgres: Postgres) -> Iterator[Callable[..., PgBouncer]]:
    """`pgbouncer_with(pool_mode="session", …)`: a running PgBouncer with these options.

    One process per set of options serves the whole run; each call closes what earlier
    tests left connected, so that every test begins with fresh, warm server connections.
    """
    servers: dict[tuple[tuple[str, Any], ...], PgBouncer] = {}
    with ExitStack() as stack:

        def start(**options: Any) -> PgBouncer:
            key = tuple(sorted(options.items()))
            if key not in servers:
                servers[key] = stack.enter_context(new_pgbouncer(postgres, options))
            servers[key].renew()
            return servers[key]

        yield start


def new_pgbouncer(postgres: Postgres, options: dict[str, Any]) -> PgBouncer:
    try:
        return PgBouncer(postgres, **options)
    except ServerMissing as missing:
        without(missing)
    except VersionTooOld as old:
        # Not absent: this machine's PgBouncer has no such feature, in CI or elsewhere.
        pytest.skip(str(old))


@pytest.fixture(scope="session")
def pgbouncer(pgbouncer_with: Callable[..., PgBouncer]) -> PgBouncer:
    """PgBouncer in transaction mode: two warm server connections, handed out in rotation."""
    return pgbouncer_with()


@pytest.fixture(autouse=True)
def _fresh_sessions(request: pytest.FixtureRequest) -> None:
    """Each test meets server connections that no earlier test has left anything on.

    Client connections of a longer-lived fixture would be closed by this as well: open
    clients inside the test.
    """
    if "pgbouncer" in request.fixturenames:
        request.getfixturevalue("pgbouncer").renew()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[LOG_MARKS] = {str(s.log_path): s.log_mark() for s in running_servers()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failing test stands what the servers logged while it ran."""
    report = yield
    if report.failed:
        marks = item.stash.get(LOG_MARKS, {})
        for server in running_servers():
            written = server.log_since(marks.get(str(server.log_path), 0))
            if written:
                report.sections.append((f"{server.title} log", written))
    return report
