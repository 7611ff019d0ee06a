"""What every test server can do beside starting and stopping: be connected to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import make_conninfo

from pgpoolsafe.testing import server
from pgpoolsafe.testing.server import HOST

FOUR_DIGITS = range(5400, 10000)
"""Ports for what pgagroal is to reach: up to 2.1.0 it aborts on longer ones."""


class Server(server.Server):
    """A server whose clients are `app` in database `shop`, unless they say otherwise."""

    def parameters(self, user: str = "app", dbname: str = "shop") -> dict[str, Any]:
        """Connection parameters by their libpq names."""
        where = {"host": HOST, "port": self.port, "dbname": dbname, "user": user}
        return {**where, "connect_timeout": 10, "sslmode": "disable"}

    def dsn(self, user: str = "app", dbname: str = "shop", **more: Any) -> str:
        """A connection string for psycopg; `more` are further libpq parameters."""
        return make_conninfo("", **{**self.parameters(user, dbname), **more})

    def url(
        self, user: str = "app", dbname: str = "shop", scheme: str = "postgresql+psycopg"
    ) -> str:
        """A URL, by default as SQLAlchemy takes it."""
        rest = self.parameters(user, dbname)
        query = urlencode({name: rest[name] for name in ("connect_timeout", "sslmode")})
        return f"{scheme}://{user}@{HOST}:{self.port}/{dbname}?{query}"

    def connect(
        self, user: str = "app", dbname: str = "shop", **options: Any
    ) -> psycopg.Connection[Any]:
        """A new connection; `options` are those of `psycopg.connect`."""
        return psycopg.connect(self.dsn(user, dbname), **options)
