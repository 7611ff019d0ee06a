"""psycopg: ask a session what it carries, on request and after each transaction.

On request it is one round trip of its own (`look`). Where strict mode watches a connection,
the same question is asked once before the first statement and then whenever a transaction is
over; a connection that is in use (a pipeline, a COPY, a stream) is asked before its next
statement, or when none comes (`psycopg_late`).
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from threading import get_ident
from typing import Any

import psycopg
from psycopg import pq
from psycopg.generators import fetch_many, pipeline_communicate

from ..blame import RULE, Watch
from ..errors import ConfigurationError, SessionStateError, SessionStateWarning
from ..guard import is_rollback
from ..poolers.detect import first_look, is_poolers_name
from ..poolers.products import TRACKED_BY_MOST
from ..poolers.startup import settings_in
from ..rules.findings import Finding, caller
from ..rules.reporting import warn
from ..sent import sent
from ..session.residue import Found, Origin, Residue, Snapshot, left, parameter, question
from ..session.residue import snapshot_in as snapshot_of
from .owing import OWING
from .psycopg_meeting import greet, is_free, option_of
from .psycopg_sight import ask, json_of

logger = logging.getLogger("pgpoolsafe")

Gen = Generator[Any, Any, Any]


def residue(conn: Any, names: Iterable[str]) -> Gen:
    """Generator: the Residue of an open connection, guarded or not; one round trip.

    `names`: custom settings to ask for beside those that the database's functions set.
    Raises psycopg.Error: in an aborted transaction, in a busy pipeline, when it is closed.
    """
    if conn._pipeline and not is_free(conn):
        raise psycopg.NotSupportedError("residue(): the pipeline is busy; call its sync() first")
    found: Residue = left((yield from look(conn, names=names)))
    return found


def look(conn: Any, found: Found = Found(), *, names: Iterable[str] = ()) -> Gen:  # noqa: B008  # a frozen value
    """Generator: a Snapshot of the session."""
    in_block = conn.pgconn.transaction_status != pq.TransactionStatus.IDLE
    asked = parameter(found, names=names, in_block=in_block)
    send = _ask_in_pipeline if conn._pipeline else ask
    answer = yield from send(conn, question(conn.pgconn.server_version), asked)
    return snapshot_of(answer, _origin(conn, answer["pid"]))


def _ask_in_pipeline(conn: Any, text: str, value: str) -> Gen:
    pgconn = conn.pgconn
    send = partial(pgconn.send_query_params, text.encode(), [value.encode()])
    groups = list((yield from pipeline_communicate(pgconn, deque([send, pgconn.pipeline_sync]))))
    while len(groups) < 2:
        groups.append((yield from fetch_many(pgconn)))
    return json_of(groups[0])


def _origin(conn: Any, pid: int) -> Origin:
    """What this client knows of how the session began."""
    pgconn = conn.pgconn
    greeting = greet(conn)
    pooler = first_look(greeting)
    is_direct = pid == pgconn.backend_pid and (pooler is None or pooler.product == "direct")
    own = {name.decode() for name in conn._prepared._names.values()}
    return Origin(
        login=greeting.endpoint.user if is_direct else None,
        options=settings_in(option_of(pgconn, b"options") or ""),
        given=frozenset() if is_direct else pooler.tracked if pooler else TRACKED_BY_MOST,
        # Nobody but this client's driver prepares by protocol in a session of its own.
        is_own=lambda name: is_direct or name in own or is_poolers_name(name),
    )


# watching


def watched_command(conn: Any, seat: Any, send: Callable[[], Gen], *, text: str) -> Gen:
    """What `send` makes, the generator of a command of psycopg's own, with a look at the
    session before it, if it is the first, and after it, if it ends a transaction.
    """
    watch: Watch = seat.watch
    return send() if watch.inside else _around(conn, watch, send, masked=_is_masked(seat, text))


def watched(
    conn: Any, seat: Any, send: Callable[[], Gen], *, text: str, params: Any, batch: Any
) -> Gen:
    """The same for a statement of the user's. `batch`: the parameters of all executions.

    Raises ConfigurationError behind a pooler that shares its server connections.
    """
    watch: Watch = seat.watch
    if seat.guard.pooler is not None and seat.guard.pooler.shares_sessions:
        raise ConfigurationError(
            f"{RULE}=True looks at a session of its own, but here is {seat.guard.pooler}:"
            " connect to the test database directly, or leave it out"
        )
    note = sent(text, seat.guard.read(text), params, watch.policy, caller())

    def noted() -> Gen:
        gen = send()  # a refusal comes here, and then there is nothing to note
        watch.note(note, params if batch is None else batch)
        return gen

    return _around(conn, watch, noted, masked=_is_masked(seat, text))


def _is_masked(seat: Any, text: str) -> bool:
    """Whether an error would hide the one that a ROLLBACK is sent for, or be heard by nobody."""
    if not is_rollback(seat.guard.read(text)):
        return False
    return sys.exc_info()[1] is not None or _is_end_of_block()


def _is_end_of_block() -> bool:
    """Whether a `transaction()` block rolls back: psycopg logs any error there, and goes on."""
    frame = sys._getframe(2)
    for _ in range(_STEPS):
        is_rollback = frame.f_code.co_name == "_rollback_gen"
        if is_rollback and isinstance(frame.f_locals.get("self"), _TRANSACTIONS):
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


_STEPS = 10
"""How many calls of ours there may be, at most, between psycopg's block and its command."""

_TRANSACTIONS = (psycopg.Transaction, psycopg.AsyncTransaction)


def _around(conn: Any, watch: Watch, send: Callable[[], Gen], *, masked: bool) -> Gen:
    watch.inside, watch.thread = True, get_ident()
    try:
        yield from _look_back(conn, watch)
        try:
            result = yield from send()
        except Exception:
            yield from _look_back(conn, watch, masked=True)
            raise
        yield from _look_back(conn, watch, masked=masked)
        return result
    finally:
        watch.inside = False
        OWING.note(conn, owes=watch.pending)


def watched_end(conn: Any, watch: Watch, *, masked: bool) -> Gen:
    """Generator: the look that waits for the next statement, which does not come. `masked`: an
    error would be out of place.
    """
    watch.inside = True
    try:
        yield from _look_back(conn, watch, masked=masked)
    finally:
        watch.inside = False
        OWING.note(conn, owes=watch.pending)


def _look_back(conn: Any, watch: Watch, *, masked: bool = False) -> Gen:
    """Generator: ask, if there is something to learn and the connection can be asked."""
    take = _next_look(conn, watch)
    if take is None:
        return
    try:
        now: Snapshot = yield from look(conn, watch.found)
    except psycopg.Error as error:
        watch.forget()
        logger.warning("the session could not be asked what it carries: %s", error)
        return
    _tell(watch, take(now), masked=masked)


def _next_look(conn: Any, watch: Watch) -> Callable[[Snapshot], list[Finding]] | None:
    """What to do with what the session says now; None: nothing is to be asked."""
    if not is_free(conn):
        return watch.during if watch.wants_each and _is_free_in_block(conn) else None
    if watch.before is None:
        return watch.begin
    if watch.pending:
        return watch.after
    watch.rest()
    return None


def _is_free_in_block(conn: Any) -> bool:
    return not conn._pipeline and bool(
        conn.pgconn.transaction_status == pq.TransactionStatus.INTRANS
    )


def _tell(watch: Watch, findings: list[Finding], *, masked: bool) -> None:
    """Report; where an error would be out of place (`masked`), it becomes a warning."""
    try:
        watch.reporter.report(findings)
    except (SessionStateError, SessionStateWarning) as error:
        if not masked:
            raise
        if error.finding is not None:
            warn(error.finding)
