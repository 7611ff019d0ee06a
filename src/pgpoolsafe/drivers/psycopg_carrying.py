"""psycopg: send settings along with a statement, in the message that carries it.

Outside a pipeline of the user's there are two ways. One simple Query, `SET LOCAL …; text`,
for several statements and COPY; else a pipeline `SELECT set_config(…), text, Sync`, in
which the text stands as the user wrote it. Both are one implicit transaction and one
round trip. What psycopg shows of them (results, errors, tags) is that of the user's text.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from psycopg import DatabaseError, InterfaceError, ProgrammingError, pq
from psycopg._preparing import Prepare
from psycopg._queries import PostgresClientQuery
from psycopg.adapt import Transformer
from psycopg.client_cursor import ClientCursorMixin
from psycopg.errors import error_from_result
from psycopg.generators import execute as communicate
from psycopg.generators import fetch_many, send

from ..guard import Guard
from ..plan import Plan
from ..session.settings import Carried
from ..sql.putting import asking_query, encoded, local_query, local_statements
from .psycopg_seat import ATTRIBUTE, RETIRED
from .psycopg_texts import Template

Gen = Generator[Any, Any, Any]
Result = Any

FATAL_ERROR = pq.ExecStatus.FATAL_ERROR
TUPLES_OK = pq.ExecStatus.TUPLES_OK
SYNC = pq.ExecStatus.PIPELINE_SYNC
ABORTED = pq.ExecStatus.PIPELINE_ABORTED
_FINE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY)


# statements of the user


def execute(
    cursor: Any, plan: Plan, query: Any, params: Any, prepare: bool | None, binary: bool | None
) -> Gen:
    """Cursor.execute() of a text that travels with settings; `query` as it is to be sent.

    Where the plan has a BEGIN (`begin`), that goes along too.
    """
    conn = cursor._conn
    if plan.begin is None:
        yield from cursor._start_query(query)
    else:
        _start_query(cursor, query)
    try:
        pgq = cursor._convert_query(query, params)
    except Exception:
        if plan.begin is not None:  # psycopg's would have been sent by now
            yield from conn._start_query()
        raise
    cursor._query = pgq
    is_binary = cursor.format if binary is None else binary
    is_query = plan.as_query or plan.hidden
    if isinstance(cursor, ClientCursorMixin):  # its parameters are in the text; it has no binary
        is_extended = is_binary
    else:
        is_extended = pgq.params or (is_binary and not plan.has_no_rows)
    if is_extended or not is_query:
        results = yield from _piped(cursor, plan, _Statement(cursor, pgq, prepare, binary))
    else:
        results = yield from _as_query(conn, _guard_of(conn), plan, pgq.query)
    cursor._check_results(results)
    cursor._set_results(results)
    cursor._last_query = query
    yield from conn._prepared.maintain_gen(conn)


def _start_query(cursor: Any, query: Any) -> None:
    """As the cursor's own, without the BEGIN."""
    if cursor.closed:
        raise InterfaceError("the cursor is closed")
    cursor._reset()
    if cursor._last_query is not query:
        cursor._last_query = None
        cursor._tx = Transformer(cursor)


class _Statement:
    """The user's statement in a pipeline of ours: prepared before, if psycopg would.

    `refusal`: what psycopg, or libpq, said instead of queueing it.
    """

    def __init__(self, cursor: Any, pgq: Any, prepare: bool | None, binary: bool | None) -> None:
        self._cursor, self._pgq, self._binary = cursor, pgq, binary
        self._manager = cursor._conn._prepared
        self._prepare, self._name = cursor._get_prepared(pgq, prepare)
        self.refusal: Exception | None = None

    @property
    def is_prepared_now(self) -> bool:
        return bool(self._prepare is Prepare.SHOULD)

    def send(self) -> bool:
        """Queue it, and its preparation, in libpq; whether that took it."""
        try:
            self._send()
        except Exception as error:  # noqa: BLE001  # raised when the pipeline is empty again
            self.refusal = error
        return self.refusal is None

    def _send(self) -> None:
        cursor, pgq = self._cursor, self._pgq
        if self._prepare is Prepare.NO:
            cursor._execute_send(pgq, force_extended=True, binary=self._binary)
        else:
            if self._prepare is Prepare.SHOULD:
                cursor._send_prepare(self._name, pgq)
            cursor._send_query_prepared(self._name, pgq, binary=self._binary)

    def came(self, results: Sequence[Result]) -> None:
        """Make what loads its values, which goes by the settings of this moment."""
        if results[0].status == TUPLES_OK:
            self._cursor._tx.set_pgresult(results[0])

    def answered(self, results: Sequence[Result]) -> None:
        """Its results have come; it was prepared, if that was asked for."""
        key = self._manager.maybe_add_to_cache(self._pgq, self._prepare, self._name)
        if key is not None:
            self._manager.validate(key, self._prepare, self._name, results)


def copy(cursor: Any, plan: Plan, query: Any, params: Any) -> Gen:
    """Cursor.copy(): one simple Query."""
    conn = cursor._conn
    yield from cursor._start_query()
    if params or isinstance(query, Template):  # merged by the client, as psycopg does it
        merged = PostgresClientQuery(cursor._tx)
        merged.convert(query, params)
        query = merged.query
    pgq = cursor._convert_query(query)
    cursor._query = pgq
    results = yield from _as_query(conn, _guard_of(conn), plan, pgq.query)
    if len(results) != 1:  # psycopg's own words
        raise ProgrammingError("COPY cannot be mixed with other operations")
    cursor._check_copy_result(results[0])
    cursor._set_results(results)


def _guard_of(conn: Any) -> Guard:
    found: Guard = getattr(conn, ATTRIBUTE, RETIRED).guard
    return found


# one simple Query


def _as_query(conn: Any, guard: Guard, plan: Plan, text: bytes) -> Gen:
    """The results of the text itself, or those up to its error."""
    encoding = conn.pgconn._encoding
    before = _first(plan)
    after = list(local_statements(plan.after.steps)) if plan.after else []
    if plan.ask:
        after.append(asking_query(plan.ask))
    seat = getattr(conn, ATTRIBUTE, RETIRED)
    lead = b"".join(encoded(one, encoding) + b";" for one in before)
    seat.lead = len(lead.decode(encoding, "replace"))
    tail = b"".join(b"\n;" + encoded(one, encoding) for one in after)
    conn.pgconn.send_query(lead + text + tail)
    results = yield from communicate(conn.pgconn)
    _raise_ours(conn, results[: len(before)])
    theirs = results[len(before) :]
    if len(after) and _all_fine(theirs):
        if plan.ask:
            guard.told(plan, _row(conn, theirs[-1]))
        theirs = theirs[: -len(after)]
    theirs = [result for at, result in enumerate(theirs) if _is_shown(result, at, plan)]
    seat.succeeded = len(theirs) - (not _all_fine(theirs[-1:]))
    return theirs


def _is_shown(result: Result, at: int, plan: Plan) -> bool:
    """Not what was written into the text; but a text that cannot be read has one error only."""
    return at not in plan.hidden or result.status == FATAL_ERROR


def _first(plan: Plan) -> list[str]:
    before = plan.before
    if before is None:
        return []
    modes = [f"SET TRANSACTION {' '.join(before.modes.values())}"] if before.modes else []
    # SET LOCAL counts among several statements only.
    return [*modes, *local_statements(before.steps)] or ["SELECT"]


def _all_fine(results: Sequence[Result]) -> bool:
    return all(result.status in _FINE for result in results)


# one pipeline


def _piped(cursor: Any, plan: Plan, statement: _Statement) -> Gen:
    """The results of the statement itself; an error of ours, or of COMMIT, is raised."""
    conn, before = cursor._conn, plan.before
    modes = before.modes if before is not None else {}
    can_begin = plan.begin is None and not _guard_of(conn).refuses_begin
    shows = can_begin and _decides_loading(before)
    is_ours = can_begin and (bool(modes) or shows)
    begin = " ".join(("BEGIN", *modes.values())) if is_ours else plan.begin
    first = [begin] if begin is not None else []
    if before is not None and begin is not None:
        # SET TRANSACTION may still follow these, but not a query.
        first += local_statements(before.steps)
    elif before is not None:
        # Also where there is nothing to set: a leading SET LOCAL would draw a warning.
        first.append(local_query(before.steps))
    last = list(local_statements(plan.after.steps)) if plan.after else []
    last += [asking_query(plan.ask)] if plan.ask else []
    groups = yield from _run(conn, first, statement, last, shows=shows, ends=is_ours)
    if statement.refusal is not None:
        raise statement.refusal
    answers = Answers(first, groups, is_prepared_now=statement.is_prepared_now)
    failed = answers.failed_before
    if failed is not None:
        yield from _undo(conn)
        raise error_from_result(failed, encoding=conn.pgconn._encoding)
    if answers.was_parsed:
        statement.answered(answers.theirs)
    if _all_fine(answers.theirs):
        for group in answers.after:
            _raise_ours(conn, group)
        if plan.ask:
            _guard_of(conn).told(plan, _row(conn, answers.after[len(last) - 1][0]))
    return answers.theirs


_LOADED_BY = ("timezone", "datestyle", "intervalstyle")


def _decides_loading(before: Carried | None) -> bool:
    """Whether psycopg needs to hear of a setting to make sense of what the server returns.

    The server tells what it is with ReadyForQuery, and by then it must still be in force.
    """
    return before is not None and any(name.lower() in _LOADED_BY for name in before.names)


class Answers:
    """The groups of results of a pipeline: those before the statement's, its own, the others.

    `was_parsed`: it was prepared, where that comes first; if not, that error is its own.
    """

    def __init__(
        self, first: Sequence[str], groups: list[list[Result]], *, is_prepared_now: bool
    ) -> None:
        at = len(first)
        self.was_parsed = not is_prepared_now or all(map(_all_fine, groups[at : at + 1]))
        at += is_prepared_now and self.was_parsed
        self.before, self.after = groups[: len(first)], groups[at + 1 :]
        self.theirs = groups[at] if at < len(groups) else []

    @property
    def failed_before(self) -> Result | None:
        """The error of what went before the statement, if there was one."""
        results = (result for group in self.before for result in group)
        return next((result for result in results if result.status == FATAL_ERROR), None)


def _run(
    conn: Any,
    first: Sequence[str],
    statement: _Statement,
    last: Sequence[str],
    *,
    shows: bool,
    ends: bool,
) -> Generator[Any, Any, list[list[Result]]]:
    """The groups of results.

    `shows`: psycopg is to know the settings when it reads its own; `ends`: by COMMIT, which
    comes behind a Sync, so that it ends a transaction that has failed, too.
    """
    pgconn, seat = conn.pgconn, getattr(conn, ATTRIBUTE, RETIRED)
    encoding = pgconn._encoding
    ours = [encoded(text, encoding) for text in (*first, *last)]
    streamed, seat.streamed = seat.streamed, False
    pgconn.enter_pipeline_mode()
    try:
        if streamed:  # libpq is still in single-row mode for what comes first: an empty Parse
            pgconn.send_prepare(b"", b"")
        for text in ours[: len(first)]:
            pgconn.send_query_params(text, None)
        if shows:
            pgconn.pipeline_sync()
        if statement.send():
            for text in ours[len(first) :]:
                pgconn.send_query_params(text, None)
        pgconn.pipeline_sync()
        if ends:
            pgconn.send_query_params(b"COMMIT", None)
            pgconn.pipeline_sync()
        yield from send(pgconn)
        groups = yield from _up_to_sync(pgconn)
        for part in range(shows + ends):
            if pgconn.status == pq.ConnStatus.OK:
                came = statement.came if shows and not part else None
                groups += yield from _up_to_sync(pgconn, came)
    finally:
        if pgconn.status == pq.ConnStatus.OK:
            pgconn.exit_pipeline_mode()
    return groups[streamed:]


def _up_to_sync(
    pgconn: Any, came: Callable[[list[Result]], None] | None = None
) -> Generator[Any, Any, list[list[Result]]]:
    """The groups of results before that of the Sync, or up to the server's last word.

    `came` hears of each before the next is read.
    """
    groups: list[list[Result]] = []
    while True:
        try:
            group = yield from fetch_many(pgconn)
        except DatabaseError:
            # Why the connection is gone has come before, and is raised as the error (as
            # psycopg's fetch_many() has it within one group).
            if any(result.status == FATAL_ERROR for group in groups for result in group):
                return groups
            raise
        if not group or group[0].status == SYNC:
            return groups
        if came is not None:
            came(group)
        groups.append(group)


def _undo(conn: Any) -> Gen:
    """A transaction whose beginning failed is not left behind."""
    if conn.pgconn.transaction_status == pq.TransactionStatus.INERROR:
        conn.pgconn.send_query(b"ROLLBACK")
        yield from communicate(conn.pgconn)


# results


def _raise_ours(conn: Any, results: Sequence[Result]) -> None:
    """What the server says of the settings themselves, or of the end of the transaction."""
    for result in results:
        if result.status == FATAL_ERROR:
            raise error_from_result(result, encoding=conn.pgconn._encoding)


def _row(conn: Any, result: Result) -> list[str | None]:
    values = [result.get_value(0, at) for at in range(result.nfields)]
    encoding = conn.pgconn._encoding
    return [None if value is None else bytes(value).decode(encoding) for value in values]


# BEGIN and the like


def command(conn: Any, plan: Plan, text: str) -> Gen:
    """A BEGIN of psycopg's, which settings follow; its result is that of BEGIN.

    If the settings cannot be put in force it has failed, and no transaction is open.
    """
    pgconn = conn.pgconn
    results = yield from _as_query(conn, _guard_of(conn), plan, text.encode(pgconn._encoding))
    failed = next((result for result in results if result.status == FATAL_ERROR), None)
    if failed is None:
        return results[0]
    yield from _undo(conn)
    raise error_from_result(failed, encoding=pgconn._encoding)
