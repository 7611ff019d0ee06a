"""Backends below and above: each does its part."""

from __future__ import annotations

from collections.abc import Callable
from ctypes.util import find_library
from subprocess import CompletedProcess
from typing import Any

import pytest

Manage = Callable[..., "CompletedProcess[str]"]

LOOK = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SET statement_timeout = '3s'")
for _ in range(4):
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        found = cursor.fetchone()[0]
print(found, getattr(connection, "cursors", None), type(connection.pgpoolsafe).__name__)
"""
DIRECT: dict[str, Any] = {"direct": None}


def look(manage: Manage, **differing: Any) -> CompletedProcess[str]:
    return manage("shell", "--verbosity=0", "-c", LOOK, **DIRECT, **differing)


def test_over_another_backend(manage: Manage) -> None:
    done = look(manage, settings={"PGPOOLSAFE_BASE_BACKEND": "webshop.backend"})
    found, cursors, guard = done.stdout.split()[-3:]
    assert (found, guard) == ("3s", "Installation")
    assert int(cursors) >= 5


def test_below_another_backend(manage: Manage) -> None:
    done = look(manage, default={"ENGINE": "django_tenants.postgresql_backend"})
    assert done.stdout.split()[-3:] == ["3s", "None", "Installation"]


@pytest.mark.skipif(find_library("gdal") is None, reason="GeoDjango needs GDAL")
def test_postgis(manage: Manage) -> None:
    done = look(manage, default={"ENGINE": "pgpoolsafe_django.postgis"})
    assert done.stdout.split()[-3:] == ["3s", "None", "Installation"], done.stderr


EXPECTED = (
    "expected a backend for PostgreSQL other than this one, such as"
    " 'django.contrib.gis.db.backends.postgis'"
)
WRONG = [
    ("nowhere", "No module named 'nowhere'"),
    ("django.db.backends.sqlite3", EXPECTED),
    ("pgpoolsafe_django", EXPECTED),
    ("webshop", "No module named 'webshop.base'"),
]


@pytest.mark.parametrize("base,said", WRONG)
def test_a_backend_that_is_none(manage: Manage, base: str, said: str) -> None:
    done = manage("check", settings={"PGPOOLSAFE_BASE_BACKEND": base})
    assert done.returncode == 1
    assert f"ImproperlyConfigured: PGPOOLSAFE_BASE_BACKEND = '{base}': {said}" in done.stderr
