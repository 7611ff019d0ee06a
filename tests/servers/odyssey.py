"""An Odyssey in front of a PostgreSQL server."""

from __future__ import annotations

import signal
from pathlib import Path

from pgpoolsafe.testing.place import Place
from pgpoolsafe.testing.server import HOST

from .postgres import Postgres
from .server import Server

PROGRAM = Path("/usr/bin/odyssey")
USERS = ("app", "reporting", "postgres")


class Odyssey(Server):
    """Odyssey with `pool_size` server connections per user of database `shop`.

    `pool_mode` is "session", "transaction" or "statement". `settings` go into each user's
    section of its configuration, as in `pool_discard="no"`; what they leave out is Odyssey's
    default. It waits up to 20 s for a free server connection.
    """

    title = "Odyssey"
    stop_signal = signal.SIGINT  # SIGTERM would wait for the clients

    def __init__(
        self,
        postgres: Postgres,
        *,
        place: Place,
        pool_mode: str = "transaction",
        pool_size: int = 2,
        **settings: str,
    ) -> None:
        super().__init__(place)
        self.postgres = postgres
        self.pool_mode = pool_mode
        self.pool_size = pool_size
        self.settings = settings

    @property
    def version(self) -> tuple[int, ...]:
        """The version of the program: (1, 5, 2)."""
        return self.place.version(PROGRAM)

    def _configuration(self) -> str:
        users = "".join(self._user(name) for name in USERS)
        return f"""
daemonize no
log_to_stdout yes
log_format "%p %t %l [%i %s] (%c) %m\\n"
log_session no
log_stats no
workers 1
listen {{ host "{HOST}" port {self.port} }}
storage "server" {{ type "remote" host "{HOST}" port {self.postgres.port} }}
database "shop" {{{users}}}
"""

    def _user(self, name: str) -> str:
        settings = "\n".join(f"    {word} {value}" for word, value in self.settings.items())
        return f"""
  user "{name}" {{
    authentication "none"
    storage "server"
    pool "{self.pool_mode}"
    pool_size {self.pool_size}
    pool_timeout 20000
    client_fwd_error yes
{settings}
  }}
"""

    def _prepare(self) -> None:
        self._write("odyssey.conf", self._configuration())

    def _command(self) -> list[str | Path]:
        return [PROGRAM, self.inside("odyssey.conf")]

    def _probe(self) -> None:
        self.connect().close()
