"""psycopg: settings in a pipeline of the user's own.

There results come later than statements are queued. The books run ahead: they take each
statement for done when it is queued. So every entry of the pipeline's queue of results
becomes a witness that knows what the books were; the first one that fails brings them
back there, and after the Sync they are what the server made of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any

from psycopg import Error, pq
from psycopg.errors import PipelineAborted, error_from_result

from ..effects import Edit
from ..guard import ends_transaction
from ..plan import Plan
from ..session.settings import Carried
from ..sql.assignments import modes_set_by
from ..sql.manners import begins_bare, commits_at_once
from ..sql.putting import encoded, local_query, local_statements
from ..sql.quick import first_word
from .psycopg_errors import reposition
from .psycopg_notices import PIPELINES_ARE_BLOCKS, expect, expect_none
from .psycopg_seat import ATTRIBUTE, RETIRED

Gen = Generator[Any, Any, Any]
_Edited = tuple[str, Sequence[Edit]]

_SYNC = pq.ExecStatus.PIPELINE_SYNC
_FATAL_ERROR = pq.ExecStatus.FATAL_ERROR
_ABORTED = pq.ExecStatus.PIPELINE_ABORTED

_NO_QUERIES = ("set", "show")
_SET_LOCAL = "SET LOCAL"
_SET_TRANSACTION = "SET TRANSACTION"


class Watched(deque[Any]):
    """A pipeline's queue of results, each of which is looked at before psycopg does.

    `in_force`: the implicit transaction that runs up to the next Sync has the settings.
    `is_fresh`: nothing was queued since the last transaction ended; `is_unsure`: nobody can
    tell, after a procedure that may commit. `edited`: the user's text
    of what is being queued, and what was changed in it. `ends`: what is being queued ends the
    transaction; `warns`: the command in its form that the server will warn of, if it does.
    """

    def __init__(self, conn: Any, waiting: deque[Any], *, is_fresh: bool) -> None:
        super().__init__(waiting)
        self.conn = conn
        self.in_force = False
        self.is_fresh = is_fresh
        self.is_unsure = False
        self.failed: Any = None
        self.syncs = 0
        self.is_back = False
        self.edited: _Edited | None = None
        self.ends = False
        self.warns: str | None = None

    @property
    def seat(self) -> Any:
        return getattr(self.conn, ATTRIBUTE, RETIRED)

    def append(self, item: Any) -> None:
        """Queue the place of a result: a cursor's (with what it prepares), or None."""
        cursor, prepared = item or (None, None)
        super().append((_Witness(self, cursor, self.warns if cursor else None), prepared))

    def append_own(self, warns: str | None) -> None:
        """Queue the place of the result of something of ours."""
        super().append((_Own(self, None, warns), None))

    def fails(self, mark: Any, *, ended: bool) -> None:
        """A statement failed, or was skipped after one that did. `ended`: it was a COMMIT."""
        if self.failed is None:
            self.failed = mark, ended
            self._go_back(synced=self.syncs > 0)

    def _go_back(self, *, synced: bool) -> None:
        """`synced`: the Sync is queued; what is queued from now on stands behind it."""
        mark, ended = self.failed
        self.is_back = synced
        self.seat.guard.books.go_back(mark, synced=synced, ended=ended)

    def syncing(self) -> None:
        """A Sync has been queued."""
        self.syncs += 1
        if self.failed is not None and not self.is_back:
            self._go_back(synced=True)

    def synced(self) -> None:
        """The result of a Sync has come."""
        self.syncs = max(0, self.syncs - 1)
        if self.failed is not None:
            if not self.is_back:
                self._go_back(synced=True)
            self.failed = None
        if not self:
            expect_none(self.conn.pgconn)
        self.seat.settle()


class _Witness:
    """Stands in the queue for a cursor, or for a command of psycopg's."""

    __slots__ = ("_cursor", "_edited", "_ends", "_mark", "_warns", "_watched")

    def __init__(self, watched: Watched, cursor: Any, warns: str | None) -> None:
        self._watched = watched
        self._warns = None if _are_blocks(watched.conn) else warns
        self._expect(1)
        self._cursor = cursor
        self._edited, self._ends = watched.edited, watched.ends
        self._mark = watched.seat.guard.books.mark()

    @property
    def _conn(self) -> Any:
        return self._watched.conn

    def _check_results(self, results: list[Any]) -> None:
        try:
            if self._cursor is None:
                self._check_command(results[0])
            else:
                self._cursor._check_results(results)
        except BaseException as error:
            # A COMMIT that the server refuses is the end all the same; one that was skipped, none.
            ended = self._ends and results[0].status == _FATAL_ERROR
            self._watched.fails(self._mark, ended=ended)
            if results[0].status == _ABORTED:
                self._expect(-1)
            if self._edited is not None and isinstance(error, Error):
                reposition(error, *self._edited)
            raise
        if results[0].status == _SYNC:
            self._watched.synced()

    def _expect(self, count: int) -> None:
        if self._warns is not None:
            expect(self._conn.pgconn, self._warns, count)

    def _set_results(self, results: list[Any]) -> None:
        if self._cursor is not None:
            self._cursor._set_results(results)

    def _check_command(self, result: Any) -> None:
        if result.status == _FATAL_ERROR:
            raise error_from_result(result, encoding=self._conn.pgconn._encoding)
        if result.status == _ABORTED:
            raise PipelineAborted("pipeline aborted")


def end_streaming(conn: Any, seat: Any) -> None:
    """Let the results of executemany() come whole again after a stream().

    libpq leaves the single-row mode with the next thing that it sends outside a pipeline, or
    with the second inside one. psycopg's executemany() prepares first; if it may not, its
    first result would come row by row, which it refuses. So an empty Parse goes first.
    """
    seat.streamed = False
    if seat.holds_threshold and conn._pipeline and not conn.closed:
        watched = _watched(conn)  # an empty Parse is no query: a transaction begins behind it
        conn._pipeline.command_queue.append(partial(conn.pgconn.send_prepare, b"", b""))
        watched.append(None)


class _Own(_Witness):
    """Stands there for a command of ours: that it was skipped, the user's statement tells.

    That statement may not be watched itself, so the books go back all the same.
    """

    __slots__ = ()

    def _check_command(self, result: Any) -> None:
        if result.status != _ABORTED:
            super()._check_command(result)
        else:
            self._watched.fails(self._mark, ended=False)
            self._expect(-1)


def has_aborted(conn: Any) -> bool:
    """Whether something has failed in the pipeline; the Sync after it is still to be read.

    Up to then the status says nothing of an open block.
    """
    return bool(conn.pgconn.pipeline_status == pq.PipelineStatus.ABORTED)


def segment(conn: Any) -> bool | None:
    """Whether the implicit transaction of a pipeline has the settings; None: there is none."""
    if not conn._pipeline:
        return None
    queue = conn._pipeline.result_queue
    return isinstance(queue, Watched) and queue.in_force


def takes_modes(conn: Any) -> bool:
    """Whether it is known if a transaction begins with what is queued next: one that has begun
    stays as it is.
    """
    queue = conn._pipeline.result_queue
    return not queue.is_unsure if isinstance(queue, Watched) else _begins(conn)


def _begins(conn: Any) -> bool:
    """Whether nothing was queued in a pipeline that is not watched yet.

    With such settings on the books, its first statement would have had it watched.
    """
    guard = getattr(conn, ATTRIBUTE, RETIRED).guard
    return not conn._pipeline.result_queue and bool(guard.books.settings.modes)


def statement(conn: Any, plan: Plan, gen: Gen, text: str | None = None) -> Gen:
    """Queue a statement with what goes before and after it.

    `text`: the user's, where its errors have a place in it.
    """
    watched = _watched(conn)
    if plan.before is not None:
        _queue_before(watched, plan.before, text or "")
    # What is set from here on is local to the transaction, and so in force in it.
    watched.in_force |= plan.before is not None or not watched.seat.guard.in_force
    watched.edited = (text, plan.edits) if text is not None and plan.edits else None
    watched.ends = ends_transaction(plan.reading)
    in_block = plan.draft.in_block
    watched.warns = _SET_LOCAL if plan.becomes_local and not in_block else None
    late = {} if in_block else _late_modes(watched, plan, text)
    try:
        result = yield from gen
    finally:
        watched.edited, watched.ends, watched.warns = None, False, None
    if in_block and ends_transaction(plan.reading) and not plan.draft.inherits and plan.after:
        _queue_modes(conn, plan.after.modes, warns=None)  # AND CHAIN, after one that failed
    _queue_after(conn, plan, in_block=in_block)
    _queue_modes(conn, late)
    watched.is_fresh = ends_transaction(plan.reading) and not in_block
    if text is not None and not in_block:
        ended = commits_at_once(text)
        watched.is_fresh |= ended is True
        watched.is_unsure = not watched.is_fresh and (watched.is_unsure or ended is None)
    watched.in_force = watched.in_force and not (watched.is_fresh or in_block)
    return result


def command(conn: Any, plan: Plan, text: str) -> Gen:
    """Queue a command of psycopg's with what goes after it."""
    watched = _watched(conn)
    _queue(conn, text)
    _queue_after(conn, plan, in_block=True)
    watched.in_force = watched.is_fresh = False
    yield from ()


def concerns_settings(guard: Any, plan: Plan) -> bool:
    """Whether the settings are at stake if this, or what follows, fails."""
    books, draft = guard.books, plan.draft
    if plan.travels or books.settings or draft.settings is not books.settings:
        return True
    return bool(draft.in_block != books.in_block)


def runs_ahead(conn: Any) -> bool:
    """Whether the books may know more of the transaction than libpq's status says."""
    queue = conn._pipeline.result_queue
    return bool(queue) or isinstance(queue, Watched)


def _watched(conn: Any) -> Watched:
    pipeline = conn._pipeline
    if not isinstance(pipeline.result_queue, Watched):
        is_fresh = _begins(conn)
        pipeline.result_queue = Watched(conn, pipeline.result_queue, is_fresh=is_fresh)
        pipeline._enqueue_sync = partial(_enqueue_sync, pipeline, conn)
    found: Watched = pipeline.result_queue
    return found


def _enqueue_sync(pipeline: Any, conn: Any) -> None:
    type(pipeline)._enqueue_sync(pipeline)
    pipeline.result_queue.syncing()
    pipeline.result_queue.in_force = False
    pipeline.result_queue.is_fresh = True
    pipeline.result_queue.is_unsure = False
    getattr(conn, ATTRIBUTE, RETIRED).guard.synced()


def _queue_before(watched: Watched, before: Carried, text: str) -> None:
    """Put settings in force for the implicit transaction, before the user's statement.

    No query may precede a SET TRANSACTION, so SET LOCAL is better than set_config() where the
    statement is none itself. SHOW is none, and lets the server see that more statements share
    the transaction: else it would warn, as before version 18 it does all the same.
    """
    conn = watched.conn
    modes = before.modes if watched.is_fresh else {}
    is_quiet = _are_blocks(conn)
    if modes or is_quiet:
        _queue(conn, "SHOW transaction_isolation")
    _queue_modes(conn, modes)
    if is_quiet or first_word(text) in _NO_QUERIES:
        for one in local_statements(before.steps):
            _queue(conn, one, warns=_SET_LOCAL)
    else:
        _queue(conn, local_query(before.steps))


def _late_modes(watched: Watched, plan: Plan, text: str | None) -> Mapping[str, str]:
    """What an implicit transaction began without, and can still be given after its first
    statement: SET TRANSACTION itself, RESET and their like are no queries.
    """
    modes = watched.seat.guard.in_force.modes if watched.is_fresh else {}
    if not modes or text is None or plan.before is not None or not begins_bare(text):
        return {}
    said = modes_set_by(text)
    return {name: words for name, words in modes.items() if name not in said}


def _queue_modes(
    conn: Any, modes: Mapping[str, str], *, warns: str | None = _SET_TRANSACTION
) -> None:
    if modes:
        _queue(conn, f"SET TRANSACTION {' '.join(modes.values())}", warns=warns)


def _are_blocks(conn: Any) -> bool:
    return bool(conn.pgconn.server_version >= PIPELINES_ARE_BLOCKS)


def _queue_after(conn: Any, plan: Plan, *, in_block: bool) -> None:
    for text in local_statements(plan.after.steps) if plan.after else ():
        _queue(conn, text, warns=None if in_block else _SET_LOCAL)


def _queue(conn: Any, text: str, *, warns: str | None = None) -> None:
    pgconn = conn.pgconn
    sending = partial(pgconn.send_query_params, encoded(text, pgconn._encoding), None)
    conn._pipeline.command_queue.append(sending)
    _watched(conn).append_own(warns)
