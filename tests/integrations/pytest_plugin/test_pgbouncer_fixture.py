"""The fixture `pgbouncer`: in front of whatever database the suite has."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pgpoolsafe.testing.programs import ServerMissing, pgbouncer_program
from tests.conftest import without
from tests.servers import Postgres

from .conftest import Suite
from .test_frameworks import SETTINGS

LOSES = """


def test_lost(pgbouncer):
    with pgbouncer.connect(autocommit=True, prepare_threshold=None) as conn:
        for value in range(10):
            conn.execute(f"SET statement_timeout = '{4000 + value}ms'")
            shown, = conn.execute("SHOW statement_timeout").fetchone()
            assert shown != f"{4000 + value}ms"


def test_fresh(pgbouncer):
    with pgbouncer.connect(autocommit=True, prepare_threshold=None) as conn:
        seen = {conn.execute("SHOW statement_timeout").fetchone() for _ in range(10)}
        pids = {conn.execute("SELECT pg_backend_pid()").fetchone() for _ in range(10)}
    assert seen == {("0",)} and len(pids) == 3


def test_engine(pgbouncer):
    engine = pgbouncer.engine()
    with engine.connect() as conn:
        assert conn.exec_driver_sql("SELECT current_database()").scalar() == "shop"
    engine.dispose()
"""


@pytest.fixture(autouse=True)
def _needs_pgbouncer() -> None:
    try:
        pgbouncer_program()
    except ServerMissing as missing:
        without(missing)


def test_what_is_lost_behind_a_pooler_is_lost_every_time(suite: Suite, postgres: Postgres) -> None:
    result = suite.run(f"--pgpoolsafe-dsn={postgres.dsn()}", test=LOSES)
    result.assert_outcomes(passed=3)


IS_THERE = """
def test_it(pgbouncer):
    with pgbouncer.connect() as conn:
        assert conn.execute("SELECT current_database()").fetchone() == ("shop",)
"""


@pytest.mark.parametrize("way", ["ini", "environment", "fixture"])
def test_where_the_database_is_can_be_said(
    suite: Suite, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "ini":
        suite.ini(f"pgpoolsafe_dsn = {postgres.dsn()}")
    elif way == "environment":
        monkeypatch.setenv("PGPOOLSAFE_DSN", postgres.url())
    else:
        suite.pytester.makeconftest(
            f"import pytest\n@pytest.fixture\ndef pgpoolsafe_dsn(): return {postgres.dsn()!r}"
        )
    suite.run(test=IS_THERE).assert_outcomes(passed=1)


def test_nobody_said(suite: Suite) -> None:
    result = suite.run(test=IS_THERE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the fixture pgbouncer does not know your test database: say *"])


def test_in_front_of_djangos_test_database(
    suite: Suite, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPER", postgres.dsn("postgres"))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_settings")
    suite.files(shop_settings=SETTINGS)
    mark = "import pytest\n@pytest.mark.django_db(transaction=True)"
    body = IS_THERE.replace('"shop"', '"test_shop"')
    django: dict[str, Any] = {"plugins": ("pytest_django.plugin",)}
    suite.run(test=mark + body, **django).assert_outcomes(passed=1)
    unmade = suite.run(test=body, **django)
    unmade.assert_outcomes(errors=1)
    unmade.stdout.fnmatch_lines(["*Django has made no test database for this run; mark the *"])


POSTGRESQL = """
def test_it(postgresql, pgbouncer):
    postgresql.execute("CREATE TABLE mark ()")
    postgresql.commit()
    with pgbouncer.connect() as conn:
        conn.execute("SELECT FROM mark")


def test_again(pgbouncer, postgresql):
    with pgbouncer.connect() as conn:
        assert conn.execute("SELECT to_regclass('mark')").fetchone() == (None,)
"""


def test_in_front_of_the_database_of_pytest_postgresql(suite: Suite, postgres: Postgres) -> None:
    suite.pytester.makeconftest(
        "from pytest_postgresql import factories\n"
        f"proc = factories.postgresql_noproc(host='127.0.0.1', port={postgres.port},"
        " user='postgres')\npostgresql = factories.postgresql('proc')\n"
    )
    plugins = ("pytest_postgresql.plugin",)
    suite.run(test=POSTGRESQL, plugins=plugins).assert_outcomes(passed=2)


OPTIONS = """
import pytest


@pytest.fixture(scope="session")
def by_session(pgbouncer_factory):
    return pgbouncer_factory({dsn!r}, pool_mode="session", pool_size=1)


def test_session(by_session):
    with by_session.connect(autocommit=True) as conn:
        conn.execute("SET statement_timeout = '4711ms'")
        assert conn.execute("SHOW statement_timeout").fetchone() == ("4711ms",)
"""


def test_a_factory_takes_options(suite: Suite, postgres: Postgres) -> None:
    suite.run(test=OPTIONS.format(dsn=postgres.dsn())).assert_outcomes(passed=1)


FAILING = """
import psycopg


def test_before(pgbouncer):
    psycopg.connect(pgbouncer.dsn, application_name="the one before").close()


def test_it(pgbouncer):
    with psycopg.connect(pgbouncer.dsn, application_name="mine") as conn:
        conn.execute("SELECT 1")
    assert not "shown"
"""


def test_the_log_stands_beside_a_failing_test(suite: Suite, postgres: Postgres) -> None:
    result = suite.run(f"--pgpoolsafe-dsn={postgres.dsn()}", test=FAILING)
    result.assert_outcomes(passed=1, failed=1)
    log = result.stdout.str().partition("- PgBouncer log -")[2]
    assert log.count("login attempt: db=shop user=app") == 1


@pytest.mark.parametrize("required", ["", "1"])
def test_without_pgbouncer_it_says_so(
    suite: Suite, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, required: str
) -> None:
    monkeypatch.setenv("PGPOOLSAFE_PGBOUNCER", "/nowhere/pgbouncer")
    monkeypatch.setenv("PGPOOLSAFE_REQUIRE_PGBOUNCER", required)
    result = suite.run(f"--pgpoolsafe-dsn={postgres.dsn()}", "-rs", test=IS_THERE)
    said = "no PgBouncer: install pgbouncer, or set PGPOOLSAFE_PGBOUNCER"
    if required:
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"{said} (PGPOOLSAFE_REQUIRE_PGBOUNCER is set)"])
        result.stdout.no_fnmatch_line("During handling of *")
    else:
        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines([f"SKIPPED [[]1] *: {said}"])


GUARDED = """
import psycopg
import pgpoolsafe
import pytest
import sqlalchemy as sa


def test_it(pgbouncer):
    with psycopg.connect(pgbouncer.dsn, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(42)")


def test_safe(pgbouncer):
    with psycopg.connect(pgbouncer.dsn) as conn:
        conn.execute("SET LOCAL app.tenant = 'acme'")


def test_own_guard(pgbouncer):
    engine = pgbouncer.engine()
    pgpoolsafe.install(engine)
    with engine.begin() as conn:
        conn.execute(sa.text("SET app.tenant = 'acme'"))
    engine.dispose()
"""


@pytest.mark.parametrize("residue", ["off", "on"])
def test_guarded_too(suite: Suite, postgres: Postgres, residue: str) -> None:
    words = (f"--pgpoolsafe-dsn={postgres.dsn()}", f"--pgpoolsafe-residue={residue}")
    suite.strict(*words, test=GUARDED).assert_outcomes(passed=2, failed=1)


def test_the_account_of_the_caller_is_not_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has to give up its rights")
    from pgpoolsafe.testing.account import server_account

    account = server_account()
    assert account is not None
    assert account.uid != 0
