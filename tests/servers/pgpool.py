"""A Pgpool-II in front of a PostgreSQL server."""

from __future__ import annotations

import signal
from pathlib import Path

from pgpoolsafe.testing.place import Place
from pgpoolsafe.testing.server import HOST

from .postgres import Postgres
from .server import Server

PROGRAM = Path("/usr/sbin/pgpool")


class Pgpool(Server):
    """Pgpool-II in raw mode with a connection cache: one server connection per client.

    At most `children` clients at a time; with one, the next client gets the server
    connection of the one before it. `settings` go into its configuration.
    """

    title = "Pgpool-II"
    stop_signal = signal.SIGINT

    def __init__(
        self, postgres: Postgres, *, place: Place, children: int = 8, **settings: str
    ) -> None:
        super().__init__(place)
        self.postgres = postgres
        self.children = children
        self.settings = settings

    @property
    def version(self) -> tuple[int, ...]:
        """The version of the program: (4, 7, 3)."""
        return self.place.version(PROGRAM)

    def _configuration(self) -> str:
        folder = self.inside()
        own = {
            "backend_clustering_mode": "raw",
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": folder,
            "pcp_listen_addresses": "",
            "pcp_socket_dir": folder,
            "backend_hostname0": HOST,
            "backend_port0": self.postgres.port,
            "backend_flag0": "DISALLOW_TO_FAILOVER",
            "failover_on_backend_shutdown": "off",
            "enable_pool_hba": "off",
            "num_init_children": self.children,
            "max_pool": 4,
            "connection_cache": "on",
            "child_life_time": 0,
            "pid_file_name": folder / "pgpool.pid",
            "work_dir": folder,
            "logdir": folder,
            "log_min_messages": "warning",
            "sr_check_period": 0,
            "health_check_period": 0,
        }
        return "".join(f"{name} = '{value}'\n" for name, value in {**own, **self.settings}.items())

    def _prepare(self) -> None:
        self._write("pgpool.conf", self._configuration())
        self._write("pcp.conf", "")
        self._write("pool_passwd", "")

    def _command(self) -> list[str | Path]:
        files = ("-f", self.inside("pgpool.conf"), "-F", self.inside("pcp.conf"))
        return [PROGRAM, "-n", *files]

    def _probe(self) -> None:
        self.connect().close()
