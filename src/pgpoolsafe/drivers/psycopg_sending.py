"""psycopg: carry out what the guard decides. Sync and async share all of this.

psycopg runs everything as generators that yield what they wait for; the functions here
return such generators. The decision is made before psycopg sends its BEGIN, so that a
refusal leaves no transaction open.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Generator, Iterable
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import execute

from ..effects import DRAWS, PLAIN, Reading, Scope
from ..errors import SessionStateError, SessionStateWarning
from ..guard import Guard, ends_transaction, is_rollback
from ..plan import Plan
from . import psycopg_meeting as meeting
from . import psycopg_residue as residue
from .psycopg_seat import ATTRIBUTE, RETIRED

try:  # Python 3.14 and psycopg 3.3
    from psycopg._compat import Template
except ImportError:  # psycopg 3.2 knows no template strings

    class Template:  # type: ignore[no-redef]
        """Stands for the class that this psycopg does not have; nothing is one."""


IDLE = pq.TransactionStatus.IDLE
INERROR = pq.TransactionStatus.INERROR
FATAL_ERROR = pq.ExecStatus.FATAL_ERROR

Gen = Generator[Any, Any, Any]
Send = Callable[[Any], Gen]

_DO = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*do\b", re.IGNORECASE | re.DOTALL)
_ENDS = frozenset({b"COMMIT", b"ROLLBACK"})


# statements of the user


def statement(
    cursor: Any,
    seat: Any,
    query: Any,
    params: Any,
    send: Send,
    *,
    prefix: str = "",
    batch: Any = None,
) -> Gen:
    """The long way of one statement; `prefix` is what psycopg puts before its text.

    `send` makes psycopg's own generator for a text; `batch` has the parameters of all its
    executions, where there are several.
    """
    conn = cursor._conn
    if cursor._closed or conn.closed:
        return send(query)  # psycopg says so in its own words
    if not meeting.meet_without_asking(conn, seat):
        return _after_meeting(
            conn,
            seat,
            lambda: statement(cursor, seat, query, params, send, prefix=prefix, batch=batch),
        )
    if seat.watch is None:
        return _statement(cursor, seat, query, params, send, prefix)
    return residue.watched(
        conn,
        seat,
        lambda: _statement(cursor, seat, query, params, send, prefix),
        text=prefix + (_text(conn, query) or ""),
        params=params,
        batch=batch,
    )


def _statement(cursor: Any, seat: Any, query: Any, params: Any, send: Send, prefix: str) -> Gen:
    conn = cursor._conn
    guard: Guard = seat.guard
    text = _text(conn, query) if guard.watching else None
    if text is None:
        return send(query)
    text = prefix + text
    is_do = params is not None and "%%" in text and _DO.match(text) is not None
    if is_do:  # psycopg takes %% for %, and in a body that is format('… %I …')
        text = text.replace("%%", "%")
    reading = guard.read(text)
    is_plain = not guard.is_wary_of(text)
    if reading is PLAIN and is_plain:
        return send(query)
    in_block = _will_be_in_block(conn, guard)
    if reading is DRAWS and is_plain:
        guard.drew(in_block=in_block)
        return send(query)
    in_flight = sys.exc_info()[1]
    try:
        plan = guard.plan(
            text,
            reading,
            params,
            in_block=in_block,
            failed=conn.pgconn.transaction_status == INERROR,
            editable=not (is_do or isinstance(query, Template)),
        )
    except (SessionStateError, SessionStateWarning) as error:
        if not ends_transaction(reading):
            raise
        return _refuse_end(conn, guard, error, is_rollback(reading), in_flight)
    if plan.question is not None:
        return _carry_out_question(cursor, guard, plan, send(query))
    if plan.text is None:
        return _carry_out(conn, guard, plan, send(query))
    edited = _like(conn, query, plan.text[len(prefix) :])
    return _carry_out_edited(cursor, guard, plan, send(edited))


def _carry_out_edited(cursor: Any, guard: Guard, plan: Plan, gen: Gen) -> Gen:
    """RESET was sent as SET LOCAL … TO DEFAULT: the tag is still that of RESET."""
    yield from _carry_out(cursor._conn, guard, plan, gen)
    resets = [statement.command == "RESET" for statement in plan.reading.statements]
    # psycopg 3.2 keeps no tag of its own.
    if resets == [True] and getattr(cursor, "_statusmessage", None) is not None:
        cursor._statusmessage = b"RESET"


def _carry_out_question(cursor: Any, guard: Guard, plan: Plan, gen: Gen) -> Gen:
    """pg_try_advisory_lock and pg_advisory_unlock: nobody looks at what they return."""
    yield from _carry_out(cursor._conn, guard, plan, gen)
    result = cursor.pgresult
    single = result is not None and (result.ntuples, result.nfields) == (1, 1)
    if single and result.get_value(0, 0) in (b"f", b"\0"):
        guard.answered_false(plan)


def _carry_out(conn: Any, guard: Guard, plan: Plan, gen: Gen) -> Gen:
    try:
        result = yield from gen
    except BaseException as error:
        guard.failed(plan, in_block=_is_in_block(conn), sqlstate=getattr(error, "sqlstate", None))
        raise
    guard.done(plan, in_block=None if conn._pipeline else _is_in_block(conn))
    getattr(conn, ATTRIBUTE, RETIRED).settle()
    return result


def many(
    cursor: Any,
    seat: Any,
    query: Any,
    params_seq: Iterable[Any],
    send: Callable[[Any, Iterable[Any]], Gen],
) -> Gen:
    """executemany: one text, judged by the parameters that make it worst."""
    conn = cursor._conn
    is_open = not (cursor._closed or conn.closed)
    if is_open and not meeting.meet_without_asking(conn, seat):
        return _after_meeting(conn, seat, lambda: many(cursor, seat, query, params_seq, send))
    text = _text(conn, query) if seat.guard.watching else None
    reading = PLAIN if text is None else seat.guard.read(text)
    if not reading.bound and seat.watch is None:
        return statement(cursor, seat, query, None, lambda text: send(text, params_seq))
    rows = list(params_seq)
    worst = _worst(reading, rows) if reading.bound else None
    return statement(cursor, seat, query, worst, lambda text: send(text, rows), batch=rows)


def _worst(reading: Reading, all_params: list[Any]) -> Any:
    """The first parameters under which set_config is session-wide, else the first."""
    deciding = [
        effect.scope_param.param
        for statement in reading.statements
        for effect in statement.effects
        if effect.scope is Scope.BOUND and effect.scope_param is not None
    ]
    for params in all_params:
        try:
            if any(params[param] is not True for param in deciding):
                return params
        except (IndexError, KeyError, TypeError):
            return params  # psycopg will say what is wrong with them
    return all_params[0] if all_params else None


# commands of psycopg itself


def passes(seat: Any, command: Any) -> bool:
    """Whether a command of psycopg's needs no look: the BEGIN and COMMIT of most programs."""
    guard = seat.guard
    if not guard.watching:
        return True
    if command.__class__ is not bytes or not seat.met or seat.watch is not None:
        return False
    books = guard.books
    if command in _ENDS:
        if not books.blank:
            return False
        books.in_block = False
        return True
    if seat.passes_begin and command.startswith(b"BEGIN"):
        books.in_block = True
        return True
    return False


def command(
    conn: Any, seat: Any, send: Callable[..., Gen], command: Any, result_format: Any
) -> Gen:
    """BEGIN, COMMIT, SAVEPOINT, FETCH, CLOSE, DEALLOCATE ALL, … that psycopg sends."""
    if conn.closed:
        return send(conn, command, result_format)
    try:
        met = meeting.meet_without_asking(conn, seat)
    except (SessionStateError, SessionStateWarning):
        if command in _ENDS:  # the way out of a transaction is never barred
            return send(conn, command, result_format)
        raise
    if not met:
        return _after_meeting(
            conn, seat, lambda: _met_command(conn, seat, send, command, result_format)
        )
    return _met_command(conn, seat, send, command, result_format)


def _met_command(
    conn: Any, seat: Any, send: Callable[..., Gen], command: Any, result_format: Any
) -> Gen:
    if seat.watch is None:
        return _command(conn, seat, send, command, result_format)
    return residue.watched_command(
        conn,
        seat,
        lambda: _command(conn, seat, send, command, result_format),
        text=_text(conn, command) or "",
    )


def _command(
    conn: Any, seat: Any, send: Callable[..., Gen], command: Any, result_format: Any
) -> Gen:
    if passes(seat, command):
        return send(conn, command, result_format)
    guard: Guard = seat.guard
    text = _text(conn, command) or ""
    reading = guard.read(text)
    is_control = any(statement.control for statement in reading.statements)
    if not is_control and not guard.counts_on_kept(reading):
        guard.internal(reading)
        return send(conn, command, result_format)
    in_flight = sys.exc_info()[1]
    try:
        plan = guard.plan(
            text,
            reading,
            in_block=_is_in_block(conn) or guard.books.in_block,
            failed=conn.pgconn.transaction_status == INERROR,
            editable=False,
        )
    except (SessionStateError, SessionStateWarning) as error:
        if not ends_transaction(reading):
            _uncount_block(conn)
            raise
        return _refuse_end(conn, guard, error, is_rollback(reading), in_flight)
    return _carry_out(conn, guard, plan, send(conn, command, result_format))


def _uncount_block(conn: Any) -> None:
    """`with conn.transaction()` was refused: psycopg 3.2 has counted a block that never began.

    Later versions undo it themselves, when the error passes through them.
    """
    if conn._num_transactions and not hasattr(psycopg.Transaction, "_check_enter"):
        conn._num_transactions -= 1


# what both need


def _after_meeting(conn: Any, seat: Any, then: Callable[[], Gen]) -> Gen:
    yield from meeting.meet_by_asking(conn, seat)
    return (yield from then())


def _refuse_end(
    conn: Any, guard: Guard, error: Exception, rollback: bool, in_flight: BaseException | None
) -> Gen:
    """End the transaction as a COMMIT does that the server refuses: rolled back, then raise.

    An exception that is already on its way is never masked: then it becomes a warning.
    """
    undo = guard.undo_text().encode(conn.pgconn._encoding)
    guard.books.end()
    if conn._pipeline:
        yield from conn._pgpoolsafe_exec_command(b"ROLLBACK")
    elif conn.pgconn.transaction_status != IDLE:
        conn.pgconn.send_query(undo)
        # What follows the ROLLBACK may find nothing to release; that is no error of the user's.
        rolled_back = (yield from execute(conn.pgconn))[0]
        if rolled_back.status == FATAL_ERROR:
            raise error_from_result(rolled_back, encoding=conn.pgconn._encoding) from error
    getattr(conn, ATTRIBUTE, RETIRED).refused = True
    conn._tpc = None  # a refused PREPARE TRANSACTION is over, nothing is prepared
    conn._prepared.clear()
    yield from conn._prepared.maintain_gen(conn)
    if rollback and in_flight is not None:
        finding = getattr(error, "finding", None)
        warnings.warn(SessionStateWarning(str(error), finding), stacklevel=2)
        return None
    raise error


def _is_in_block(conn: Any) -> bool:
    status = conn.pgconn.transaction_status
    return bool(status in (pq.TransactionStatus.INTRANS, INERROR))


def _will_be_in_block(conn: Any, guard: Guard) -> bool:
    """Whether a statement sent now runs in a block: open, or opened for it by psycopg."""
    if not conn._autocommit or _is_in_block(conn):
        return True
    # In a pipeline the status lags behind what was queued.
    return bool(conn._pipeline) and guard.books.in_block


def _text(conn: Any, query: Any) -> str | None:
    """The text as the user wrote it; None where psycopg will refuse it anyway."""
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode(conn.pgconn._encoding, "surrogateescape")
    if isinstance(query, sql.Composable):
        return query.as_string(conn)
    if isinstance(query, Template):
        converted = PostgresQuery(Transformer(conn))
        converted.convert(query, None)
        return bytes(converted.query).decode(conn.pgconn._encoding, "replace")
    return None


def _like(conn: Any, query: Any, text: str) -> Any:
    """A text in the type of the user's query."""
    if isinstance(query, bytes):
        return text.encode(conn.pgconn._encoding, "surrogateescape")
    return text
