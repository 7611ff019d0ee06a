"""psycopg2: what a guarded connection knows of itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2 import extensions

from ..poolers.endpoints import Endpoint
from ..poolers.probe import PROBED_PARAMETERS, Greeting
from ..poolers.startup import settings_in
from . import psycopg2_session as session
from .connecting import named_by_libpq
from .seat import ATTRIBUTE, RETIRED, Seat


class Wire:
    """What psycopg2 knows of a connection; `cursor` is the one that sends."""

    errors: tuple[type[BaseException], ...] = (psycopg2.Error,)

    def __init__(self, conn: Any, cursor: Any = None) -> None:
        self._conn = conn
        self._cursor = cursor

    @property
    def in_block(self) -> bool:
        return self._conn.get_transaction_status() in (
            extensions.TRANSACTION_STATUS_INTRANS,
            extensions.TRANSACTION_STATUS_INERROR,
        )

    @property
    def failed(self) -> bool:
        status = self._conn.get_transaction_status()
        return bool(status == extensions.TRANSACTION_STATUS_INERROR)

    @property
    def begins(self) -> bool:
        # psycopg2 goes by a status of its own, which a COMMIT in a text does not change.
        if self._conn.status != extensions.STATUS_READY:
            return False
        seat: Seat = getattr(self._conn, ATTRIBUTE, RETIRED)
        return not self._conn.autocommit or bool(seat.own)

    @property
    def begin(self) -> str:
        return session.begin_of(self._conn)

    @property
    def free(self) -> bool:
        status = self._conn.get_transaction_status()
        is_idle = status == extensions.TRANSACTION_STATUS_IDLE
        return bool(is_idle and self._conn.status == extensions.STATUS_READY)

    def greeting(self) -> Greeting:
        info = self._conn.info
        parameters = {name: info.parameter_status(name) for name in PROBED_PARAMETERS}
        return Greeting(
            endpoint=Endpoint(info.host or "", info.port, info.user or "", info.dbname or ""),
            backend_pid=info.backend_pid,
            parameters={name: value for name, value in parameters.items() if value is not None},
            server_version=info.server_version,
            requested_application_name=info.dsn_parameters.get("application_name"),
            local_port=_local_port(self._conn.fileno()),
            dialled_port=info.port,
            can_close_prepared=False,
        )

    @property
    def asked(self) -> Mapping[str, str]:
        return settings_in(self._conn.info.options or "")

    @property
    def named(self) -> Mapping[str, str]:
        given = self._conn.info.dsn_parameters
        name = given.get("application_name") or given.get("fallback_application_name")
        return named_by_libpq(name, given.get("client_encoding"))

    def met(self, seat: Seat) -> None:
        """psycopg2 prepares nothing by protocol."""

    def is_false(self, result: Any) -> bool:
        """Look at the one row, and put the cursor back before it."""
        cursor = self._cursor
        if cursor is None or cursor.name is not None:
            return False
        if cursor.rowcount != 1 or cursor.description is None or len(cursor.description) != 1:
            return False
        row = cursor.fetchone()
        cursor.scroll(0, mode="absolute")
        return next(iter(row.values() if isinstance(row, dict) else row)) is False

    def sqlstate(self, error: BaseException) -> str | None:
        return getattr(error, "pgcode", None)


def _local_port(descriptor: int) -> int | None:
    """The client's own TCP port; None over a unix socket."""
    # A duplicate: closing it must not close libpq's socket.
    with socket.socket(fileno=os.dup(descriptor)) as ours:
        address = ours.getsockname()
    return address[1] if isinstance(address, tuple) else None
