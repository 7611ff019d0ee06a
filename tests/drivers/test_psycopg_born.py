"""psycopg: what is made under a guard is of its guarded class from the start, and no slower."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import psycopg_pool
import pytest
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor
from psycopg.rows import dict_row, tuple_row

import pgpoolsafe
from pgpoolsafe import SessionStateError
from pgpoolsafe.drivers import psycopg_making as making
from tests.servers import Postgres

STRICT: dict[str, Any] = {"mode": "strict", "pooler": "pgbouncer"}
SEEN: list[type] = []


class Plain(psycopg.Connection[Any]):
    """Of the user's own, and made as psycopg's is."""

    tenant = "x"


class Curious(psycopg.Connection[Any]):
    """Looks at itself while it is made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        SEEN.append(type(self))
        super().__init__(*args, **kwargs)


class Made(psycopg.Connection[Any]):
    """The same, before."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Any:
        SEEN.append(cls)
        return super().__new__(cls)


@contextmanager
def under_process(dsn: str, cls: Any) -> Iterator[Any]:
    with pgpoolsafe.install(**STRICT):
        conn = cls.connect(dsn)
        try:
            yield conn
        finally:
            conn.close()


@contextmanager
def under_pool(dsn: str, cls: Any) -> Iterator[Any]:
    pool = psycopg_pool.ConnectionPool(dsn, connection_class=cls, min_size=1, open=False)
    with pgpoolsafe.install(pool, **STRICT), pool, pool.connection() as conn:
        yield conn
        conn.rollback()


@contextmanager
def under_both(dsn: str, cls: Any) -> Iterator[Any]:
    with pgpoolsafe.install(**STRICT), under_pool(dsn, cls) as conn:
        yield conn


WAYS = (under_process, under_pool, under_both)


def has_table(thing: Any) -> bool:
    """Whether Python keeps its attributes in a dictionary rather than in the object itself."""
    return any(type(held) is dict and "pgconn" in held for held in gc.get_referents(thing))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("base", [psycopg.Connection, Plain])
def test_a_new_connection_keeps_its_attributes_as_a_bare_one(
    postgres: Postgres, way: Callable[..., Any], base: Any
) -> None:
    # A class leaves the less room for what a pool adds, the more objects it has had already.
    cls: Any = type(base.__name__, (base,), {"__module__": base.__module__})
    with cls.connect(postgres.dsn()) as bare:
        assert has_table(bare) is (sys.version_info < (3, 11))
        with way(postgres.dsn(), cls) as conn:
            assert has_table(conn) is has_table(bare)
            assert isinstance(conn, cls)
            assert type(conn) is not cls
            assert (type(conn).__name__, type(conn).__module__) == (cls.__name__, cls.__module__)
            with pytest.raises(SessionStateError):
                conn.execute("LISTEN news")
                conn.commit()
            conn.rollback()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cls", [Curious, Made])
def test_a_constructor_of_the_users_own_sees_the_users_class(
    postgres: Postgres, way: Callable[..., Any], cls: Any
) -> None:
    SEEN.clear()
    with way(postgres.dsn(), cls) as conn:
        with pytest.raises(SessionStateError):
            conn.execute("LISTEN news")
            conn.commit()
        conn.rollback()
    assert set(SEEN) == {cls}


class Late(psycopg.Connection[Any]):
    """The guard is taken off while it connects."""

    installation: Any = None

    @classmethod
    def _connect_gen(cls, conninfo: str = "", **kwargs: Any) -> Any:
        SEEN.append(cls)
        steps = super()._connect_gen(conninfo, **kwargs)
        wanted = next(steps)
        if cls.installation is not None:
            cls.installation.uninstall()
        try:
            while True:
                wanted = steps.send((yield wanted))
        except StopIteration as end:
            return end.value


def test_a_connect_gen_of_the_users_own_is_called(postgres: Postgres) -> None:
    SEEN.clear()
    with under_pool(postgres.dsn(), Late) as conn, pytest.raises(SessionStateError):
        conn.execute("LISTEN news")
        conn.commit()
    assert set(SEEN) == {Late}


def test_nobody_guards_what_connects_while_the_guard_is_taken_off(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pgpoolsafe.install(**STRICT) as installation:
        monkeypatch.setattr(Late, "installation", installation)
        with Late.connect(postgres.dsn()) as conn:
            assert type(conn) is Late
            conn.execute("LISTEN news")


@pytest.mark.parametrize("way", WAYS)
def test_it_is_as_it_was_afterwards(postgres: Postgres, way: Callable[..., Any]) -> None:
    with way(postgres.dsn(), psycopg.Connection) as conn:
        cursor = conn.cursor()
    assert type(conn) is psycopg.Connection
    assert type(cursor) is psycopg.Cursor
    assert not hasattr(conn, "_pgpoolsafe")


def test_on_a_direct_connection_it_has_its_own_class(postgres: Postgres) -> None:
    with pgpoolsafe.install(pooler="direct"), psycopg.connect(postgres.dsn()) as conn:
        assert type(conn) is psycopg.Connection
        assert type(conn.cursor()) is psycopg.Cursor


# cursors, which are made from a stand-in for their connection


def state_of(cursor: Any) -> dict[str, Any]:
    """What a new cursor holds, but for what each has one of its own of."""
    names = [name for name in BaseCursor.__slots__ if not name.startswith("__")]
    held = {name: getattr(cursor, name) for name in names if hasattr(cursor, name)}
    assert type(held.pop("_adapters")) is psycopg.adapt.AdaptersMap
    return held


@contextmanager
def guarded(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as conn, pgpoolsafe.install(conn, **STRICT):
        yield conn


@pytest.mark.parametrize("cls", [c for c in making.CLASSES if "Async" not in c.__name__])
def test_a_cursor_is_as_psycopg_makes_it(postgres: Postgres, cls: Any) -> None:
    assert making.quick(cls, cls) is not None
    with guarded(postgres.dsn()) as conn:
        conn.cursor_factory = cls
        conn.row_factory = dict_row
        cursor = conn.cursor()
        assert type(cursor).__mro__[1] is cls
        assert state_of(cursor) == state_of(cls(conn))
        assert cursor.connection is conn
        assert cursor.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]
        assert not any(type(held) is making.Source for held in gc.get_referents(cursor))


@pytest.mark.parametrize("cls", [c for c in making.CLASSES if "Async" in c.__name__])
async def test_an_asynchronous_cursor_is_too(postgres: Postgres, cls: Any) -> None:
    assert making.quick(cls, cls) is not None
    async with await psycopg.AsyncConnection.connect(postgres.dsn()) as conn:
        pgpoolsafe.install(conn, **STRICT)
        conn.cursor_factory = cls
        cursor = conn.cursor()
        assert type(cursor).__mro__[1] is cls
        assert state_of(cursor) == state_of(cls(conn))
        assert await (await cursor.execute("SELECT 1")).fetchall() == [(1,)]


def test_it_knows_the_adapters_of_its_connection(postgres: Postgres) -> None:
    with guarded(postgres.dsn()) as conn:
        first = conn.cursor()  # when the connection had none of its own
        conn.adapters.register_loader("int4", psycopg.types.string.TextLoader)
        assert conn.execute("SELECT 1").fetchone() == ("1",)
        assert first.execute("SELECT 1").fetchone() == (1,)


class Unlikely:
    """A row factory that looks like none."""

    def __bool__(self) -> bool:
        return False

    def __call__(self, cursor: Any) -> Any:
        return tuple_row(cursor)


@pytest.mark.parametrize("factory", [None, Unlikely()])
def test_a_row_factory_that_looks_like_none(postgres: Postgres, factory: Any) -> None:
    with psycopg.connect(postgres.dsn()) as bare, guarded(postgres.dsn()) as conn:
        bare.row_factory = conn.row_factory = factory
        assert conn.cursor().row_factory is bare.cursor().row_factory is factory


def test_a_closed_connection_makes_none(postgres: Postgres) -> None:
    with guarded(postgres.dsn()) as conn:
        conn.close()
        with pytest.raises(psycopg.OperationalError, match="the connection is closed"):
            conn.cursor()


def reads_more(self: Any, connection: Any) -> None:
    self._conn = connection
    self._backend = connection.info.backend_pid


@pytest.mark.parametrize("constructor", [reads_more, SimpleNamespace()])
def test_a_constructor_that_is_not_known_gets_the_connection_itself(
    monkeypatch: pytest.MonkeyPatch, constructor: Any
) -> None:
    monkeypatch.setattr(BaseCursor, "__init__", constructor)
    assert making.quick(psycopg.Cursor, psycopg.Cursor) is None


def test_adapters_of_the_users_own_are_asked_for(postgres: Postgres) -> None:
    asked: list[Any] = []

    class Adapting(psycopg.Connection[Any]):
        @property
        def adapters(self) -> Any:
            asked.append(self)
            return BaseConnection.adapters.fget(self)  # type: ignore[attr-defined]

    with Adapting.connect(postgres.dsn()) as conn, pgpoolsafe.install(conn, **STRICT):
        asked.clear()
        conn.cursor()
        assert asked == [conn]
