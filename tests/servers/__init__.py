"""Real servers for tests and for the demo: one class per server, the same verbs for all.

`start`, `stop`, `close`, `running`, `dsn`, `url`, `connect`, `log`, `log_contains`, and
`with Server(...) as server:`. Each server runs in a folder of its own on a free port of the
loopback interface, as an unprivileged account when started by root.
"""

from pgpoolsafe.testing.bouncer import VersionTooOld
from pgpoolsafe.testing.programs import ServerMissing
from pgpoolsafe.testing.server import ServerFailed, running_servers

from .environment import forget_libpq_environment
from .pgbouncer import PgBouncer
from .postgres import Postgres
from .server import Server
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
