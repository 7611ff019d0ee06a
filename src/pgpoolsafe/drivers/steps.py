"""What is done with one text: judged, sent, and what came back noted. No input or output.

These generators are shared by sync and async drivers; `wire.run` and `wire.run_async` carry
out what they yield.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ..effects import DRAWS, PLAIN, Reading
from ..errors import SessionStateError, SessionStateWarning
from ..guard import ends_transaction, is_rollback
from ..plan import Plan
from ..session.settings import NOTHING
from ..sql.putting import asking_query
from .meeting import meet
from .seat import Seat
from .wire import AS_IT_IS, Ask, Begin, End, Send, Steps, Wire

_STANDARD = "standard_conforming_strings"


def statement(
    seat: Seat,
    wire: Wire,
    text: str,
    params: Any = None,
    *,
    editable: bool = True,
    can_add: bool = True,
    can_ask: bool = True,
    batch: Sequence[Any] = (),
    unsaid: Sequence[str] = (),
    masked: bool = False,
) -> Steps:
    """Generator: judge a text before the driver opens its transaction, then send it.

    `params` are its parameters, a sequence or a mapping, `batch` those of all its executions;
    `editable`: another text can be sent, `can_add`: and settings along with it, where it is a
    transaction of its own, `can_ask`: what it sets has its value when it has been sent;
    `unsaid`: values that stand in the text, to be shown in no message; `masked`: an exception
    is on its way, which no error of ours may hide. Returns what the driver returned.
    """
    yield from meet(seat, wire)
    guard = seat.guard
    reading = guard.read(text) if guard.attends else PLAIN
    begins = wire.begins and not wire.in_block
    in_block = wire.in_block or begins
    if reading in (PLAIN, DRAWS) and not guard.is_wary_of(text):
        if in_block or not guard.has_settings:
            return (yield from _plainly(seat, wire, reading, begins=begins))
        plain = guard.plan_for_plain(text) if can_add else None
        if plain is not None:
            return (yield Send(before=plain.before or NOTHING))
    try:
        plan = guard.plan(
            text,
            reading,
            params,
            in_block=in_block,
            failed=wire.failed,
            editable=editable,
            can_add=can_add or in_block,
            can_ask=can_ask and in_block,
            escapes="\\" in text and wire.greeting().parameters.get(_STANDARD) == "off",
            batch=batch,
            unsaid=unsaid,
        )
    except (SessionStateError, SessionStateWarning) as error:
        if not ends_transaction(reading):
            raise
        return (yield from _refuse_end(seat, wire, error, reading, masked))
    begin = _begin(seat, wire, plan) if begins else None
    return (yield from _carry_out(seat, wire, plan, begin))


def _plainly(seat: Seat, wire: Wire, reading: Reading, *, begins: bool) -> Steps:
    """A text that leaves nothing behind, with the BEGIN that the driver sends before it."""
    guard = seat.guard
    if reading is DRAWS:
        guard.drew(in_block=begins or wire.in_block)
    if not begins:
        return (yield AS_IT_IS)
    begin = _begin(seat, wire)
    result = yield Send(begin=begin)
    guard.books.in_block = True
    return result


def opening(seat: Seat, wire: Wire) -> Steps:
    """Generator: a call that begins a transaction before there is any statement."""
    yield from meet(seat, wire)
    return (yield from _plainly(seat, wire, PLAIN, begins=not wire.in_block))


def own_tag(reading: Reading) -> str | None:
    """The command tag of the user's one statement, whatever it was sent as, or what went along."""
    commands = [one.command for one in reading.statements]
    return _TAGS.get(commands[0]) if len(commands) == 1 else None


_TAGS = {
    "RESET": "RESET",
    "BEGIN": "BEGIN",
    "START": "START TRANSACTION",
    "COMMIT": "COMMIT",
    "ROLLBACK": "ROLLBACK",
}


def _begin(seat: Seat, wire: Wire, plan: Plan | None = None) -> Begin:
    """The driver's BEGIN, and what is to follow it; for a `plan` that was made before."""
    guard, text = seat.guard, wire.begin
    if seat.begins_plainly:
        return Begin(text)
    begin = guard.plan(text, guard.read(text), in_block=False)
    (guard.books if plan is None else plan.draft).number = begin.draft.number
    return Begin(begin.text or text, begin.after or NOTHING)


def command(
    seat: Seat, wire: Wire, text: str, params: Any = None, *, masked: bool = False
) -> Steps:
    """Generator: judge what the driver sends by itself, such as COMMIT."""
    guard = seat.guard
    reading = guard.read(text)
    if not any(one.control for one in reading.statements):
        guard.internal(reading)
        seat.settle()
        more = guard.after_reset_all(reading)
        return (yield Send(text + more) if more and text.rstrip().endswith(";") else AS_IT_IS)
    in_block = wire.in_block or guard.books.in_block
    try:
        plan = guard.plan(text, reading, in_block=in_block, failed=wire.failed, editable=False)
    except (SessionStateError, SessionStateWarning) as error:
        if not ends_transaction(reading):
            raise
        return (yield from _refuse_end(seat, wire, error, reading, masked))
    return (yield from _carry_out(seat, wire, plan, None))


def _carry_out(seat: Seat, wire: Wire, plan: Plan, begin: Begin | None) -> Steps:
    guard, was_aborted = seat.guard, wire.failed
    try:
        result = yield _order(plan, begin)
        if plan.ask:
            guard.told(plan, (yield Ask(asking_query(plan.ask), within=True)))
    except BaseException as error:
        if was_aborted and wire.in_block and not wire.failed:
            # By AND CHAIN another one has begun. pg8000 raises an error of its own for it.
            guard.done(plan, in_block=True)
        else:
            guard.failed(plan, in_block=wire.in_block, sqlstate=wire.sqlstate(error))
        seat.settle()
        raise
    guard.done(plan, in_block=wire.in_block)
    if plan.question is not None and wire.is_false(result):
        guard.answered_false(plan)
    seat.settle()
    return result


def _order(plan: Plan, begin: Begin | None) -> Send:
    return Send(
        plan.text,
        before=plan.before or NOTHING,
        after=plan.after or NOTHING,
        alone=plan.before is not None and not plan.before and plan.text is not None,
        begin=begin,
        edits=plan.edits,
    )


def _refuse_end(seat: Seat, wire: Wire, error: Exception, reading: Reading, masked: bool) -> Steps:
    """End the transaction as a COMMIT does that the server refuses: rolled back, then raise.

    An exception that is already on its way is never masked: then it becomes a warning. A
    ROLLBACK for what a test has failed for already is only that, and releases it.
    """
    undo = seat.guard.undo_text()
    seat.guard.books.end()
    seat.settle()
    if wire.in_block:
        yield End(undo)
    finding = getattr(error, "finding", None)
    if is_rollback(reading) and finding is not None and finding.is_told:
        return
    if not (masked and is_rollback(reading)):
        raise error
    warnings.warn(SessionStateWarning(str(error), finding), stacklevel=2)
