"""A PgBouncer process made so that a leak shows every time.

A pool that is cold or that prefers one server connection hides every hazard: a lone client
keeps meeting its own session. So all server connections are opened beforehand (`warm`) and
handed out in rotation (`server_round_robin`), and a test can decide which of them the next
client gets (`occupy`, `only`), as PgBouncer's own test suite does.
"""

from __future__ import annotations

import contextlib
import signal
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from .place import HERE, Place
from .programs import pgbouncer_program
from .server import HOST, Server

TRACKS_PREPARED = (1, 21)
"""The first version with `max_prepared_statements`."""
SIGQUIT_STOPS = (1, 23)
"""From here on SIGTERM waits for the clients, and SIGQUIT stops at once (changelog 1.23)."""

CONSOLE = "pgbouncer"
"""The database that is PgBouncer's own admin console."""


class VersionTooOld(Exception):
    """The installed PgBouncer cannot do what was asked; the message says from when on."""


class Bouncer(Server):
    """PgBouncer with `pool_size` server connections per user and database.

    `pool_mode` is "session", "transaction" or "statement". `max_prepared_statements` 0 means
    that prepared statements are not tracked; more needs version 1.21, else VersionTooOld is
    raised; None leaves it to the version at hand. `settings` go into section [pgbouncer] of
    its configuration. `program` (default: `programs.pgbouncer_program()`) is run in `place`.
    Raises ServerMissing when PgBouncer is not installed.

    Where it leads is for subclasses to say: `targets` (lines of section [databases]), `users`
    (passwords by name), and `databases`, which are kept warm for `user`.
    """

    title = "PgBouncer"
    user: str
    admin_user: str
    databases: tuple[str, ...]

    def __init__(
        self,
        *,
        pool_mode: str = "transaction",
        pool_size: int = 2,
        max_prepared_statements: int | None = 0,
        program: Path | None = None,
        place: Place = HERE,
        **settings: str | int,
    ) -> None:
        self.program = program or pgbouncer_program()
        self.version = place.version(self.program)
        _require_tracking(self.version, max_prepared_statements)
        super().__init__(place)
        self.pool_mode = pool_mode
        self.pool_size = pool_size
        self.max_prepared_statements = max_prepared_statements
        self.settings = settings

    @property
    @abstractmethod
    def targets(self) -> list[str]:
        """The lines of section [databases]."""

    @property
    @abstractmethod
    def users(self) -> Mapping[str, str]:
        """Who may connect, with the password by which PgBouncer connects for them."""

    @abstractmethod
    def connect(self, user: str, dbname: str, **options: Any) -> psycopg.Connection[Any]:
        """A new client connection; `options` are those of `psycopg.connect`."""

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal for an immediate shutdown, which changed its number in 1.23."""
        return signal.SIGQUIT if self.version >= SIGQUIT_STOPS else signal.SIGTERM

    # Server connections.

    def warm(self, user: str | None = None) -> list[int]:
        """Open every server connection of `user`'s pools; returns their backend pids.

        In statement mode there is no way to, and the list is empty.
        """
        if self.pool_mode == "statement":
            return []
        pids: list[int] = []
        for database in self.databases:
            with self.occupy(self.pool_size, user=user, dbname=database) as held:
                pids += held
        return pids

    def renew(self) -> list[int]:
        """Close every connection, clients' and servers', and open fresh server connections.

        Afterwards no session state of earlier clients is left, and the pools are warm.
        Returns what `warm` does.
        """
        self.disconnect()
        return self.warm()

    def disconnect(self) -> None:
        """Close every connection, clients' and servers'; who comes next gets new ones."""
        with self.admin() as admin:
            for database, *_ in admin.execute("SHOW DATABASES").fetchall():
                if database != CONSOLE:
                    admin.execute(f"KILL {quoted(database)}")
                    admin.execute(f"RESUME {quoted(database)}")

    @contextlib.contextmanager
    def occupy(
        self, count: int = 1, user: str | None = None, dbname: str | None = None
    ) -> Iterator[list[int]]:
        """Hold the next `count` server connections; yields their backend pids.

        While they are held, other clients move to the remaining server connections. Not in
        statement mode: there is no transaction to hold one with (ValueError).
        """
        with self._holders(count, user, dbname) as holders:
            yield list(holders)

    @contextlib.contextmanager
    def only(self, pid: int, user: str | None = None, dbname: str | None = None) -> Iterator[None]:
        """Hold every server connection but the one with backend `pid`.

        Whatever other clients send meanwhile goes to that one.
        """
        with self._holders(self.pool_size, user, dbname) as holders:
            if pid not in holders:
                raise LookupError(f"no server connection with pid {pid} among {list(holders)}")
            holders[pid].rollback()
            yield

    @contextlib.contextmanager
    def _holders(
        self, count: int, user: str | None, dbname: str | None
    ) -> Iterator[dict[int, psycopg.Connection[Any]]]:
        if self.pool_mode == "statement":
            raise ValueError("no client can hold a server connection in statement mode")
        user, dbname = user or self.user, dbname or self.databases[0]
        with contextlib.ExitStack() as clients:
            holders = {}
            for _ in range(count):
                client = clients.enter_context(self.connect(user, dbname))
                # A client that leaves its transaction open costs the pool the connection.
                clients.callback(client.rollback)
                holders[backend_pid(client)] = client
            yield holders

    @contextlib.contextmanager
    def admin(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection to PgBouncer's admin console (SHOW POOLS, KILL …)."""
        with self.connect(self.admin_user, CONSOLE, autocommit=True) as connection:
            yield connection

    # Inside.

    def _configuration(self) -> str:
        own: dict[str, str | int] = {
            "listen_addr": HOST,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": str(self.inside("users.txt")),
            "admin_users": self.admin_user,
            "pool_mode": self.pool_mode,
            "default_pool_size": self.pool_size,
            "min_pool_size": self.pool_size,
            "server_round_robin": 1,
            "server_idle_timeout": 0,
            "server_login_retry": 1,
            "max_client_conn": 200,
            # A test that starves itself of server connections ends with an error.
            "query_wait_timeout": 20,
        }
        if self.max_prepared_statements is not None and self.version >= TRACKS_PREPARED:
            own["max_prepared_statements"] = self.max_prepared_statements
        settings = [f"{name} = {value}" for name, value in {**own, **self.settings}.items()]
        return "\n".join(["[databases]", *self.targets, "[pgbouncer]", *settings, ""])

    def _prepare(self) -> None:
        lines = [f"{quoted(user)} {quoted(word)}\n" for user, word in self.users.items()]
        self._write("users.txt", "".join(lines), mode=0o600)
        self._write("pgbouncer.ini", self._configuration(), mode=0o600)

    def _command(self) -> list[str | Path]:
        return [self.program, self.inside("pgbouncer.ini")]

    def _probe(self) -> None:
        with self.admin():
            pass


def backend_pid(connection: psycopg.Connection[Any]) -> int:
    """The pid of the backend that answers the connection's next statement."""
    row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    if row is None:
        raise LookupError("SELECT pg_backend_pid() returned no row")
    pid: int = row[0]
    return pid


def quoted(text: str) -> str:
    """A name or a password, as PgBouncer's files and console have it."""
    return '"' + text.replace('"', '""') + '"'


def _require_tracking(version: tuple[int, ...], max_prepared_statements: int | None) -> None:
    if max_prepared_statements and version < TRACKS_PREPARED:
        have, need = (".".join(map(str, v)) for v in (version, TRACKS_PREPARED))
        raise VersionTooOld(f"PgBouncer {have} does not track prepared statements; {need} does")
