"""Our own statements before the server: each by itself, in blocks, and inside longer texts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.servers import Postgres
from tests.servers.server import HOST

from .own import setup
from .running import custom_settings
from .snapshots import prepare_database
from .states import Thing
from .watching import Disagreement, Watcher, held
from .wire import Wire

DATABASE = "oracle"

# Connections and slots are not DISCARD ALL's; tidy() drops what a case has made for good.
_CLEAN = (
    "ROLLBACK",
    "SELECT pg_replication_origin_session_reset() WHERE pg_replication_origin_session_is_setup()",
    "SELECT dblink_disconnect(c) FROM unnest(public.dblink_get_connections()) AS x (c)",
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
    "RESET SESSION AUTHORIZATION",
    "DISCARD ALL",
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

COMMON_WAYS = ("alone", "in a block", "within a text")


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
        return [text.replace("{}", self.text) for text in WAYS[self.way]]


def cases(statements: list[str], *, seed: int, sample: float) -> Iterator[Case]:
    """Every statement in the common ways, and a part of them in each of the others."""
    chosen = random.Random(seed)
    for text in statements:
        for way in WAYS:
            if way in COMMON_WAYS or chosen.random() < sample:
                yield Case(text, way)


class Court:
    """A database of its own on a server, and one watched connection to it."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.libraries = server.version >= (18,)
        self._make()
        self.watcher = self._watch()

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
            watcher.run(text)
        left = held(watcher.before, watcher.first)
        self._clean()
        return watcher.found, left

    def _clean(self) -> None:
        for text in _CLEAN:
            self.watcher.wire.run(text)

    def close(self) -> None:
        self.watcher.wire.close()
