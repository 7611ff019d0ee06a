"""psycopg2: its connections and cursors, guarded on the connection itself.

psycopg2's own classes are C types that an object cannot leave, so a connection has to be
born as one of a Python subclass (`guardable`), which changes nothing by itself; that one can
be given its guarded class, and back, at any time. What C code sends by itself, BEGIN among
it, cannot be seen; the public methods that make it do so can.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from psycopg2 import extensions

from ..effects import PLAIN
from ..errors import ConfigurationError
from . import psycopg2_session as session
from .batches import worst
from .fitting import Classes, Fitting
from .meeting import meet
from .psycopg2_sending import judged, opened, performing, text_of
from .psycopg2_shown import query_shown, status_shown
from .psycopg2_wire import Wire
from .seat import ATTRIBUTE, RETIRED, Seat
from .steps import command, statement
from .wire import run

_HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: the class of such an object can be changed."""


# classes that objects can leave


def _plain_subclass(cls: type) -> Any:
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, (cls,), names)


Connection: Any = _plain_subclass(extensions.connection)
"""psycopg2's connection as a Python class: for `connection_factory`."""


def guardable(factory: Any) -> Any:
    """The `connection_factory` to connect with, so that the connection can be guarded.

    `factory`: the user's own, or None. A Python class, and a function, is left as it is.
    """
    if factory is None or factory is extensions.connection:
        return Connection
    return factory


def is_guardable(conn: Any) -> bool:
    """Whether the connection is of a class that it can leave."""
    return bool(type(conn).__flags__ & _HEAP_TYPE) and hasattr(conn, "__dict__")


class _Fitting(Fitting):
    def is_open(self, conn: Any) -> bool:
        return bool(conn.get_transaction_status() == extensions.TRANSACTION_STATUS_INTRANS)

    def check(self, conn: Any) -> None:
        if conn.async_:
            raise ConfigurationError("pgpoolsafe guards no asynchronous psycopg2 connection")
        if not is_guardable(conn):
            raise ConfigurationError(
                "pgpoolsafe cannot guard a psycopg2 connection of a class that is written in C:"
                " open it with connection_factory=pgpoolsafe.drivers.psycopg2.Connection"
                " (a subclass that adds nothing), or install() before it is opened, on its engine"
                " or without a target"
            )


# cursors


def _cursor_overrides(cls: Any) -> dict[str, Any]:
    return {
        "execute": _execute_override(cls.execute),
        "executemany": _executemany_override(cls.executemany),
        "callproc": _callproc_override(cls.callproc),
        "copy_expert": _copy_override(cls.copy_expert),
        "copy_from": _copying_override(cls.copy_from),
        "copy_to": _copying_override(cls.copy_to),
        "close": _close_override(cls.close),
        "query": property(query_shown, doc=extensions.cursor.query.__doc__),
        "statusmessage": property(status_shown, doc=extensions.cursor.statusmessage.__doc__),
    }


def _execute_override(send: Any) -> Any:
    def execute(self: Any, query: Any, vars: Any = None) -> Any:  # noqa: A002  # psycopg2's name
        # The hot path: no **kwargs, no super(), nothing that a closure keeps.
        seat: Seat = getattr(self.connection, ATTRIBUTE, RETIRED)
        if type(query) is str and seat.known(query) is PLAIN and not self.withhold:
            return send(self, query, vars)
        return _judged(self, send, query, vars)

    return execute


def _judged(cursor: Any, send: Any, query: Any, values: Any) -> Any:
    prefix = _declaration(cursor) if cursor.name is not None else ""
    merges = cursor.name is None
    return judged(
        cursor, query, values, lambda text: send(cursor, text, values), prefix=prefix, merges=merges
    )


def _declaration(cursor: Any) -> str:
    """What psycopg2 puts before the text of a named cursor, to the letter.

    The place of an error is counted from its first one.
    """
    name = extensions.quote_ident(cursor.name, cursor)
    hold = "WITH" if cursor.withhold else "WITHOUT"
    return f"DECLARE {name} {_SCROLL[cursor.scrollable]}CURSOR {hold} HOLD FOR "


_SCROLL = {None: "", True: "SCROLL ", False: "NO SCROLL "}


def _executemany_override(send: Any) -> Any:
    def executemany(self: Any, query: Any, vars_list: Iterable[Any]) -> Any:
        seat: Seat = getattr(self.connection, ATTRIBUTE, RETIRED)
        if query.__class__ is str and seat.known(query) is PLAIN:
            return send(self, query, vars_list)
        reading = seat.guard.read(text_of(self.connection, query) or "")
        rows = list(vars_list)
        params = worst(reading, rows) if reading.bound else None
        return judged(self, query, params, lambda text: send(self, text, rows), batch=rows)

    return executemany


def _callproc_override(send: Any) -> Any:
    def callproc(self: Any, procname: Any, parameters: Any = None, *rest: Any) -> Any:
        values = list(parameters.values() if isinstance(parameters, dict) else parameters or ())
        text = f"SELECT * FROM {procname}({', '.join(['%s'] * len(values))})"
        arguments = (procname,) if parameters is None else (procname, parameters, *rest)
        return judged(
            self, text, values, lambda _: send(self, *arguments), editable=False, merges=False
        )

    return callproc


def _copy_override(send: Any) -> Any:
    def copy_expert(self: Any, sql: Any, file: Any, size: int = 8192) -> Any:
        return judged(self, sql, None, lambda text: send(self, text, file, size))

    return copy_expert


def _copying_override(send: Any) -> Any:
    def copying(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The text is psycopg2's own and plain; what counts is that the pooler is met.
        return judged(self, "COPY", None, lambda _: send(self, *args, **kwargs), merges=False)

    return copying


def _close_override(close: Any) -> Any:
    def guarded(self: Any) -> Any:
        conn, is_held = self.connection, bool(self.withhold and not self.closed)
        result = close(self)
        if is_held:
            seat: Seat = getattr(conn, ATTRIBUTE, RETIRED)
            name = extensions.quote_ident(self.name, conn)
            seat.guard.internal(seat.guard.read(f"CLOSE {name}"))
        return result

    return guarded


_cursors = Classes(_cursor_overrides)


# connections


def _connection_overrides(cls: Any) -> dict[str, Any]:
    return {
        "cursor": _cursor_override(cls),
        "__enter__": _enter_override(cls.__enter__),
        "__exit__": _exit_override(cls.__exit__),
        "commit": _command_override(cls.commit, "COMMIT"),
        "rollback": _command_override(cls.rollback, "ROLLBACK"),
        "tpc_begin": _opening_override(cls.tpc_begin, settings_first=False),
        "lobject": _opening_override(cls.lobject, settings_first=True),
        "tpc_prepare": _command_override(cls.tpc_prepare, "PREPARE TRANSACTION ''"),
        "tpc_commit": _tpc_override(cls.tpc_commit, "COMMIT"),
        "tpc_rollback": _tpc_override(cls.tpc_rollback, "ROLLBACK"),
        **session.overrides(cls, _session_text),
    }


def _cursor_override(cls: Any) -> Any:
    make = cls.cursor
    is_own, made_of = make is extensions.connection.cursor, _cursors.made

    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        seat: Seat = getattr(self, ATTRIBUTE, RETIRED)
        if seat is RETIRED:
            return make(self, *args, **kwargs)
        if is_own and not args and not kwargs:  # as nearly always
            guarded = made_of.get(self.cursor_factory or extensions.cursor)
            if guarded is not None:
                return make(self, cursor_factory=guarded)
        if (args or "name" in kwargs) and not (seat.met or self.closed):
            # A named cursor is not valid after a rollback, which may be part of the question.
            with seat.lock:
                run(meet(seat, Wire(self)), performing(self, seat, None, lambda _: None))
        if is_own and not args and "cursor_factory" not in kwargs:
            kwargs["cursor_factory"] = _guarded_factory(self.cursor_factory)
        made = make(self, *args, **kwargs)
        if _cursors.is_guarded(type(made)):  # born with its class, which is faster
            return made
        if type(made).__flags__ & _HEAP_TYPE:
            made.__class__ = _cursors.of(type(made))
            return made
        name, factory = made.name, _guarded_factory(type(made))
        return extensions.connection.cursor(
            self, name, factory, made.withhold, scrollable=made.scrollable
        )

    return cursor


def _enter_override(enter: Any) -> Any:
    def __enter__(self: Any) -> Any:  # noqa: N807  # psycopg2's
        result = enter(self)
        # Within the block psycopg2 begins transactions, in autocommit mode too.
        _note_block(self, begins=True)
        return result

    return __enter__


def _exit_override(leave: Any) -> Any:
    def __exit__(self: Any, *exc: Any) -> Any:  # noqa: N807  # psycopg2's
        try:
            return leave(self, *exc)
        finally:
            _note_block(self, begins=False)

    return __exit__


def _note_block(conn: Any, *, begins: bool) -> None:
    seat: Seat = getattr(conn, ATTRIBUTE, RETIRED)
    if seat is not RETIRED:
        seat.own = begins


def _guarded_factory(factory: Any) -> Any:
    """A class is replaced by its guarded one; the cursor of a function is given it later."""
    if factory is None:
        return _cursors.of(extensions.cursor)
    return _cursors.of(factory) if isinstance(factory, type) else factory


def _command_override(send: Any, text: str) -> Any:
    def guarded(self: Any, *args: Any) -> Any:
        seat: Seat = getattr(self, ATTRIBUTE, RETIRED)
        if seat.rests or self.closed:
            seat.guard.books.in_block = False
            return send(self, *args)
        if self.status == extensions.STATUS_READY:
            return send(self, *args)  # psycopg2 has begun nothing, and sends nothing
        masked = sys.exc_info()[1] is not None
        with seat.lock:
            steps = command(seat, Wire(self), text, masked=masked)
            return run(steps, performing(self, seat, text, lambda _: send(self, *args)))

    return guarded


def _opening_override(send: Any, *, settings_first: bool) -> Any:
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        seat: Seat = getattr(self, ATTRIBUTE, RETIRED)
        begins = not self.closed and not self.autocommit and Wire(self).free
        if not begins or not seat.guard.attends:
            return send(self, *args, **kwargs)
        return opened(
            self, seat, lambda: send(self, *args, **kwargs), settings_first=settings_first
        )

    return guarded


def _tpc_override(send: Any, text: str) -> Any:
    one_phase = _command_override(send, text)

    def guarded(self: Any, *args: Any) -> Any:
        # COMMIT PREPARED and ROLLBACK PREPARED end no transaction of this session.
        if args or self.status == extensions.STATUS_PREPARED:
            return send(self, *args)
        return one_phase(self)

    return guarded


def _session_text(conn: Any, text: str, send: Callable[[], Any]) -> Any:
    """A method of the connection that makes psycopg2 send this text; it cannot be edited."""
    seat: Seat = getattr(conn, ATTRIBUTE, RETIRED)
    if not seat.guard.watching or conn.closed:
        return send()
    with seat.lock:
        steps = statement(seat, Wire(conn), text, editable=False, can_add=False)
        return run(steps, performing(conn, seat, text, lambda _: send()))


FITTING = _Fitting(_connection_overrides)
