"""Plays a program on one connection and writes down whatever the program could notice."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from .either import listed, settled
from .programs import Program, Step
from .values import AT_SYNC, CUSTOM, VALUES

OF_TRANSACTION = ("transaction_isolation", "transaction_read_only", "transaction_deferrable")
NAMES = (*VALUES, *OF_TRANSACTION)

# A custom setting that some client once set locally is '' rather than NULL on that server
# connection for ever: PostgreSQL's own way, which no client can undo.
LOOK = "SELECT current_user, session_user, {}".format(
    ", ".join(
        f"coalesce(current_setting('{name}', true), '')"
        if name in CUSTOM
        else f"current_setting('{name}')"
        for name in NAMES
    )
)

FINISH: Step = ("finish",)
LOOK_ROUND: Step = ("look",)
PIPED = {"execute", "many", "look"}
"""The steps that a pipeline queues."""
AMONG_PIPED = {"sync", "enter", "leave", "commit", "rollback", "finish"}
"""The others that make sense in one."""

Noticed = tuple[Any, ...]
Connect = Callable[[], Awaitable[Any]]

NOTHING_TO_END = ("25P01", "there is no transaction in progress")


class Undone(Exception):
    """Leaves a block of `conn.transaction()` with an error."""


class Player:
    """One program on one connection, which `connect` makes anew when asked."""

    def __init__(self, program: Program, connect: Connect) -> None:
        self.program = program
        self._connect = connect
        self._notices: list[tuple[str | None, str | None]] = []
        self._managers: list[tuple[str, Any, Any]] = []
        self._pending: list[Any] = []
        self._raised: list[Noticed] = []
        self._named: Any = None
        self.conn: Any = None

    async def play(self, after_step: Callable[[], None]) -> list[Noticed]:
        """Everything that was noticed, step by step; `after_step` is called after each."""
        await self._open()
        try:
            return await self._play(after_step)
        finally:
            await self._end()

    async def _play(self, after_step: Callable[[], None]) -> list[Noticed]:
        noticed = []
        for step in (*self.program.steps, FINISH, LOOK_ROUND):
            noticed.append((step, await self.take(step)))
            after_step()
            if self.program.watches and self._can_look():
                noticed.append((LOOK_ROUND, await self.take(LOOK_ROUND)))
                after_step()
        return noticed

    async def take(self, step: Step) -> Noticed:
        """One step: its outcome, its notices, and the state of the transaction after it."""
        if self._in_pipeline and step[0] in PIPED and AT_SYNC not in repr(step):
            return await self._queue(step)
        if self._in_pipeline and step[0] not in AMONG_PIPED:
            return ("not in a pipeline",)
        # When an error of a pipeline surfaces is a matter of time, unless all was answered.
        before = await self._sync() if self._in_pipeline else ()
        try:
            outcome = await self._step(step)
        except (psycopg.Error, TypeError, ValueError) as error:
            outcome = described(error)
        notices, self._notices = tuple(self._notices), []
        if self._in_pipeline:  # psycopg goes by the status whether it sends COMMIT
            notices = tuple(notice for notice in notices if notice != NOTHING_TO_END)
        return before, outcome, notices, self._status()

    async def _step(self, step: Step) -> Noticed:
        noticed: Noticed = await getattr(self, f"_{step[0]}")(*step[1:])
        return noticed

    async def _queue(self, step: Step) -> Noticed:
        """One step of a pipeline; what comes of it is noticed at the next `sync`."""
        try:
            await self._step(step)
        except (psycopg.Error, TypeError, ValueError) as error:
            self._raised.append(described(error))
        return ("queued",)

    def _status(self) -> str:
        if self._in_pipeline:
            return ""  # libpq's changes as time goes, even after a sync
        return TransactionStatus(self.conn.pgconn.transaction_status).name

    def _can_look(self) -> bool:
        status = self.conn.pgconn.transaction_status
        idle = status == TransactionStatus.IDLE and self.conn.autocommit
        return not self._in_pipeline and (idle or status == TransactionStatus.INTRANS)

    @property
    def _in_pipeline(self) -> bool:
        return any(kind == "pipeline" for kind, _, _ in self._managers)

    # The connection's life.

    async def _open(self) -> None:
        self.conn = await self._connect()
        self.conn.add_notice_handler(self._note)

    def _note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        self._notices.append((diagnostic.sqlstate, diagnostic.message_primary))

    async def _end(self) -> None:
        await self._finish()
        await settled(self.conn.close())

    async def _finish(self) -> Noticed:
        """Out of every block, and out of the transaction."""
        while self._managers:
            with contextlib.suppress(psycopg.Error):
                await self._leave("")
        if self._named is not None:
            with contextlib.suppress(psycopg.Error):
                await self._close()
        with contextlib.suppress(psycopg.Error):
            await settled(self.conn.rollback())
            await settled(self.conn.set_autocommit(True))
        return ("finished",)

    async def _reconnect(self) -> Noticed:
        await self._end()
        await self._open()
        return ("connected",)

    # Statements.

    async def _execute(self, kind: str, text: str, params: Any) -> Noticed:
        cursor = self._cursor(kind)
        query = raw(text) if kind == "raw" and params is not None else text
        options = {"binary": True} if kind == "binary" else {}
        if self._in_pipeline:
            self._pending.append(cursor)
        await settled(cursor.execute(query, params, **options))
        return await self._results(cursor)

    async def _many(self, text: str, rows: tuple[Any, ...]) -> Noticed:
        cursor = self.conn.cursor()
        if self._in_pipeline:
            self._pending.append(cursor)
        await settled(cursor.executemany(text, rows, returning=text.startswith("SELECT")))
        return await self._results(cursor)

    async def _results(self, cursor: Any) -> Noticed:
        return ("queued",) if self._in_pipeline else await read(cursor)

    def _cursor(self, kind: str) -> Any:
        is_async = self.program.is_async
        if kind == "client":
            return (psycopg.AsyncClientCursor if is_async else psycopg.ClientCursor)(self.conn)
        if kind == "raw":
            return (psycopg.AsyncRawCursor if is_async else psycopg.RawCursor)(self.conn)
        return self.conn.cursor()

    async def _stream(self, text: str, params: Any) -> Noticed:
        if self.conn.autocommit and self._status() == "IDLE":
            return ("not streamed",)  # settings do not travel with it, and the guard says so
        return ("rows", await listed(self.conn.cursor().stream(text, params)))

    async def _copy_out(self, text: str) -> Noticed:
        async def work(copy: Any) -> Noticed:
            return ("rows", await listed(copy.rows()))

        return await self._copying(text, work)

    async def _copy_in(self, text: str, rows: tuple[str, ...]) -> Noticed:
        async def work(copy: Any) -> Noticed:
            for row in rows:
                await settled(copy.write_row([row]))
            return ("written",)

        return await self._copying(text, work)

    async def _copying(self, text: str, work: Callable[[Any], Awaitable[Noticed]]) -> Noticed:
        cursor = self.conn.cursor()
        if self.program.is_async:
            async with cursor.copy(text) as copy:
                noticed = await work(copy)
        else:
            with cursor.copy(text) as copy:
                noticed = await work(copy)
        return (*noticed, cursor.statusmessage, cursor.rowcount)

    async def _declare(self, text: str) -> Noticed:
        if self.conn.autocommit and self._status() == "IDLE":
            return ("not declared",)  # nor do they with what fails there anyhow
        self._named = self.conn.cursor("named")
        await settled(self._named.execute(text))
        return ("declared",)

    async def _fetch(self) -> Noticed:
        if self._named is None:
            return ("none",)
        return ("rows", await settled(self._named.fetchmany(1)))

    async def _close(self) -> Noticed:
        named, self._named = self._named, None
        if named is None:
            return ("none",)
        await settled(named.close())
        return ("closed",)

    async def _look(self) -> Noticed:
        if not self._can_look():
            return ("blind",)
        cursor = await settled(self.conn.execute(LOOK))
        row = await settled(cursor.fetchone())
        return tuple(f"{k}={v}" for k, v in zip(("user", "login", *NAMES), row, strict=True))

    # The driver's own commands.

    async def _commit(self) -> Noticed:
        await settled(self.conn.commit())
        return ("committed",)

    async def _rollback(self) -> Noticed:
        await settled(self.conn.rollback())
        return ("rolled back",)

    async def _autocommit(self, value: bool) -> Noticed:
        return await self._attribute("autocommit", value)

    async def _isolation(self, value: int | None) -> Noticed:
        return await self._attribute("isolation_level", value)

    async def _read_only(self, value: bool | None) -> Noticed:
        return await self._attribute("read_only", value)

    async def _deferrable(self, value: bool | None) -> Noticed:
        return await self._attribute("deferrable", value)

    async def _attribute(self, name: str, value: Any) -> Noticed:
        await settled(getattr(self.conn, f"set_{name}")(value))
        return ("set",)

    async def _tpc_begin(self, name: str) -> Noticed:
        await settled(self.conn.tpc_begin(name))
        return ("begun",)

    async def _tpc_prepare(self) -> Noticed:
        await settled(self.conn.tpc_prepare())
        return ("prepared",)

    async def _tpc_commit(self) -> Noticed:
        await settled(self.conn.tpc_commit())
        return ("committed",)

    async def _tpc_rollback(self) -> Noticed:
        await settled(self.conn.tpc_rollback())
        return ("rolled back",)

    # Blocks.

    async def _enter(self, kind: str) -> Noticed:
        manager = self.conn.pipeline() if kind == "pipeline" else self.conn.transaction()
        enter = manager.__aenter__ if self.program.is_async else manager.__enter__
        entered = await settled(enter())
        self._managers.append((kind, manager, entered))
        return ("entered",)

    async def _leave(self, error: str) -> Noticed:
        if not self._managers:
            return ("outside",)
        _, manager, _ = self._managers.pop()
        leave = manager.__aexit__ if self.program.is_async else manager.__exit__
        raised = Undone() if error else None
        await settled(leave(type(raised) if raised else None, raised, None))
        return ("left",)

    async def _sync(self) -> Noticed:
        """All that a pipeline has brought: the first error raised, and each statement's answer."""
        pipelines = [entered for kind, _, entered in self._managers if kind == "pipeline"]
        if not pipelines:
            return ("outside",)
        try:
            await settled(pipelines[-1].sync())
        except psycopg.Error as error:
            self._raised.append(described(error))
        raised, self._raised = self._raised[:1], []
        return ("synced", raised, await self._answers())

    async def _answers(self) -> Noticed:
        """What came for the statements of a pipeline."""
        pending, self._pending = self._pending, []
        return tuple([await answer(cursor) for cursor in pending])


async def answer(cursor: Any) -> Noticed:
    """What a statement of a pipeline brought, be it an error."""
    try:
        return await read(cursor)
    except psycopg.Error as error:
        return described(error)


async def read(cursor: Any) -> Noticed:
    """Every result of a cursor."""
    results = []
    while True:
        rows = await settled(cursor.fetchall()) if cursor.description else None
        columns = [(c.name, c.type_code) for c in cursor.description or ()]
        results.append((cursor.statusmessage, cursor.rowcount, columns, rows))
        if not cursor.nextset():
            return tuple(results)


def described(error: Exception) -> Noticed:
    """What a program can tell one error from another by."""
    name = type(error).__name__
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return ("error", name, re.sub(r"<psycopg.*? at 0x[0-9a-f]+>", "<psycopg>", str(error)))
    d = error.diag
    where = (d.statement_position, d.internal_position, d.constraint_name)
    texts = (d.message_primary, d.message_detail, d.message_hint, d.context, str(error))
    return ("error", name, error.sqlstate, d.severity, *texts, *where)


def raw(text: str) -> str:
    """`%s` as PostgreSQL's own numbers."""
    parts = text.split("%s")
    numbered = "".join(f"{part}${n}" for n, part in enumerate(parts[:-1], 1)) + parts[-1]
    return numbered.replace("%%", "%")
