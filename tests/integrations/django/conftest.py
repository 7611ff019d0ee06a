"""A Django project in this process, and in processes of its own, behind PgBouncer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PgBouncer, Postgres

collect_ignore = ["project"]
"""Its tests are run by Django's runner and by pytest-django, in processes of their own."""

PROJECT = Path(__file__).parent / "project"
ROOT = Path(__file__).parents[3]
DATABASE = "webshop"


@pytest.fixture(scope="session")
def webshop(postgres: Postgres, pgbouncer_with: Callable[..., PgBouncer]) -> None:
    """Django set up in this process on the project's settings, its tables made."""
    with postgres.connect("postgres", "postgres", autocommit=True) as admin:
        admin.execute("ALTER ROLE app CREATEDB")
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER app")
    os.environ["DJANGO_SETTINGS_MODULE"] = "webshop.settings"
    port = pgbouncer_with(databases=(DATABASE,)).port
    os.environ["WEBSHOP"] = json.dumps({"port": port, "direct": postgres.port})
    sys.path.insert(0, str(PROJECT))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


@pytest.fixture
def pooler(webshop: None, pgbouncer_with: Callable[..., PgBouncer]) -> Iterator[PgBouncer]:
    """PgBouncer before the project's database, in transaction mode and in rotation."""
    from django.db import connections

    yield pgbouncer_with(databases=(DATABASE,))
    connections.close_all()


@pytest.fixture
def database(pooler: PgBouncer) -> Iterator[Callable[..., Any]]:
    """`database("strict", PORT=…, OPTIONS={…})`: a connection under an alias of that name."""
    import django
    from django.db import connections
    from django.db.utils import load_backend

    made: list[Any] = []

    def make(alias: str, engine: str = "pgpoolsafe_django", **stated: Any) -> Any:
        if "pool" in stated.get("OPTIONS", {}) and django.VERSION < (5, 1):
            pytest.skip("Django has a pool from 5.1 on")
        settings = {**connections.settings["default"], "PORT": pooler.port, "TEST": {}, **stated}
        settings["ENGINE"] = engine
        wrapper = load_backend(engine).DatabaseWrapper(settings, alias=alias)
        made.append(wrapper)
        connections.settings[alias] = settings
        connections[alias] = wrapper
        return wrapper

    yield make
    for wrapper in made:
        wrapper.close()
        if getattr(wrapper, "pool", None) is not None:
            wrapper.close_pool()
        del connections[wrapper.alias]
        del connections.settings[wrapper.alias]


@pytest.fixture
def settings(webshop: None) -> Iterator[Any]:
    """Django's settings; what a test changes is as it was afterwards."""
    from django.conf import settings as found
    from django.test import override_settings

    with override_settings(PGPOOLSAFE=found.PGPOOLSAFE):
        yield found


@pytest.fixture
def manage(
    postgres: Postgres, pooler: PgBouncer
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`manage("check", default={…})`: manage.py in a process of its own."""

    def run(*arguments: str, **differing: Any) -> subprocess.CompletedProcess[str]:
        stated = {"port": pooler.port, "direct": postgres.port, **differing}
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=environment(stated),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def environment(stated: dict[str, Any]) -> dict[str, str]:
    """What a process of the project needs to know."""
    roots = os.pathsep.join(str(ROOT / part) for part in ("src", "integrations"))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([roots, str(PROJECT)]),
        "WEBSHOP": json.dumps(stated),
        "DJANGO_SETTINGS_MODULE": "webshop.settings",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
