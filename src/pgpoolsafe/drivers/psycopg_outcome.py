"""psycopg: what came back of a text, and the end of a transaction that is refused."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import Any

from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.generators import execute

from ..effects import Reading
from ..errors import SessionStateWarning
from ..guard import Guard, ends_transaction
from ..plan import Plan
from .psycopg_pipeline import has_aborted
from .psycopg_seat import ATTRIBUTE, RETIRED

Gen = Generator[Any, Any, Any]

IDLE = pq.TransactionStatus.IDLE
INERROR = pq.TransactionStatus.INERROR
ACTIVE = pq.TransactionStatus.ACTIVE
FATAL_ERROR = pq.ExecStatus.FATAL_ERROR


def carry_out(conn: Any, guard: Guard, plan: Plan, gen: Gen) -> Gen:
    try:
        result = yield from gen
    except BaseException as error:
        guard.failed(plan, in_block=is_in_block(conn), sqlstate=getattr(error, "sqlstate", None))
        raise
    # In a pipeline, and while rows are streamed, the status is not that of the statement.
    lags = conn._pipeline or conn.pgconn.transaction_status == ACTIVE
    guard.done(plan, in_block=None if lags else is_in_block(conn))
    getattr(conn, ATTRIBUTE, RETIRED).settle()
    return result


def carry_out_edited(cursor: Any, guard: Guard, plan: Plan, gen: Gen) -> Gen:
    """RESET was sent as SET LOCAL … TO DEFAULT: the tag is still that of RESET."""
    yield from carry_out(cursor._conn, guard, plan, gen)
    resets = [statement.command == "RESET" for statement in plan.reading.statements]
    # psycopg 3.2 keeps no tag of its own.
    if resets == [True] and getattr(cursor, "_statusmessage", None) is not None:
        cursor._statusmessage = b"RESET"


def carry_out_question(cursor: Any, guard: Guard, plan: Plan, gen: Gen) -> Gen:
    """pg_try_advisory_lock and pg_advisory_unlock: nobody looks at what they return."""
    yield from carry_out(cursor._conn, guard, plan, gen)
    result = cursor.pgresult
    single = result is not None and (result.ntuples, result.nfields) == (1, 1)
    if single and result.get_value(0, 0) in (b"f", b"\0"):
        guard.answered_false(plan)


def refuse_end(
    conn: Any, guard: Guard, error: Exception, rollback: bool, in_flight: BaseException | None
) -> Gen:
    """End the transaction as a COMMIT does that the server refuses: rolled back, then raise.

    An exception that is already on its way is never masked: then it becomes a warning. A
    ROLLBACK for what a test has failed for already is only that, and releases it.
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
    finding = getattr(error, "finding", None)
    if rollback and finding is not None and finding.is_told:
        return None
    if rollback and in_flight is not None:
        warnings.warn(SessionStateWarning(str(error), finding), stacklevel=2)
        return None
    raise error


def has_failed(conn: Any, reading: Reading) -> bool:
    """Whether a text meets a transaction that has failed."""
    if conn.pgconn.transaction_status == INERROR:
        return True
    return bool(conn._pipeline) and ends_transaction(reading) and has_aborted(conn)


def is_busy(conn: Any) -> bool:
    """Whether results are to be read before anything else can be sent: of a COPY, a stream()."""
    return not conn._pipeline and bool(conn.pgconn.transaction_status == ACTIVE)


def is_in_block(conn: Any) -> bool:
    status = conn.pgconn.transaction_status
    return bool(status in (pq.TransactionStatus.INTRANS, INERROR))
