"""asyncpg: what a guarded connection carries, what it knows of itself, and a question of ours."""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping
from typing import Any

from asyncpg.exceptions import InterfaceError, PostgresError

from ..poolers.endpoints import Endpoint
from ..poolers.probe import PROBED_PARAMETERS, Greeting
from ..rules.policy import Mode
from ..session.settings import Carried
from .asyncpg_statements import Statements, keep_named_off
from .meeting import report_named_prepares
from .seat import Seat


class Own:
    """What this module keeps in a seat: no reference to the connection but a weak one.

    `failed`: the transaction is aborted (asyncpg knows, and does not say). `busy`: a text is on
    its way; asyncpg itself refuses a second one. `lent`: blocks on it, and what a pool had lent
    it as when they began, which holds no connection any more once that is over.
    """

    __slots__ = ("busy", "caps", "conn", "failed", "lent", "statements")

    def __init__(self, conn: Any) -> None:
        self.conn = weakref.ref(conn)
        self.failed = False
        self.busy = False
        self.caps: Any = None
        self.lent: list[tuple[Carried, Any]] = []
        self.statements = Statements()

    def end_blocks(self, seat: Seat, leaving: Carried | None = None) -> None:
        """The blocks end that began before a pool had the connection back.

        `leaving`: one that ends by itself, and need not be known any longer.
        """
        over = [block for block, lent_as in self.lent if lent_as._con is None]
        for block in over:
            seat.leave(block)
        gone = {id(block) for block in (*over, leaving)}
        self.lent = [entry for entry in self.lent if id(entry[0]) not in gone]


class Wire:
    """What asyncpg knows of a connection."""

    errors: tuple[type[BaseException], ...] = (PostgresError, InterfaceError, OSError, TimeoutError)
    begins = False
    begin = ""

    def __init__(self, protocol: Any, own: Own) -> None:
        self._protocol = protocol
        self._own = own

    @property
    def in_block(self) -> bool:
        return bool(self._protocol.is_in_transaction())

    @property
    def failed(self) -> bool:
        return self._own.failed and self.in_block

    @property
    def free(self) -> bool:
        return not self.in_block

    def greeting(self) -> Greeting:
        conn: Any = self._own.conn()
        settings = self._protocol.get_settings()
        pairs = ((name, getattr(settings, name, None)) for name in PROBED_PARAMETERS)
        version = conn.get_server_version()
        asked = conn._params.server_settings or {}
        address = conn._addr
        is_tcp = isinstance(address, tuple)
        return Greeting(
            endpoint=Endpoint(
                host=address[0] if is_tcp else str(address),
                port=address[1] if is_tcp else 0,
                user=conn._params.user or "",
                dbname=conn._params.database or "",
            ),
            backend_pid=self._protocol.get_server_pid() or 0,
            parameters={name: value for name, value in pairs if value is not None},
            server_version=version.major * 10000 + version.minor,
            requested_application_name=asked.get("application_name"),
            local_port=_local_port(conn),
            dialled_port=address[1] if is_tcp else None,
            can_close_prepared=False,
        )

    @property
    def asked(self) -> Mapping[str, str]:
        conn: Any = self._own.conn()
        asked = conn._params.server_settings or {}
        # Of this one poolers take care, each in its way.
        return {n.lower(): value for n, value in asked.items() if n != "application_name"}

    @property
    def named(self) -> Mapping[str, str]:
        conn: Any = self._own.conn()
        asked = conn._params.server_settings or {}
        return {n: value for n, value in asked.items() if n == "application_name"}

    def met(self, seat: Seat) -> None:
        guard = seat.guard
        conn: Any = self._own.conn()
        if guard.forbids_named_prepares:
            keep_named_off(conn, self._own.statements)
        elif guard.loses_named_prepares and conn._stmt_cache_enabled:
            report_named_prepares(seat, f"statement_cache_size={conn._stmt_cache.get_max_size()}")
        # asyncpg looks types up with jit switched off for the session, and back on later,
        # perhaps on another server connection. Where it believes that there is no jit, it does
        # without.
        changes = guard.watching and guard.policy.mode in (Mode.WARN, Mode.STRICT)
        if changes and conn._server_caps.jit and self._own.caps is None:
            self._own.caps = conn._server_caps
            conn._server_caps = conn._server_caps._replace(jit=False)

    def is_false(self, result: Any) -> bool:
        rows = result[0] if isinstance(result, tuple) else result
        if not isinstance(rows, list) or len(rows) != 1 or len(rows[0]) != 1:
            return False
        return rows[0][0] is False

    def sqlstate(self, error: BaseException) -> str | None:
        return getattr(error, "sqlstate", None)


def _local_port(conn: Any) -> int | None:
    address = conn._transport.get_extra_info("sockname")
    return address[1] if isinstance(address, tuple) else None


async def asked(protocol: Any, question: str) -> list[str | None]:
    """The one row of a question, in one round trip: by COPY, which needs nothing prepared."""
    received: list[bytes] = []

    async def take(data: bytes) -> None:
        received.append(bytes(data))

    base = protocol._pgpoolsafe_base
    await base.copy_out(protocol, f"COPY ({question}) TO STDOUT", take, None)
    row = b"".join(received).decode().removesuffix("\n").split("\t")
    return [None if value == "\\N" else _ESCAPE.sub(_unescaped, value) for value in row]


_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
"""What COPY writes with a backslash (PostgreSQL's documentation, COPY, text format)."""


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])
