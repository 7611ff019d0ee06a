"""`manage.py test` and pytest-django: test databases made past the pooler, tests in strict mode."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.servers import PgBouncer, Postgres

from .conftest import PROJECT, environment

Manage = Callable[..., "CompletedProcess[str]"]

STRICT = {"TEST": {"PGPOOLSAFE": {"mode": "strict", "pooler": "pgbouncer"}}}
TEST_DATABASES = ("webshop", "test_webshop", "test_webshop_1", "test_webshop_2")


pytestmark = pytest.mark.usefixtures("webshop")


@pytest.fixture
def tests_pooler(postgres: Postgres) -> Iterator[PgBouncer]:
    """PgBouncer that lets in to the test databases, which do not exist yet."""
    with PgBouncer(postgres, databases=TEST_DATABASES) as pooler:
        yield pooler


def outcomes(done: CompletedProcess[str]) -> dict[str, str]:
    """Which rule each failing test of `manage.py test` was stopped by."""
    found: dict[str, str] = {}
    for part in re.split(r"\n=+\n", done.stderr)[1:]:
        name = re.match(r"(?:ERROR|FAIL): (\w+)", part)
        rule = re.search(r"SessionStateError: ([\w-]+): ", part)
        found[name[1] if name else part] = rule[1] if rule else part
    return found


def test_sound_tests_pass_through_the_pooler(
    manage: Manage, tests_pooler: PgBouncer, postgres: Postgres
) -> None:
    mark = tests_pooler.log_mark()
    done = manage(
        "test", "--noinput", "webshop.tests.test_sound", port=tests_pooler.port, default=STRICT
    )
    assert done.returncode == 0, done.stderr
    assert tests_pooler.log_contains("login attempt: db=test_webshop ", mark)
    assert not tests_pooler.log_contains("login attempt: db=postgres ", mark)
    with postgres.connect("postgres", autocommit=True) as admin:
        left = admin.execute("SELECT 1 FROM pg_database WHERE datname LIKE 'test%'").fetchall()
    assert left == []


@pytest.mark.parametrize("more", [(), ("--parallel=2",)], ids=str)
def test_databases_that_a_broken_off_run_left_are_made_anew(
    manage: Manage, tests_pooler: PgBouncer, more: tuple[str, ...]
) -> None:
    """The pooler still has connections to them."""
    run = ("test", "--noinput", "webshop.tests.test_sound", *more)
    stated = {"port": tests_pooler.port, "default": STRICT}
    for last in ("--keepdb", "--verbosity=1"):
        done = manage(*run, last, **stated)
        assert done.returncode == 0, done.stderr
    assert "Destroying old test database for alias 'default'" in done.stderr


def test_leaking_tests_fail_with_their_rule(manage: Manage, tests_pooler: PgBouncer) -> None:
    done = manage(
        "test", "--noinput", "webshop.tests.test_leaking", port=tests_pooler.port, default=STRICT
    )
    assert done.returncode == 1
    assert outcomes(done) == {
        "test_listen": "listen",
        "test_temp_table": "temp-table",
        "test_lock": "advisory-lock",
        "test_lock_that_no_rollback_releases": "advisory-lock",
    }


def test_they_pass_when_the_guard_only_looks_on(manage: Manage, tests_pooler: PgBouncer) -> None:
    quiet = {"OPTIONS": {"pgpoolsafe": {"mode": "observe"}}}
    done = manage(
        "test", "--noinput", "webshop.tests.test_leaking", port=tests_pooler.port, default=quiet
    )
    assert done.returncode == 0, done.stderr


def test_strict_on_a_direct_connection(manage: Manage, postgres: Postgres) -> None:
    stated: dict[str, Any] = {"port": postgres.port, "direct": None, "default": STRICT}
    done = manage("test", "--noinput", "webshop", **stated)
    assert done.returncode == 1, done.stderr
    assert sorted(outcomes(done).values()) == [
        "advisory-lock",
        "advisory-lock",
        "listen",
        "temp-table",
    ]


def test_parallel_workers(manage: Manage, tests_pooler: PgBouncer) -> None:
    options = {"port": tests_pooler.port, "default": STRICT}
    done = manage("test", "--noinput", "webshop.tests.test_sound", "--parallel=2", **options)
    assert done.returncode == 0, done.stderr
    assert tests_pooler.log_contains("login attempt: db=test_webshop_2 ")


def test_pytest_django(tests_pooler: PgBouncer, postgres: Postgres) -> None:
    stated = {"port": tests_pooler.port, "direct": postgres.port, "default": STRICT}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "webshop/tests"],
        cwd=PROJECT,
        env=environment(stated),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", done.stdout, re.M)
    assert sorted(lines) == [
        "test_listen",
        "test_lock",
        "test_lock_that_no_rollback_releases",
        "test_temp_table",
    ], done.stdout
