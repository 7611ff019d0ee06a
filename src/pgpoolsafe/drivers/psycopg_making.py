"""psycopg: the cursors that a guarded connection makes, of the guarded class from the start.

What costs is `connection.adapters`, which a cursor asks for when it is made: the guarded
connection answers it in Python, to find the cursors that are made by hand. So those that the
connection makes itself are given its attributes by a `Source` instead.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, NamedTuple

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


class Quick(NamedTuple):
    """A guarded class, and the constructors that a `Source` is enough for."""

    guarded: Any
    constructor: Any
    base: Any


quick_cursors: dict[type, Quick] = {}
"""By their own classes, the cursors whose constructors are known."""


def is_psycopgs(function: Any) -> bool:
    """Whether a function is psycopg's, and not what somebody has put in its place since."""
    if type(function) is not FunctionType:
        return False
    return str(function.__globals__.get("__name__")).partition(".")[0] == "psycopg"


def quick(cls: Any, guarded: type) -> Quick | None:
    """How to make a cursor class's guarded ones, if its constructors are known; else None."""
    found = Quick(guarded, cls.__init__, BaseCursor.__init__)
    if cls not in CLASSES or not all(map(is_psycopgs, found[1:])):
        return None
    is_known = all(_KNOWN.issuperset(made.__code__.co_names) for made in found[1:])
    return found if is_known else None


def still_quick(ones: dict[type, Quick], factory: Any) -> Quick | None:
    """The same for what makes the cursors of a connection, while the constructors are the same.

    What is no plain class may equal one, or have no hash at all.
    """
    found = ones.get(factory) if type(factory) is type else None
    if found is None or factory.__init__ is not found.constructor:
        return None
    return found if BaseCursor.__init__ is found.base else None


def quick_cursor(conn: Any, seat: Any, guarded: Any) -> Any:
    """`conn.cursor()`, as psycopg does it; `guarded` is of a `Quick`."""
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
