"""The tests marked `lab` run where `make lab` sends them, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.servers import Postgres, ServerMissing
from tests.servers.debian import VARIABLE
from tests.servers.lab import POSTGRES, Lab


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"lab: needs the lab of poolers ({VARIABLE}, `make lab`)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect them rather than skip: whoever wants them names the lab's folder."""
    if os.environ.get(VARIABLE):
        return
    unwanted = [item for item in items if item.get_closest_marker("lab")]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab, with what the states of its tests need in every database."""
    try:
        with Lab() as opened:
            for version in POSTGRES:
                _furnish(opened, version)
            yield opened
    except ServerMissing as missing:
        pytest.fail(str(missing), pytrace=False)


def _furnish(lab: Lab, version: int) -> None:
    with lab.postgres(version).connect("postgres", autocommit=True) as admin:
        admin.execute("CREATE SEQUENCE tickets")
        admin.execute("GRANT USAGE ON SEQUENCE tickets TO public")


@pytest.fixture
def owner(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """The owner of an empty schema `lib`, on a direct connection."""
    with postgres.connect("app", autocommit=True) as conn:
        conn.execute("CREATE SCHEMA lib")
        yield conn
        conn.execute("DROP SCHEMA lib CASCADE")
