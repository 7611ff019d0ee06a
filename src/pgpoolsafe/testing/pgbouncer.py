"""PgBouncer in front of any database, for the length of a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from ..targets import address_of
from .bouncer import CONSOLE, Bouncer
from .server import HOST

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine

ADMIN = "pgpoolsafe_admin"

_OF_THE_CLIENT = ("options", "application_name", "client_encoding", "connect_timeout")
"""What a client of the pooler says as it would to the server."""

_TLS = {
    "sslmode": "server_tls_sslmode",
    "sslrootcert": "server_tls_ca_file",
    "sslcert": "server_tls_cert_file",
    "sslkey": "server_tls_key_file",
}
"""How PgBouncer connects to the server, by libpq's words."""


class PgBouncer(Bouncer):
    """A running PgBouncer in front of the database that `dsn` leads to; a context manager.

    dsn: a connection string or URL, as libpq, SQLAlchemy or Django write it. What it leaves
        to the environment or to a password file is looked up by connecting once.
    pool_mode: "transaction" (default), "session", "statement".
    pool_size: server connections for each user and database; handed out in rotation, so that
        what a transaction leaves in its session is out of the client's reach in the next.
    max_prepared_statements: 0: protocol-level prepared statements are not tracked; None (the
        default): as PgBouncer does by itself, which is not before 1.21, and from 1.24 on.
    users: further roles that clients connect as, with their passwords.
    program: the `pgbouncer` to run; default: `PGPOOLSAFE_PGBOUNCER`, PATH, the usual places.
    settings: further settings of section [pgbouncer] of its configuration.

    Runs on a free port of the loopback interface, in a folder of its own, as an unprivileged
    account where the caller is root. Raises ServerMissing where PgBouncer is not installed,
    VersionTooOld, ConfigurationError for what is no connection string,
    psycopg.OperationalError where the database cannot be reached, and at the start
    ServerFailed, with the log.
    """

    admin_user = ADMIN

    def __init__(
        self,
        dsn: str,
        *,
        pool_mode: str = "transaction",
        pool_size: int = 3,
        max_prepared_statements: int | None = None,
        users: Mapping[str, str] | None = None,
        program: Path | None = None,
        **settings: str | int,
    ) -> None:
        address = address_of(dsn)
        parameters = address.parameters
        self._upstream = _looked_up(parameters)
        self._client = {n: parameters[n] for n in _OF_THE_CLIENT if n in address.stated}
        self._more_users = dict(users or {})
        self.user = self._upstream["user"]
        self.databases = (self._upstream["dbname"],)
        tls: dict[str, Any] = {_TLS[n]: parameters[n] for n in _TLS if n in parameters}
        super().__init__(
            pool_mode=pool_mode,
            pool_size=pool_size,
            max_prepared_statements=max_prepared_statements,
            program=program,
            # Nobody is to hold a connection to a test database that is about to be dropped.
            **{"min_pool_size": 0, **tls, **settings},
        )

    # Connecting.

    @property
    def dsn(self) -> str:
        """A connection string for psycopg: to the database, through this PgBouncer."""
        return make_conninfo("", **self._parameters())

    @property
    def url(self) -> URL:
        """The same as SQLAlchemy takes it, for psycopg; `.set(drivername=…)` for others."""
        from sqlalchemy.engine import URL

        rest = self._parameters()
        where = {name: rest.pop(name) for name in ("host", "port", "user", "dbname")}
        return URL.create(
            "postgresql+psycopg",
            username=where["user"],
            host=where["host"],
            port=int(where["port"]),
            database=where["dbname"],
            query=rest,
        )

    def engine(self, **options: Any) -> Engine:
        """A new SQLAlchemy engine; `options` are those of `create_engine()`. Dispose of it."""
        from sqlalchemy import create_engine

        return create_engine(self.url, **options)

    def connect(
        self, user: str | None = None, dbname: str | None = None, **options: Any
    ) -> psycopg.Connection[Any]:
        """A new client connection; `options` are those of `psycopg.connect`."""
        return psycopg.connect(make_conninfo("", **self._parameters(user, dbname)), **options)

    def _parameters(self, user: str | None = None, dbname: str | None = None) -> dict[str, str]:
        where = {
            "host": HOST,
            "port": str(self.port),
            "user": user or self.user,
            "dbname": dbname or self.databases[0],
            "sslmode": "disable",
        }
        own = {} if where["dbname"] == CONSOLE else self._client
        return {"connect_timeout": "10", **own, **where}

    # Where it leads.

    @property
    def targets(self) -> list[str]:
        """Every database of the server, by its own name."""
        host = self._upstream["host"].replace("'", "''")
        return [f"* = host='{host}' port={self._upstream['port']}"]

    @property
    def users(self) -> Mapping[str, str]:
        """The DSN's user, those that were named, and the one of the console."""
        own = {self.user: self._upstream["password"]}
        return {**own, **self._more_users, ADMIN: ""}


def _looked_up(parameters: Mapping[str, str]) -> dict[str, str]:
    """Where the parameters lead, once environment, service and password files have spoken."""
    with psycopg.connect(make_conninfo("", **parameters)) as connection:
        info = connection.info
        return {
            "host": info.host or info.hostaddr,
            "port": str(info.port),
            "dbname": info.dbname,
            "user": info.user,
            "password": info.password or "",
        }
