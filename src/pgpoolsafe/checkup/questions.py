"""What the doctor asks about limits, and how the answers are read. One round trip each.

What is asked of the server is one SELECT with one JSON value. It runs outside a transaction
and leaves nothing behind (PostgreSQL 9.5 and later; pg_settings and the like are chapter 54
of its documentation). What a session carries is asked as `residue()` asks it, and about
functions as `audit()` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .facts import Console, Server

SERVER = """
select json_build_object(
  'version', current_setting('server_version'),
  'max_connections', current_setting('max_connections')::int,
  'reserved', current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', true)::int, 0),
  'used', (select count(*) from pg_catalog.pg_stat_activity where datid is not null),
  'role_used', (select count(*) from pg_catalog.pg_stat_activity where usename = session_user),
  'role_limit', (select rolconnlimit from pg_catalog.pg_roles where rolname = session_user),
  'database_limit',
    (select datconnlimit from pg_catalog.pg_database where datname = current_database()),
  'timeouts', (select json_object_agg(name, reset_val::bigint) from pg_catalog.pg_settings
    where name in ('idle_in_transaction_session_timeout', 'statement_timeout', 'lock_timeout')))
"""


def server_in(answer: Mapping[str, Any]) -> Server:
    """The answer to SERVER."""
    return Server(
        version=answer["version"].partition(" ")[0],
        max_connections=answer["max_connections"],
        reserved=answer["reserved"],
        used=answer["used"],
        role_used=answer["role_used"],
        role_limit=answer["role_limit"],
        database_limit=answer["database_limit"],
        timeouts=answer["timeouts"] or {},
    )


# PgBouncer's admin console (pgbouncer.org/usage.html#admin-console)

CONSOLE = ("SHOW VERSION", "SHOW DATABASES", "SHOW POOLS", "SHOW CONFIG")
"""Asked in this order by the simple protocol; the console knows no other."""

CONFIG = (
    "default_pool_size",
    "idle_transaction_timeout",
    "ignore_startup_parameters",
    "max_client_conn",
    "max_prepared_statements",
    "pool_mode",
    "query_wait_timeout",
    "server_reset_query_always",
    "track_extra_parameters",
)
"""What is kept of SHOW CONFIG."""

Rows = Sequence[Mapping[str, Any]]


def console_in(dbname: str, version: Rows, databases: Rows, pools: Rows, config: Rows) -> Console:
    """The answers to CONSOLE, about database `dbname`; LookupError if it has none."""
    values = {row["key"]: str(row["value"]) for row in config if row["key"] in CONFIG}
    by_name = {row["name"]: row for row in databases}
    if dbname not in by_name:
        raise LookupError(f"PgBouncer's console does not list the database {dbname}")
    own = by_name[dbname]
    server = (own["host"], own["port"])
    near = {name: row for name, row in by_name.items() if (row["host"], row["port"]) == server}
    return Console(
        version=str(next(iter(version[0].values()))),
        mode=str(own["pool_mode"] or values.get("pool_mode", "")),
        pool_size=int(own["pool_size"]),
        pools=sum(int(near[p["database"]]["pool_size"]) for p in pools if p["database"] in near),
        waiting=sum(int(pool["cl_waiting"]) for pool in pools if pool["database"] == dbname),
        config=values,
    )
