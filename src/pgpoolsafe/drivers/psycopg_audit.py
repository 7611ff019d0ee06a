"""psycopg: ask a database for the code it keeps, and let a guard read with it.

One query, sent as it is on the raw connection: no transaction is opened for it, and no
prepared statement is left.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections import deque
from collections.abc import Generator
from functools import partial
from typing import Any

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.generators import execute, fetch_many, pipeline_communicate

from ..effects import Effect, EffectKind
from ..errors import SessionStateWarning
from ..guard import Guard
from ..rules.catalog import RULES, Level, rule_for
from ..rules.policy import Policy
from ..sql.routine_reader import RoutineReader
from ..sql.routines import Analysis, Lets
from ..sql.stored import StoredCode, question, stored_code

logger = logging.getLogger("pgpoolsafe")

Gen = Generator[Any, Any, Any]


def ask(conn: Any, *, expressions: bool = False) -> Gen:
    """Generator: the StoredCode of the database; one round trip.

    `expressions`: with the expressions that ask for a setting.
    Raises psycopg's errors, and ProgrammingError in a pipeline under way.
    """
    pgconn = conn.pgconn
    text = question(pgconn.server_version, expressions=expressions)
    for result in (yield from _answers(conn, text.encode())):
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding=pgconn._encoding)
        value = result.get_value(0, 0) if result.ntuples else None
        if value is not None:
            return stored_code(json.loads(value.decode(pgconn._encoding, "replace")))
    return StoredCode()


def _answers(conn: Any, text: bytes) -> Gen:
    pgconn, pipeline = conn.pgconn, conn._pipeline
    if pgconn.pipeline_status == pq.PipelineStatus.OFF:
        pgconn.send_query_params(text, None)
        return (yield from execute(pgconn))
    if pipeline and (pipeline.command_queue or pipeline.result_queue):
        raise psycopg.ProgrammingError("audit(): not in the middle of a pipeline")
    commands = deque([partial(pgconn.send_query_params, text, None), pgconn.pipeline_sync])
    groups = list((yield from pipeline_communicate(pgconn, commands)))
    while len(groups) < 2:  # the results, and those of the sync
        groups.append((yield from fetch_many(pgconn)))
    return groups[0]


def lets_by(policy: Policy) -> Lets:
    """Whether an effect is to be left out.

    A `pgpoolsafe: allow` comment in the function's body lets it pass, or it is code that
    cannot be read, and nobody is to be told of that.
    """
    ignores_opaque = policy.level(RULES["opaque-code"]) is Level.IGNORE

    def lets(effect: Effect, allowed: frozenset[str]) -> bool:
        if effect.kind is EffectKind.OPAQUE_CODE and ignores_opaque:
            return True
        rule = rule_for(effect) if allowed and policy.trust_comments else None
        return rule is not None and (rule.name in allowed or rule.under in allowed)

    return lets


# the guard


def wants_code(seat: Any) -> bool:
    """Whether the guard is to know the database's functions."""
    return bool(seat.guard.policy.audit and seat.guard.watching)


def remembers_code(seat: Any, endpoint: Any) -> bool:
    """Give the guard what its installation knows of the database; whether it knows it."""
    readers = seat.owners[-1].routines
    if endpoint not in readers:
        return False
    seat.guard.routines = readers[endpoint]
    return True


def learn_code(conn: Any, seat: Any, endpoint: Any) -> Gen:
    """Generator: ask for the code of this endpoint's database and note what it does.

    What the server refuses is told once; the guard then knows none of its functions.
    """
    readers = seat.owners[-1].routines
    try:
        stored = yield from ask(conn)
        readers[endpoint] = _reader(stored, seat.guard)
    except psycopg.Error as error:
        if conn.pgconn.status != pq.ConnStatus.OK:
            raise
        readers[endpoint] = None
        _tell(error)
    remembers_code(seat, endpoint)


def _reader(stored: StoredCode, guard: Guard) -> RoutineReader | None:
    """A reader that knows the database's functions; None where none of them matters."""
    try:
        analysis = Analysis(stored, lets_by(guard.policy))
        analysis.forget_bodies()
        reader = RoutineReader(analysis)
    except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
        guard.own_failure()
        return None
    return None if reader.is_empty else reader


def _tell(error: psycopg.Error) -> None:
    message = f"audit=True: the database's functions could not be read ({error})"
    logger.warning("%s", message)
    warnings.warn(SessionStateWarning(message), stacklevel=2)
