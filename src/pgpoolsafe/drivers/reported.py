"""What a session is set to, of what the server reports by itself: no round trip.

PostgreSQL sends ParameterStatus for some settings whenever their value changes (protocol,
"Asynchronous Operations"); a pooler passes on, or says itself, what is its client's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .kinds import driver_name
from .pg8000_names import parameters_of

_SPELLED = {
    "application_name": "application_name",
    "client_encoding": "client_encoding",
    "datestyle": "DateStyle",
    "default_transaction_read_only": "default_transaction_read_only",
    "intervalstyle": "IntervalStyle",
    "search_path": "search_path",
    "standard_conforming_strings": "standard_conforming_strings",
    "timezone": "TimeZone",
}
"""As a status is called; search_path is one from PostgreSQL 18 on."""

Status = Callable[[str], "str | None"]


def reported(conn: Any, names: Iterable[str]) -> dict[str, str]:
    """The session's values of those settings that are reported, while no transaction is open.

    In one, what is reported may be that of a SET LOCAL: nothing is said.
    """
    wanted = [name for name in names if name in _SPELLED]
    status = _STATUS[driver_name(conn) or ""](conn) if wanted else None
    if status is None:
        return {}
    found = {name: status(_SPELLED[name]) for name in wanted}
    return {name: value for name, value in found.items() if value is not None}


def _psycopg(conn: Any) -> Status | None:
    pgconn = conn.pgconn
    if pgconn.transaction_status != _IDLE:
        return None

    def status(name: str) -> str | None:
        value = pgconn.parameter_status(name.encode())
        return None if value is None else value.decode("utf-8", "replace")

    return status


def _psycopg2(conn: Any) -> Status | None:
    is_idle = conn.get_transaction_status() == _IDLE
    return conn.get_parameter_status if is_idle else None


def _asyncpg(conn: Any) -> Status | None:
    if conn.is_in_transaction():
        return None
    settings = conn.get_settings()
    return lambda name: getattr(settings, name, None)


def _pg8000(conn: Any) -> Status | None:
    return parameters_of(conn).get if conn._transaction_status == b"I" else None


_IDLE = 0
"""libpq's PQTRANS_IDLE, in psycopg 3 and psycopg2 alike."""

_STATUS: Mapping[str, Callable[[Any], Status | None]] = {
    "psycopg": _psycopg,
    "psycopg2": _psycopg2,
    "asyncpg": _asyncpg,
    "pg8000": _pg8000,
}
