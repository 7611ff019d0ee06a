"""A PostgreSQL server with the roles and the database that tests and demo use."""

from __future__ import annotations

import signal
from pathlib import Path

from pgpoolsafe.testing.place import HERE, Place
from pgpoolsafe.testing.server import HOST

from .binaries import postgres_bin
from .server import Server

SETTINGS = {
    "listen_addresses": HOST,
    # No socket files: their path would be too long in macOS's temporary folders.
    "unix_socket_directories": "",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "shared_buffers": "32MB",
    # Nothing here has to survive a crash.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # The log shows what really reached the server, statement by statement.
    "log_statement": "all",
    "log_line_prefix": "%m [%p] %u@%d ",
    "logging_collector": "off",
    "timezone": "UTC",
    "lc_messages": "C",
}

ROLES = (
    "CREATE ROLE app LOGIN",
    "CREATE ROLE reporting LOGIN",
    "GRANT reporting TO app",
    "CREATE DATABASE shop OWNER app",
)


class Postgres(Server):
    """PostgreSQL on a free port: superuser `postgres`, application role `app` (which may
    become `reporting`), database `shop` owned by `app`, no passwords.

    `bin_folder` holds the programs (default: `binaries.postgres_bin()`) in `place`; `ports`
    is what its port is chosen from; `settings` go into its configuration. Raises
    ServerMissing when PostgreSQL is not installed.
    """

    title = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast" shutdown: open transactions are rolled back

    def __init__(
        self,
        bin_folder: Path | None = None,
        *,
        place: Place = HERE,
        ports: range | None = None,
        **settings: str,
    ) -> None:
        self.bin_folder = bin_folder or postgres_bin()
        self.ports = ports
        super().__init__(place)
        self.data = self.folder / "data"
        self.settings = {**SETTINGS, **settings}

    @property
    def version(self) -> tuple[int, ...]:
        """The server's version: (18, 6)."""
        return self.place.version(self.bin_folder / "postgres")

    def start(self) -> Postgres:
        """Start; the first time also make the roles and the database."""
        fresh = not self.data.exists()
        super().start()
        if fresh:
            with self.connect("postgres", "postgres", autocommit=True) as admin:
                for statement in ROLES:
                    admin.execute(statement)
        return self

    def want_password(self, *roles: str) -> None:
        """From now on let these roles in by password only."""
        rules = (self.data / "pg_hba.conf").read_text()
        first = f"host all {','.join(roles)} all scram-sha-256\n"
        self._write("data/pg_hba.conf", first + rules)
        with self.connect("postgres", "postgres", autocommit=True) as admin:
            admin.execute("SELECT pg_reload_conf()")

    def _prepare(self) -> None:
        if not self.data.exists():
            self._run(
                self.bin_folder / "initdb",
                *("--pgdata", self.inside("data"), "--username", "postgres", "--auth", "trust"),
                *("--encoding", "UTF8", "--no-locale", "--no-sync"),
            )
        lines = [f"{name} = '{value}'\n" for name, value in self.settings.items()]
        self._write("data/postgresql.auto.conf", f"port = {self.port}\n" + "".join(lines))

    def _command(self) -> list[str | Path]:
        return [self.bin_folder / "postgres", "-D", self.inside("data")]

    def _probe(self) -> None:
        self.connect("postgres", "postgres").close()
