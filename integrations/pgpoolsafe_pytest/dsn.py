"""Where the test database is, as far as other plugins or the user have said."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

VARIABLE = "PGPOOLSAFE_DSN"

_NOWHERE = (
    "the fixture pgbouncer does not know your test database: say --pgpoolsafe-dsn=…, pgpoolsafe_dsn"
    f" in the ini file, {VARIABLE} in the environment, or override the fixture pgpoolsafe_dsn"
)

_NOT_MADE = (
    "the fixture pgbouncer: Django has made no test database for this run; mark the test with"
    " @pytest.mark.django_db(transaction=True)"
)


def find(request: pytest.FixtureRequest) -> str:
    """The connection string, with its password; the test fails where nobody has said."""
    for ask in _ASKED:
        found = ask(request)
        if found:
            return found
    pytest.fail(_NOWHERE, pytrace=False)


def _said(request: pytest.FixtureRequest) -> str:
    option = request.config.getoption("pgpoolsafe_dsn") or request.config.getini("pgpoolsafe_dsn")
    return str(option or os.environ.get(VARIABLE, "")).strip()


def _django(request: pytest.FixtureRequest) -> str:
    """The test database of Django, made by pytest-django if need be."""
    if "django" not in sys.modules:
        return ""
    from django.conf import settings

    if not settings.configured:
        return ""
    try:
        request.getfixturevalue("django_db_setup")
    except pytest.FixtureLookupError:  # no pytest-django: there may be no test database yet
        return ""
    from django.db import connection

    if connection.vendor != "postgresql":
        return ""
    keywords = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    said = connection.settings_dict
    is_made = said["NAME"].startswith("test_") or said["NAME"] == said["TEST"]["NAME"]
    if not is_made:
        pytest.fail(_NOT_MADE, pytrace=False)  # never in front of the database of production
    return _conninfo({"dbname": said["NAME"], **{keywords[k]: said.get(k) for k in keywords}})


def _postgresql(request: pytest.FixtureRequest) -> str:
    """The database of pytest-postgresql: its fixture is a connection."""
    try:
        info = request.getfixturevalue("postgresql").info
    except (pytest.FixtureLookupError, AttributeError):
        return ""
    names = ("host", "port", "user", "password", "dbname")
    return _conninfo({name: getattr(info, name) for name in names})


def _conninfo(parameters: Mapping[str, Any]) -> str:
    from psycopg.conninfo import make_conninfo

    return make_conninfo("", **{name: value for name, value in parameters.items() if value})


_ASKED: tuple[Callable[[pytest.FixtureRequest], str], ...] = (_said, _django, _postgresql)
