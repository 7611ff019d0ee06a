"""psycopg: what is sent in most transactions and needs no plan, though it is not plain.

A draft of the books for each of them costs more than the statement: SQLAlchemy's sessions in
tests and Django's atomic() send several savepoints for each test.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..effects import Control, ControlVerb, Reading
from ..guard import Guard
from . import psycopg_pipeline as pipeline
from .psycopg_outcome import IDLE, is_in_block

Gen = Generator[Any, Any, Any]

_SAVEPOINTS = (ControlVerb.SAVEPOINT, ControlVerb.RELEASE, ControlVerb.ROLLBACK_TO)


def draws(conn: Any, guard: Guard) -> bool:
    """A text that does nothing but draw a sequence value is noted; whether it can go as it is."""
    in_block = will_be_in_block(conn, guard)
    if not in_block and guard.has_settings:
        return False
    guard.drew(in_block=in_block)
    return True


def will_be_in_block(conn: Any, guard: Guard) -> bool:
    """Whether a statement sent now runs in a block: open, or opened for it by psycopg."""
    begins = not conn._autocommit
    if not (conn._pipeline and pipeline.runs_ahead(conn)):
        return begins or is_in_block(conn)
    # The status, which psycopg goes by, is that of the last Sync.
    is_idle = conn.pgconn.transaction_status == IDLE
    return guard.books.in_block or bool(begins and is_idle)


def savepoint(conn: Any, guard: Guard, reading: Reading) -> Control | None:
    """The command, if a text is one on a savepoint of its block, outside a pipeline."""
    control = reading.statements[0].control if len(reading.statements) == 1 else None
    if control is None or control.verb not in _SAVEPOINTS or conn._pipeline:
        return None
    if guard.books.in_block:
        return control if is_in_block(conn) else None
    # psycopg's BEGIN comes first, and is noted when it does.
    begins = not conn._autocommit and conn.pgconn.transaction_status == IDLE
    return control if begins and not guard.has_settings else None


def moved(conn: Any, seat: Any, control: Control, gen: Gen) -> Gen:
    """Generator: send it, and note on the books what came of it."""
    guard = seat.guard
    try:
        result = yield from gen
    except BaseException:
        if not is_in_block(conn):
            guard.books.end()
        raise
    books = guard.books
    before = books.settings
    books.move(control)
    books.entered()
    if books.settings is not before:
        seat.settle()
    return result


def ends(conn: Any, guard: Guard) -> bool:
    """Whether the end of the transaction leaves nothing behind; if so, it is noted."""
    books = guard.books
    # In a pipeline it may fail for what was queued before, and then they are still there.
    if books.savepoints and conn._pipeline:
        return False
    return books.end_with_nothing()
