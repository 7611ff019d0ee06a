"""django-tenants: two tenants, by the project's public API."""

from __future__ import annotations

import os
from typing import Any

import django
import psycopg
import pytest
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

from pgpoolsafe.testing import PgBouncer

SHOP = os.environ["SHOP"]


def database(dsn: str) -> dict[str, Any]:
    said = conninfo_to_dict(dsn)
    names = {"NAME": "dbname", "USER": "user", "HOST": "host", "PORT": "port"}
    return {
        "ENGINE": "django_tenants.postgresql_backend",
        "TIME_ZONE": None,
        **{django_name: said[name] for django_name, name in names.items()},
    }


settings.configure(
    DATABASES={"default": database(SHOP)},
    DATABASE_ROUTERS=("django_tenants.routers.TenantSyncRouter",),
    INSTALLED_APPS=["django.contrib.contenttypes"],
    SHARED_APPS=["django.contrib.contenttypes"],
    TENANT_APPS=["django.contrib.contenttypes"],
    TENANT_MODEL="shop.Tenant",
    TENANT_DOMAIN_MODEL="shop.Domain",
    USE_TZ=True,
)
django.setup()

from django.db import connection, transaction  # noqa: E402  # after the settings
from django_tenants.utils import schema_context  # noqa: E402

TENANTS = ("acme", "globex")


@pytest.fixture(autouse=True)
def _tenants() -> Any:
    with psycopg.connect(SHOP, autocommit=True) as owner:
        for tenant in TENANTS:
            owner.execute(f"DROP SCHEMA IF EXISTS {tenant} CASCADE; CREATE SCHEMA {tenant}")
            owner.execute(f"CREATE TABLE {tenant}.who AS SELECT '{tenant}' AS name")
    yield
    connection.close()


def who() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM who")
        (name,) = cursor.fetchone()
    return str(name)


@pytest.mark.parametrize("tenant", TENANTS)
def test_tenant(tenant: str) -> None:
    with schema_context(tenant):
        assert who() == tenant


def test_tenant_in_a_transaction() -> None:
    with schema_context("acme"), transaction.atomic():
        assert who() == "acme"


@pytest.mark.harm
def test_behind_pgbouncer_another_client_meets_the_tenant(
    pgbouncer: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", str(pgbouncer.port))
    one, *_ = pgbouncer.warm()
    with pgbouncer.only(one), schema_context("acme"):
        assert who() == "acme"
    with pgbouncer.only(one), pgbouncer.connect(autocommit=True) as other:
        assert other.execute("SELECT name FROM who").fetchone() == ("acme",)
    connection.close()
