"""psycopg2: carry out what is decided about one text, and the settings that go along.

psycopg2 sends a simple Query, with the parameters merged into it, so that settings can be
written before the text. Where it makes the text itself they go first, in a message of their
own. Its BEGIN is a message of its own in any case, and is sent by C code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from psycopg2 import extensions, sql

from ..sql.putting import local_statements
from . import psycopg2_session as session
from .psycopg2_shown import Wrapped, encoding_of
from .psycopg2_wire import Wire
from .seat import ATTRIBUTE, RETIRED, Seat
from .steps import opening, own_tag, statement
from .wire import Ask, End, Order, run
from .wire import Send as Sending

_DO = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*do\b", re.IGNORECASE | re.DOTALL)
_BLANK = re.compile(r"(?:[\s;]|--[^\n]*|/\*.*?\*/)*", re.DOTALL)

Send = Callable[[Any], Any]
Carry = Callable[[Sending], Any]


def performing(conn: Any, seat: Seat, query: Any, send: Carry) -> Callable[[Order], Any]:
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


def judged(
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
    text = text_of(conn, query)
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
        is_merged = params is not None or bool(batch)
        # psycopg2 refuses a text without a statement, and the settings are statements.
        goes_alone = not merges or _BLANK.fullmatch(text) is not None
        if goes_alone or (batch and order.begin is not None):
            _first(conn, head)
            whole = query if order.text is None else _like(conn, query, body)
            lead = tail = ""
        else:
            lead, body, tail = session.sides(head, body, order.after)
            whole = _like(conn, query, session.merged(lead, body, tail, doubled=is_merged))
        tag = own_tag(seat.guard.read(text)) if tail or order.edits else None
        wrapped = Wrapped(prefix + text, order.edits, lead, tail, is_merged, tag)
        return wrapped.send(cursor, lambda: send(whole))

    with seat.lock:
        steps = statement(
            seat,
            Wire(conn, cursor),
            prefix + text,
            params,
            editable=editable,
            can_add=merges,
            can_ask=not prefix,  # a cursor computes its rows when they are fetched
            batch=batch,
            unsaid=values_in(conn, query),
            masked=sys.exc_info()[1] is not None,
        )
        return run(steps, performing(conn, seat, query, send_order))


def opened(conn: Any, seat: Seat, send: Callable[[], Any], *, settings_first: bool) -> Any:
    """A method that makes psycopg2 send a BEGIN; the settings go in a message of their own."""

    def send_order(order: Sending) -> Any:
        head = _head(conn, order)
        if settings_first:
            _first(conn, head)
            return send()
        result = send()
        _first(conn, head)
        return result

    with seat.lock:
        return run(opening(seat, Wire(conn)), performing(conn, seat, None, send_order))


def text_of(conn: Any, query: Any) -> str | None:
    """The text as the user wrote it; None where psycopg2 will refuse it anyway."""
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode(encoding_of(conn), "surrogateescape")
    return query.as_string(conn) if isinstance(query, sql.Composable) else None


def values_in(conn: Any, query: Any) -> tuple[str, ...]:
    """The values that are composed into a query, as they stand in its text."""
    if isinstance(query, sql.Literal):
        return (query.as_string(conn),)
    if not isinstance(query, sql.Composed):
        return ()
    return tuple(value for part in query for value in values_in(conn, part))


def _like(conn: Any, query: Any, text: str) -> Any:
    """A text in the type of the user's query."""
    return text.encode(encoding_of(conn), "surrogateescape") if isinstance(query, bytes) else text
