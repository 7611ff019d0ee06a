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
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor

from ..effects import PLAIN, Reading
from ..guard import Guard
from ..poolers.answers import PoolMode
from ..sql.reader import known
from .psycopg_classes import adopt as adopt_cursor
from .psycopg_classes import check_layout, guarded_connection, release

ATTRIBUTE = "_pgpoolsafe"


class Seat:
    """What a guarded connection carries: its guard and the quick look-up of texts.

    `known` answers PLAIN for a text that needs nothing. `owners` are the installations
    that guard the connection; the last one decides. `passes_begin`: BEGIN needs no look
    (it does in statement mode). `threshold` is the user's
    prepare_threshold while named prepared statements are kept off. `refused`: an end of a
    transaction was refused, so that a cursor WITH HOLD may be gone.
    """

    __slots__ = (
        "guard",
        "holds_threshold",
        "known",
        "maker",
        "met",
        "owners",
        "passes_begin",
        "refused",
        "threshold",
    )

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.owners: list[Any] = []
        self.threshold: int | None = None
        self.holds_threshold = False
        self.refused = False
        self.met = False
        self.passes_begin = False
        self.maker: int | None = None
        self.known: Callable[[str], Reading | None] = _ask

    def settle(self) -> None:
        """Choose the look-up that fits what the guard has learnt."""
        if not self.guard.watching:
            self.known = _nothing_to_do
        elif not self.met:
            self.known = _ask
        else:
            # The name of a temporary relation that was left makes any text worth a look.
            self.known = self._unless_named if self.guard.books.kept else known
        self.passes_begin = self.guard.judged_as.mode is not PoolMode.STATEMENT

    def _unless_named(self, text: str) -> Reading | None:
        return None if self.guard.is_wary_of(text) else known(text)

    def keep_prepares_off(self, conn: BaseConnection[Any]) -> None:
        """No protocol-level prepared statement from now on; forget those made before.

        `prepare_threshold=None` wins even over `execute(prepare=True)`; the names are
        forgotten so that psycopg does not send DEALLOCATE ALL for them at ROLLBACK.
        """
        if self.holds_threshold:
            return
        manager = conn._prepared
        self.threshold, self.holds_threshold = manager.prepare_threshold, True
        manager.prepare_threshold = None
        manager._names.clear()
        manager._counts.clear()
        manager._to_flush.clear()

    def give_threshold_back(self, conn: BaseConnection[Any]) -> None:
        """The user's prepare_threshold is in force again."""
        if self.holds_threshold:
            conn._prepared.prepare_threshold = self.threshold
            self.holds_threshold = False


def _ask(text: str) -> Reading | None:
    """Before the pooler is known, every text takes the long way."""
    return None


def _nothing_to_do(text: str) -> Reading | None:
    """Where nothing is watched, every text is plain."""
    return PLAIN


# attaching and detaching


def attach(conn: BaseConnection[Any], owner: Any, *, adopt: bool = True) -> None:
    """Guard a connection for an installation; harmless if that one guards it already.

    `owner` gives `policy`, `reporter` and `override` (see `install.Installation`).
    `adopt`: also find the cursors that were made before; costs one walk of the heap.
    """
    seat = seat_of(conn)
    if seat is None:
        check_layout()
        seat = conn.__dict__[ATTRIBUTE] = Seat(Guard(owner.policy, owner.reporter))
        conn.__class__ = guarded_connection(type(conn))
        if adopt:
            _adopt_cursors_of(conn)
    elif owner in seat.owners:
        return
    seat.owners.append(owner)
    _obey(conn, seat)
    owner.guards(conn)


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
    conn.__class__ = type(conn).__mro__[1]
    _release_cursors_of(conn)
    del conn.__dict__[ATTRIBUTE]


def is_async(cls: type) -> bool:
    """Whether a connection class is asynchronous."""
    return issubclass(cls, psycopg.AsyncConnection)


def seat_of(conn: BaseConnection[Any]) -> Seat | None:
    """The seat of a guarded connection."""
    return conn.__dict__.get(ATTRIBUTE)


def _obey(conn: BaseConnection[Any], seat: Seat) -> None:
    """Follow the installation that came last."""
    owner = seat.owners[-1]
    books = seat.guard.books
    seat.guard = Guard(owner.policy, owner.reporter)
    seat.guard.books = books
    seat.met = False
    seat.give_threshold_back(conn)
    seat.settle()


def _cursors_of(conn: BaseConnection[Any]) -> list[Any]:
    referrers = gc.get_referrers(conn)
    return [o for o in referrers if isinstance(o, BaseCursor) and o._conn is conn]


def _adopt_cursors_of(conn: BaseConnection[Any]) -> None:
    for cursor in _cursors_of(conn):
        adopt_cursor(cursor)


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
        """Put it back as it was."""
        for conn in self._installation.connections():
            detach(conn, self._installation)
