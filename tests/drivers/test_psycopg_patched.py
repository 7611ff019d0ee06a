"""psycopg: what others put in the place of its methods and classes counts under a guard, too.

Spies of tests, tracers and profilers do so, before the guard or after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor

import pgpoolsafe
from pgpoolsafe import SessionStateError
from pgpoolsafe.drivers import psycopg_making as making
from pgpoolsafe.drivers.psycopg_birth import class_at_birth
from tests.servers import Postgres

STRICT: dict[str, Any] = {"mode": "strict", "pooler": "pgbouncer"}


@pytest.fixture(params=["process", "connection"])
def conn(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """A guarded connection that has made a cursor."""
    if request.param == "process":
        with pgpoolsafe.install(**STRICT), psycopg.connect(postgres.dsn()) as conn:
            conn.cursor()
            yield conn
        return
    with psycopg.connect(postgres.dsn()) as conn, pgpoolsafe.install(conn, **STRICT):
        conn.cursor()
        yield conn


def check_guarded(cursor: Any) -> None:
    with pytest.raises(SessionStateError):
        cursor.execute("LISTEN news")
        cursor.connection.commit()
    cursor.connection.rollback()


class Spy:
    """Stands in the place of a function, and notes whose calls came by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.seen: list[Any] = []
        real = getattr(owner, name)

        def spying(this: Any, *args: Any, **kwargs: Any) -> Any:
            self.seen.append(args[0] if args else this)
            return real(this, *args, **kwargs)

        monkeypatch.setattr(owner, name, spying)


@pytest.mark.parametrize("owner", [psycopg.Cursor, BaseCursor])
def test_a_new_constructor_of_cursors_gets_the_connection(
    conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, owner: Any
) -> None:
    spy = Spy(monkeypatch, owner, "__init__")
    cursor = conn.cursor()
    assert spy.seen == [conn]
    check_guarded(cursor)


@pytest.mark.parametrize("owner", [psycopg.Cursor, BaseCursor])
def test_one_that_was_there_before_does_too(monkeypatch: pytest.MonkeyPatch, owner: Any) -> None:
    Spy(monkeypatch, owner, "__init__")
    assert making.quick(psycopg.Cursor, psycopg.Cursor) is None


@pytest.mark.parametrize("name", ["cursor", "close"])
def test_a_new_method_of_connections_is_called(
    conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spy = Spy(monkeypatch, psycopg.Connection, name)
    getattr(conn, name)()
    assert spy.seen == [conn]


class Wrapped:
    """As tracers do it: it equals its target, and has its hash."""

    def __init__(self, target: Any, seen: list[Any], this: Any = None) -> None:
        self.target, self.seen, self.this = target, seen, this

    def __get__(self, this: Any, owner: Any) -> Wrapped:
        return Wrapped(self.target, self.seen, this)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.seen.append(type(self.this))
        return self.target(*(() if self.this is None else (self.this,)), *args, **kwargs)

    def __eq__(self, other: Any) -> bool:
        return bool(self.target == other)

    def __hash__(self) -> int:
        return hash(self.target)


def test_a_factory_that_equals_psycopgs_is_called(conn: psycopg.Connection[Any]) -> None:
    seen: list[Any] = []
    factory: Any = Wrapped(psycopg.Cursor, seen)
    conn.cursor_factory = factory
    check_guarded(conn.cursor())
    assert len(seen) == 1


@dataclass
class Unhashable:
    """A cursor factory that compares by its contents."""

    calls: int = 0

    def __call__(self, conn: Any, **options: Any) -> Any:
        self.calls += 1
        return psycopg.Cursor(conn, **options)


def test_a_factory_without_a_hash_is_called(conn: psycopg.Connection[Any]) -> None:
    factory: Any = Unhashable()
    conn.cursor_factory = factory
    check_guarded(conn.cursor())
    assert factory.calls == 1


class First(psycopg.Cursor[Any]):
    """Makes another cursor before it is one itself."""

    def __init__(self, connection: Any, **options: Any) -> None:
        self.other = psycopg.Cursor(connection)
        super().__init__(connection, **options)
        self.seen = type(self)


class Second(psycopg.Cursor[Any]):
    """The same, after that."""

    def __init__(self, connection: Any, **options: Any) -> None:
        super().__init__(connection, **options)
        self.other = psycopg.Cursor(connection)
        self.seen = type(self)


@pytest.mark.parametrize("cls", [First, Second])
def test_a_cursor_that_a_constructor_makes_is_guarded(
    conn: psycopg.Connection[Any], cls: Any
) -> None:
    conn.cursor_factory = cls
    cursor: Any = conn.cursor()
    assert cursor.seen is cls
    check_guarded(cursor)
    check_guarded(cursor.other)


@pytest.mark.parametrize("owner", [psycopg.Connection, BaseConnection])
def test_a_wrapped_constructor_of_connections_sees_their_own_class(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, owner: Any
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(owner, "__init__", Wrapped(owner.__init__, seen))
    assert class_at_birth(psycopg.Connection) is psycopg.Connection
    with pgpoolsafe.install(**STRICT), psycopg.connect(postgres.dsn()) as conn:
        assert seen == [psycopg.Connection]
        check_guarded(conn.cursor())
