"""A pgagroal in front of a PostgreSQL server."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import psycopg

from pgpoolsafe.testing.place import Place
from pgpoolsafe.testing.server import HOST

from .postgres import Postgres
from .server import FOUR_DIGITS, Server

PROGRAM = Path("/usr/bin/pgagroal")
ADMIN = Path("/usr/bin/pgagroal-admin")
USERS = {"app": "agroal", "postgres": "agroal_admin"}
"""The roles that its clients are, in place of those of the other poolers: pgagroal's
transaction pipeline works only with roles of whom the server wants a password."""
PASSWORD = "agroal"
ROLES = (
    f"CREATE ROLE agroal LOGIN PASSWORD '{PASSWORD}' IN ROLE app",
    f"CREATE ROLE agroal_admin LOGIN SUPERUSER PASSWORD '{PASSWORD}'",
)


class Pgagroal(Server):
    """pgagroal with `pool_size` server connections per user of database `shop`.

    `pipeline` is what pgagroal calls its pool mode: "session", "performance" or
    "transaction". `postgres` needs a port of four digits; the roles are made in it.
    `settings` go into section [pgagroal] of its configuration.
    """

    title = "pgagroal"
    stop_signal = signal.SIGTERM
    ports = FOUR_DIGITS

    def __init__(
        self,
        postgres: Postgres,
        *,
        place: Place,
        pipeline: str = "transaction",
        pool_size: int = 4,
        **settings: str,
    ) -> None:
        if postgres.port not in FOUR_DIGITS:
            raise ValueError("pgagroal aborts when the server's port has more than four digits")
        super().__init__(place)
        self.postgres = postgres
        self.pipeline = pipeline
        self.pool_size = pool_size
        self.settings = settings

    @property
    def version(self) -> tuple[int, ...]:
        """The version of the program: (2, 1, 0)."""
        return self.place.version(PROGRAM)

    def start(self) -> Pgagroal:
        """Start; for the first pgagroal of a server also make the roles."""
        with self.postgres.connect("postgres", autocommit=True) as admin:
            if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'agroal'").fetchone():
                for statement in ROLES:
                    admin.execute(statement)
                self.postgres.want_password(*USERS.values())
        return super().start()

    def parameters(self, user: str = "app", dbname: str = "shop") -> dict[str, Any]:
        return {**super().parameters(USERS[user], dbname), "password": PASSWORD}

    def _configuration(self) -> str:
        own: dict[str, object] = {
            "host": HOST,
            "port": self.port,
            "log_type": "console",
            "log_level": "info",
            "max_connections": 4 * self.pool_size,
            "idle_timeout": 0,
            "validation": "off",
            "unix_socket_dir": self.inside(),
            "pipeline": self.pipeline,
            "blocking_timeout": 20,
            "update_process_title": "never",
            "hugepage": "off",
            **self._event_loop(),
        }
        if self.pipeline == "transaction":
            own["allow_unknown_users"] = "false"
        lines = [f"{name} = {value}" for name, value in {**own, **self.settings}.items()]
        server = ["[primary]", f"host = {HOST}", f"port = {self.postgres.port}"]
        return "\n".join(["[pgagroal]", *lines, *server, ""])

    @property
    def _first(self) -> int:
        """The server connections of a user that are opened beforehand, as the transaction
        pipeline wants it.
        """
        return self.pool_size if self.pipeline == "transaction" else 0

    def _event_loop(self) -> dict[str, str]:
        # 1.6 aborts with epoll on its second client; 2.x would rather have io_uring, which
        # is not everywhere.
        return {"ev_backend": "epoll"} if self.version >= (2,) else {"libev": "select"}

    def _prepare(self) -> None:
        self._began = time.time()
        self._write("pgagroal.conf", self._configuration())
        self._write("pgagroal_hba.conf", "host all all all scram-sha-256\n")
        limits = "".join(
            f"shop {user} {self.pool_size} {self._first} {self._first}\n" for user in USERS.values()
        )
        self._write("pgagroal_databases.conf", limits)
        if not (self.folder / "pgagroal_users.conf").exists():
            self._run(ADMIN, "-P", "a-master-key!1", "master-key")
            for user in USERS.values():
                users = ("-f", self.inside("pgagroal_users.conf"))
                self._run(ADMIN, *users, "-U", user, "-P", PASSWORD, "user", "add")

    def _command(self) -> list[str | Path]:
        files = {"-c": "", "-a": "_hba", "-l": "_databases", "-u": "_users"}
        options: list[str | Path] = []
        for option, name in files.items():
            options += [option, self.inside(f"pgagroal{name}.conf")]
        return [PROGRAM, *options]

    def _probe(self) -> None:
        # A client that comes and goes while the pool is being filled is never forgotten: 1.6
        # then leaves others without an answer, and 2.1 opens server connections without end.
        wanted = self._first * len(USERS)
        if self._server_connections() < wanted:
            raise psycopg.OperationalError("the pool is being filled")
        psycopg.connect(self.dsn(connect_timeout=2)).close()

    def _server_connections(self) -> int:
        """How many of its own there are, all told, that do nothing at the moment."""
        with self.postgres.connect("postgres", autocommit=True) as admin:
            row = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query <> ''"
                " AND usename = ANY (%s) AND backend_start > to_timestamp(%s)",
                [list(USERS.values()), self._began],
            ).fetchone()
        return int(row[0]) if row else 0
