"""What every server of a test can do: start, stop, show its log."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, TypeVar

import psycopg

from .account import server_environment
from .place import HERE, Place

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
PORT_ATTEMPTS = 3

S = TypeVar("S", bound="Server")

_started: weakref.WeakSet[Server] = weakref.WeakSet()


class ServerFailed(RuntimeError):
    """A server did not start or stop; the message ends with its log."""


def running_servers() -> list[Server]:
    """Every server of this process that runs now, by title."""
    return sorted((s for s in _started if s.running), key=lambda s: s.title)


def free_port(among: range | None = None) -> int:
    """A TCP port of the loopback interface that nobody listened on a moment ago."""
    for candidate in random.sample(among, len(among)) if among else (0,):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, candidate))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise ServerFailed(f"no free port among {among}")


class Server(ABC):
    """One server process with a folder, a port and a log of its own."""

    title: ClassVar[str]
    port: int

    ports: range | None = None
    """What `port` is chosen from; None: whatever the system gives."""

    def __init__(self, place: Place = HERE) -> None:
        self.place = place
        self.folder = place.new_folder(type(self).__name__.lower())
        self.log_path = self.folder / "server.log"
        self.port = free_port(self.ports)
        self._process: subprocess.Popen[bytes] | None = None
        _started.add(self)
        atexit.register(self.close)

    # What differs between servers.

    @abstractmethod
    def _prepare(self) -> None:
        """Write what the server needs before each start; the port is known."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def _probe(self) -> None:
        """Connect once; raises psycopg.OperationalError while the server is not ready."""

    @property
    @abstractmethod
    def stop_signal(self) -> signal.Signals:
        """The signal that ends the server at once, whoever is connected."""

    # Life.

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self: S) -> S:
        """Start and wait until the server answers. Raises ServerFailed with its log."""
        for attempt in range(PORT_ATTEMPTS):
            if self.running:
                break
            mark = self.log_mark()
            self._prepare()
            self._launch()
            if self._answers():
                break
            if attempt + 1 == PORT_ATTEMPTS or not self._port_was_taken(mark):
                self.stop()
                raise ServerFailed(f"{self.title} did not start:\n{self.log_since(mark)}")
            self.port = free_port(self.ports)
        return self

    def stop(self) -> None:
        """End the server and wait for it; a server that does not obey is killed."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(self.stop_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # pgagroal's children outlive it, with their server connections.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self._process = None

    def close(self) -> None:
        """Stop the server and remove its folder; harmless when done already."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self: S) -> S:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # The log.

    @property
    def log(self) -> str:
        """Everything the server has written so far."""
        return self.log_since(0)

    def log_mark(self) -> int:
        """The present end of the log, to be handed to `log_since` later."""
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def log_since(self, mark: int) -> str:
        """What the server has written after `mark`."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[mark:].decode(errors="replace")

    def log_contains(self, pattern: str, since: int = 0) -> bool:
        """Whether a regular expression is found in the log after the mark `since`."""
        return re.search(pattern, self.log_since(since)) is not None

    # Inside.

    def inside(self, name: str = "") -> Path:
        """The server's folder, or a file in it, as the server sees it."""
        return self.place.inside(self.folder / name)

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the server's folder, which then belongs to the server."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        if self.place.account is not None:
            os.chown(path, self.place.account.uid, self.place.account.gid)

    def _run(self, *command: str | Path) -> None:
        """Run a program of the server's to its end, as the server's account."""
        done = subprocess.run(
            self.place.command(*command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=server_environment(self.inside()),
            check=False,
            **self.place.switching(),
        )
        if done.returncode:
            name = Path(command[0]).name
            raise ServerFailed(f"{name} exited with {done.returncode}:\n{done.stdout}{done.stderr}")

    def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.place.command(*self._command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=server_environment(self.inside()),
                # Ctrl-C in the terminal is for the program that uses the server; that one
                # decides when the server ends.
                start_new_session=True,
                **self.place.switching(),
            )

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while self.running and time.monotonic() < deadline:
            try:
                self._probe()
            except psycopg.OperationalError:
                time.sleep(POLL_SECONDS)
            else:
                # Whoever answers on the port is this process only if it still lives.
                return self.running
        return False

    def _port_was_taken(self, mark: int) -> bool:
        return not self.running and self.log_contains("[Aa]ddress already in use", mark)
