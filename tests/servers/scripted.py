"""A server that plays poolers which cannot run here, by what their documentation says.

It speaks PostgreSQL's protocol 3.0 as far as a greeting, a simple query and a pipeline of the
extended protocol go, knows a handful of statements by their text, and otherwise acts as its
`Script` says.
"""

from __future__ import annotations

import itertools
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from pgpoolsafe.testing.server import HOST

from .scripts import Refuse, Script

BACKEND_PID = 24815
BACKEND_PORTS = ("40001", "5432")


class Scripted:
    """A server that acts by a script, in a thread of this process; the verbs of all servers.

    `host`: the name that clients are to dial it by, which leads here. `port`: a certain one;
    None: a free one.
    """

    def __init__(self, script: Script, host: str = HOST, port: int | None = None) -> None:
        self.script = script
        self.title = f"scripted {script.product}"
        self.host = host
        self._lines: list[str] = []
        self._clients = itertools.count()
        self._server = _listen(self, port or 0)
        self.address, self.port = self._server.server_address[:2]
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return self._thread is not None

    def start(self) -> Scripted:
        """Answer from now on."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; clients that are connected lose their connection when they next say something."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Stop, and give the port back."""
        self.stop()
        self._server.server_close()

    def __enter__(self) -> Scripted:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def parameters(self, user: str = "app", dbname: str = "shop") -> dict[str, Any]:
        """Connection parameters by their libpq names."""
        where = {"host": self.host, "hostaddr": self.address, "port": self.port}
        who = {"dbname": dbname, "user": user}
        return {**where, **who, "connect_timeout": 10, "sslmode": "disable"}

    def dsn(self, user: str = "app", dbname: str = "shop", **more: Any) -> str:
        """A connection string for psycopg; `more` are further libpq parameters."""
        return make_conninfo("", **{**self.parameters(user, dbname), **more})

    def connect(
        self, user: str = "app", dbname: str = "shop", **options: Any
    ) -> psycopg.Connection[Any]:
        """A new connection; `options` are those of `psycopg.connect`."""
        return psycopg.connect(self.dsn(user, dbname), **options)

    @property
    def log(self) -> str:
        """Every text that clients have sent, one a line."""
        return "\n".join(self._lines)

    def log_contains(self, pattern: str) -> bool:
        """Whether a regular expression is found in the log."""
        return re.search(pattern, self.log) is not None

    def note(self, text: str) -> None:
        """Write a line of the log."""
        self._lines.append(text)

    def next_client(self) -> int:
        """The number of a client that has just come, from 0."""
        return next(self._clients)


def _listen(scripted: Scripted, port: int) -> socketserver.ThreadingTCPServer:
    """A listening server; a certain port may be taken at 127.0.0.1, and free at another of
    the loopback's addresses (which only Linux has).
    """
    for last in range(1, 255):
        try:
            return _Listener((f"127.0.0.{last}", port), scripted)
        except OSError:
            continue
    raise OSError(f"port {port} is taken at every address of the loopback interface")


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], scripted: Scripted) -> None:
        self.scripted = scripted
        super().__init__(address, _Session)


class _Closed(Exception):
    """The client has gone, or was sent away."""


class _Session(socketserver.BaseRequestHandler):
    """One client: bytes in, messages out."""

    server: _Listener
    request: socket.socket

    def setup(self) -> None:
        self.scripted = self.server.scripted
        self.script = self.scripted.script
        self.number = self.scripted.next_client()
        self.statements: dict[str, str] = {}
        self.backend_names: dict[str, str] = {}
        self.portal = ""
        self.skipping = False

    def handle(self) -> None:
        try:
            self._greet(self._startup())
            while True:
                kind, body = self._message()
                self._answer(kind, body)
        except (_Closed, ConnectionError):
            return

    # Reading.

    def _exactly(self, count: int) -> bytes:
        parts = b""
        while len(parts) < count:
            part = self.request.recv(count - len(parts))
            if not part:
                raise _Closed
            parts += part
        return parts

    def _startup(self) -> dict[str, str]:
        while True:
            length, code = struct.unpack("!ii", self._exactly(8))
            body = self._exactly(length - 8)
            if code == PROTOCOL_3_0:
                words = body.decode().split("\0")
                return {k: v for k, v in zip(words[::2], words[1::2], strict=False) if k}
            if code == CANCEL:
                raise _Closed
            self.request.sendall(b"N")  # no encryption

    def _message(self) -> tuple[str, bytes]:
        kind, length = struct.unpack("!ci", self._exactly(5))
        return kind.decode(), self._exactly(length - 4)

    # Writing.

    def _send(self, kind: str, *parts: bytes) -> None:
        body = b"".join(parts)
        self.request.sendall(kind.encode() + struct.pack("!i", len(body) + 4) + body)

    def _ready(self) -> None:
        self.skipping = False
        self._send("Z", b"I")

    def _refuse(self, refusal: Refuse) -> None:
        # The fields that poolers send: no V, F, L, R as PostgreSQL has.
        fields = {"S": refusal.severity, "C": refusal.sqlstate, "M": refusal.message}
        self._send("E", *(f"{k}{v}\0".encode() for k, v in fields.items()), b"\0")
        if refusal.closes:
            raise _Closed
        self.skipping = True

    def _row(self, values: tuple[str | None, ...], command: str = "SELECT 1") -> None:
        self._send("D", struct.pack("!h", len(values)), *map(_value, values))
        self._send("C", _text(command))

    def _columns(self, count: int) -> None:
        column = _text("?column?") + struct.pack("!ihihih", 0, 0, TEXT, -1, -1, 0)
        self._send("T", struct.pack("!h", count), column * count)

    # What is said.

    def _greet(self, said: dict[str, str]) -> None:
        for name, value in said.items():
            self._check(f"{name}={value}", self.script.at_start)
        self._send("R", struct.pack("!i", 0))
        parameters = dict(self.script.parameters)
        parameters["application_name"] = parameters["application_name"] or said.get(
            "application_name", ""
        )
        for name, value in parameters.items():
            self._send("S", _text(name), _text(value))
        if self.script.key is not None:
            self._send("K", struct.pack("!ii", self.script.key(self.number), 4711))
        self._ready()

    def _check(self, text: str, refusals: tuple[Refuse, ...]) -> None:
        for refusal in refusals:
            if re.fullmatch(refusal.pattern, text):
                self._refuse(refusal)
                return

    def _answer(self, kind: str, body: bytes) -> None:
        if kind == "X":
            raise _Closed
        if kind == "S":
            self._ready()
        elif kind == "Q":
            self._query(body.rstrip(b"\0").decode())
        elif not self.skipping:
            EXTENDED[kind](self, body)

    def _query(self, text: str) -> None:
        self.scripted.note(text)
        self._check(text, self.script.in_queries)
        if not self.skipping:
            values = self._values(text)
            if values is None:
                self._send("C", _text(text.split()[0].upper() if text.split() else ""))
            else:
                self._columns(len(values))
                self._row(values)
        self._ready()

    def _parse(self, body: bytes) -> None:
        name, text = body.decode("latin-1").split("\0")[:2]
        self.scripted.note(text)
        self.statements[name] = text
        if name:
            shape = self.script.renames
            self.backend_names[text] = shape.format(self.number + 1) if shape else name
        self._send("1")

    def _bind(self, body: bytes) -> None:
        self.portal = self.statements[body.decode("latin-1").split("\0")[1]]
        self._send("2")

    def _describe(self, body: bytes) -> None:
        if body[:1] == b"S":
            self.portal = self.statements[body[1:].rstrip(b"\0").decode()]
            self._send("t", struct.pack("!h", 0))
        values = self._values(self.portal)
        if values is None:
            self._send("n")
        else:
            self._columns(len(values))

    def _execute(self, _: bytes) -> None:
        values = self._values(self.portal)
        if values is None:
            self._send("C", _text(self.portal.split()[0].upper()))
        else:
            self._row(values)

    def _close(self, body: bytes) -> None:
        self.statements.pop(body[1:].rstrip(b"\0").decode(), None)
        self._send("3")

    def _flush(self, _: bytes) -> None:
        """Everything is sent at once."""

    def _values(self, text: str) -> tuple[str | None, ...] | None:
        """The one row of a SELECT, None for anything else."""
        if "pg_catalog.pg_backend_pid()" in text:
            asked = re.search(r"where statement = '([^']*)'", text)
            name = self.backend_names.get(asked[1]) if asked else None
            return (str(BACKEND_PID), *BACKEND_PORTS, name)
        return ("1",) if text.lstrip().upper().startswith("SELECT") else None


EXTENDED: dict[str, Callable[[_Session, bytes], None]] = {
    "P": _Session._parse,
    "B": _Session._bind,
    "D": _Session._describe,
    "E": _Session._execute,
    "C": _Session._close,
    "H": _Session._flush,
}

PROTOCOL_3_0 = 196608
CANCEL = 80877102
TEXT = 25
"""The type of every column."""


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _value(value: str | None) -> bytes:
    if value is None:
        return struct.pack("!i", -1)
    return struct.pack("!i", len(value.encode())) + value.encode()
