"""psycopg: the cursors that a guarded connection makes, of the guarded class from the start.

What costs is `connection.adapters`, which a cursor asks for when it is made: the guarded
connection answers it in Python, to find the cursors that are made by hand. So those that the
connection makes itself are given its attributes by a `Source` instead.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import psycopg
from psycopg._cursor_base import BaseCursor

CLASSES = (
    psycopg.Cursor,
    psycopg.ClientCursor,
    psycopg.RawCursor,
    psycopg.AsyncCursor,
    psycopg.AsyncClientCursor,
    psycopg.AsyncRawCursor,
)
"""The cursors whose constructors are psycopg's own."""

_KNOWN = frozenset(
    """
    _conn TEXT format pgconn _pgconn adapt AdaptersMap adapters _adapters arraysize _closed
    _last_query _reset partial _loaders_changed ref _register_loader_callback
    super __init__ row_factory _row_factory
    """.split()
)
"""The names that the constructors of psycopg 3.2 and 3.3 use."""


class Source:
    """What the constructor of a cursor reads of its connection, which then takes its place."""

    __slots__ = ("adapters", "pgconn")

    adapters: Any
    pgconn: Any
    row_factory = None


quick_cursors: dict[type, type] = {}
"""The guarded classes by their own, of cursors whose constructors are known."""


def is_quick(cls: type) -> bool:
    """Whether the constructor of a cursor class is one that a `Source` is enough for."""
    constructors = (BaseCursor.__init__, psycopg.Cursor.__init__, psycopg.AsyncCursor.__init__)
    if cls not in CLASSES or any(type(made) is not FunctionType for made in constructors):
        return False
    return all(_KNOWN.issuperset(made.__code__.co_names) for made in constructors)


def quick_cursor(conn: Any, seat: Any, guarded: Any) -> Any:
    """`conn.cursor()`, as psycopg does it; `guarded` is of `quick_cursors`."""
    conn._check_connection_ok()
    source = seat.source
    # The same for all threads that share the connection.
    source.adapters = conn._adapters or conn.adapters
    source.pgconn = conn.pgconn
    row_factory = conn.row_factory
    made = guarded(source)
    made._conn = conn
    made._row_factory = row_factory
    return made
