"""unittest and Django's runner, guarded, without pytest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import pgpoolsafe
from tests.integrations.pytest_plugin.conftest import SHOP
from tests.servers import Postgres

CASES = """
import unittest

import shop


class Shop(unittest.TestCase):
    def test_line(self):
        shop.claim()

    def test_swallowed(self):
        shop.swallowing(shop.claim)

    def test_thread(self):
        shop.in_thread(shop.claim)

    def test_left_open(self):
        conn = shop.connect()
        self.addCleanup(conn.close)
        self.addCleanup(conn.rollback)
        shop.tenant(conn)

    def test_fails_otherwise(self):
        shop.swallowing(shop.claim)
        self.fail("otherwise")

    def test_safe(self):
        shop.safe()


class Async(unittest.IsolatedAsyncioTestCase):
    async def test_swallowed_async(self):
        shop.swallowing(shop.listen)


class Allowed(unittest.TestCase):
    pgpoolsafe_allow = ("advisory-lock",)

    def test_allowed(self):
        shop.in_thread(shop.claim)
"""

MIXIN = """
import unittest

import shop
from pgpoolsafe.testing import StrictTests


class Strict(StrictTests, unittest.TestCase):
    pgpoolsafe_pooler = "pgbouncer>=1.24 transaction"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.conn = shop.connect(autocommit=True)
        cls.addClassCleanup(cls.conn.close)

    def test_line(self):
        self.conn.execute("LISTEN orders")

    def test_swallowed(self):
        shop.swallowing(shop.claim)

    def test_safe(self):
        shop.safe()


class Plain(unittest.TestCase):
    def test_unguarded(self):
        shop.claim()


class Wrong(StrictTests, unittest.TestCase):
    pgpoolsafe_allow = ("lissen",)

    def test_wrong(self):
        pass
"""


@dataclass
class Project:
    """A folder with tests, run by a Python of its own."""

    folder: Path
    environment: dict[str, str]

    def write(self, **sources: str) -> None:
        for name, text in sources.items():
            (self.folder / f"{name}.py").write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def unittest(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "pgpoolsafe.testing", *words)


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The outcome of each test, from unittest's verbose lines."""
    found = re.findall(r"^test_(\w+) \(.*?\)(?:\n.*?)? \.\.\. (?:.*\n)??(\w+)$", done.stderr, re.M)
    return dict(found)


@pytest.fixture
def project(tmp_path: Path, postgres: Postgres) -> Project:
    source = str(Path(pgpoolsafe.__file__).parent.parent)
    environment = {**os.environ, "SHOP": postgres.dsn(), "PYTHONPATH": f"{source}:{tmp_path}"}
    made = Project(tmp_path, environment)
    made.write(shop=SHOP)
    return made


def test_a_guarded_run_of_unittest(project: Project) -> None:
    project.write(test_cases=CASES)
    done = project.unittest("--pgpoolsafe-report", "r.json", "-v", "test_cases")
    assert done.returncode == 1
    assert outcomes(done) == {
        "line": "ERROR",
        "swallowed": "FAIL",
        "thread": "FAIL",
        "left_open": "FAIL",
        "fails_otherwise": "FAIL",
        "safe": "ok",
        "swallowed_async": "FAIL",
        "allowed": "ok",
    }
    assert "pgpoolsafe: strict, as if behind PgBouncer (transaction pooling)" in done.stderr
    report = json.loads((project.folder / "r.json").read_text())
    found = [(f["rule"], f["count"]) for f in report["findings"]]
    assert found == [("advisory-lock", 4), ("listen", 1), ("session-set", 1)]


EXPECTED = """
import unittest

import shop


class Shop(unittest.TestCase):
    @unittest.expectedFailure
    def test_it(self):
        shop.claim()
"""


def test_an_expected_failure_is_one(project: Project) -> None:
    project.write(test_cases=EXPECTED)
    done = project.unittest("test_cases")
    assert (done.returncode, "expected failures=1" in done.stderr) == (0, True)
    assert "1 expected to fail at 1 place" in done.stderr


def test_the_baseline_of_unittest(project: Project) -> None:
    project.write(test_cases=CASES.replace('self.fail("otherwise")', "pass"))
    baseline = ("--pgpoolsafe-baseline", "known.txt")
    done = project.unittest(*baseline, "--pgpoolsafe-update-baseline", "test_cases")
    assert done.returncode == 0, done.stderr
    assert "3 findings written to known.txt" in done.stderr
    again = project.unittest(*baseline, "test_cases")
    assert again.returncode == 0, again.stderr
    assert "6 known at 3 places" in again.stderr


def test_unittest_in_warn_mode(project: Project) -> None:
    project.write(test_cases=CASES.replace('self.fail("otherwise")', "pass"))
    done = project.unittest("--pgpoolsafe", "warn", "test_cases")
    assert done.returncode == 0, done.stderr
    assert "6 told at 3 places" in done.stderr


def test_unittest_unguarded(project: Project) -> None:
    project.write(test_cases=CASES)
    done = project.unittest("--pgpoolsafe", "off", "test_cases")
    assert (done.returncode, "failures=1" in done.stderr) == (1, True), done.stderr  # its own
    assert "pgpoolsafe" not in done.stderr


@pytest.mark.parametrize(
    "words, error",
    [
        (("--pgpoolsafe-pooler", "pgbuncer"), "pgpoolsafe: pooler='pgbuncer' is not known: "),
        (("--pgpoolsafe-update-baseline",), "pgpoolsafe: update_baseline: name the file"),
    ],
)
def test_a_wrong_option_of_unittest(project: Project, words: tuple[str, ...], error: str) -> None:
    project.write(test_cases="")
    done = project.unittest(*words, "test_cases")
    assert done.returncode == 2
    assert done.stderr.startswith(error)
    assert done.stderr.count("\n") == 1


def test_a_mixin_guards_its_class_alone(project: Project) -> None:
    project.write(test_mixin=MIXIN)
    done = project.run("-m", "unittest", "-v", "test_mixin")
    assert outcomes(done) == {
        "line": "ERROR",
        "swallowed": "FAIL",
        "safe": "ok",
        "unguarded": "ok",
        "wrong": "ERROR",
    }
    assert "behind PgBouncer 1.24 (transaction pooling) the server connection" in done.stderr
    assert "test_mixin.Wrong.test_wrong: pgpoolsafe_allow: unknown rule 'lissen'" in done.stderr


def test_a_mixin_within_a_guarded_run(project: Project) -> None:
    project.write(test_mixin=MIXIN)
    done = project.unittest("-v", "test_mixin")
    assert outcomes(done)["swallowed"] == "FAIL"
    assert outcomes(done)["unguarded"] == "ERROR"


DJANGO = """
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase


def tenant():
    with connection.cursor() as cursor:
        cursor.execute("SET app.tenant = 'acme'")


class Rolled(TestCase):
    def test_rolled_back(self):
        tenant()

    def test_safe(self):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL app.tenant = 'acme'")


class Committed(TransactionTestCase):
    def test_committed(self):
        tenant()
"""

SETTINGS = """
import os
from psycopg.conninfo import conninfo_to_dict

said = conninfo_to_dict(os.environ["SUPER"])
names = {"NAME": "dbname", "USER": "user", "HOST": "host", "PORT": "port"}
ENGINE = {"ENGINE": "django.db.backends.postgresql"}
DATABASES = {"default": {**ENGINE, **{name: said[key] for name, key in names.items()}}}
INSTALLED_APPS = []
SECRET_KEY = "x"
TEST_RUNNER = "pgpoolsafe.testing.django.StrictRunner"
"""


def test_djangos_runner(project: Project, postgres: Postgres) -> None:
    project.write(test_django=DJANGO, shop_settings=SETTINGS)
    project.environment["SUPER"] = postgres.dsn("postgres")
    done = project.run("-m", "django", "test", "--settings=shop_settings", "--noinput", "-v2")
    assert done.returncode == 1, done.stderr
    assert outcomes(done) == {"rolled_back": "FAIL", "safe": "ok", "committed": "ERROR"}
    assert "2 failed at 1 place" in done.stdout + done.stderr


def test_djangos_runner_unguarded(project: Project, postgres: Postgres) -> None:
    project.write(test_django=DJANGO, shop_settings=SETTINGS)
    project.environment["SUPER"] = postgres.dsn("postgres")
    words = ("test", "--settings=shop_settings", "--noinput", "--pgpoolsafe=off")
    done = project.run("-m", "django", *words)
    assert done.returncode == 0, done.stderr
    assert "as if behind" not in done.stdout + done.stderr


PARALLEL = """
import multiprocessing

import psycopg
from django.db import connection
from django.test import TestCase


class Guarded:
    # What fails in a forked process reaches Django only where tblib is installed.
    def test_guarded(self):
        assert multiprocessing.parent_process() is not None
        connection.ensure_connection()
        assert type(connection.connection) is not psycopg.Connection


class One(Guarded, TestCase):
    pass


class Two(Guarded, TestCase):
    pass
"""


def test_djangos_runner_guards_the_processes_it_forks(project: Project, postgres: Postgres) -> None:
    project.write(test_parallel=PARALLEL, shop_settings=SETTINGS)
    project.environment["SUPER"] = postgres.dsn("postgres")
    words = ("test", "--settings=shop_settings", "--noinput", "--parallel=2")
    done = project.run("-m", "django", *words)
    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr


def test_djangos_runner_writes_files_from_one_process(project: Project, postgres: Postgres) -> None:
    project.write(test_django=DJANGO, shop_settings=SETTINGS)
    project.environment["SUPER"] = postgres.dsn("postgres")
    words = ("test", "--settings=shop_settings", "--parallel=2", "--pgpoolsafe-report=r.json")
    done = project.run("-m", "django", *words)
    assert done.returncode != 0
    assert "are written by one process: leave --parallel out" in done.stderr
