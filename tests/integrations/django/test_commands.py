"""Management commands: which way they go, and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

Make = Callable[..., Any]
Manage = Callable[..., "CompletedProcess[str]"]

ARRIVAL = "login attempt: db=webshop"


def went_through(pooler: PgBouncer, mark: int) -> bool:
    return pooler.log_contains(ARRIVAL, mark)


ROUTED = [
    ("migrate", "--verbosity=0"),
    ("sqlmigrate", "webshop", "0002"),
    ("dumpdata", "webshop", "--verbosity=0"),
]


@pytest.mark.parametrize("command", ROUTED, ids=lambda command: command[0])
@pytest.mark.parametrize("is_stated", [True, False], ids=["direct", "without"])
def test_session_work_goes_past_the_pooler(
    manage: Manage, pooler: PgBouncer, command: tuple[str, ...], is_stated: bool
) -> None:
    mark = pooler.log_mark()
    done = manage(*command, **({} if is_stated else {"direct": None}))
    assert done.returncode == 0, done.stderr
    assert went_through(pooler, mark) is not is_stated


def test_other_commands_go_through_it(manage: Manage, pooler: PgBouncer) -> None:
    mark = pooler.log_mark()
    assert manage("inspectdb").returncode == 0
    assert went_through(pooler, mark)


def test_dbshell(manage: Manage, postgres: Postgres) -> None:
    done = manage("dbshell", "--", "-At", "-c", "SELECT inet_server_port()")
    assert (done.stdout.strip(), done.stderr) == (str(postgres.port), "")


def test_a_data_migration_by_the_router_sees_what_the_migration_made(
    manage: Manage, pooler: PgBouncer, postgres: Postgres
) -> None:
    assert manage("migrate", "webshop", "0001").returncode == 0
    mark, arrived = postgres.log_mark(), pooler.log_mark()
    done = manage("migrate", "webshop")
    assert done.returncode == 0, done.stderr
    assert not went_through(pooler, arrived)
    assert postgres.log_contains("SET lock_timeout = '10s'", mark)
    assert postgres.log_contains("CREATE INDEX CONCURRENTLY", mark)
    assert postgres.log_contains('INSERT INTO "webshop_item"', mark)


def test_migrate_without_a_way_past_says_what_is_at_risk(manage: Manage) -> None:
    done = manage("migrate", direct=None, default={"OPTIONS": {"pgpoolsafe": PGBOUNCER}})
    assert done.returncode == 0
    assert "(pgpoolsafe.W002) migrate, dbshell and dumpdata run through PgBouncer" in done.stderr


PGBOUNCER = {"pooler": "pgbouncer", "pool_mode": "transaction"}


@pytest.mark.usefixtures("pooler")
def test_in_a_transaction_the_connection_stays() -> None:
    from django.db import connection, transaction

    with transaction.atomic():
        with connection.directly() as is_direct:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
    assert not is_direct


@pytest.mark.parametrize("stated", [{}, {"AUTOCOMMIT": False}], ids=str)
def test_nor_in_a_transaction_by_hand(
    database: Make, settings: Any, postgres: Postgres, stated: dict[str, Any]
) -> None:
    settings.PGPOOLSAFE = {"manual": {"direct": {"PORT": postgres.port, "OPTIONS": {}}}}
    wrapper = database("manual", **stated)
    wrapper.set_autocommit(False)
    with wrapper.cursor() as cursor:
        cursor.execute("SET LOCAL application_name = 'kept'")
        with wrapper.directly() as is_direct:
            cursor.execute("SHOW application_name")
            assert (is_direct, cursor.fetchone()[0]) == (False, "kept")
    wrapper.rollback()
    with wrapper.directly() as is_direct:
        assert is_direct is not wrapper.settings_dict["AUTOCOMMIT"]


def test_settings_of_a_block_hold_there_too(
    database: Make, settings: Any, postgres: Postgres
) -> None:
    def timeout() -> str:
        with wrapper.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return str(cursor.fetchone()[0])

    settings.PGPOOLSAFE = {"timed": {"direct": {"PORT": postgres.port, "OPTIONS": {}}}}
    wrapper = database("timed")
    with wrapper.directly(), pgpoolsafe.settings(wrapper, statement_timeout="7s"):
        assert timeout() == "7s"
    with pgpoolsafe.settings(wrapper, statement_timeout="5s"):
        with wrapper.directly() as is_direct:
            assert (is_direct, timeout()) == (True, "5s")
        assert timeout() == "5s"
    with wrapper.directly():
        assert timeout() == "0"


def test_the_connection_leads_back_afterwards(pooler: PgBouncer, postgres: Postgres) -> None:
    from django.db import connection

    def port() -> int:
        connection.ensure_connection()
        return int(connection.connection.info.port)

    assert port() == pooler.port
    with connection.directly() as is_direct:
        assert (is_direct, port()) == (True, postgres.port)
        with connection.directly() as is_direct_still:
            assert is_direct_still
        assert connection.pgpoolsafe.policy.mode.value == "warn"
    assert port() == pooler.port


def test_doctor(manage: Manage, pooler: PgBouncer) -> None:
    done = manage("pgpoolsafe", "doctor", "--json", default={"OPTIONS": {"pgpoolsafe": PGBOUNCER}})
    report = json.loads(done.stdout)
    assert report["target"] == f"postgresql://app@127.0.0.1:{pooler.port}/webshop"
    assert report["pooler"]["product"] == "pgbouncer"
    assert (done.returncode, report["status"]) == (0, 0)


def test_doctor_in_words(manage: Manage, postgres: Postgres) -> None:
    done = manage("pgpoolsafe", "doctor", "--direct")
    assert done.stdout.startswith(f"postgresql://app@127.0.0.1:{postgres.port}/webshop\n")
    assert "without a pooler" in done.stdout


REFUSED: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    (("doctor", "--direct"), {"direct": None}, "PGPOOLSAFE['default'] has no 'direct'"),
    (("doctor", "--database", "none"), {}, "invalid choice: 'none'"),
    (
        ("check",),
        {"default": {"ENGINE": "django.db.backends.postgresql"}},
        "DATABASES['default']['ENGINE'] is django.db.backends.postgresql, not pgpoolsafe_django",
    ),
]


@pytest.mark.parametrize("arguments,differing,said", REFUSED, ids=[said for *_, said in REFUSED])
def test_bad_input(
    manage: Manage, arguments: tuple[str, ...], differing: dict[str, Any], said: str
) -> None:
    done = manage("pgpoolsafe", *arguments, **differing)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
