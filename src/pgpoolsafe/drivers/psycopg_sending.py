"""psycopg: carry out what the guard decides on the user's statements. Sync and async share it.

psycopg runs everything as generators that yield what they wait for; the functions here
return such generators. The decision is made before psycopg sends its BEGIN, so that a
refusal leaves no transaction open.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

import psycopg

from ..effects import DRAWS, PLAIN, Reading, Scope
from ..errors import SessionStateError, SessionStateWarning
from ..guard import Guard, ends_transaction, is_rollback
from ..plan import Plan
from ..sql.manners import Manner, manner
from . import psycopg_meeting as meeting
from . import psycopg_pipeline as pipeline
from .psycopg_errors import reposition
from .psycopg_light import will_be_in_block
from .psycopg_outcome import (
    IDLE,
    carry_out,
    carry_out_edited,
    carry_out_question,
    has_failed,
    is_busy,
    is_in_block,
    refuse_end,
)
from .psycopg_texts import Template, converted, like, text_of, values_in

Gen = Generator[Any, Any, Any]
Send = Callable[[Any], Gen]
Carry = Callable[[Any, Plan], Gen]

_STANDARD = b"standard_conforming_strings"

_DO = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*do\b", re.IGNORECASE | re.DOTALL)


class Statement(NamedTuple):
    """One statement of the user's on its way; see `statement` for the meaning of its parts."""

    cursor: Any
    seat: Any
    query: Any
    params: Any
    send: Send
    prefix: str = ""
    batch: Any = None
    carry: Carry | None = None
    can_ask: bool = True


def statement(cursor: Any, seat: Any, query: Any, params: Any, send: Send, **more: Any) -> Gen:
    """The long way of one statement.

    `send` makes psycopg's own generator for a text. `prefix` is what psycopg puts before
    the text; `carry` makes a generator that sends settings along (None: this way of sending
    has none), `can_ask`: and one that reads what the server is asked for; `batch` has the
    parameters of all its executions, where there are several.
    """
    conn = cursor._conn
    if cursor._closed or conn.closed:
        return send(query)  # psycopg says so in its own words
    one = Statement(cursor, seat, query, params, send, **more)
    if meeting.meet_without_asking(conn, seat):
        return _watched(one)
    return meeting.afterwards(conn, seat, lambda: _watched(one))


def _watched(one: Statement) -> Gen:
    if one.seat.watch is None:
        return _decided(one)
    from . import psycopg_residue as residue

    conn = one.cursor._conn
    return residue.watched(
        conn,
        one.seat,
        lambda: _decided(one),
        text=one.prefix + (text_of(conn, one.query) or ""),
        params=one.params,
        batch=one.batch,
    )


def _decided(one: Statement) -> Gen:
    conn, guard = one.cursor._conn, one.seat.guard
    text = text_of(conn, one.query) if guard.attends else None
    if text is None or is_busy(conn):  # then psycopg refuses it, in its own words
        return one.send(one.query)
    text = one.prefix + text
    is_do = one.params is not None and "%%" in text and _DO.match(text) is not None
    if is_do:  # psycopg takes %% for %, and in a body that is format('… %I …')
        text = text.replace("%%", "%")
    reading = guard.read(text)
    in_block = will_be_in_block(conn, guard)
    fuses = one.carry is not None and _fuses(conn, guard, text)
    if reading in (PLAIN, DRAWS) and not guard.is_wary_of(text):
        draws = reading is DRAWS
        gen = _fused(one, draws) if fuses else _plainly(one, text, in_block, draws=draws)
        if gen is not None:
            return gen
    in_flight = sys.exc_info()[1]
    try:
        plan = _plan(one, text, reading, in_block=in_block, editable=not is_do)
    except (SessionStateError, SessionStateWarning) as error:
        if not ends_transaction(reading):
            raise
        return refuse_end(conn, guard, error, is_rollback(reading), in_flight)
    return _planned(one, text, _with_begin(conn, guard, plan) if fuses else plan)


def _plainly(one: Statement, text: str, in_block: bool, *, draws: bool) -> Gen | None:
    """A text that leaves nothing behind; None if it needs a plan for the settings."""
    conn, guard = one.cursor._conn, one.seat.guard
    if in_block or not guard.has_settings:
        if draws:
            guard.drew(in_block=in_block)
        return one.send(one.query)
    if one.carry is None or conn._pipeline:
        return None
    plan = guard.plan_for_plain(text)
    if plan is None:
        return None
    return _showing_own_text(one, one.carry(one.query, plan), text, plan)


def _fused(one: Statement, draws: bool) -> Gen | None:
    """The same along with a BEGIN that needs no plan either."""
    conn, guard = one.cursor._conn, one.seat.guard
    if one.carry is None or not one.seat.passes_begin:
        return None
    if draws:
        guard.drew(in_block=True)
    begin = conn._get_tx_start_command().decode()
    guard.books.in_block = True
    return one.carry(one.query, Plan(None, PLAIN, guard.books, begin=begin))


def _plan(one: Statement, text: str, reading: Reading, *, in_block: bool, editable: bool) -> Plan:
    conn, guard, has_carry = one.cursor._conn, one.seat.guard, one.carry is not None
    in_pipeline = bool(conn._pipeline)
    plan: Plan = guard.plan(
        text,
        reading,
        one.params,
        in_block=in_block,
        failed=has_failed(conn, reading),
        editable=editable and not isinstance(one.query, Template),
        unsaid=values_in(conn, one.query),
        can_add=in_pipeline or has_carry,
        can_ask=has_carry and one.can_ask and not in_pipeline,
        can_follow=has_carry and one.can_ask and not in_pipeline,
        takes_modes=in_block or _takes_modes(one, text),
        escapes=_escapes(conn, text),
        batch=one.batch or (),
        segment=None if in_block else pipeline.segment(conn),
    )
    return plan


def _escapes(conn: Any, text: str) -> bool:
    """Whether a backslash in its strings is one."""
    return "\\" in text and conn.pgconn.parameter_status(_STANDARD) == b"off"


def _takes_modes(one: Statement, text: str) -> bool:
    """Whether the modes of a transaction can go before its first query."""
    conn = one.cursor._conn
    if conn._pipeline:
        return pipeline.takes_modes(conn)
    if not one.seat.guard.refuses_begin:
        return True
    return not one.params and (not one.cursor.format or manner(text) is Manner.QUERY)


def _planned(one: Statement, text: str, plan: Plan) -> Gen:
    conn, guard = one.cursor._conn, one.seat.guard
    sent = one.query
    if plan.text is not None:
        sent = like(conn, sent, plan.text[len(one.prefix) :])
    carry = None if conn._pipeline else one.carry
    if carry and one.can_ask and guard.carries and _is_program(plan.reading):
        in_block = will_be_in_block(conn, guard)
        gen = _stopping(one, text, plan, carry(sent, plan._replace(as_query=True)), in_block)
    elif carry and plan.travels:
        gen = carry(sent, plan)
    else:
        gen = one.send(sent)
        if conn._pipeline and (plan.edits or pipeline.concerns_settings(guard, plan)):
            own = text if one.params is None and not one.prefix else None
            gen = pipeline.statement(conn, plan, gen, own)
    if not (one.prefix or conn._pipeline):
        gen = _showing_own_text(one, gen, text, plan)
    if plan.question is not None:
        return carry_out_question(one.cursor, guard, plan, gen)
    if plan.text is None:
        return carry_out(conn, guard, plan, gen)
    return carry_out_edited(one.cursor, guard, plan, gen)


def _is_program(reading: Reading) -> bool:
    """Whether it is several statements with transaction control among them."""
    statements = reading.statements
    return len(statements) > 1 and any(statement.control for statement in statements)


def _stopping(one: Statement, text: str, plan: Plan, gen: Gen, in_block: bool) -> Gen:
    """Such a text may fail after a COMMIT of its own, or a savepoint."""
    conn, seat, reading = one.cursor._conn, one.seat, plan.reading
    seat.succeeded, escapes = 0, _escapes(conn, text)
    try:
        return (yield from gen)
    except psycopg.Error:
        done = reading._replace(statements=reading.statements[: seat.succeeded])
        now = is_in_block(conn)
        seat.guard.stopped(text, done, one.params, escapes=escapes, begun=in_block, in_block=now)
        raise


def _fuses(conn: Any, guard: Guard, text: str) -> bool:
    """Whether psycopg's BEGIN can go with this statement."""
    if not guard.policy.fuse_begin or conn._autocommit or conn._pipeline:
        return False
    is_first = conn.pgconn.transaction_status == IDLE
    return bool(is_first) and manner(text) is Manner.PIPED


def _with_begin(conn: Any, guard: Guard, plan: Plan) -> Plan:
    """The plan of a statement that takes BEGIN along, with what follows that."""
    text = conn._get_tx_start_command().decode()
    begin = guard.plan(text, guard.read(text), in_block=False)
    plan.draft.number = begin.draft.number
    return plan._replace(begin=begin.text or text, before=begin.after)


def _showing_own_text(one: Statement, gen: Gen, text: str, plan: Plan) -> Gen:
    """Errors show their place in the user's text, whatever was sent."""
    one.seat.lead = 0
    try:
        return (yield from gen)
    except psycopg.Error as error:
        # In a pipeline of ours a text that was not edited stands as the user wrote it.
        if plan.edits or one.seat.lead or plan.after:
            own, edits = text, plan.edits
            if one.params is not None:
                merges = not one.can_ask
                own, edits = converted(one.cursor, text, one.params, edits, merges=merges)
            reposition(error, own, edits, one.seat.lead)
        raise


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
        return meeting.afterwards(conn, seat, lambda: many(cursor, seat, query, params_seq, send))
    text = text_of(conn, query) if seat.guard.watching else None
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
