"""Decides which server connection of a pool the next statement of a client gets.

All other server connections are held, each by a statement that waits for an advisory lock.
That works in every pool mode (a transaction cannot be held open in statement mode), with
every pooler, and needs neither sleep nor load.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from pgpoolsafe.testing.server import POLL_SECONDS

from .postgres import Postgres
from .server import Server

Connection = psycopg.Connection[Any]

SECONDS = 8.0
ATTEMPTS = 3
"""pgagroal 1.6 now and then leaves a client without a server connection for good."""
FIRST_LOCK = 7700


@dataclass
class _Hold:
    """The connection that has the locks, and by backend pid who waits for which."""

    gate: Connection
    holders: dict[int, tuple[int, Connection]]

    def let_go(self, pid: int) -> None:
        key, client = self.holders.pop(pid)
        self.gate.execute("SELECT pg_advisory_unlock(%s)", [key])
        while client.pgconn.get_result() is not None:
            continue


class Turnstile:
    """The server connections of one user's pool, `size` in all, known by their backend pids."""

    def __init__(self, pooler: Server, postgres: Postgres, size: int, user: str = "app") -> None:
        self._pooler = pooler
        self._postgres = postgres
        self._keys = range(FIRST_LOCK, FIRST_LOCK + size)
        self._user = user

    def pids(self) -> list[int]:
        """The backends of all server connections, which are opened by this if need be."""
        with self._held() as hold:
            return list(hold.holders)

    @contextlib.contextmanager
    def only(self, pid: int) -> Iterator[None]:
        """Whatever clients send meanwhile goes to the server connection with backend `pid`."""
        with self._held() as hold:
            hold.let_go(pid)
            yield

    @contextlib.contextmanager
    def _held(self) -> Iterator[_Hold]:
        with contextlib.ExitStack() as stack:
            hold = self._hold(stack)
            try:
                yield hold
            finally:
                for pid in list(hold.holders):
                    hold.let_go(pid)

    def _hold(self, stack: contextlib.ExitStack) -> _Hold:
        for _ in range(ATTEMPTS):
            with contextlib.ExitStack() as attempt:
                hold = self._try_to_hold(attempt)
                if hold is not None:
                    stack.push(attempt.pop_all())
                    return hold
        raise TimeoutError(f"not all of {len(self._keys)} server connections can be held")

    def _try_to_hold(self, stack: contextlib.ExitStack) -> _Hold | None:
        gate = stack.enter_context(self._postgres.connect("postgres", autocommit=True))
        clients = {}
        for key in self._keys:
            gate.execute("SELECT pg_advisory_lock(%s)", [key])
            clients[key] = self._pooler.connect(self._user, autocommit=True)
            # No COMMIT at the end: one that was never served is still in the middle of a query.
            stack.callback(clients[key].close)
            _send(clients[key], key)
        waiting = self._waiting(gate)
        if len(waiting) < len(self._keys):
            return None
        return _Hold(gate, {pid: (key, clients[key]) for pid, key in waiting})

    def _waiting(self, gate: Connection) -> list[tuple[int, int]]:
        """Backend pid and lock of each holder that waits, once all do or the time is up."""
        deadline = time.monotonic() + SECONDS
        while True:
            rows = gate.execute(
                "SELECT pid, objid::int FROM pg_locks WHERE locktype = 'advisory'"
                " AND NOT granted AND objid BETWEEN %s AND %s",
                [self._keys[0], self._keys[-1]],
            ).fetchall()
            if len(rows) == len(self._keys) or time.monotonic() > deadline:
                return rows
            time.sleep(POLL_SECONDS)


def _send(client: Connection, key: int) -> None:
    """Send, and do not wait for the answer: it comes when the lock is free."""
    client.pgconn.send_query(f"SELECT pg_advisory_xact_lock({key})".encode())
    client.pgconn.flush()
