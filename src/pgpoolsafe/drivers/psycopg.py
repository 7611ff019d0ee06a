"""psycopg 3, sync and async: every statement of a connection goes past its guard.

psycopg's public hooks (cursor factories, connection subclasses) miss BEGIN, DECLARE,
FETCH, two-phase commit and every hand-built cursor, and libpq cannot be hooked under
the compiled build. What reaches all of them, on existing connections too, is to give
the connection and its cursors a subclass made on the fly (`obj.__class__ = …`) that
overrides the private generators through which psycopg sends. Nothing global changes,
and assigning the old class back undoes it.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg import pq
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor

from ..guard import Guard
from .psycopg_classes import adopt as adopt_cursor
from .psycopg_classes import guarded_connection, own_class, release
from .psycopg_late import ask_now as ask_now
from .psycopg_meeting import recall
from .psycopg_seat import ATTRIBUTE, Seat
from .reclassing import give_class

# attaching and detaching


def attach(
    conn: BaseConnection[Any],
    owner: Any,
    *,
    adopt: bool = True,
    refused_options: Mapping[str, str] | None = None,
) -> None:
    """Guard a connection for an installation; harmless if that one guards it already.

    `owner` gives `policy`, `reporter` and `override` (see `install.Installation`).
    `adopt`: also find the cursors that were made before; costs one walk of the heap.
    `refused_options`: the settings that were taken out of its options to get it at all.
    """
    seat = seat_of(conn)
    if seat is not None and owner in seat.owners:
        return
    owner.guards(conn)
    if seat is None:
        dress = _dressing(conn)
        seat = Seat(Guard(owner.policy, owner.reporter))
        object.__setattr__(conn, ATTRIBUTE, seat)
        dress(True, adopt=adopt)
        seat.dress, seat.dressed = dress, True
    seat.owners.append(owner)
    seat.refused_options.update(refused_options or {})
    _obey(conn, seat)


def detach(conn: BaseConnection[Any], owner: Any) -> None:
    """Take an installation's guard off; with the last one the connection is as it was."""
    seat = seat_of(conn)
    if seat is None or owner not in seat.owners:
        return
    seat.owners.remove(owner)
    if seat.owners:
        _obey(conn, seat)
        return
    seat.give_threshold_back(conn)
    release(conn)
    _release_cursors_of(conn)
    object.__delattr__(conn, ATTRIBUTE)


def is_open(conn: BaseConnection[Any]) -> bool:
    """Whether a transaction is open, and not aborted."""
    return bool(conn.pgconn.transaction_status == pq.TransactionStatus.INTRANS)


def is_async(cls: type) -> bool:
    """Whether a connection class is asynchronous."""
    return issubclass(cls, psycopg.AsyncConnection)


def seat_of(conn: BaseConnection[Any]) -> Seat | None:
    """The seat of a guarded connection."""
    # Not by its __dict__: to have asked for one makes every look-up in it slower.
    try:
        seat: Seat = object.__getattribute__(conn, ATTRIBUTE)
    except AttributeError:
        return None
    return seat


def _obey(conn: BaseConnection[Any], seat: Seat) -> None:
    """Follow the installation that came last."""
    owner = seat.owners[-1]
    books = seat.guard.books
    seat.guard = Guard(owner.policy, owner.reporter)
    seat.guard.books = books
    seat.met = False
    seat.give_threshold_back(conn)
    seat.settle()
    seat.redressed = False
    recall(conn, seat)


def _dressing(conn: BaseConnection[Any]) -> Callable[..., None]:
    """What gives a connection its guarded class, and its own where nothing is to be watched.

    So on a direct connection `type(conn)` and `type(cursor)` are what they are without the
    guard. Keeps no connection alive. Raises ConfigurationError for a class that takes no
    subclass.
    """
    plain, reference = own_class(type(conn)), weakref.ref(conn)
    guarded = guarded_connection(plain)

    def dress(needed: bool, *, adopt: bool = True) -> None:
        found = reference()
        if found is None:
            return
        wanted = guarded if needed else plain
        if type(found) is not wanted:  # it is not where it was born guarded
            give_class(found, wanted)
        if needed and adopt:
            _adopt_cursors_of(found)

    return dress


def _cursors_of(conn: BaseConnection[Any]) -> list[Any]:
    referrers = gc.get_referrers(conn)
    return [o for o in referrers if isinstance(o, BaseCursor) and o._conn is conn]


def _adopt_cursors_of(conn: BaseConnection[Any]) -> None:
    seat = seat_of(conn)
    if seat is None:
        return
    for cursor in _cursors_of(conn):
        adopt_cursor(cursor, seat.guard)


def _release_cursors_of(conn: BaseConnection[Any]) -> None:
    for cursor in _cursors_of(conn):
        release(cursor)


class One:
    """The attachment of a single connection."""

    def __init__(self, conn: BaseConnection[Any], installation: Any) -> None:
        self._installation = installation

    def attach(self) -> None:
        """Guard the connection."""
        attach(self._installation.target, self._installation)

    def detach(self) -> None:
        """Nothing but the connection was changed."""
