"""psycopg: the guarded subclasses of its connections and cursors, made on the fly.

Each has one base and no slot of its own, so that `obj.__class__` can be set to it and
back. They override the private generators through which psycopg sends; the names they
stand on are listed in `LAYOUT` and checked before a connection is touched.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import wraps
from threading import get_ident
from typing import Any

import psycopg
from psycopg import Pipeline, pq, sql
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor
from psycopg._preparing import PrepareManager

from ..effects import DRAWS, PLAIN
from ..errors import ConfigurationError
from ..guard import Guard
from . import psycopg_carrying as carrying
from . import psycopg_commands as commands
from . import psycopg_late as late
from . import psycopg_light as light
from . import psycopg_sending as sending
from .copying import reduce_override
from .psycopg_making import is_psycopgs, quick, quick_cursor, quick_cursors, still_quick
from .psycopg_pipeline import end_streaming
from .psycopg_seat import ATTRIBUTE, RETIRED

LAYOUT: dict[type, tuple[str, ...]] = {
    BaseConnection: (
        "_check_connection_ok",
        "_exec_command",
        "_start_query",
        "adapters",
        "prepare_threshold",
    ),
    BaseCursor: (
        "_execute_gen",
        "_executemany_gen_pipeline",
        "_executemany_gen_no_pipeline",
        "_stream_send_gen",
        "_start_copy_gen",
        "_convert_query",
        "_start_query",
        "_check_results",
        "_set_results",
        "_check_copy_result",
        "_execute_send",
        "_get_prepared",
        "_send_prepare",
        "_send_query_prepared",
        "_reset",
    ),
    Pipeline: ("_enqueue_sync", "_process_results"),
    psycopg.ServerCursor: ("_declare_gen", "_close_gen", "_fetch_gen"),
    psycopg.AsyncServerCursor: ("_declare_gen", "_close_gen", "_fetch_gen"),
    PrepareManager: ("get", "clear", "maintain_gen", "maybe_add_to_cache", "validate"),
}
"""The private names of psycopg that the guarded classes override or call."""

_CURSOR_INIT = BaseCursor.__init__.__code__


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


_connection_classes: dict[type, type] = {}
_cursor_classes: dict[type, type] = {}
_guarded_classes: set[type] = set()


def guarded_connection(cls: type) -> type:
    """The guarded subclass of a connection class; one base, so that __class__ can change."""
    found = _connection_classes.get(cls)
    if found is None:
        check_layout()
        found = _connection_classes[cls] = _subclass(cls, _connection_overrides(cls))
    return found


def guarded_cursor(cls: type) -> type:
    """The guarded subclass of a cursor class."""
    found = _cursor_classes.get(cls)
    if found is None:
        found = _cursor_classes[cls] = _subclass(cls, _cursor_overrides(cls))
        if known := quick(cls, found):
            quick_cursors[cls] = known
    return found


def _subclass(cls: type, overrides: dict[str, Any]) -> type:
    names = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        # No new slot: the layout must stay that of the base for __class__ to change.
        "__slots__": (),
        "__reduce_ex__": reduce_override(cls),
        **overrides,
    }
    try:
        made: type = type(cls)(cls.__name__, (cls,), names)
    except TypeError as error:
        raise ConfigurationError(
            f"{cls.__module__}.{cls.__qualname__} cannot be guarded: it takes no subclass ({error})"
        ) from error
    _guarded_classes.add(made)
    return made


def _connection_overrides(cls: Any) -> dict[str, Any]:
    exec_command = cls._exec_command

    def _exec_command(self: Any, command: Any, result_format: Any = pq.Format.TEXT) -> Any:
        try:
            seat = self._pgpoolsafe
        except AttributeError:
            return exec_command(self, command, result_format)
        if commands.passes(self, seat, command):
            return exec_command(self, command, result_format)
        return commands.command(self, seat, exec_command, command, result_format)

    def _connect_gen(_: Any, *args: Any, **kwargs: Any) -> Any:
        # type(conn).connect(…): a connection of the user's class, guarded by whoever guards it.
        return cls._connect_gen(*args, **kwargs)

    overrides = {
        "_connect_gen": classmethod(_connect_gen),
        "_exec_command": _exec_command,
        "_pgpoolsafe_exec_command": exec_command,
        "adapters": _adapters_override(cls.adapters),
        "prepare_threshold": _threshold_override(cls.prepare_threshold),
    }
    closing = late.closing_async if issubclass(cls, psycopg.AsyncConnection) else late.closing
    overrides["close"] = closing(cls)
    if cls.cursor in (psycopg.Connection.cursor, psycopg.AsyncConnection.cursor):
        overrides["cursor"] = _cursor_override(cls)
    return overrides


def _adapters_override(adapters: Any) -> property:
    get = adapters.fget

    def guarded(self: Any) -> Any:
        # A cursor asks for them when it is made: so one made by hand is found too.
        try:
            seat = self._pgpoolsafe
        except AttributeError:
            return get(self)
        frame = sys._getframe(1)
        if frame.f_code is _CURSOR_INIT:
            if seat.maker != get_ident():
                adopt(frame.f_locals["self"], seat.guard)
            else:
                seat.made.append(frame.f_locals["self"])
        return get(self)

    return property(guarded, doc=adapters.__doc__)


def _threshold_override(threshold: Any) -> property:
    def set_threshold(self: Any, value: int | None) -> None:
        seat = getattr(self, ATTRIBUTE, RETIRED)
        if seat.holds_threshold:
            seat.threshold = value
        else:
            threshold.fset(self, value)

    return property(threshold.fget, set_threshold, doc=threshold.__doc__)


def _cursor_override(cls: Any) -> Any:
    # Not where psycopg's method is not its own any more, or the adapters are the user's affair.
    is_usual = is_psycopgs(cls.cursor) and cls.adapters is BaseConnection.adapters
    known, usual = (quick_cursors, cls.cursor) if is_usual else ({}, None)

    @wraps(cls.cursor)
    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        make = cls.cursor  # somebody may have put another in its place
        try:
            seat = self._pgpoolsafe
        except AttributeError:  # the guard was taken off meanwhile
            return make(self, *args, **kwargs)
        if make is usual and not args and not kwargs:
            found = still_quick(known, self.cursor_factory)
            if found is not None:
                return quick_cursor(self, seat, found.guarded)
        return _adopted(self, seat, make, args, kwargs)

    return cursor


def _adopted(conn: Any, seat: Any, make: Any, args: Any, kwargs: Any) -> Any:
    """A cursor of whatever class, and those that its constructor has made for itself.

    They are given their guarded classes afterwards: a constructor sees the user's.
    """
    seat.maker = get_ident()
    try:
        made = make(conn, *args, **kwargs)
    finally:
        seat.maker = None
        others, seat.made = seat.made, []
        for other in others:
            adopt(other, seat.guard)
    adopt(made, seat.guard)
    return made


def _cursor_overrides(cls: Any) -> dict[str, Any]:
    overrides = {"_execute_gen": _execute_override(cls._execute_gen)}
    overrides["_stream_send_gen"] = _stream_override(cls._stream_send_gen)
    overrides["_start_copy_gen"] = _copy_override(cls._start_copy_gen)
    for name in ("_executemany_gen_pipeline", "_executemany_gen_no_pipeline"):
        overrides[name] = _many_override(getattr(cls, name))
    if hasattr(cls, "_declare_gen"):
        overrides["_declare_gen"] = _declare_override(cls._declare_gen)
        overrides["_close_gen"] = _close_override(cls._close_gen)
    return overrides


def _execute_override(send: Any) -> Any:
    # The hot path: no **kwargs, no super(), no generator of its own, nothing that a closure keeps.
    def _execute_gen(
        self: Any,
        query: Any,
        params: Any = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Any:
        if type(query) is str:
            try:
                known = self._conn._pgpoolsafe.known
            except AttributeError:  # the guard was taken off meanwhile
                return send(self, query, params, prepare=prepare, binary=binary)
            if known(query) is PLAIN:
                return send(self, query, params, prepare=prepare, binary=binary)
        return _with_a_look(self, send, query, params, prepare, binary)

    return _execute_gen


def _with_a_look(
    cursor: Any, send: Any, query: Any, params: Any, prepare: bool | None, binary: bool | None
) -> Any:
    conn = cursor._conn
    seat = getattr(conn, ATTRIBUTE, RETIRED)
    reading = seat.known(query) if type(query) is str else None
    if reading is DRAWS and light.draws(conn, seat.guard):
        return send(cursor, query, params, prepare=prepare, binary=binary)
    control = reading and light.savepoint(conn, seat.guard, reading)
    if control:
        gen = send(cursor, query, params, prepare=prepare, binary=binary)
        return light.moved(conn, seat, control, gen)
    return _planned(cursor, seat, send, query, params, prepare, binary)


def _planned(
    cursor: Any,
    seat: Any,
    send: Any,
    query: Any,
    params: Any,
    prepare: bool | None,
    binary: bool | None,
) -> Any:
    return sending.statement(
        cursor,
        seat,
        query,
        params,
        lambda text: send(cursor, text, params, prepare=prepare, binary=binary),
        carry=lambda text, plan: carrying.execute(cursor, plan, text, params, prepare, binary),
    )


def _stream_override(send: Any) -> Any:
    def _stream_send_gen(self: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
        seat = getattr(self._conn, ATTRIBUTE, RETIRED)
        seat.streamed = True
        if query.__class__ is str and seat.known(query) is PLAIN:
            return send(self, query, params, **kwargs)
        return sending.statement(
            self, seat, query, params, lambda text: send(self, text, params, **kwargs)
        )

    return _stream_send_gen


def _copy_override(send: Any) -> Any:
    def _start_copy_gen(self: Any, statement: Any, params: Any = None) -> Any:
        seat = getattr(self._conn, ATTRIBUTE, RETIRED)
        if statement.__class__ is str and seat.known(statement) is PLAIN:
            return send(self, statement, params)
        return sending.statement(
            self,
            seat,
            statement,
            params,
            lambda text: send(self, text, params),
            carry=lambda text, plan: carrying.copy(self, plan, text, params),
            can_ask=False,  # nothing can follow COPY
        )

    return _start_copy_gen


def _many_override(send: Any) -> Any:
    def guarded(self: Any, query: Any, params_seq: Iterable[Any], returning: bool) -> Any:
        seat = getattr(self._conn, ATTRIBUTE, RETIRED)
        if seat.streamed:
            end_streaming(self._conn, seat)
        if query.__class__ is str and seat.known(query) is PLAIN:
            return send(self, query, params_seq, returning)
        return sending.many(
            self, seat, query, params_seq, lambda text, seq: send(self, text, seq, returning)
        )

    return guarded


def _declare_override(send: Any) -> Any:
    def _declare_gen(self: Any, query: Any, params: Any = None, binary: Any = None) -> Any:
        seat = getattr(self._conn, ATTRIBUTE, RETIRED)
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
        if self._withhold and getattr(self._conn, ATTRIBUTE, RETIRED).refused:
            # As if not declared by us: psycopg then asks first whether the cursor exists,
            # and the error of a CLOSE does not hide why the transaction was refused.
            self._described = False
        return close(self)

    return _close_gen


def adopt(cursor: BaseCursor[Any, Any], guard: Guard) -> None:
    """Give a cursor its guarded class; a class that takes none is our failure, not the user's."""
    cls = type(cursor)
    if cls in _guarded_classes:
        return
    try:
        cursor.__class__ = _cursor_classes.get(cls) or guarded_cursor(cls)
    except (ConfigurationError, TypeError):
        guard.own_failure()


def own_class(cls: type) -> type:
    """The class that a guarded one was made of; any other is its own."""
    return cls.__mro__[1] if cls in _guarded_classes else cls


def release(thing: Any) -> None:
    """Give a cursor or a connection its own class back."""
    if type(thing) in _guarded_classes:
        thing.__class__ = own_class(type(thing))
