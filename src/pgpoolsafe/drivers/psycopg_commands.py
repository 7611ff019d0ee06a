"""psycopg: the commands that it sends itself: BEGIN, COMMIT, SAVEPOINT, FETCH, CLOSE, …"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import Any

import psycopg

from ..errors import SessionStateError, SessionStateWarning
from ..guard import Guard, ends_transaction, is_rollback
from ..plan import Plan
from . import psycopg_carrying as carrying
from . import psycopg_light as light
from . import psycopg_meeting as meeting
from . import psycopg_pipeline as pipeline
from .psycopg_outcome import carry_out, has_failed, is_in_block, refuse_end
from .psycopg_texts import text_of

Gen = Generator[Any, Any, Any]

_ENDS = frozenset({b"COMMIT", b"ROLLBACK"})


def passes(conn: Any, seat: Any, command: Any) -> bool:
    """Whether a command of psycopg's needs no look: the BEGIN and COMMIT of most programs."""
    is_bytes = type(command) is bytes
    if is_bytes and seat.passes_begin:
        if command in _ENDS:
            return light.ends(conn, seat.guard)
        # Most are just that, and it is quicker to compare than to look into it.
        if command != b"BEGIN" and not command.startswith(b"BEGIN"):
            return False
        seat.guard.books.in_block = True
        return True
    is_end = is_bytes and command in _ENDS
    if not seat.guard.attends:
        if is_end:
            seat.guard.books.in_block = False
        return True
    return is_end and seat.met and seat.watch is None and light.ends(conn, seat.guard)


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
        return meeting.afterwards(
            conn, seat, lambda: _met_command(conn, seat, send, command, result_format)
        )
    return _met_command(conn, seat, send, command, result_format)


def _met_command(
    conn: Any, seat: Any, send: Callable[..., Gen], command: Any, result_format: Any
) -> Gen:
    if seat.watch is None:
        return _command(conn, seat, send, command, result_format)
    from . import psycopg_residue as residue

    return residue.watched_command(
        conn,
        seat,
        lambda: _command(conn, seat, send, command, result_format),
        text=text_of(conn, command) or "",
    )


def _command(
    conn: Any, seat: Any, send: Callable[..., Gen], command: Any, result_format: Any
) -> Gen:
    if passes(conn, seat, command):
        return send(conn, command, result_format)
    guard: Guard = seat.guard
    text = text_of(conn, command) or ""
    reading = guard.read(text)
    is_control = any(statement.control for statement in reading.statements)
    if not is_control and not guard.counts_on_kept(reading):
        guard.internal(reading)
        return send(conn, command, result_format)
    control = light.savepoint(conn, guard, reading)
    if control is not None:
        return light.moved(conn, seat, control, send(conn, command, result_format))
    in_flight = sys.exc_info()[1]
    try:
        plan = guard.plan(
            text,
            reading,
            in_block=_is_in_block(conn, guard),
            failed=has_failed(conn, reading),
            editable=False,
        )
    except (SessionStateError, SessionStateWarning) as error:
        if not ends_transaction(reading):
            _uncount_block(conn)
            raise
        return refuse_end(conn, guard, error, is_rollback(reading), in_flight)
    gen = _sent(conn, guard, plan, text, lambda: send(conn, command, result_format))
    return carry_out(conn, guard, plan, gen)


def _is_in_block(conn: Any, guard: Guard) -> bool:
    """In a pipeline the books run ahead of the status; else they may not have seen the end."""
    if conn._pipeline and pipeline.runs_ahead(conn):
        return guard.books.in_block or is_in_block(conn)
    return is_in_block(conn)


def _sent(conn: Any, guard: Guard, plan: Plan, text: str, send: Callable[[], Gen]) -> Gen:
    if plan.text is None and not plan.travels:
        if conn._pipeline and pipeline.concerns_settings(guard, plan):
            return pipeline.statement(conn, plan, send())
        return send()
    if conn._pipeline:
        return pipeline.command(conn, plan, plan.text or text)
    conn._check_connection_ok()
    return carrying.command(conn, plan, plan.text or text)


def _uncount_block(conn: Any) -> None:
    """`with conn.transaction()` was refused: psycopg 3.2 has counted a block that never began.

    Later versions undo it themselves, when the error passes through them.
    """
    if conn._num_transactions and not hasattr(psycopg.Transaction, "_check_enter"):
        conn._num_transactions -= 1
