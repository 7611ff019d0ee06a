"""psycopg2: its connections and cursors, guarded on the connection itself.

psycopg2's own classes are C types that an object cannot leave, so a connection has to be
born as one of a Python subclass (`guardable`), which changes nothing by itself; that one can
be given its guarded class, and back, at any time. What C code sends by itself, BEGIN among
it, cannot be seen; the public methods that make it do so can.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

import psycopg2
from psycopg2 import extensions, sql

from ..effects import PLAIN
from ..errors import ConfigurationError
from ..poolers.endpoints import Endpoint
from ..poolers.probe import PROBED_PARAMETERS, Greeting
from ..sql.putting import local_statements
from . import psycopg2_session as session
from .batches import worst
from .fitting import Classes, Fitting
from .meeting import meet
from .seat import ATTRIBUTE, RETIRED, Seat
from .steps import command, statement
from .wire import Ask, End, Order, run
from .wire import Send as Sending

_HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: the class of such an object can be changed."""

_DO = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*do\b", re.IGNORECASE | re.DOTALL)

Send = Callable[[Any], Any]
Carry = Callable[[Sending], Any]


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


# the wire


class _Wire:
    """What psycopg2 knows of a connection; `cursor` is the one that sends."""

    errors: tuple[type[BaseException], ...] = (psycopg2.Error,)

    def __init__(self, conn: Any, cursor: Any = None) -> None:
        self._conn = conn
        self._cursor = cursor

    @property
    def in_block(self) -> bool:
        return self._conn.get_transaction_status() in (
            extensions.TRANSACTION_STATUS_INTRANS,
            extensions.TRANSACTION_STATUS_INERROR,
        )

    @property
    def failed(self) -> bool:
        status = self._conn.get_transaction_status()
        return bool(status == extensions.TRANSACTION_STATUS_INERROR)

    @property
    def begins(self) -> bool:
        seat: Seat = getattr(self._conn, ATTRIBUTE, RETIRED)
        return not self._conn.autocommit or bool(seat.own)

    @property
    def begin(self) -> str:
        return session.begin_of(self._conn)

    @property
    def free(self) -> bool:
        status = self._conn.get_transaction_status()
        is_idle = status == extensions.TRANSACTION_STATUS_IDLE
        return bool(is_idle and self._conn.status == extensions.STATUS_READY)

    def greeting(self) -> Greeting:
        info = self._conn.info
        parameters = {name: info.parameter_status(name) for name in PROBED_PARAMETERS}
        return Greeting(
            endpoint=Endpoint(info.host or "", info.port, info.user or "", info.dbname or ""),
            backend_pid=info.backend_pid,
            parameters={name: value for name, value in parameters.items() if value is not None},
            server_version=info.server_version,
            requested_application_name=info.dsn_parameters.get("application_name"),
            local_port=_local_port(self._conn.fileno()),
            dialled_port=info.port,
            can_close_prepared=False,
        )

    def met(self, seat: Seat) -> None:
        """psycopg2 prepares nothing by protocol."""

    def is_false(self, result: Any) -> bool:
        """Look at the one row, and put the cursor back before it."""
        cursor = self._cursor
        if cursor is None or cursor.name is not None:
            return False
        if cursor.rowcount != 1 or cursor.description is None or len(cursor.description) != 1:
            return False
        row = cursor.fetchone()
        cursor.scroll(0, mode="absolute")
        return next(iter(row.values() if isinstance(row, dict) else row)) is False

    def sqlstate(self, error: BaseException) -> str | None:
        return getattr(error, "pgcode", None)


def _local_port(descriptor: int) -> int | None:
    """The client's own TCP port; None over a unix socket."""
    # A duplicate: closing it must not close libpq's socket.
    with socket.socket(fileno=os.dup(descriptor)) as ours:
        address = ours.getsockname()
    return address[1] if isinstance(address, tuple) else None


def _perform(conn: Any, seat: Seat, query: Any, send: Carry) -> Callable[[Order], Any]:
    """Carry out an order; `send` takes a `Send`."""

    def perform(order: Order) -> Any:
        if isinstance(order, Ask):
            within = session.ask_within if order.within else session.ask
            return within(conn, order.sql)
        if isinstance(order, End):
            return session.end(conn, order.text)
        sending, seat.sending = seat.sending, query
        try:
            return send(order)
        finally:
            seat.sending = sending

    return perform


def _head(conn: Any, order: Order) -> list[str]:
    """What goes before the text: psycopg2's BEGIN itself cannot be added to."""
    if not isinstance(order, Sending):
        return []
    begin, head = order.begin, list(order.head)
    if begin is None:
        return head
    modes = begin.text[len(session.begin_of(conn)) :].strip()
    first = [f"SET TRANSACTION {modes}"] if modes else []
    return [*first, *local_statements(begin.after.steps), *head]


def _first(conn: Any, head: list[str]) -> None:
    """Put settings in force in a message of their own, in the transaction that it begins."""
    if head:
        extensions.cursor(conn).execute("; ".join(head))


def _statement(
    cursor: Any,
    query: Any,
    params: Any,
    send: Send,
    *,
    prefix: str = "",
    editable: bool = True,
    merges: bool = True,
    batch: Any = (),
) -> Any:
    """The long way of one statement; `prefix` is what psycopg2 puts before its text.

    `merges`: settings can be written before the text that is sent; otherwise they go first,
    in a message of their own, and only within a transaction. `batch`: as for `statement`.
    """
    conn = cursor.connection
    seat: Seat = getattr(conn, ATTRIBUTE, RETIRED)
    text = _text(conn, query)
    if text is None or cursor.closed or conn.closed or seat.sending is query:
        return send(query)
    is_do = params is not None and "%%" in text and _DO.match(text) is not None
    if is_do:  # psycopg2 takes %% for %, and in a body that is format('… %I …')
        text, editable, merges = text.replace("%%", "%"), False, False

    def send_order(order: Sending) -> Any:
        head = _head(conn, order)
        if not (head or order.after or order.text is not None):
            return send(query)
        body = text[len(prefix) :] if order.text is None else order.text[len(prefix) :]
        if not merges or (batch and order.begin is not None):
            _first(conn, head)
            return send(query if order.text is None else _like(conn, query, body))
        whole = session.merged(head, body, order.after, doubled=params is not None or bool(batch))
        return send(_like(conn, query, whole))

    with seat.lock:
        steps = statement(
            seat,
            _Wire(conn, cursor),
            prefix + text,
            params,
            editable=editable,
            can_add=merges,
            batch=batch,
            masked=sys.exc_info()[1] is not None,
        )
        return run(steps, _perform(conn, seat, query, send_order))


def _text(conn: Any, query: Any) -> str | None:
    """The text as the user wrote it; None where psycopg2 will refuse it anyway."""
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode(_encoding(conn), "surrogateescape")
    return query.as_string(conn) if isinstance(query, sql.Composable) else None


def _like(conn: Any, query: Any, text: str) -> Any:
    """A text in the type of the user's query."""
    return text.encode(_encoding(conn), "surrogateescape") if isinstance(query, bytes) else text


def _encoding(conn: Any) -> str:
    return str(extensions.encodings.get(conn.encoding, "utf-8"))


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
    }


def _execute_override(send: Any) -> Any:
    def execute(self: Any, query: Any, vars: Any = None) -> Any:  # noqa: A002  # psycopg2's name
        seat: Seat = getattr(self.connection, ATTRIBUTE, RETIRED)
        if query.__class__ is str and seat.known(query) is PLAIN and not self.withhold:
            return send(self, query, vars)  # the hot path: no **kwargs, no super()
        prefix = _declaration(self) if self.name is not None else ""
        merges = self.name is None
        return _statement(
            self, query, vars, lambda text: send(self, text, vars), prefix=prefix, merges=merges
        )

    return execute


def _declaration(cursor: Any) -> str:
    """What psycopg2 puts before the text of a named cursor."""
    name = extensions.quote_ident(cursor.name, cursor)
    return f"DECLARE {name} CURSOR {'WITH HOLD ' if cursor.withhold else ''}FOR "


def _executemany_override(send: Any) -> Any:
    def executemany(self: Any, query: Any, vars_list: Iterable[Any]) -> Any:
        seat: Seat = getattr(self.connection, ATTRIBUTE, RETIRED)
        if query.__class__ is str and seat.known(query) is PLAIN:
            return send(self, query, vars_list)
        reading = seat.guard.read(_text(self.connection, query) or "")
        rows = list(vars_list)
        params = worst(reading, rows) if reading.bound else None
        return _statement(self, query, params, lambda text: send(self, text, rows), batch=rows)

    return executemany


def _callproc_override(send: Any) -> Any:
    def callproc(self: Any, procname: Any, parameters: Any = None, *rest: Any) -> Any:
        values = list(parameters.values() if isinstance(parameters, dict) else parameters or ())
        text = f"SELECT * FROM {procname}({', '.join(['%s'] * len(values))})"
        arguments = (procname,) if parameters is None else (procname, parameters, *rest)
        return _statement(
            self, text, values, lambda _: send(self, *arguments), editable=False, merges=False
        )

    return callproc


def _copy_override(send: Any) -> Any:
    def copy_expert(self: Any, sql: Any, file: Any, size: int = 8192) -> Any:
        return _statement(self, sql, None, lambda text: send(self, text, file, size))

    return copy_expert


def _copying_override(send: Any) -> Any:
    def copying(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The text is psycopg2's own and plain; what counts is that the pooler is met.
        return _statement(self, "COPY", None, lambda _: send(self, *args, **kwargs), merges=False)

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
        "tpc_prepare": _command_override(cls.tpc_prepare, "PREPARE TRANSACTION ''"),
        "tpc_commit": _tpc_override(cls.tpc_commit, "COMMIT"),
        "tpc_rollback": _tpc_override(cls.tpc_rollback, "ROLLBACK"),
        **session.overrides(cls, _session_text),
    }


def _cursor_override(cls: Any) -> Any:
    make = cls.cursor

    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        seat: Seat = getattr(self, ATTRIBUTE, RETIRED)
        if seat is RETIRED:
            return make(self, *args, **kwargs)
        if (args or "name" in kwargs) and not (seat.met or self.closed):
            # A named cursor is not valid after a rollback, which may be part of the question.
            with seat.lock:
                run(meet(seat, _Wire(self)), _perform(self, seat, None, lambda _: None))
        if make is extensions.connection.cursor and not args and "cursor_factory" not in kwargs:
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
        masked = sys.exc_info()[1] is not None
        with seat.lock:
            steps = command(seat, _Wire(self), text, masked=masked)
            return run(steps, _perform(self, seat, text, lambda _: send(self, *args)))

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
        steps = statement(seat, _Wire(conn), text, editable=False, can_add=False)
        return run(steps, _perform(conn, seat, text, lambda _: send()))


FITTING = _Fitting(_connection_overrides)
