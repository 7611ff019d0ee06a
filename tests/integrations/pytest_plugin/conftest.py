"""A small project with a test suite, run in a pytest of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pgpoolsafe
import pgpoolsafe_pytest
from tests.servers import Postgres

SHOP = """
import os
import threading

import psycopg

DSN = os.environ["SHOP"]


def connect(**options):
    return psycopg.connect(DSN, **options)


def claim():
    with connect(autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(42)")


def listen():
    with connect(autocommit=True) as conn:
        conn.execute("LISTEN orders")


def tenant(conn):
    conn.execute("SET app.tenant = 'acme'")


def safe():
    with connect() as conn:
        conn.execute("SET LOCAL app.tenant = 'acme'")
        conn.execute("SELECT pg_advisory_xact_lock(42)")


def swallowing(job):
    try:
        job()
    except Exception:
        pass


def in_thread(job):
    worker = threading.Thread(target=swallowing, args=[job])
    worker.start()
    worker.join()
"""
"""Line numbers matter: `claim` sends in line 15, `listen` in 20, `tenant` in 24."""

PACKAGES = (pgpoolsafe, pgpoolsafe_pytest)
PATHS = [str(Path(package.__file__ or "").parent.parent) for package in PACKAGES]


@dataclass
class Suite:
    """The project: `run()` runs its tests with the plugin, and with no other one."""

    pytester: pytest.Pytester

    def files(self, **sources: str) -> None:
        self.pytester.makepyfile(**sources)

    def ini(self, *lines: str) -> None:
        self.pytester.makeini("\n".join(["[pytest]", *lines]))

    def run(self, *words: str, test: str = "", plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        if test:
            self.files(test_shop=test)
        chosen = [word for name in ("pgpoolsafe_pytest.plugin", *plugins) for word in ("-p", name)]
        return self.pytester.runpytest_subprocess(*chosen, "-p", "no:cacheprovider", *words)

    def strict(self, *words: str, test: str = "", **more: Any) -> pytest.RunResult:
        return self.run("--pgpoolsafe=strict", *words, test=test, **more)

    def report(self, name: str = "report.json") -> dict[str, Any]:
        """What the run has written there."""
        read: dict[str, Any] = json.loads((self.pytester.path / name).read_text())
        return read


@pytest.fixture
def suite(pytester: pytest.Pytester, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A project with the module `shop`, whose database is in the environment as SHOP."""
    environment: Mapping[str, str] = {
        "SHOP": postgres.dsn(),
        "PYTHONPATH": os.pathsep.join([*PATHS, str(pytester.path)]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("CI", "BUILD_NUMBER"):  # else the summary is as long as the report
        monkeypatch.delenv(name, raising=False)
    made = Suite(pytester)
    made.files(shop=SHOP.lstrip("\n"))
    return made


def found(report: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Rule, verdict, `file:line` and count of each finding, in order."""
    return [
        (f["rule"], f["verdict"], f"{f['file']}:{f['line']}", f["count"])
        for f in report["findings"]
    ]
