"""Counts what passes between clients and a server: round trips, and every message.

A round trip is what a client sends until the server has something to say, which is what a
program waits for. Clients connect to the wiretap as they would to the server behind it.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from pgpoolsafe.testing.account import Account
from pgpoolsafe.testing.place import Place
from pgpoolsafe.testing.server import HOST

from . import wiretap_process
from .server import Server


@dataclass(frozen=True, slots=True)
class Passed:
    """What has passed: round trips, the server's messages by type, the client's one by one."""

    trips: int
    answers: dict[str, int]
    sent: tuple[tuple[str, bytes], ...]

    @property
    def kinds(self) -> str:
        """The types of the client's messages in their order: "PBDES" for one statement."""
        return "".join(kind for kind, _ in self.sent)

    @property
    def texts(self) -> list[str]:
        """The SQL of the client's simple queries and parsed statements, in their order."""
        return [body.split(b"\0")[kind == "P"].decode() for kind, body in self.sent if kind in "QP"]


@dataclass
class Count:
    """Filled in when the block ends whose messages it counts."""

    passed: Passed = Passed(0, {}, ())

    @property
    def trips(self) -> int:
        """Round trips of the block."""
        return self.passed.trips


class _Caller(Place):
    """The caller's own account: where Python is, an unprivileged one may not reach."""

    @property
    def account(self) -> Account | None:
        return None

    def new_folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"pgpoolsafe-{name}-"))


class Wiretap(Server):
    """Stands before `server`, which runs; `delay` seconds are added to each round trip."""

    title = "wiretap"
    stop_signal = signal.SIGTERM

    def __init__(self, server: Server, *, delay: float = 0.0) -> None:
        super().__init__(_Caller())
        self.server = server
        self.delay = delay

    @contextlib.contextmanager
    def counting(self) -> Iterator[Count]:
        """Count what passes within the block."""
        count = Count()
        self._ask(wiretap_process.FORGET)
        yield count
        count.passed = self.passed()

    def passed(self) -> Passed:
        """What has passed so far."""
        said = self._ask(wiretap_process.ASK)
        sent = tuple((kind, bytes.fromhex(body)) for kind, body in said["sent"])
        return Passed(said["trips"], said["answers"], sent)

    def parameters(self, user: str = "app", dbname: str = "shop") -> dict[str, Any]:
        """Those of the server behind, but for the port."""
        return {**self.server.parameters(user, dbname), "port": self.port}

    def _ask(self, code: int) -> dict[str, Any]:
        with socket.create_connection((HOST, self.port)) as line:
            line.sendall(struct.pack("!ii", 8, code))
            with line.makefile("rb") as answer:
                said: dict[str, Any] = json.load(answer)
                return said

    def _prepare(self) -> None:
        """There is nothing to write."""

    def _command(self) -> list[str | Path]:
        program = Path(wiretap_process.__file__)
        return [sys.executable, program, str(self.port), str(self.server.port), str(self.delay)]

    def _probe(self) -> None:
        try:
            self.passed()
        except OSError as error:
            raise psycopg.OperationalError(str(error)) from error
