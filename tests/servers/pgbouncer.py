"""A PgBouncer in front of the PostgreSQL server of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgpoolsafe.testing.bouncer import Bouncer
from pgpoolsafe.testing.server import HOST

from .postgres import Postgres
from .server import Server


class PgBouncer(Server, Bouncer):
    """PgBouncer for the databases `databases` of a server, and for all of its roles.

    `options` are those of `pgpoolsafe.testing.bouncer.Bouncer`.
    """

    user = "app"
    admin_user = "postgres"

    def __init__(
        self, postgres: Postgres, *, databases: tuple[str, ...] = ("shop",), **options: Any
    ) -> None:
        self.postgres = postgres
        self.databases = databases
        super().__init__(**options)

    @property
    def targets(self) -> list[str]:
        """The lines of section [databases]."""
        target = f"host={HOST} port={self.postgres.port}"
        # `*` stands for every database, each under its own name.
        named = {name: f" dbname={name}" if name != "*" else "" for name in self.databases}
        return [f"{name} = {target}{dbname}" for name, dbname in named.items()]

    @property
    def users(self) -> Mapping[str, str]:
        """The roles, which need no passwords."""
        return dict.fromkeys(("app", "reporting", "postgres"), "")
