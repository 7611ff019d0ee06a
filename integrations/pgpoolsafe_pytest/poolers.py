"""The PgBouncers of a test run, and their logs beside a failing test."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest

from pgpoolsafe.testing import PgBouncer
from pgpoolsafe.testing.bouncer import VersionTooOld
from pgpoolsafe.testing.programs import ServerMissing

REQUIRED = "PGPOOLSAFE_REQUIRE_PGBOUNCER"

_Key = tuple[str, tuple[tuple[str, Any], ...]]


class Poolers:
    """One PgBouncer for each DSN and set of options, kept for the run; a context manager."""

    def __init__(self, config: pytest.Config) -> None:
        self._manager = config.pluginmanager
        self._servers: dict[_Key, PgBouncer] = {}
        self._marks: dict[_Key, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Poolers:
        self._manager.register(self)
        self._stack.callback(self._manager.unregister, self)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def before(self, dsn: str, **options: Any) -> PgBouncer:
        """A running PgBouncer in front of a database, with fresh server connections."""
        key = (dsn, tuple(sorted(options.items())))
        if key not in self._servers:
            self._servers[key] = self._stack.enter_context(_new(dsn, options))
        server = self._servers[key]
        server.renew()
        self._marks[key] = server.log_mark()
        return server

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """What the servers write from here on belongs to the test."""
        self._marks = {key: server.log_mark() for key, server in self._servers.items()}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self,
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Beside a failing test stands what PgBouncer has logged meanwhile."""
        report = yield
        if report.failed:
            for key, server in self._servers.items():
                written = server.log_since(self._marks.get(key, 0))
                if written:
                    report.sections.append((f"{server.title} log", written))
        return report


def _new(dsn: str, options: dict[str, Any]) -> PgBouncer:
    try:
        return PgBouncer(dsn, **options)
    except ServerMissing as missing:
        why, is_missing = str(missing), True
    except VersionTooOld as old:  # not absent, and so never required
        why, is_missing = str(old), False
    # Outside of the handlers: what pytest shows is then one line.
    if is_missing and os.environ.get(REQUIRED, "").lower() in ("1", "true"):
        pytest.fail(f"{why} ({REQUIRED} is set)", pytrace=False)
    pytest.skip(why)
