"""psycopg: find out what a connection leads to, at most one round trip per endpoint.

What costs nothing comes first: the user's word, what this installation has learnt of
the endpoint already, what the greeting shows. Only then one pipeline is sent, before
the first statement, and only outside a transaction and a pipeline of the user's.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Generator, MutableMapping
from dataclasses import replace
from functools import partial
from typing import Any

from psycopg import Error, capabilities, pq
from psycopg.generators import fetch_many, pipeline_communicate

from ..errors import SessionStateError, SessionStateWarning
from ..poolers.answers import Pooler
from ..poolers.detect import (
    GIVEN_NAMES,
    PROBED_PARAMETERS,
    Greeting,
    Probe,
    ProbeAnswer,
    conclude,
    first_look,
    new_probe,
)
from ..poolers.endpoints import Endpoint
from ..poolers.products import pooler as pooler_named
from ..rules.allowing import allowed_now
from ..rules.catalog import RULES, Level
from ..rules.findings import Finding, caller
from ..rules.policy import Mode
from .known_code import remembers_code, wants_code

logger = logging.getLogger("pgpoolsafe")

Gen = Generator[Any, Any, Any]

Poolers = MutableMapping[Any, Pooler]
"""What was learnt, by endpoint."""

IDLE = pq.TransactionStatus.IDLE


def meet_without_asking(conn: Any, seat: Any) -> bool:
    """Whether the guard knows its pooler now; asks the server nothing."""
    if seat.met or not seat.guard.watching or not seat.owners:
        return True
    try:
        return _meet_now(conn, seat)
    except (Error, SessionStateError, SessionStateWarning):
        raise
    except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
        seat.guard.own_failure()
        seat.guard.meet(pooler_named("unknown"))
        return True


def afterwards(conn: Any, seat: Any, then: Callable[[], Gen]) -> Gen:
    """Generator: ask the server first, then go on."""
    yield from meet_by_asking(conn, seat)
    return (yield from then())


def _meet_now(conn: Any, seat: Any) -> bool:
    owner = seat.owners[-1]
    if owner.override is not None:
        _met(conn, seat, owner.override)
        return bool(seat.met or not is_free(conn))
    greeting = glance(conn)
    pooler = _known(owner.poolers, greeting)
    if pooler is not None:
        owner.poolers[greeting.endpoint] = pooler
        _met(conn, seat, pooler)
        return bool(seat.met or not is_free(conn))
    if not is_free(conn):
        # Judge by what is known; ask when the connection is free.
        seat.guard.meet(conclude(greet(conn), None))
        return True
    return False


def recall(conn: Any, seat: Any) -> None:
    """Leave a connection alone at once where its endpoint is known to be nobody's pooler."""
    guard, owner = seat.guard, seat.owners[-1]
    if conn.closed or not guard.watching or guard.policy.mode is Mode.STRICT:
        return
    try:
        pooler = owner.override or _known(owner.poolers, glance(conn))
    except Error:  # it broke meanwhile; its next statement says so
        return
    except Exception:  # noqa: BLE001  # logged; it is met at its first statement instead
        guard.own_failure()
        return
    if pooler is not None and not pooler.shares_sessions:
        _met(conn, seat, pooler)


def _known(poolers: Poolers, greeting: Greeting) -> Pooler | None:
    """What the greeting shows by itself, or what was learnt of the endpoint before."""
    return first_look(greeting) or _remembered(poolers, greeting)


def is_free(conn: Any) -> bool:
    """Whether a question can be asked without touching what the user has under way."""
    pipeline = conn._pipeline
    if pipeline and (pipeline.command_queue or pipeline.result_queue):
        return False
    return bool(conn.pgconn.transaction_status == IDLE)


def _remembered(poolers: Poolers, greeting: Greeting) -> Pooler | None:
    """What was learnt of the endpoint, unless this greeting contradicts it."""
    pooler = poolers.get(greeting.endpoint)
    if pooler is not None and pooler.product == "direct" and greeting.impossible_pid:
        return None
    return pooler


def meet_by_asking(conn: Any, seat: Any) -> Gen:
    """Generator: send the probe, and tell the guard what it says.

    Then ask for the database's functions, where the guard is to know them.
    """
    if not seat.owners:  # uninstalled by another thread meanwhile
        return
    owner, greeting = seat.owners[-1], greet(conn)
    pooler = owner.override or _known(owner.poolers, greeting)
    if pooler is None:
        pooler = yield from _asked(conn, greeting, owner.poolers)
    # Known by now, it may have been learnt by another thread since this one looked.
    if seat.guard.pooler != _as_libpq_can(pooler):
        _met(conn, seat, pooler)
    if not seat.met:
        from .psycopg_audit import learn_code  # most programs never audit

        yield from learn_code(conn, seat, greeting.endpoint)
        seat.met = True
        seat.settle()


def examine(conn: Any, poolers: Poolers) -> Gen:
    """Generator: the pooler that a connection leads to, guarded or not.

    `poolers` is what has been learnt of endpoints; what is learnt now is added to it.
    """
    greeting = greet(conn)
    pooler = _known(poolers, greeting)
    if pooler is not None:
        poolers[greeting.endpoint] = pooler
        return pooler
    if not is_free(conn):
        return conclude(greeting, None)
    return (yield from _asked(conn, greeting, poolers))


def _asked(conn: Any, greeting: Greeting, poolers: Poolers) -> Gen:
    """Generator: what the probe says; noted only if there was an answer."""
    probe = new_probe(os.urandom(8).hex(), with_prepare=greeting.can_close_prepared)
    try:
        answer = yield from _ask(conn.pgconn, probe)
    except (Error, ValueError) as error:
        logger.info("the pooler probe failed (%s); judging by the greeting", error)
        answer = None
    pooler = conclude(greeting, answer)
    if answer is not None:
        poolers[greeting.endpoint] = pooler
    return pooler


def _met(conn: Any, seat: Any, pooler: Pooler) -> None:
    guard = seat.guard
    guard.give({**_left_out(conn, pooler), **seat.refused_options})
    guard.began = _kept(conn, pooler)
    guard.meet(_as_libpq_can(pooler))
    guard.judged_as = _as_libpq_can(guard.judged_as)
    logger.debug("connected to %s: %s", pooler, "; ".join(pooler.evidence))
    if guard.forbids_named_prepares:
        seat.keep_prepares_off(conn)
    elif guard.loses_named_prepares and conn.prepare_threshold is not None:
        # Where this raises the connection is not met, so that it raises every time.
        _report_named_prepares(conn, guard, guard.judged_as)
    seat.met = not wants_code(seat) or remembers_code(seat, greet(conn).endpoint)
    seat.settle()


def _left_out(conn: Any, pooler: Pooler) -> dict[str, str]:
    """The settings of the connection's options that this pooler does not put in force."""
    if not pooler.shares_sessions:
        return {}
    from ..poolers.startup import left_out, settings_in

    return left_out(pooler, settings_in(option_of(conn.pgconn, b"options") or ""))


def _kept(conn: Any, pooler: Pooler) -> dict[str, str]:
    """What RESET is to go back to, of the settings that this pooler keeps for the connection."""
    if not pooler.shares_sessions:
        return {}
    from ..poolers.startup import kept, settings_in
    from .connecting import named_by_libpq

    pgconn = conn.pgconn
    name = option_of(pgconn, b"application_name")
    fallback = option_of(pgconn, b"fallback_application_name")
    named = named_by_libpq(name or fallback, option_of(pgconn, b"client_encoding"))
    asked = settings_in(option_of(pgconn, b"options") or "")
    return kept(pooler, asked, named)


def _as_libpq_can(pooler: Pooler) -> Pooler:
    """Before version 17 libpq cannot close a prepared statement by the protocol.

    psycopg then sends DEALLOCATE with the name, which a pooler that renames statements
    does not know (psycopg's documentation on prepared statements).
    """
    if capabilities.has_send_close_prepared() or not pooler.prepared:
        return pooler
    reason = "this libpq cannot close a prepared statement by the protocol"
    return replace(pooler, prepared=False, evidence=(*pooler.evidence, reason))


def _report_named_prepares(conn: Any, guard: Any, pooler: Pooler) -> None:
    rule = RULES["named-prepare"]
    level = guard.policy.fallback(rule)
    if level is Level.IGNORE or rule.name in allowed_now():
        return
    words = {"name": f"prepare_threshold={conn.prepare_threshold}", "pooler": str(pooler)}
    finding = Finding(
        rule=rule.name,
        what=rule.what.format(**words),
        statement="(the connection's prepare_threshold)",
        why=next(iter(rule.why.values())).format(**words),
        fix=rule.fix,
        pooler=pooler,
        level=level.value,
        location=caller(),
    )
    guard.reporter.report([finding])


# the greeting


def greet(conn: Any) -> Greeting:
    """What the connection shows without a word to the server."""
    return glance(conn)._replace(
        requested_application_name=option_of(conn.pgconn, b"application_name"),
        local_port=_local_port(conn.pgconn),
    )


def glance(conn: Any) -> Greeting:
    """The same for a first look, for which every new connection is asked: what costs little."""
    pgconn = conn.pgconn
    parameters = _parameters(pgconn)
    is_told_apart = parameters.get("application_name") not in GIVEN_NAMES
    return Greeting(
        endpoint=Endpoint(
            host=_decoded(pgconn.host),
            port=int(_decoded(pgconn.port) or 0),
            user=_decoded(pgconn.user),
            dbname=_decoded(pgconn.db),
        ),
        backend_pid=pgconn.backend_pid,
        parameters=parameters,
        server_version=pgconn.server_version,
        requested_application_name=(
            None if is_told_apart else option_of(pgconn, b"application_name")
        ),
        dialled_port=int(_decoded(pgconn.port) or 0) or None,
        can_close_prepared=capabilities.has_send_close_prepared(),
    )


def _parameters(pgconn: Any) -> dict[str, str]:
    pairs = ((name, pgconn.parameter_status(name.encode())) for name in PROBED_PARAMETERS)
    return {name: _decoded(value) for name, value in pairs if value is not None}


def option_of(pgconn: Any, keyword: bytes) -> str | None:
    values = [option.val for option in pgconn.info if option.keyword == keyword]
    return _decoded(values[0]) if values and values[0] is not None else None


def _local_port(pgconn: Any) -> int | None:
    """The client's own TCP port; None over a unix socket."""
    # A duplicate: closing it must not close libpq's socket.
    with socket.socket(fileno=os.dup(pgconn.socket)) as ours:
        address = ours.getsockname()
    return address[1] if isinstance(address, tuple) else None


def _decoded(value: bytes | None) -> str:
    return value.decode("utf-8", "replace") if value else ""


# the probe


def _ask(pgconn: Any, probe: Probe) -> Gen:
    """Generator: Parse, one SELECT, Close and one Sync, as one message."""
    commands: deque[Any] = deque()
    if probe.name is not None:
        commands.append(partial(pgconn.send_prepare, probe.name, probe.parsed_sql))
    commands.append(partial(pgconn.send_query_params, probe.question_sql, None))
    if probe.name is not None:
        commands.append(partial(pgconn.send_close_prepared, probe.name))
    commands.append(pgconn.pipeline_sync)
    users_pipeline = pgconn.pipeline_status != pq.PipelineStatus.OFF
    if not users_pipeline:
        pgconn.enter_pipeline_mode()
    try:
        results = yield from _results(pgconn, commands, len(commands))
    finally:
        if not users_pipeline:
            pgconn.exit_pipeline_mode()
    for result in results:
        if result.status == pq.ExecStatus.TUPLES_OK and result.ntuples:
            return ProbeAnswer.from_row([result.get_value(0, i) for i in range(result.nfields)])
    return None


def _results(pgconn: Any, commands: deque[Any], expected: int) -> Gen:
    """The results of a pipeline, one list for each of its commands."""
    groups = list((yield from pipeline_communicate(pgconn, commands)))
    while len(groups) < expected:
        groups.append((yield from fetch_many(pgconn)))
    return [result for group in groups for result in group]
