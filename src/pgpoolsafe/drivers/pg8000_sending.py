"""pg8000: messages in the forms that a guarded connection needs beside pg8000's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pg8000 import core
from pg8000.exceptions import DatabaseError

from ..session.settings import Carried
from ..sql.putting import answers, local_statements
from .positions import Sent
from .wire import Send


def in_block(conn: Any) -> bool:
    """Whether a transaction is open, aborted or not; on each of pg8000's connections."""
    return conn._transaction_status in (core.IN_TRANSACTION, core.IN_FAILED_TRANSACTION)


def simple(conn: Any, text: str, order: Send) -> Any:
    """A simple Query, with the settings that go along; the result is that of the text."""
    if not order.travels:
        return conn._pgpoolsafe_simple(text)
    if not merges(order):
        return _bracketed(conn, order.before, text, lambda: conn.send_QUERY(text))
    context = conn._pgpoolsafe_simple(order.around(text))
    if order.alone:  # what stands before it has returned something, and it has not
        context.rows, context.columns, context.row_count = None, None, -1
    elif answers(order.after.steps):  # a MOVE that counts no row, behind a command without a count
        context.row_count = -1
    return context


def merges(order: Send) -> bool:
    """Whether the settings can share a simple Query: pg8000 takes all rows of one together."""
    return not answers(order.before.steps)


def extended(
    conn: Any,
    text: str,
    order: Send,
    vals: Any,
    oids: Any,
    stream: Any,
    plainly: Callable[[], Any],
) -> Any:
    """A statement with parameters, in a transaction with the settings that go along."""
    if order.after:
        return simple(conn, text, order)
    if not order.travels:
        return plainly()
    if stream is not None:
        return _in_turn(conn, order.before, plainly)
    params = core.make_params(conn.py_types, vals)
    return _bracketed(conn, order.before, text, lambda: _send_statement(conn, text, oids, params))


def _opening(before: Carried) -> str:
    modes = " ".join(before.modes.values())
    return "; ".join([f"BEGIN {modes}".rstrip(), *local_statements(before.steps)])


def _bracketed(conn: Any, before: Carried, text: str, send: Callable[[], None]) -> Any:
    """BEGIN with the settings, what is sent, and COMMIT at once: one round trip."""
    # By this name a COMMIT that is answered by ROLLBACK is no error to pg8000: ours comes first.
    end = core.Context("rollback")
    contexts = core.Context(_opening(before)), core.Context(text), end
    conn.send_QUERY(contexts[0].statement)
    send()
    conn.send_QUERY("COMMIT")
    core._flush(conn._sock)
    errors = []
    for context in contexts:
        try:
            conn.handle_messages(context)
        except DatabaseError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return contexts[1]


def _in_turn(conn: Any, before: Carried, plainly: Callable[[], Any]) -> Any:
    """The same for a COPY, in whose stream no other message may come."""
    begin(conn, _opening(before))
    try:
        result = plainly()
    except DatabaseError:
        if in_block(conn):
            conn._pgpoolsafe_simple("ROLLBACK")
        raise
    # An error of the user's stream leaves the server in the midst of the COPY, where pg8000 does.
    conn._pgpoolsafe_simple("COMMIT")
    return result


def at_once(conn: Any, text: str, vals: Any, oids: Any, stream: Any) -> Any:
    """As `execute_unnamed`, with one Sync: one round trip, and one transaction.

    pg8000 sends Sync after Parse and after Bind. In autocommit mode each ends a transaction,
    so that a pooler may run the next step on another server connection, which knows nothing
    of the statement.
    """
    context = core.Context(text, stream=stream)
    params = core.make_params(conn.py_types, vals)
    _send_statement(conn, text, oids, params)
    core._flush(conn._sock)
    conn.handle_messages(context)
    return context


def _send_statement(conn: Any, text: str, oids: Any, params: Any) -> None:
    conn.send_PARSE(core.NULL_BYTE, text, oids)
    conn.send_DESCRIBE_STATEMENT(core.NULL_BYTE)
    conn.send_BIND(core.NULL_BYTE, params)
    conn.send_EXECUTE()
    core._write(conn._sock, core.SYNC_MSG)


def show_own_text(error: DatabaseError, sent: Sent) -> None:
    """Let an error name its place in the user's text; one without a place stays as it is."""
    fields = error.args[0] if error.args else None
    if isinstance(fields, dict) and "P" in fields:
        place = sent.place(int(fields["P"]))
        fields["P"] = str(place.position)
        fields["M"] = place.worded(fields["M"])


def begin(conn: Any, text: str) -> None:
    """A BEGIN and what follows it; if that fails no transaction is open."""
    try:
        conn._pgpoolsafe_simple(text)
    except DatabaseError:
        if in_block(conn):
            conn._pgpoolsafe_simple("ROLLBACK")
        raise


def asked(conn: Any, question: str) -> list[str | None]:
    """The one row of a question, as texts."""
    rows = conn._pgpoolsafe_simple(question).rows or [[]]
    return [None if value is None else str(value) for value in rows[0]]


def end(conn: Any, text: str) -> None:
    """What ends the transaction."""
    try:
        conn._pgpoolsafe_simple(text)
    except DatabaseError:
        # What follows the ROLLBACK may find nothing to release.
        if in_block(conn):
            raise
