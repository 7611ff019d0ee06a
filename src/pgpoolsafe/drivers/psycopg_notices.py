"""psycopg: keep warnings that only our form of a statement draws from the user's handlers.

Before version 18 the server takes statements that share the implicit transaction of a
pipeline for ones outside a transaction block (3eb8eeccbe in its history). So it warns of
SET LOCAL and SET TRANSACTION, which work there all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg import pq

PIPELINES_ARE_BLOCKS = 180000
"""The version of the server from which it does not warn of them."""

_NO_ACTIVE_TRANSACTION = b"25P01"
_CHECK = b"CheckTransactionBlock"  # xact.c; other warnings with that state have other sources


class Unheard:
    """A connection's notice handler that leaves out these warnings: `due`, how many of each."""

    __slots__ = ("due", "handler")

    def __init__(self, handler: Callable[[Any], None] | None) -> None:
        self.handler = handler
        self.due: dict[bytes, int] = {}

    def __call__(self, result: Any) -> None:
        """Pass a notice on, unless it is one of them."""
        command = self._expected(result)
        if command is not None:
            self.due[command] -= 1
        elif self.handler is not None:
            self.handler(result)

    def _expected(self, result: Any) -> bytes | None:
        field = result.error_field
        if field(pq.DiagnosticField.SQLSTATE) != _NO_ACTIVE_TRANSACTION:
            return None
        if field(pq.DiagnosticField.SOURCE_FUNCTION) != _CHECK:
            return None
        # The name of the command stands in the message in any language.
        message = field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
        return next((name for name, due in self.due.items() if due and name in message), None)


def expect_none(pgconn: Any) -> None:
    """What has not come by now does not come."""
    if isinstance(pgconn.notice_handler, Unheard):
        pgconn.notice_handler.due.clear()


def expect(pgconn: Any, command: str, count: int) -> None:
    """So many more of them will come of SET LOCAL or SET TRANSACTION, or fewer than was said."""
    handler = pgconn.notice_handler
    if not isinstance(handler, Unheard):
        handler = pgconn.notice_handler = Unheard(handler)
    name = command.encode()
    handler.due[name] = max(0, handler.due.get(name, 0) + count)
