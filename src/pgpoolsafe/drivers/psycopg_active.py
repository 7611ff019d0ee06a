"""psycopg: prove with two short connections what a pooler does, on request.

The steps come from `poolers.active`; here they are performed, by the calling thread (`prove`)
or on asyncio (`prove_async`). Nothing waits longer than it was given.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import selectors
import time
from collections import deque
from collections.abc import Generator, Iterable
from functools import partial
from typing import Any

import psycopg
from psycopg import capabilities, pq
from psycopg.generators import execute, fetch_many, pipeline_communicate
from psycopg.waiting import Ready

from ..poolers.active import ActiveAnswer, active_probe
from ..poolers.active_steps import (
    Client,
    Close,
    Command,
    Connect,
    Execute,
    Parse,
    Pause,
    Refusal,
    Reply,
    Row,
    Send,
    Step,
    Steps,
)

SECONDS = 10.0
"""How long the whole proof may take. A full session pool never answers the second client."""

Gen = Generator[Any, Any, Any]


class _TimeIsUp(Exception):
    """No TimeoutError: that is an OSError, for which psycopg has a reading of its own."""


_FAILURES = (psycopg.Error, OSError, _TimeIsUp)


def prove(conninfo: str, *, seconds: float = SECONDS) -> ActiveAnswer:
    """Connect twice and prove what the pooler does with sessions; what was proven.

    `conninfo` is a libpq connection string or URL. A target that cannot be reached, or that
    does not answer within `seconds`, gives an answer that is inconclusive.
    """
    clients = _Clients(conninfo, seconds)
    steps = _steps()
    reply: Reply | None = None
    try:
        while True:
            step = steps.send(reply)  # type: ignore[arg-type]  # None starts it
            reply = clients.perform(step)
    except StopIteration as end:
        answer: ActiveAnswer = end.value
        return answer
    finally:
        clients.close()


async def prove_async(conninfo: str, *, seconds: float = SECONDS) -> ActiveAnswer:
    """As `prove`, on asyncio."""
    clients = _AsyncClients(conninfo, seconds)
    steps = _steps()
    reply: Reply | None = None
    try:
        while True:
            step = steps.send(reply)  # type: ignore[arg-type]  # None starts it
            reply = await clients.perform(step)
    except StopIteration as end:
        answer: ActiveAnswer = end.value
        return answer
    finally:
        await clients.close()


def _steps() -> Steps[ActiveAnswer]:
    return active_probe(secrets.token_hex(8), can_close=capabilities.has_send_close_prepared())


class _Clients:
    """The connections of the two clients."""

    def __init__(self, conninfo: str, seconds: float) -> None:
        self._conninfo = conninfo
        self._deadline = time.monotonic() + seconds
        self._open: dict[Client, psycopg.Connection[Any]] = {}

    def perform(self, step: Step) -> Reply:
        """Perform a step; what came back, errors included."""
        try:
            return self._perform(step)
        except _FAILURES as error:
            return _lost(error)

    def _perform(self, step: Step) -> Reply:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return ()
        if isinstance(step, Connect):
            if step.client in self._open:
                self._open.pop(step.client).close()
            options = _options(self._deadline)
            self._open[step.client] = psycopg.connect(self._conninfo, **options)
            return ()
        connection = self._open[step.client]
        work = _exchange(connection.pgconn, step)
        return _finished(work, connection.pgconn.socket, self._deadline)

    def close(self) -> None:
        """Close what was opened."""
        for connection in self._open.values():
            connection.close()


class _AsyncClients:
    """The same on asyncio."""

    def __init__(self, conninfo: str, seconds: float) -> None:
        self._conninfo = conninfo
        self._deadline = time.monotonic() + seconds
        self._open: dict[Client, psycopg.AsyncConnection[Any]] = {}

    async def perform(self, step: Step) -> Reply:
        """Perform a step; what came back, errors included."""
        try:
            return await self._perform(step)
        except _FAILURES as error:
            return _lost(error)

    async def _perform(self, step: Step) -> Reply:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return ()
        if isinstance(step, Connect):
            if step.client in self._open:
                await self._open.pop(step.client).close()
            options = _options(self._deadline)
            connecting = psycopg.AsyncConnection.connect(self._conninfo, **options)
            self._open[step.client] = await connecting
            return ()
        connection = self._open[step.client]
        work = _exchange(connection.pgconn, step)
        reply: Reply = await connection.wait(_until(self._deadline, work))
        return reply

    async def close(self) -> None:
        """Close what was opened."""
        for connection in self._open.values():
            await connection.close()


def _options(deadline: float) -> dict[str, Any]:
    # libpq counts whole seconds, and takes one for two.
    left = max(2, math.ceil(deadline - time.monotonic()))
    return {"autocommit": True, "prepare_threshold": None, "connect_timeout": left}


def _lost(error: BaseException) -> Refusal:
    text = " ".join(str(error).split()) or type(error).__name__
    return Refusal(getattr(error, "sqlstate", None), text, fatal=True)


# Waiting, but not for ever


def _finished(work: Gen, socket: int, deadline: float) -> Reply:
    """Run a generator to its end; _TimeIsUp when the time is up.

    Not by the connection's own `wait`: before psycopg 3.3 it has no time limit.
    """
    try:
        wanted = next(work)
        while True:
            wanted = work.send(_ready(socket, wanted, deadline))
    except StopIteration as end:
        reply: Reply = end.value
        return reply


def _ready(socket: int, wanted: int, deadline: float) -> Ready:
    with selectors.DefaultSelector() as selector:
        selector.register(socket, wanted)
        events = selector.select(max(0.0, deadline - time.monotonic()))
    if not events:
        raise _TimeIsUp("no answer in time")
    return Ready(events[0][1])


def _until(deadline: float, work: Gen) -> Gen:
    """Generator: the same, ended by _TimeIsUp when the time is up.

    On asyncio psycopg wakes it ten times a second, with nothing ready.
    """
    try:
        wanted = next(work)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise _TimeIsUp("no answer in time")
            wanted = work.send(ready)
    except StopIteration as end:
        return end.value


# One pipeline


def _exchange(pgconn: Any, step: Send) -> Gen:
    """Generator: the commands of a step, as one message; returns the reply."""
    if len(step.commands) == 1:
        # Not as a pipeline: what a pooler says before it closes the connection is lost there.
        _send(pgconn, step.commands[0])
        return _reply(pgconn, (yield from execute(pgconn)))
    commands = deque(partial(_send, pgconn, command) for command in step.commands)
    commands.append(pgconn.pipeline_sync)
    pgconn.enter_pipeline_mode()
    results = yield from _results(pgconn, commands, len(commands))
    pgconn.exit_pipeline_mode()
    return _reply(pgconn, results)


def _send(pgconn: Any, command: Command) -> None:
    if isinstance(command, Parse):
        pgconn.send_prepare(command.name, command.sql)
    elif isinstance(command, Execute):
        pgconn.send_query_prepared(command.name, None)
    elif isinstance(command, Close):
        pgconn.send_close_prepared(command.name)
    else:
        pgconn.send_query_params(command.sql, None)


def _results(pgconn: Any, commands: deque[Any], expected: int) -> Gen:
    """Generator: the results of a pipeline, one list for each of its commands."""
    groups = list((yield from pipeline_communicate(pgconn, commands)))
    while len(groups) < expected:
        groups.append((yield from fetch_many(pgconn)))
    return [result for group in groups for result in group]


def _reply(pgconn: Any, results: Iterable[Any]) -> Reply:
    last: Row = ()
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            return _refusal(pgconn, result)
        if result.status == pq.ExecStatus.TUPLES_OK and result.ntuples:
            last = tuple(_text(result.get_value(0, i)) for i in range(result.nfields))
    return last


def _refusal(pgconn: Any, result: Any) -> Refusal:
    return Refusal(
        _text(result.error_field(pq.DiagnosticField.SQLSTATE)),
        _text(result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)) or "no message",
        fatal=pgconn.status != pq.ConnStatus.OK,
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
