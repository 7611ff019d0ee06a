"""What stands in the session of one server connection, as the server itself sees it."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from tests.servers import PgBouncer

# Settings that are not the server connection's: what a transaction has for itself, what
# PgBouncer sets anew for each client, and what any first DO block brings along.
_NOT_OF_THE_SESSION = (
    "name NOT LIKE 'transaction%' AND name NOT LIKE 'plpgsql.%'"
    " AND name NOT IN ('application_name', 'client_encoding',"
    " 'DateStyle', 'TimeZone', 'IntervalStyle', 'standard_conforming_strings',"
    " 'session_authorization', 'in_hot_standby')"
)

_SNAPSHOT = f"""
SELECT session_user, current_user,
  (SELECT jsonb_object_agg(name, setting) FROM pg_settings WHERE {_NOT_OF_THE_SESSION})
    AS settings,
  nullif(current_setting('app.tenant', true), '') AS tenant,
  nullif(current_setting('app.note', true), '') AS note,
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
    AS locks,
  (SELECT array_agg(name ORDER BY name) FROM pg_prepared_statements) AS prepared,
  (SELECT array_agg(name ORDER BY name) FROM pg_cursors WHERE is_holdable) AS cursors,
  (SELECT array_agg(c ORDER BY c) FROM pg_listening_channels() c) AS channels,
  (SELECT array_agg(relname ORDER BY relname) FROM pg_class
    WHERE relnamespace = pg_my_temp_schema()) AS temporary
"""


def session_of(
    pooler: PgBouncer, pid: int, *, user: str = "app", trace: str = "SELECT NULL"
) -> dict[str, Any]:
    """Everything of the session that can be asked for; equal values mean: nothing was left.

    `trace` is one more question, for state that only some roles may ask about.
    """
    with (
        pooler.only(pid, user=user),
        pooler.connect(user, autocommit=True, prepare_threshold=None) as observer,
    ):
        session = observer.cursor(row_factory=dict_row).execute(_SNAPSHOT).fetchone()
        assert session is not None
        session["trace"] = observer.execute(trace).fetchone()
    return session
