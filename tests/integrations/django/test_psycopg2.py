"""Django on psycopg2: what is guarded there, and what is said of what is not."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from tests.servers import PgBouncer, Postgres

pytest.importorskip("psycopg2", reason="psycopg2 is not installed")

Manage = Callable[..., "CompletedProcess[str]"]

LOOK = """
import warnings
from django.db import connection, transaction
from webshop.models import Item
from pgpoolsafe import settings

def show(statement="SHOW statement_timeout"):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    items = [len(list(Item.objects.iterator(chunk_size=1)))]
    with transaction.atomic():
        items.append(len(list(Item.objects.iterator(chunk_size=1))))
    show("LISTEN orders")
    show("SET statement_timeout = '3s'")
    found = [show() for _ in range(4)]
    with settings(connection, statement_timeout="5s"):
        found += [show() for _ in range(4)]
        with transaction.atomic(), settings(connection, statement_timeout="7s"):
            found.append(show())
    with transaction.atomic():
        show("SELECT 1")
        with settings(connection, statement_timeout="9s"):
            found.append(show())
        found.append(show())
    role = {show("SELECT current_user") for _ in range(4)}
print(*items)
print(*(warning.message.finding.rule for warning in told))
print(*found)
print(*role)
"""


def test_it_is_guarded(manage: Manage, postgres: Postgres) -> None:
    mark = postgres.log_mark()
    role = {"OPTIONS": {"assume_role": "webshop_reader"}}
    with postgres.connect("postgres", "webshop", autocommit=True) as admin:
        admin.execute("CREATE ROLE webshop_reader; GRANT webshop_reader TO app")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO webshop_reader")
    done = manage("shell", "--verbosity=0", "-c", LOOK, psycopg2=True, default=role)
    items, *told = done.stdout.splitlines()[-4:]
    assert len(set(items.split())) == 1
    assert told == [
        "listen",
        "3s 3s 3s 3s 5s 5s 5s 5s 7s 9s 3s",
        "webshop_reader",
    ], done.stderr
    assert not postgres.log_contains("WITH HOLD", mark)


def test_migrations_go_past_the_pooler(manage: Manage, pooler: PgBouncer) -> None:
    mark = pooler.log_mark()
    done = manage("migrate", "--verbosity=0", psycopg2=True)
    assert done.returncode == 0, done.stderr
    assert not pooler.log_contains("login attempt: db=webshop", mark)


def test_what_needs_psycopg_says_so(manage: Manage) -> None:
    missing = "psycopg is not installed: pip install 'pgpoolsafe[psycopg]'"
    checked = manage("check", "--database", "default", psycopg2=True)
    assert f"(pgpoolsafe.W010) nothing was looked at: {missing}" in checked.stderr
    doctor = manage("pgpoolsafe", "doctor", psycopg2=True)
    assert (doctor.returncode, doctor.stderr) == (1, f"CommandError: {missing}\n")
