"""The stage: a PostgreSQL, a PgBouncer before it, and clients whose every word is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

TABLES = (
    "CREATE TABLE orders (tenant text, item text)",
    "INSERT INTO orders VALUES ('acme', 'anvil'), ('acme', 'rocket'), ('hooli', 'phone')",
    "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own_rows ON orders USING (tenant = current_setting('app.tenant_id', true))",
    "GRANT SELECT ON orders TO app",
)


def prepare_database(postgres: Postgres) -> None:
    """Make the tables of the scenes; their owner is not the role the clients use."""
    with postgres.connect("postgres") as owner:
        for statement in TABLES:
            owner.execute(statement)


@dataclass(frozen=True, slots=True)
class Line:
    """Something a client said, or (`answer`) was answered; `who` is `A/1`: client A on
    server connection 1."""

    who: str
    text: str
    answer: bool = False


@dataclass(slots=True)
class Stage:
    """One performance of one scene, with its own clients and its transcript."""

    pooler: PgBouncer
    guarded: bool
    lines: list[Line] = field(default_factory=list)
    _servers: list[int] = field(default_factory=list)
    _in_use: int | None = None
    _clients: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Stage:
        self._servers = self.pooler.renew()
        return self

    def __exit__(self, *_: object) -> None:
        self._clients.close()

    def client(self, name: str) -> Client:
        """A new client of the pooler, guarded if this performance is."""
        connection = self.pooler.connect(autocommit=True)
        self._clients.callback(connection.close)
        if self.guarded:
            pgpoolsafe.install(connection, mode="strict")
        return Client(name, connection, self)

    @contextmanager
    def on(self, number: int) -> Iterator[None]:
        """Make the pooler use its server connection 1 or 2 for whatever comes next.

        In real life it is chance and load that decide; here two clients hold on to the
        other ones meanwhile.
        """
        with self.pooler.only(self._servers[number - 1]):
            self._in_use = number
            yield
            self._in_use = None

    def note(self, name: str, text: str, *, answer: bool = False) -> None:
        """Write a line of the transcript."""
        who = name if self._in_use is None else f"{name}/{self._in_use}"
        self.lines.append(Line(who, text, answer))


@dataclass(frozen=True, slots=True)
class Client:
    """A client: it says SQL, and what it is answered is noted, errors included."""

    name: str
    connection: psycopg.Connection[Any]
    stage: Stage

    def says(self, sql: str) -> str:
        """Send one statement; returns the answer as one line of text."""
        self.stage.note(self.name, sql)
        return self._noted(lambda: answer_of(self.connection.execute(sql)))

    def repeats(self, sql: str, times: int) -> str:
        """Send one statement several times in one transaction; returns the last answer."""
        self.stage.note(self.name, f"{sql}   ({times} times)")

        def run() -> str:
            with self.connection.transaction():
                return [answer_of(self.connection.execute(sql)) for _ in range(times)][-1]

        return self._noted(run)

    def together(self, *statements: str) -> str:
        """Send statements in one transaction; returns the last answer."""
        self.stage.note(self.name, f"begin; {'; '.join(statements)}; commit")

        def run() -> str:
            with self.connection.transaction():
                return [answer_of(self.connection.execute(sql)) for sql in statements][-1]

        return self._noted(run)

    @contextmanager
    def limited(self, timeout: str) -> Iterator[None]:
        """A block in which no statement takes longer: by settings(), or as it is done by hand."""
        if self.stage.guarded:
            self.stage.note(self.name, f"with settings(statement_timeout='{timeout}'):")
            with pgpoolsafe.settings(self.connection, statement_timeout=timeout):
                yield
            return
        with self.stage.on(1):
            self.says(f"set statement_timeout = '{timeout}'")
        yield
        with self.stage.on(2):
            self.says("reset statement_timeout")

    def hears(self, seconds: float) -> str:
        """Wait for one notification."""
        self.stage.note(self.name, f"(waits {seconds:g} s for a notification)")
        heard = [n.payload for n in self.connection.notifies(timeout=seconds, stop_after=1)]
        return self._noted(lambda: heard[0] if heard else "nothing")

    def leaves(self) -> None:
        """Close the connection."""
        self.stage.note(self.name, "(disconnects)")
        self.connection.close()

    def _noted(self, run: Callable[[], str]) -> str:
        try:
            answer = run()
        except (psycopg.Error, pgpoolsafe.SessionStateError) as error:
            answer = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        self.stage.note(self.name, answer, answer=True)
        return answer


def answer_of(cursor: psycopg.Cursor[Any]) -> str:
    """The rows as text: `anvil, rocket`; without a result the command tag."""
    if cursor.description is None:
        return cursor.statusmessage or ""
    values = [text_of(value) for row in cursor.fetchall() for value in row]
    return ", ".join(values) if values else "no rows"


def text_of(value: object) -> str:
    """A value for people: true and false as SQL has them, the empty one of void as done."""
    if value == "":
        return "done"
    return str(value).lower() if isinstance(value, bool) else str(value)
