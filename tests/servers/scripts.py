"""How poolers act that cannot run here, by what their documentation and their sources say.

Start-up messages, process ids, names of prepared statements, errors. They show what we make
of these, and nothing about the products themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

PARAMETERS = {
    "application_name": "",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "default_transaction_read_only": "off",
    "in_hot_standby": "off",
    "integer_datetimes": "on",
    "IntervalStyle": "postgres",
    "is_superuser": "off",
    "server_encoding": "UTF8",
    "server_version": "15.18",
    "session_authorization": "app",
    "standard_conforming_strings": "on",
    "TimeZone": "Etc/UTC",
}
"""What PostgreSQL 15 reports."""


@dataclass(frozen=True)
class Refuse:
    """An error for what matches: a text, or a start-up parameter written `name=value`."""

    pattern: str
    sqlstate: str
    message: str
    severity: str = "FATAL"
    closes: bool = True


@dataclass(frozen=True)
class Script:
    """How one product acts. `source`: where that is documented.

    `key`: makes the process id of the n-th client's key data, None: no key data is sent.
    `renames`: the server-side name of the n-th prepared statement, None: the client's own.
    `at_start`, `in_queries` (simple ones): what is refused.
    """

    product: str
    source: str
    key: Callable[[int], int] | None
    renames: str | None = None
    parameters: dict[str, str] = field(default_factory=lambda: dict(PARAMETERS))
    at_start: tuple[Refuse, ...] = ()
    in_queries: tuple[Refuse, ...] = ()


SCRIPTS = {
    "supavisor": Script(
        "supavisor",
        "github.com/supabase/supavisor",
        key=lambda n: 3 + 64 * n,  # a growing unique number
        at_start=(
            Refuse(
                r"user=[^.]+",
                "XX000",
                "(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname"
                " required)",
            ),
        ),
        in_queries=(
            Refuse(
                "(?i)(PREPARE|EXECUTE|DEALLOCATE) .*",
                "XX000",
                "(EPSSIMPLEQUERY) transaction mode only supports prepared statements using the"
                " Extended Query Protocol",
            ),
        ),
    ),
    "pgcat": Script(
        "pgcat",
        "github.com/postgresml/pgcat",
        key=lambda n: -1405287080 + n,  # a random number of 32 bits
        # Its errors say FATAL, and the connection goes on.
        in_queries=(
            Refuse("(?i)SELECT pg_sleep.*", "58000", "pool statement timeout", closes=False),
        ),
    ),
    "pgdog": Script(
        "pgdog",
        "docs.pgdog.dev; github.com/pgdogdev/pgdog",
        key=lambda n: n,  # counted from 0
        renames="__pgdog_{}",
        in_queries=(
            Refuse(
                "(?is)BEGIN;.*SET .*",
                "58000",
                "multi-statement queries cannot mix SET with other commands",
                "ERROR",
                closes=False,
            ),
            Refuse("(?i)LISTEN .*", "58000", "pub/sub disabled", "ERROR", closes=False),
        ),
    ),
    "pg_doorman": Script(
        "pg_doorman",
        "github.com/ozontech/pg_doorman",
        key=lambda n: n + 1,  # the number of connections so far
        renames="DOORMAN_{}",
        in_queries=(
            Refuse(
                "(?i)SELECT pg_sleep.*",
                "57014",
                "Query wait timed out. The server may be overloaded.",
                "ERROR",
                closes=False,
            ),
        ),
    ),
    "rds-proxy": Script(
        "rds-proxy",
        "docs.aws.amazon.com: RDS Proxy",
        key=None,
        at_start=(
            Refuse(
                "options=.+",
                "0A000",
                "Feature not supported: RDS Proxy currently doesn’t support command-line options.",
            ),
            Refuse(
                "statement_timeout=.+",
                "0A000",
                "Feature not supported: RDS Proxy currently doesn’t support the option"
                " statement_timeout.",
            ),
        ),
    ),
}
"""The products by their key in the table of poolers."""
