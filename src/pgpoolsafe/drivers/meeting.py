"""Find out what a connection leads to, at most one round trip per endpoint and installation.

The same order as for psycopg: the user's word, what the installation has learnt of the
endpoint, what the greeting shows, and only then a question, outside any transaction.
"""

from __future__ import annotations

import json
import logging
import secrets

from ..errors import SessionStateError, SessionStateWarning
from ..poolers.answers import Pooler
from ..poolers.detect import ProbeAnswer, conclude, first_look, new_probe
from ..poolers.probe import Greeting
from ..poolers.products import pooler as pooler_named
from ..poolers.startup import kept, left_out
from ..rules.allowing import allowed_now
from ..rules.catalog import RULES, Level
from ..rules.findings import Finding, caller
from ..sql.stored import StoredCode, question, stored_code
from .known_code import reader_of, remembers_code, tell_refusal, wants_code
from .seat import Seat
from .wire import Ask, Steps, Wire

logger = logging.getLogger("pgpoolsafe")


def meet(seat: Seat, wire: Wire) -> Steps:
    """Generator: tell the guard its pooler, unless it knows; may yield one `Ask`."""
    if seat.met or not seat.guard.watching or not seat.owners:
        return
    try:
        yield from _meet(seat, wire)
    except wire.errors:
        raise
    except (SessionStateError, SessionStateWarning):
        raise
    except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
        seat.guard.own_failure()
        seat.guard.meet(pooler_named("unknown"))
        seat.met = True
        seat.settle()


def _meet(seat: Seat, wire: Wire) -> Steps:
    owner = seat.owners[-1]
    if owner.override is not None:
        yield from _met(seat, wire, owner.override)
        return
    greeting = wire.greeting()
    pooler = first_look(greeting) or _remembered(owner.poolers, greeting)
    if pooler is None and not wire.free:
        # Judge by what is known; ask when the connection is free.
        seat.guard.meet(conclude(greeting, None))
        return
    if pooler is None:
        answer = yield from _asked(wire)
        pooler = conclude(greeting, answer)
        if answer is None:
            yield from _met(seat, wire, pooler)
            return
    owner.poolers[greeting.endpoint] = pooler
    yield from _met(seat, wire, pooler)


def _remembered(poolers: dict[object, Pooler], greeting: Greeting) -> Pooler | None:
    """What was learnt of the endpoint, unless this greeting contradicts it."""
    pooler = poolers.get(greeting.endpoint)
    if pooler is not None and pooler.product == "direct" and greeting.impossible_pid:
        return None
    return pooler


def _asked(wire: Wire) -> Steps:
    probe = new_probe(secrets.token_hex(8), with_prepare=False)
    try:
        row = yield Ask(probe.question_sql.decode())
        return ProbeAnswer.from_row(row)
    except wire.errors as error:
        logger.info("the pooler probe failed (%s); judging by the greeting", error)
    except ValueError as error:
        logger.info("the pooler probe gave no answer (%s); judging by the greeting", error)
    return None


def report_named_prepares(seat: Seat, setting: str) -> None:
    """Tell that the driver keeps named prepared statements; `setting` says how it is set so."""
    guard, rule = seat.guard, RULES["named-prepare"]
    level = guard.policy.fallback(rule)
    if guard.pooler is None or level is Level.IGNORE or rule.name in allowed_now():
        return
    words = {"name": setting, "pooler": str(guard.pooler)}
    finding = Finding(
        rule=rule.name,
        what=rule.what.format(**words),
        statement=f"(the connection's {setting.partition('=')[0]})",
        why=next(iter(rule.why.values())).format(**words),
        fix=rule.fix,
        pooler=guard.pooler,
        level=level.value,
        location=caller(),
    )
    guard.reporter.report([finding])


def _met(seat: Seat, wire: Wire, pooler: Pooler) -> Steps:
    seat.guard.give({**left_out(pooler, wire.asked), **seat.refused_options})
    seat.guard.began = kept(pooler, wire.asked, wire.named)
    seat.guard.meet(pooler)
    logger.debug("connected to %s: %s", pooler, "; ".join(pooler.evidence))
    wire.met(seat)  # where this raises the connection is not met, so that it raises every time
    if wants_code(seat):
        yield from _learn_code(seat, wire)
    seat.met = True
    seat.settle()


def _learn_code(seat: Seat, wire: Wire) -> Steps:
    """Give the guard the database's functions; asked for once for each endpoint."""
    greeting, readers = wire.greeting(), seat.owners[-1].routines
    if remembers_code(seat, greeting.endpoint) or not wire.free:
        return
    try:
        row = yield Ask(f"select found::text from ({question(greeting.server_version)}) _(found)")
        stored = stored_code(json.loads(row[0])) if row and row[0] else StoredCode()
        readers[greeting.endpoint] = reader_of(stored, seat.guard)
    except wire.errors as error:
        readers[greeting.endpoint] = None
        tell_refusal(error)
    remembers_code(seat, greeting.endpoint)
