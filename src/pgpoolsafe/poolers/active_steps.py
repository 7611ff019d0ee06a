"""What the two clients of an active probe do, as values; a driver does it.

A probe is a generator of steps. The driver performs each (`Connect`, `Send`, `Pause`) and
sends the reply back: the last row that came, or a `Refusal`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Client(Enum):
    """The two clients of a probe."""

    A = "A"
    B = "B"

    @property
    def other(self) -> Client:
        """The one that is not this one."""
        return Client.B if self is Client.A else Client.A


@dataclass(frozen=True, slots=True)
class Parse:
    """Prepare a statement without parameters under a name, by the protocol."""

    name: bytes
    sql: bytes


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute the statement prepared under a name."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the statement prepared under a name, by the protocol (libpq 17)."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Run a text by the extended protocol, without a name."""

    sql: bytes


Command = Parse | Execute | Close | Run


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the client's connection, in autocommit, in place of one that it may have had. The
    reply is an empty row."""

    client: Client


@dataclass(frozen=True, slots=True)
class Send:
    """Send commands as one pipeline with one Sync; the reply is the last row that came."""

    client: Client
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Let so many seconds go by. The reply is an empty row."""

    seconds: float


Step = Connect | Send | Pause
Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that failed: `sqlstate` where the server gave one, and what was said.

    `fatal`: the client's connection is of no use any more (closed, or silent for too long).
    """

    sqlstate: str | None
    text: str
    fatal: bool


Reply = Row | Refusal
Steps = Generator[Step, Reply, T]


PAUSE = 0.004
"""Seconds. Odyssey gives a server connection back some time after the transaction has ended."""
VISITS = 25
"""How often a client asks for whatever server connection comes, to meet a certain one."""

IDENTITY = "pg_backend_pid(), extract(epoch from pg_postmaster_start_time())"
"""Two columns by which a server process is known. Another start of the server means another
server, behind a balancer, where process ids mean nothing to each other."""
WHO = f"select {IDENTITY}".encode()

Identity = tuple[str | None, str | None]


class Refused(Exception):
    """A step was refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def do(step: Step) -> Steps[Row]:
    """One step; raises Refused."""
    reply = yield step
    if isinstance(reply, Refusal):
        raise Refused(reply)
    return reply


def send(client: Client, *commands: Command) -> Steps[Row]:
    """Commands as one pipeline; raises Refused."""
    return (yield from do(Send(client, commands)))


def ask(client: Client, columns: int, *commands: Command) -> Steps[Row]:
    """The same, for a row of so many columns that begins with IDENTITY; raises Refused."""
    row = yield from send(client, *commands)
    if len(row) != columns or None in row[:2]:
        raise Refused(Refusal(None, "the answer is not one to the question", fatal=False))
    return row


def identity(row: Row) -> Identity:
    """The server process that answered with this row, which begins with IDENTITY."""
    return row[0], row[1]


def visit(
    wanted: set[Identity], columns: int, commands: tuple[Command, ...], clients: Sequence[Client]
) -> Steps[set[Identity]]:
    """Run commands until each of these server processes has; returns those that have not.

    The last command gives a row of IDENTITY and `columns` in all.
    """
    left = set(wanted)
    for turn in range(VISITS):
        if not left:
            break
        left.discard(identity((yield from ask(clients[turn % len(clients)], columns, *commands))))
        if turn >= 2 * len(wanted):
            yield from do(Pause(PAUSE))
    return left
