"""Real servers for tests and for the demo: one class per server, the same verbs for all.

`start`, `stop`, `close`, `running`, `dsn`, `url`, `connect`, `log`, `log_contains`, and
`with Server(...) as server:`. Each server runs in a folder of its own on a free port of the
loopback interface, as an unprivileged account when started by root.
"""

from .account import forget_libpq_environment
from .binaries import ServerMissing
from .pgbouncer import PgBouncer, VersionTooOld
from .postgres import Postgres
from .server import Server, ServerFailed, running_servers
from .wiretap import Wiretap

__all__ = [
    "PgBouncer",
    "Postgres",
    "Server",
    "ServerFailed",
    "ServerMissing",
    "VersionTooOld",
    "Wiretap",
    "forget_libpq_environment",
    "running_servers",
]
