"""Pools to probe, in memory: they perform the steps of an active probe."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pgpoolsafe.poolers.active_settings import SETTINGS
from pgpoolsafe.poolers.active_steps import (
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
)

NAMES = tuple(setting.name for setting in SETTINGS)
DEFAULTS = {
    "application_name": "",
    "search_path": '"$user", public',
    "statement_timeout": "0",
    "pgpoolsafe.probe": "",
}
NO_ANSWER = Refusal(None, "no answer in time", fatal=True)


@dataclass
class Backend:
    """A server connection with its session."""

    pid: int
    start: str = "1763760000.5"
    settings: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    statements: dict[bytes, bytes] = field(default_factory=dict)


class Error(Exception):
    """What the server answers instead of a row."""

    def __init__(self, sqlstate: str, text: str, fatal: bool = False) -> None:
        super().__init__(text)
        self.refusal = Refusal(sqlstate, text, fatal)


def last_used(free: list[Backend]) -> Backend:
    """As PgBouncer does."""
    return free[-1]


def in_rotation(free: list[Backend]) -> Backend:
    """As PgBouncer does with server_round_robin."""
    return free[0]


def at_random(seed: int) -> Callable[[list[Backend]], Backend]:
    return random.Random(seed).choice


@dataclass
class Pool:
    """A pool of `backends`. `shares`: by transaction, else by session.

    `tracks`: settings restored for each client. `keeps_statements`: prepared statements
    follow their client. `resets`: after each transaction. `refuses_begin`: statement pooling.
    `stuck`: whether a client has ever waited for a server connection in vain.
    """

    backends: list[Backend]
    shares: bool = True
    choose: Callable[[list[Backend]], Backend] = last_used
    tracks: frozenset[str] = frozenset()
    keeps_statements: bool = False
    resets: bool = False
    refuses_begin: bool = False
    stuck: bool = False

    def __post_init__(self) -> None:
        self.free = list(self.backends)
        self.held: dict[Client, Backend] = {}
        self.settings: dict[Client, dict[str, str]] = {client: {} for client in Client}
        self.statements: dict[Client, dict[bytes, bytes]] = {client: {} for client in Client}

    def perform(self, step: Step) -> Reply:
        if isinstance(step, Connect | Pause):
            return ()
        return self._send(step)

    def _send(self, step: Send) -> Reply:
        backend = self._take(step.client)
        if backend is None:
            self.stuck = True
            return NO_ANSWER
        row: Row = ()
        try:
            for command in step.commands:
                row = self._run(step.client, backend, command) or row
        except Error as error:
            return error.refusal
        finally:
            self._give_back(step.client, backend)
        return row

    def _take(self, client: Client) -> Backend | None:
        if client in self.held:
            return self.held[client]
        if not self.free:
            return None
        backend = self.choose(self.free)
        self.free.remove(backend)
        self.held[client] = backend
        for name in self.tracks:
            backend.settings[name] = self.settings[client].get(name, DEFAULTS[name])
        return backend

    def _give_back(self, client: Client, backend: Backend) -> None:
        self.settings[client] |= {name: backend.settings[name] for name in self.tracks}
        if not self.shares or client in self.in_transaction:
            return
        if self.resets:
            backend.settings = dict(DEFAULTS)
            backend.statements.clear()
        del self.held[client]
        self.free.append(backend)

    @property
    def in_transaction(self) -> set[Client]:
        return self._open

    def _run(self, client: Client, backend: Backend, command: Command) -> Row:
        who = (str(backend.pid), backend.start)
        if isinstance(command, Parse):
            return self._parse(client, backend, command)
        if isinstance(command, Execute):
            known = self.statements[client] if self.keeps_statements else backend.statements
            if command.name not in known:
                raise Error("26000", "prepared statement does not exist")
            letter = re.search(rb"'(.)'$", known[command.name])
            return (*who, letter[1].decode())
        if isinstance(command, Close):
            backend.statements.pop(command.name, None)
            self.statements[client].pop(command.name, None)
            return ()
        return self._text(client, backend, command.sql.decode())

    def _parse(self, client: Client, backend: Backend, command: Parse) -> Row:
        known = self.statements[client] if self.keeps_statements else backend.statements
        if command.name in known:
            raise Error("42P05", "prepared statement already exists")
        known[command.name] = command.sql
        return ()

    _open: set[Client] = field(default_factory=set)

    def _text(self, client: Client, backend: Backend, sql: str) -> Row:
        who = (str(backend.pid), backend.start)
        if sql == "begin":
            if self.refuses_begin:
                text = "transaction blocks not allowed in statement pooling mode"
                raise Error("08P01", text, fatal=True)
            self._open.add(client)
            return ()
        if sql == "commit":
            self._open.discard(client)
            return ()
        if "case when current_setting('application_name', true)" in sql:
            self._reset(backend)
        elif "set_config" in sql:
            self._set(backend, sql)
        elif "current_setting" not in sql:
            return who
        return (*who, *(backend.settings[name] for name in NAMES))

    def _set(self, backend: Backend, sql: str) -> None:
        token = re.search(r"pgpoolsafe_\w{8,}", sql)[0]
        backend.settings["application_name"] = token
        backend.settings["search_path"] += f", {token}"
        if backend.settings["statement_timeout"] == "0":
            backend.settings["statement_timeout"] = re.search(r"'(2\d{9})'", sql)[1] + "ms"
        backend.settings["pgpoolsafe.probe"] = token

    def _reset(self, backend: Backend) -> None:
        for setting in SETTINGS:
            if re.search(setting.ours, backend.settings[setting.name]):
                backend.settings[setting.name] = DEFAULTS[setting.name]
