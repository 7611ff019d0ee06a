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
    """A connection's notice handler that leaves out so many of these warnings (`due`)."""

    __slots__ = ("due", "handler")

    def __init__(self, handler: Callable[[Any], None] | None) -> None:
        self.handler = handler
        self.due = 0

    def __call__(self, result: Any) -> None:
        """Pass a notice on, unless it is one of them."""
        if self.due and _is_of_block(result):
            self.due -= 1
        elif self.handler is not None:
            self.handler(result)


def expect(pgconn: Any, count: int) -> None:
    """So many more of them will come, or fewer than it was said."""
    handler = pgconn.notice_handler
    if not isinstance(handler, Unheard):
        handler = pgconn.notice_handler = Unheard(handler)
    handler.due = max(0, handler.due + count)


def _is_of_block(result: Any) -> bool:
    field = result.error_field
    is_state = field(pq.DiagnosticField.SQLSTATE) == _NO_ACTIVE_TRANSACTION
    return bool(is_state and field(pq.DiagnosticField.SOURCE_FUNCTION) == _CHECK)
