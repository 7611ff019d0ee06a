"""asyncpg: its connections, guarded where they send.

Everything that asyncpg sends passes a few coroutines of the protocol object behind its
connection, whatever the user holds: a connection, one that a pool has lent, a cursor, a
prepared statement. That object is given a subclass made on the fly; the connection itself is
left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import asyncpg
from asyncpg.exceptions import PostgresError

from ..effects import PLAIN
from ..errors import ConfigurationError
from ..session.settings import NOTHING
from ..sql.edits import apart, apply
from .asyncpg_errors import show_own_text
from .asyncpg_settings import bracketed, with_settings
from .asyncpg_statements import Statements, named_again
from .asyncpg_wire import Own, Wire, asked
from .batches import worst
from .fitting import Fitting
from .meeting import meet
from .seat import ATTRIBUTE, RETIRED, Seat
from .steps import command, own_tag, statement
from .wire import AS_IT_IS, Ask, End, Order, Send, run_async

LAYOUT = (
    "query",
    "prepare",
    "bind",
    "bind_execute",
    "bind_execute_many",
    "copy_in",
    "copy_out",
    "close_statement",
    "is_in_transaction",
    "get_settings",
    "get_server_pid",
)
"""The methods of asyncpg's protocol object that the guard overrides or calls."""


class _Fitting(Fitting):
    def carrier(self, conn: Any) -> Any:
        return conn._protocol

    def check(self, conn: Any) -> None:
        missing = [name for name in LAYOUT if not hasattr(conn._protocol, name)]
        if missing or not hasattr(conn._protocol, "__dict__"):
            lacks = ", ".join(missing) or "a protocol object that can be changed"
            raise ConfigurationError(
                f"asyncpg {asyncpg.__version__} is not supported: it has no {lacks}"
            )

    def is_open(self, conn: Any) -> bool:
        seat = self.seat_of(conn)
        return bool(conn.is_in_transaction()) and not (seat is not None and seat.own.failed)

    def note(self, conn: Any) -> Own:
        return Own(conn)

    def give_back(self, conn: Any, seat: Seat) -> None:
        named_again(conn, seat.own.statements)
        if seat.own.caps is not None:
            conn._server_caps, seat.own.caps = seat.own.caps, None


# the protocol object


def _overrides(cls: Any) -> dict[str, Any]:
    return {
        "query": _query_override(cls),
        "prepare": _prepare_override(cls),
        "bind": _bound_override(cls, "bind"),
        "bind_execute": _bound_override(cls, "bind_execute"),
        "bind_execute_many": _many_override(cls),
        "copy_in": _copy_override(cls, "copy_in"),
        "copy_out": _copy_override(cls, "copy_out"),
        "close_statement": _close_override(cls),
        "_pgpoolsafe_base": cls,
    }


def _seat_of(protocol: Any) -> Seat:
    seat: Seat = getattr(protocol, ATTRIBUTE, RETIRED)
    return seat


def _query_override(cls: Any) -> Any:
    send_query = cls.query

    async def query(self: Any, query: Any, timeout: Any) -> Any:
        seat: Seat = getattr(self, ATTRIBUTE, RETIRED)
        if type(query) is str and (seat.known(query) is PLAIN or _passes(seat, query)):
            try:
                return await send_query(self, query, timeout)
            except PostgresError:
                _note_failure(self, seat)
                raise
        return await _judged_query(self, seat, send_query, query, timeout)

    return query


async def _judged_query(
    protocol: Any, seat: Seat, send_query: Any, query: Any, timeout: Any
) -> Any:
    sent: list[str] = []

    async def send(text: str, order: Send) -> Any:
        sent.append(text if not order.travels else order.around(text))
        return await send_query(protocol, sent[-1], timeout)

    status = await _guarded(protocol, seat, query, None, send)
    if sent == [query]:
        return status
    return (own_tag(seat.guard.read(query)) or status) if sent else "ROLLBACK"


def _prepare_override(cls: Any) -> Any:
    async def prepare(self: Any, stmt_name: str, query: Any, timeout: Any, **options: Any) -> Any:
        seat = _seat_of(self)
        if seat is RETIRED or seat.own.busy or not isinstance(query, str):
            return await cls.prepare(self, stmt_name, query, timeout, **options)
        if not seat.met:
            await _meet(self, seat)
        if seat.own.lent:
            seat.own.end_blocks(seat)
        is_bare = self.is_in_transaction() or seat.judges_begin
        before = NOTHING if is_bare else seat.guard.in_force
        statements = seat.own.statements
        try:
            return await bracketed(
                self,
                before,
                lambda: statements.prepare(self, seat, stmt_name, query, timeout, options),
            )
        except PostgresError:
            _note_failure(self, seat)
            raise

    return prepare


def _bound_override(cls: Any, name: str) -> Any:
    send = getattr(cls, name)

    async def bound(self: Any, state: Any, args: Any, *rest: Any, **named: Any) -> Any:
        seat = _seat_of(self)
        if seat is RETIRED:
            return await send(self, state, args, *rest, **named)
        statements: Statements = seat.own.statements
        text = statements.text_of(state)
        if seat.known(text) is PLAIN:
            try:
                if statements.is_off:
                    state = await statements.ready(self, state, text, is_portal=name == "bind")
                return await send(self, state, args, *rest, **named)
            except PostgresError:
                _note_failure(self, seat)
                raise

        async def send_text(wanted: str, order: Send) -> Any:
            within, behind = apart(order.edits)
            wanted = apply(text, within) if behind else wanted

            async def run() -> Any:
                now = await statements.ready(self, state, wanted, is_portal=name == "bind")
                result = await send(self, now, args, *rest, **named)
                if behind:  # of AND CHAIN: no prepared statement is several
                    await cls.query(self, behind, None)
                return result

            return await with_settings(self, order, run)

        return await _guarded(self, seat, text, args, send_text, is_prepared=True)

    return bound


def _many_override(cls: Any) -> Any:
    async def bind_execute_many(self: Any, state: Any, args: Any, *rest: Any, **named: Any) -> Any:
        seat = _seat_of(self)
        if seat is RETIRED:
            return await cls.bind_execute_many(self, state, args, *rest, **named)
        statements: Statements = seat.own.statements
        text = statements.text_of(state)
        reading = seat.guard.read(text)
        rows = list(args) if reading.bound else args

        async def send(wanted: str, order: Send) -> Any:
            async def run() -> Any:
                now = await statements.ready(self, state, wanted)
                return await cls.bind_execute_many(self, now, rows, *rest, **named)

            return await with_settings(self, order, run)

        params = worst(reading, rows) if reading.bound else None
        batch = rows if reading.bound else ()
        return await _guarded(self, seat, text, params, send, batch, is_prepared=True)

    return bind_execute_many


def _copy_override(cls: Any, name: str) -> Any:
    copy = getattr(cls, name)

    async def copying(self: Any, copy_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        return await _guarded(
            self,
            _seat_of(self),
            copy_stmt,
            None,
            lambda text, order: copy(self, order.around(text), *args, **kwargs),
        )

    return copying


def _close_override(cls: Any) -> Any:
    async def close_statement(self: Any, state: Any, timeout: Any) -> Any:
        seat = _seat_of(self)
        if seat is not RETIRED and seat.own.statements.is_off:
            # Wherever it was prepared: the next server connection may have one of that name
            # which is another client's.
            state.mark_closed()
            return None
        return await cls.close_statement(self, state, timeout)

    return close_statement


# one text

Sending = Callable[[str, Send], Awaitable[Any]]

_LEVELS = ("READ COMMITTED", "READ UNCOMMITTED", "REPEATABLE READ", "SERIALIZABLE")


async def _guarded(
    protocol: Any,
    seat: Seat,
    text: Any,
    params: Any,
    send: Sending,
    batch: Any = (),
    *,
    is_prepared: bool = False,
) -> Any:
    """Send a text that may have to be judged; `send` takes what is sent in the end.

    `is_prepared`: settings need a BEGIN to go with it, which statement mode does not have.
    """
    own: Own = seat.own
    try:
        if text.__class__ is str and (seat.known(text) is PLAIN or _passes(seat, text)):
            return await send(text, AS_IT_IS)
        conn = own.conn() if seat is not RETIRED else None
        if conn is None or own.busy or conn.is_closed() or not isinstance(text, str):
            return await send(text, AS_IT_IS)  # asyncpg says so in its own words
        can_add = not (is_prepared and seat.judges_begin)
        return await _judged(protocol, conn, seat, text, params, send, batch, can_add=can_add)
    except PostgresError:
        _note_failure(protocol, seat)
        raise


def _note_failure(protocol: Any, seat: Seat) -> None:
    """The server has refused something: within a transaction that aborts it."""
    if seat is not RETIRED:
        seat.own.failed = protocol.is_in_transaction()


def _passes(seat: Seat, text: str) -> bool:
    """Whether a BEGIN or an end of asyncpg's own needs no look, as in most programs."""
    books = seat.guard.books
    if text in _ENDS:
        if not seat.rests or seat is RETIRED:
            return False
        books.in_block = seat.own.failed = False
        return True
    if text in _BEGINS and seat.met and seat.begins_plainly:
        books.in_block, seat.own.failed = True, False
        return True
    return False


_ENDS = frozenset({"COMMIT;", "ROLLBACK;"})
_BEGINS = frozenset({"BEGIN;", *(f"BEGIN ISOLATION LEVEL {level};" for level in _LEVELS)})


async def _judged(
    protocol: Any,
    conn: Any,
    seat: Seat,
    text: str,
    params: Any,
    send: Sending,
    batch: Any,
    *,
    can_add: bool,
) -> Any:
    own: Own = seat.own
    if own.lent:
        own.end_blocks(seat)

    async def perform(order: Order) -> Any:
        if isinstance(order, Ask):
            return await asked(protocol, order.sql)
        if isinstance(order, End):
            return await _end(protocol, own, order.text)
        body = text if order.text is None else order.text
        try:
            return await send(body, order)
        except PostgresError as error:
            show_own_text(error, text, body, order)
            raise

    wire = Wire(protocol, own)
    if text == conn._reset_query:  # what a pool sends when a connection comes back to it
        steps = command(seat, wire, text)
    else:
        masked = _is_masked()
        steps = statement(seat, wire, text, params, can_add=can_add, batch=batch, masked=masked)
    own.busy = True
    try:
        result = await run_async(steps, perform)
    finally:
        own.busy = False
    # What succeeds in an aborted transaction is its end, ROLLBACK TO, or nothing at all.
    own.failed = own.failed and wire.in_block and not text.strip(" ;")
    return result


async def _meet(protocol: Any, seat: Seat) -> None:
    own: Own = seat.own

    async def perform(order: Order) -> Any:
        return await asked(protocol, order.sql) if isinstance(order, Ask) else None

    own.busy = True
    try:
        await run_async(meet(seat, Wire(protocol, own)), perform)
    finally:
        own.busy = False


async def _end(protocol: Any, own: Own, text: str) -> None:
    try:
        await protocol._pgpoolsafe_base.query(protocol, text, None)
    except PostgresError:
        # What follows the ROLLBACK may find nothing to release.
        if protocol.is_in_transaction():
            raise
    own.failed = False


def _is_masked() -> bool:
    """Whether an exception is on its way, or may be: SQLAlchemy's code runs elsewhere.

    Its greenlet awaits us from a coroutine of its own, where its exception does not show.
    """
    if sys.exc_info()[1] is not None:
        return True
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "greenlet_spawn":
            return True
        frame = frame.f_back
    return False


FITTING = _Fitting(_overrides)
