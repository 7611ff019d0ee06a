"""What is done with one text: judged, sent, and what came back noted. No input or output.

These generators are shared by sync and async drivers; `wire.run` and `wire.run_async` carry
out what they yield.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..effects import DRAWS, PLAIN, Reading
from ..errors import SessionStateError, SessionStateWarning
from ..guard import ends_transaction, is_rollback
from ..plan import Plan
from .meeting import meet
from .seat import Seat
from .wire import AS_IT_IS, End, Send, Steps, Wire


def statement(
    seat: Seat,
    wire: Wire,
    text: str,
    params: Any = None,
    *,
    editable: bool = True,
    masked: bool = False,
) -> Steps:
    """Generator: judge a text before the driver opens its transaction, then send it.

    `params` are its parameters, a sequence or a mapping; `masked`: an exception is on its
    way, which no error of ours may hide. Returns what the driver returned.
    """
    yield from meet(seat, wire)
    guard = seat.guard
    reading = guard.read(text) if guard.watching else PLAIN
    in_block = wire.in_block or wire.begins
    if seat.judges_begin and wire.begins and not wire.in_block:
        _report_begin(seat)
    if not guard.is_wary_of(text):
        if reading is DRAWS:
            guard.drew(in_block=in_block)
        if reading is PLAIN or reading is DRAWS:
            return (yield AS_IT_IS)
    try:
        plan = guard.plan(
            text, reading, params, in_block=in_block, failed=wire.failed, editable=editable
        )
    except (SessionStateError, SessionStateWarning) as error:
        if not ends_transaction(reading):
            raise
        return (yield from _refuse_end(seat, wire, error, reading, masked))
    return (yield from _carry_out(seat, wire, plan))


def command(
    seat: Seat, wire: Wire, text: str, params: Any = None, *, masked: bool = False
) -> Steps:
    """Generator: judge what the driver sends by itself, such as COMMIT."""
    guard = seat.guard
    reading = guard.read(text)
    if not any(one.control for one in reading.statements):
        guard.internal(reading)
        return (yield AS_IT_IS)
    in_block = wire.in_block or guard.books.in_block
    try:
        plan = guard.plan(text, reading, in_block=in_block, failed=wire.failed, editable=False)
    except (SessionStateError, SessionStateWarning) as error:
        if not ends_transaction(reading):
            raise
        return (yield from _refuse_end(seat, wire, error, reading, masked))
    return (yield from _carry_out(seat, wire, plan))


def _carry_out(seat: Seat, wire: Wire, plan: Plan) -> Steps:
    guard = seat.guard
    try:
        result = yield Send(plan.text)
    except BaseException as error:
        guard.failed(plan, in_block=wire.in_block, sqlstate=wire.sqlstate(error))
        raise
    guard.done(plan, in_block=wire.in_block)
    if plan.question is not None and wire.is_false(result):
        guard.answered_false(plan)
    seat.settle()
    return result


def _refuse_end(seat: Seat, wire: Wire, error: Exception, reading: Reading, masked: bool) -> Steps:
    """End the transaction as a COMMIT does that the server refuses: rolled back, then raise.

    An exception that is already on its way is never masked: then it becomes a warning.
    """
    undo = seat.guard.undo_text()
    seat.guard.books.end()
    if wire.in_block:
        yield End(undo)
    if not (masked and is_rollback(reading)):
        raise error
    warnings.warn(SessionStateWarning(str(error), getattr(error, "finding", None)), stacklevel=2)


def _report_begin(seat: Seat) -> None:
    """The driver's own BEGIN, where transactions cannot be had."""
    guard = seat.guard
    guard.plan("BEGIN", guard.read("BEGIN"), in_block=False, editable=False)
