"""A second client of the same pool that uses the same settings, and looks at what it gets."""

from __future__ import annotations

from typing import Any

import psycopg

import pgpoolsafe
from tests.servers import PgBouncer

from .playing import LOOK, NAMES

OWN = {
    "statement_timeout": "71s",
    "lock_timeout": "72s",
    "work_mem": "73MB",
    "search_path": "pg_catalog, one",
    "app.user_id": "bystander",
    "app.tenant": "bystanders",
    "idle_in_transaction_session_timeout": "74s",
    "bytea_output": "escape",
    "extra_float_digits": "-3",
    "default_transaction_isolation": "repeatable read",
    "default_transaction_deferrable": "on",
    "TimeZone": "America/Lima",
}
"""What the bystander sets, all of it different from what programs set."""

OF_NEXT_TRANSACTION = {
    "transaction_isolation": "repeatable read",
    "transaction_deferrable": "on",
}
"""What these then are in its next transactions."""

Look = dict[str, str]


class Stranger:
    """A client without the library that sets the same settings for a transaction at a time."""

    def __init__(self, conn: psycopg.Connection[Any], plain: Look) -> None:
        self._conn, self._plain = conn, plain
        local = "; ".join(f"SET LOCAL {name} = {_value(value)}" for name, value in OWN.items())
        self._texts = [f"BEGIN; {LOOK}; {local}; {LOOK}; {end}" for end in ("COMMIT", "ROLLBACK")]

    def step(self) -> list[str]:
        """One transaction; returns what it saw that it should not have seen."""
        self._texts.reverse()
        try:
            before, within = _rows(self._conn.execute(self._texts[0]))
        except psycopg.Error as error:
            return self._hurt(error)
        return _wrong(before, self._plain) + _wrong(within, {**self._plain, **OWN})

    def hold(self) -> list[str]:
        """Keep a server connection; returns what is wrong with it."""
        try:
            (seen,) = _rows(self._conn.execute(f"BEGIN; {LOOK}"))
        except psycopg.Error as error:
            return self._hurt(error)
        return _wrong(seen, self._plain)

    def let_go(self) -> None:
        """Give it back."""
        self._conn.rollback()

    def _hurt(self, error: psycopg.Error) -> list[str]:
        self._conn.rollback()
        return [f"a bystander was told: {error}"]


class Neighbour:
    """A client with the library that has settings of its own."""

    def __init__(self, conn: psycopg.Connection[Any], plain: Look, guard: dict[str, Any]) -> None:
        self._conn = conn
        self._expected = {**plain, **OWN, **OF_NEXT_TRANSACTION}
        pgpoolsafe.install(conn, **guard)
        for name, value in OWN.items():
            conn.execute(f"SET {name} = {_value(value)}")

    def step(self) -> list[str]:
        """Look; returns what is not its own."""
        try:
            (seen,) = _rows(self._conn.execute(LOOK))
        except psycopg.Error as error:
            return [f"a neighbour was told: {error}"]
        return _wrong(seen, self._expected)


class Bystanders:
    """Whoever else uses one user's pool: they meet what a program leaves, and must not notice.

    `guard`: options of `install` for one of them; None: nobody has the library.
    """

    def __init__(self, pooler: PgBouncer, user: str, guard: dict[str, Any] | None) -> None:
        database = pooler.databases[0]
        with pooler.postgres.connect(user, database, autocommit=True) as direct:
            (plain,) = _rows(direct.execute(LOOK))
        connections = [
            pooler.connect(user, database, autocommit=True) for _ in range(pooler.pool_size + 1)
        ]
        self._connections = connections
        self._strangers = [Stranger(conn, plain) for conn in connections[1:]]
        self._neighbours = [Neighbour(connections[0], plain, guard)] if guard else []
        self._saw: list[str] = []

    def step(self) -> None:
        """Each does something."""
        self._saw += self._strangers[0].step()
        for one in self._neighbours:
            self._saw += one.step()

    def noticed(self) -> list[str]:
        """What they saw, with a last look at every server connection of the pool."""
        for one in self._strangers:
            self._saw += one.hold()
        for one in self._strangers:
            one.let_go()
        saw, self._saw = self._saw, []
        return sorted(set(saw))

    def close(self) -> None:
        """They leave."""
        for conn in self._connections:
            conn.close()


def _rows(cursor: psycopg.Cursor[Any]) -> list[Look]:
    """The looks among the results of a text."""
    looks = []
    while True:
        if cursor.description:
            row = cursor.fetchone()
            looks.append(dict(zip(("user", "login", *NAMES), row or (), strict=True)))
        if not cursor.nextset():
            return looks


def _wrong(seen: Look, expected: Look) -> list[str]:
    return [
        f"a bystander saw {name}={seen[name]}, not {expected[name]}"
        for name in expected
        if seen[name] != expected[name]
    ]


def _value(text: str) -> str:
    return text if "," in text else f"'{text}'"
