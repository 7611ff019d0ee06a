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
from pgpoolsafe import ConfigurationError, SessionStateWarning, settings

def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    print(len(list(Item.objects.iterator(chunk_size=1))))
    with transaction.atomic():
        print(len(list(Item.objects.iterator(chunk_size=1))))
        run("SET statement_timeout = '3s'")
    run("SET lock_timeout = '3s'")
    run("RESET lock_timeout")
    run("LISTEN orders")
print(*(warning.message.finding.rule for warning in told))
try:
    settings(connection, statement_timeout="5s")
except ConfigurationError as error:
    print(error)
"""


def test_it_is_guarded(manage: Manage, postgres: Postgres) -> None:
    mark = postgres.log_mark()
    done = manage("shell", "--verbosity=0", "-c", LOOK, psycopg2=True)
    items, again, rules, error = done.stdout.splitlines()[-4:]
    assert items == again != "0", done.stderr
    assert rules == "session-set listen"  # the first SET was made local
    assert error == "settings(): settings travel with psycopg 3 only, not psycopg2"
    assert postgres.log_contains("SET LOCAL statement_timeout", mark)
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
