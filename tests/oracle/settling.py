"""Our own statements before the server: each by itself, in blocks, and inside longer texts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from pgpoolsafe.testing.server import HOST
from tests.servers import Postgres

from .own import setup
from .running import custom_settings
from .snapshots import prepare_database
from .states import Thing
from .watching import Disagreement, Watcher, held
from .wire import Wire

DATABASE = "oracle"

# Not DISCARD ALL: the plan of our own question may stay.
_CLEAN = (
    "ROLLBACK",
    "RESET SESSION AUTHORIZATION",
    "RESET ALL; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all()",
    "DISCARD TEMP; DISCARD SEQUENCES",
    "SELECT app.tidy()",
)

WAYS: dict[str, tuple[str, ...]] = {
    "alone": ("{}",),
    "in a block": ("BEGIN", "{}", "COMMIT"),
    "rolled back": ("BEGIN", "{}", "ROLLBACK"),
    "back to a savepoint": ("BEGIN", "SAVEPOINT here", "{}", "ROLLBACK TO here", "COMMIT"),
    "within a text": ("SELECT 1;{}\n;SELECT 2",),
    "a block in a text": ("BEGIN;{}\n;COMMIT",),
    "a text rolled back": ("BEGIN;{}\n;ROLLBACK",),
}
"""How a statement is sent: texts, one after the other."""


@dataclass(frozen=True, slots=True)
class Case:
    """One statement, sent in one way."""

    text: str
    way: str

    @property
    def name(self) -> str:
        return f"{self.text} ({self.way})"

    @property
    def texts(self) -> list[str]:
        """What is sent."""
        if self.way == "statement by statement":
            return self.text.split("; ")
        return [text.replace("{}", self.text) for text in WAYS[self.way]]


def cases(statements: list[str], *, seed: int, sample: float) -> Iterator[Case]:
    """Every statement by itself, and a part of them in each of the other ways."""
    chosen = random.Random(seed)
    for text in statements:
        for way in WAYS:
            if way == "alone" or chosen.random() < sample:
                yield Case(text, way)


class Court:
    """A database of its own on a server, and one watched connection to it."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.libraries = server.version >= (18,)
        self._make()
        self.watcher = self._watch()
        self._alone: dict[str, tuple[list[Thing], bool]] = {}
        self._pristine = self.watcher.first

    def _make(self) -> None:
        admin = Wire(self.server.dsn("postgres", "postgres"))
        admin.query(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.query(f"CREATE DATABASE {DATABASE}")
        for role in ("reporting", '"Mixed Case"', "none_such"):
            admin.run(f"CREATE ROLE {role}")
        admin.close()
        wire = Wire(self.server.dsn("postgres", DATABASE))
        wire.query(setup(self._options))
        prepare_database(wire, libraries=self.libraries, functions=True)
        wire.close()

    def _watch(self) -> Watcher:
        return Watcher(Wire(self.server.dsn("postgres", DATABASE)), libraries=self.libraries)

    def residue(self, text: str) -> tuple[list[Thing], bool]:
        """What a text leaves, and whether the server took it."""
        if text not in self._alone:
            self.try_case(Case(text, "alone"))
        return self._alone[text]

    def residue_with(self, text: str, params: list[str | None]) -> list[Thing]:
        """What a text leaves that is sent with parameters. It must succeed."""
        watcher = self.watcher
        watcher.renew()
        watcher.wire.execute(text, params)
        left = held(watcher.look(), watcher.first)
        self._clean(Case(text, "alone"))
        return left

    @property
    def _options(self) -> str:
        return f"host '{HOST}', port '{self.server.port}', dbname '{DATABASE}'"

    @property
    def dsn(self) -> str:
        """Where dblink finds this very database."""
        return f"host={HOST} port={self.server.port} dbname={DATABASE} user=postgres"

    def try_case(self, case: Case) -> tuple[list[Disagreement], list[Thing]]:
        """Send a case on a session as good as new: what is disputed, and what it left."""
        watcher = self.watcher
        watcher.custom = custom_settings(case.text) | {"app.tenant"}
        watcher.found = []
        watcher.renew()
        for text in case.texts:
            outcome = watcher.run(text)
        left = held(watcher.before, watcher.first)
        if case.way == "alone":
            self._alone[case.text] = left, outcome.error is None and not watcher.wire.in_block
        self._clean(case)
        return watcher.found, left

    def _clean(self, case: Case) -> None:
        for text in _CLEAN:
            self.watcher.wire.query(text)
        self.watcher.renew()
        kept = held(self.watcher.first, self._pristine)
        if kept:
            raise AssertionError(f"{case.name} left {', '.join(map(str, kept))} for good")

    def close(self) -> None:
        self.watcher.wire.close()
