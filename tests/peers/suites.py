"""The suites: where each comes from and how it is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgpoolsafe.testing.server import HOST
from tests.servers import PgBouncer, Postgres

DATABASE = "peers"
USER = "postgres"
SECONDS_A_TEST = 120


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite of one project.

    `source`: the row of `sources.SOURCES` that has it; `tests`: what pytest is given;
    `addresses`: the options that carry the address, a template of `dsn` and `port`;
    `deselected`: tests that have nothing to do with a server, or cannot run twice alike;
    `usual`: whether it is run when nothing is named; `driver`: the module that is guarded;
    `limited`: a test that fails may leave a lock behind, for which the next would wait forever.
    """

    name: str
    source: str
    tests: tuple[str, ...]
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    deselected: tuple[str, ...] = ()
    usual: bool = True
    driver: str = "psycopg"
    limited: bool = False

    def command(self, server: Postgres | PgBouncer, more: tuple[str, ...]) -> list[str]:
        """The command that runs the suite, or the tests of it that `more` names."""
        where = _address(server)
        chosen = more or self.tests
        left_out = [word for name in self.deselected for word in ("--deselect", name)]
        return [
            # Plugins of our own tests, whose settings the suites do not know.
            *(sys.executable, "-m", "pytest", "-p", "pgpoolsafe_outcomes", "-p", "no:asyncio"),
            *("-q", "-q", "--no-header", "--tb=short", "--maxfail=100000", "--color=no"),
            *("-W", "ignore::pgpoolsafe.SessionStateWarning"),
            f"--timeout={SECONDS_A_TEST}",
            *(option.format(**where) for option in self.options),
            *left_out,
            *chosen,
        ]

    def variables(self, server: Postgres | PgBouncer, site: Path) -> dict[str, str]:
        """The environment of a run."""
        where = _address(server)
        own = {name: value.format(**where) for name, value in self.environment.items()}
        roots = [str(site), *_SOURCE_ROOTS]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(roots), **own}


_CHECKOUT = Path(__file__).resolve().parents[2]
_SOURCE_ROOTS = [str(_CHECKOUT / "src"), str(_CHECKOUT / "integrations")]


def _address(server: Postgres | PgBouncer) -> dict[str, Any]:
    return {"dsn": server.dsn(USER, DATABASE), "host": HOST, "port": server.port}


def _sqlalchemy(dialect: str, *tests: str, driver: str = "psycopg", usual: bool = True) -> Suite:
    return Suite(
        name=f"sqlalchemy-{dialect}",
        source="sqlalchemy",
        tests=tests,
        driver=driver,
        usual=usual,
        limited=True,
        options=(f"--dburi=postgresql+{dialect}://{USER}@{{host}}:{{port}}/{DATABASE}",),
    )


def _psycopg(name: str, *options: str, usual: bool = True) -> Suite:
    return Suite(
        name=name,
        usual=usual,
        source="psycopg",
        tests=("tests",),
        environment={"PSYCOPG_TEST_DSN": "{dsn}"},
        options=(*options, *_PSYCOPG_LEFT_OUT),
    )


_PSYCOPG_LEFT_OUT = (
    "--ignore=tests/crdb",
    "--ignore=tests/scripts",
    "--ignore=tests/test_typing.py",  # runs mypy, and sends nothing
)
_POSTGRESQL = "test/dialect/postgresql"
_SENDING = tuple(
    f"{_POSTGRESQL}/test_{name}.py"
    for name in ("async_pg", "dialect", "on_conflict", "query", "reflection")
)
"""Without the thousands of tests of types and of texts, which are the same on each driver."""

_BOTH = ("test/dialect/test_suite.py", "test/engine")

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        _psycopg("psycopg", "-m", "not slow"),
        _psycopg("psycopg-slow", "-m", "slow", usual=False),
        _sqlalchemy("psycopg", _POSTGRESQL, *_BOTH),
        _sqlalchemy("psycopg_async", *_SENDING, *_BOTH),
        *(
            _sqlalchemy(driver, *_SENDING, *_BOTH, driver=driver, usual=False)
            for driver in ("psycopg2", "pg8000", "asyncpg")
        ),
    )
}
