"""psycopg 3, sync and async: every statement of a connection goes past its guard.

psycopg's public hooks (cursor factories, connection subclasses) miss BEGIN, DECLARE,
FETCH, two-phase commit and every hand-built cursor, and libpq cannot be hooked under
the compiled build. What reaches all of them, on existing connections too, is to give
the connection and its cursors a subclass made on the fly (`obj.__class__ = …`) that
overrides the private generators through which psycopg sends. Nothing global changes,
and assigning the old class back undoes it. The names this stands on are listed in
`LAYOUT` and checked before a connection is touched.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor
from psycopg._preparing import PrepareManager

from ..effects import PLAIN, Reading
from ..errors import ConfigurationError
from ..guard import Guard
from ..poolers.answers import PoolMode
from ..sql.reader import known
from . import psycopg_sending as sending

LAYOUT: dict[type, tuple[str, ...]] = {
    BaseConnection: ("_exec_command", "_start_query", "adapters", "prepare_threshold"),
    BaseCursor: (
        "_execute_gen",
        "_executemany_gen_pipeline",
        "_executemany_gen_no_pipeline",
        "_stream_send_gen",
        "_start_copy_gen",
        "_convert_query",
    ),
    psycopg.ServerCursor: ("_declare_gen", "_close_gen", "_fetch_gen"),
    psycopg.AsyncServerCursor: ("_declare_gen", "_close_gen", "_fetch_gen"),
    PrepareManager: ("get", "clear", "maintain_gen"),
}
"""The private names of psycopg that the guarded classes override or call."""

ATTRIBUTE = "_pgpoolsafe"
_CURSOR_INIT = BaseCursor.__init__.__code__


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
        else:
            self.known = known if self.met else _ask
        self.passes_begin = self.guard.judged_as.mode is not PoolMode.STATEMENT


def _ask(text: str) -> Reading | None:
    """Before the pooler is known, every text takes the long way."""
    return None


def _nothing_to_do(text: str) -> Reading | None:
    """Where nothing is watched, every text is plain."""
    return PLAIN


def check_layout() -> None:
    """Refuse a psycopg whose insides are not the ones this was written for."""
    missing = [
        f"{cls.__name__}.{name}"
        for cls, names in LAYOUT.items()
        for name in names
        if not hasattr(cls, name)
    ]
    if missing:
        raise ConfigurationError(
            f"psycopg {psycopg.__version__} is not supported: it has no {', '.join(missing)}"
        )


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
    _give_threshold_back(conn, seat)
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
    _give_threshold_back(conn, seat)
    seat.settle()


def keep_prepares_off(conn: BaseConnection[Any], seat: Seat) -> None:
    """No protocol-level prepared statement from now on; forget those made before.

    `prepare_threshold=None` wins even over `execute(prepare=True)`; the names are
    forgotten so that psycopg does not send DEALLOCATE ALL for them at ROLLBACK.
    """
    if seat.holds_threshold:
        return
    manager = conn._prepared
    seat.threshold, seat.holds_threshold = manager.prepare_threshold, True
    manager.prepare_threshold = None
    manager._names.clear()
    manager._counts.clear()
    manager._to_flush.clear()


def _give_threshold_back(conn: BaseConnection[Any], seat: Seat) -> None:
    if seat.holds_threshold:
        conn._prepared.prepare_threshold = seat.threshold
        seat.holds_threshold = False


# guarded classes

_connection_classes: dict[type, type] = {}
_cursor_classes: dict[type, type] = {}
_guarded_classes: set[type] = set()


def guarded_connection(cls: type) -> type:
    """The guarded subclass of a connection class; one base, so that __class__ can change."""
    found = _connection_classes.get(cls)
    if found is None:
        found = _connection_classes[cls] = _subclass(cls, _connection_overrides(cls))
    return found


def guarded_cursor(cls: type) -> type:
    """The guarded subclass of a cursor class."""
    found = _cursor_classes.get(cls)
    if found is None:
        found = _cursor_classes[cls] = _subclass(cls, _cursor_overrides(cls))
    return found


def _subclass(cls: type, overrides: dict[str, Any]) -> type:
    names = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        # No new slot: the layout must stay that of the base for __class__ to change.
        "__slots__": (),
        **overrides,
    }
    made: type = type(cls)(cls.__name__, (cls,), names)
    _guarded_classes.add(made)
    return made


def _connection_overrides(cls: Any) -> dict[str, Any]:
    exec_command = cls._exec_command
    adapters = cls.adapters.fget
    make_cursor = cls.cursor
    threshold = cls.prepare_threshold

    def _exec_command(self: Any, command: Any, result_format: Any = pq.Format.TEXT) -> Any:
        seat = self._pgpoolsafe
        if sending.passes(seat, command):
            return exec_command(self, command, result_format)
        return sending.command(self, seat, exec_command, command, result_format)

    def cursor(self: Any, name: str = "", **kwargs: Any) -> Any:
        seat = self._pgpoolsafe
        seat.maker = get_ident()
        try:
            made = make_cursor(self, name, **kwargs) if kwargs or name else make_cursor(self)
        finally:
            seat.maker = None
        adopt(made)
        return made

    def get_factory(self: Any) -> Any:
        # Only psycopg, making a cursor, is given the guarded class: an object that is born
        # with its class is faster than one that changes it.
        factory = self.__dict__["cursor_factory"]
        if self._pgpoolsafe.maker is None:
            return factory
        return _cursor_classes.get(factory) or factory

    def set_factory(self: Any, factory: Any) -> None:
        self.__dict__["cursor_factory"] = factory

    def guarded_adapters(self: Any) -> Any:
        # A cursor asks for them when it is made: so one made by hand is found too.
        if self._pgpoolsafe.maker != get_ident():
            frame = sys._getframe(1)
            if frame.f_code is _CURSOR_INIT:
                adopt(frame.f_locals["self"])
        return adapters(self)

    def set_threshold(self: Any, value: int | None) -> None:
        seat = self.__dict__[ATTRIBUTE]
        if seat.holds_threshold:
            seat.threshold = value
        else:
            threshold.fset(self, value)

    return {
        "_exec_command": _exec_command,
        "_pgpoolsafe_exec_command": exec_command,
        "cursor": cursor,
        "cursor_factory": property(get_factory, set_factory),
        "adapters": property(guarded_adapters, doc=cls.adapters.__doc__),
        "prepare_threshold": property(threshold.fget, set_threshold, doc=threshold.__doc__),
    }


def _cursor_overrides(cls: Any) -> dict[str, Any]:
    overrides = {"_execute_gen": _execute_override(cls._execute_gen)}
    for name in ("_stream_send_gen", "_start_copy_gen"):
        overrides[name] = _statement_override(getattr(cls, name))
    for name in ("_executemany_gen_pipeline", "_executemany_gen_no_pipeline"):
        overrides[name] = _many_override(getattr(cls, name))
    if hasattr(cls, "_declare_gen"):
        overrides["_declare_gen"] = _declare_override(cls._declare_gen)
        overrides["_close_gen"] = _close_override(cls._close_gen)
    return overrides


def _execute_override(send: Any) -> Any:
    # The hot path: no **kwargs, no super(), no generator of its own.
    def _execute_gen(
        self: Any,
        query: Any,
        params: Any = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Any:
        seat = self._conn._pgpoolsafe
        if query.__class__ is str and seat.known(query) is PLAIN:
            return send(self, query, params, prepare=prepare, binary=binary)
        return sending.statement(
            self,
            seat,
            query,
            params,
            lambda text: send(self, text, params, prepare=prepare, binary=binary),
        )

    return _execute_gen


def _statement_override(send: Any) -> Any:
    def guarded(self: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
        seat = self._conn._pgpoolsafe
        if query.__class__ is str and seat.known(query) is PLAIN:
            return send(self, query, params, **kwargs)
        return sending.statement(
            self, seat, query, params, lambda text: send(self, text, params, **kwargs)
        )

    return guarded


def _many_override(send: Any) -> Any:
    def guarded(self: Any, query: Any, params_seq: Iterable[Any], returning: bool) -> Any:
        seat = self._conn._pgpoolsafe
        if query.__class__ is str and seat.known(query) is PLAIN:
            return send(self, query, params_seq, returning)
        return sending.many(
            self, seat, query, params_seq, lambda text, seq: send(self, text, seq, returning)
        )

    return guarded


def _declare_override(send: Any) -> Any:
    def _declare_gen(self: Any, query: Any, params: Any = None, binary: Any = None) -> Any:
        seat = self._conn._pgpoolsafe
        if not self._withhold and query.__class__ is str and seat.known(query) is PLAIN:
            return send(self, query, params, binary)
        hold = "WITH HOLD " if self._withhold else ""
        name = sql.Identifier(self._name).as_string(self._conn)
        return sending.statement(
            self,
            seat,
            query,
            params,
            lambda text: send(self, text, params, binary),
            prefix=f"DECLARE {name} CURSOR {hold}FOR ",
        )

    return _declare_gen


def _close_override(close: Any) -> Any:
    def _close_gen(self: Any) -> Any:
        if self._withhold and self._conn._pgpoolsafe.refused:
            # As if not declared by us: psycopg then asks first whether the cursor exists,
            # and the error of a CLOSE does not hide why the transaction was refused.
            self._described = False
        return close(self)

    return _close_gen


# cursors


def adopt(cursor: BaseCursor[Any, Any]) -> None:
    """Give a cursor its guarded class."""
    cls = type(cursor)
    if cls not in _guarded_classes:
        cursor.__class__ = _cursor_classes.get(cls) or guarded_cursor(cls)


def _cursors_of(conn: BaseConnection[Any]) -> list[Any]:
    referrers = gc.get_referrers(conn)
    return [o for o in referrers if isinstance(o, BaseCursor) and o._conn is conn]


def _adopt_cursors_of(conn: BaseConnection[Any]) -> None:
    for cursor in _cursors_of(conn):
        adopt(cursor)


def _release_cursors_of(conn: BaseConnection[Any]) -> None:
    for cursor in _cursors_of(conn):
        if type(cursor) in _guarded_classes:
            cursor.__class__ = type(cursor).__mro__[1]


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
