"""psycopg: connection, cursor and row classes of the user's own, guarded as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg._cursor_base import BaseCursor
from psycopg.rows import class_row, dict_row, kwargs_row, namedtuple_row, scalar_row

import pgpoolsafe
from pgpoolsafe import SessionStateError
from tests.servers import Postgres

HAZARD = "SELECT set_config('app.way', 'x', false)"
REFUSED: dict[str, Any] = {"rules": {"session-set": "raise"}, "pooler": "pgbouncer"}


class Counting(psycopg.Cursor[Any]):
    """Has attributes, and an `execute` of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.times = 0

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        self.times += 1
        return super().execute(query, params, **kwargs)


class Slotted(psycopg.Cursor[Any]):
    """Has slots, and no dictionary."""

    __slots__ = ("note",)


class Shouting(psycopg.ClientCursor[Any]):
    """Rewrites what it is given, in the generator that psycopg sends through."""

    def _execute_gen(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        return super()._execute_gen(query.replace("whisper", "'SHOUT'"), params, **kwargs)


class Mixed(Counting, psycopg.RawCursor[Any]):
    """Has two bases."""


class Paged(psycopg.ServerCursor[Any]):
    """A named cursor of the user's own."""

    itersize = 2


class Tenant(psycopg.Connection[Any]):
    """Has attributes, and methods that send."""

    tenant = "x"

    def enter(self) -> Any:
        return self.execute("SELECT set_config('app.way', %s, false)", (self.tenant,)).fetchone()

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        return super().execute(query, params, **kwargs)


class OwnCursors(psycopg.Connection[Any]):
    """Makes its cursors by itself."""

    def cursor(self, *_: Any, **__: Any) -> Any:
        return Counting(self)


class TenantAsync(psycopg.AsyncConnection[Any]):
    async def enter(self) -> Any:
        cursor = await self.execute("SELECT set_config('app.way', 'x', false)")
        return await cursor.fetchone()


class CountingAsync(psycopg.AsyncCursor[Any]):
    times = 0

    async def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        self.times += 1
        return await super().execute(query, params, **kwargs)


CURSORS = [
    psycopg.Cursor,
    psycopg.ClientCursor,
    psycopg.RawCursor,
    Counting,
    Slotted,
    Shouting,
    Mixed,
]


@pytest.fixture
def dsn(postgres: Postgres) -> str:
    return postgres.dsn()


@pytest.fixture
def conn(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def aconn(dsn: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        yield conn


def refused_once(installation: pgpoolsafe.Installation, times: int = 1) -> bool:
    return [(f.rule, n) for f, n in installation.findings()] == [("session-set", times)]


@pytest.mark.parametrize("cls", CURSORS, ids=[cls.__name__ for cls in CURSORS])
@pytest.mark.parametrize("by", ["factory", "hand", "before"])
def test_cursors(conn: psycopg.Connection[Any], cls: Any, by: str) -> None:
    early = cls(conn)
    with pgpoolsafe.install(conn, **REFUSED) as installation:
        conn.cursor_factory = cls
        cursor = {"factory": conn.cursor, "hand": lambda: cls(conn), "before": lambda: early}[by]()
        assert isinstance(cursor, cls)
        assert conn.cursor_factory is cls
        with pytest.raises(SessionStateError):
            cursor.execute(HAZARD)
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]
        assert refused_once(installation)
    assert type(cursor) is cls
    assert cursor.execute(HAZARD).fetchall() == [("x",)]


def made(conn: psycopg.Connection[Any]) -> dict[str, Any]:
    """What a new cursor has, but for what is each one's own."""
    names = BaseCursor.__slots__
    found = {name: getattr(conn.cursor(), name, None) for name in names if name != "__weakref__"}
    return {
        name: type(value).__name__ if "at 0x" in repr(value) else value
        for name, value in found.items()
    }


@pytest.mark.parametrize("cls", [psycopg.Cursor, psycopg.RawCursor, Counting])
def test_a_cursor_is_made_as_psycopg_makes_it(conn: psycopg.Connection[Any], cls: Any) -> None:
    conn.cursor_factory, conn.row_factory = cls, dict_row
    plain = made(conn)
    with pgpoolsafe.install(conn, **REFUSED):
        assert [made(conn), made(conn)] == [plain, plain]
        conn.close()
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError, match="the connection is closed"):
                conn.cursor()


def test_what_a_cursor_has_of_its_own_works(conn: psycopg.Connection[Any]) -> None:
    with pgpoolsafe.install(conn, **REFUSED):
        counting, slotted = Counting(conn), Slotted(conn)
        slotted.note = "kept"
        counting.execute("SELECT 1").execute("SELECT 2")
        assert counting.times == 2
    assert (counting.times, slotted.note) == (2, "kept")


def test_the_text_is_judged_as_the_guard_meets_it(conn: psycopg.Connection[Any]) -> None:
    """A cursor that rewrites below the guard: what it makes of the text is its own affair."""
    with pgpoolsafe.install(conn, **REFUSED):
        assert Shouting(conn).execute("SELECT whisper").fetchall() == [("SHOUT",)]


def test_the_factories_of_a_connection(dsn: str) -> None:
    with psycopg.connect(dsn, cursor_factory=Counting, row_factory=dict_row) as conn:
        conn.server_cursor_factory = Paged
        with pgpoolsafe.install(conn, **REFUSED):
            cursor = conn.cursor()
            assert isinstance(cursor, Counting)
            assert cursor.execute("SELECT 1 AS one").fetchone() == {"one": 1}
            with conn.cursor("way") as named:
                assert isinstance(named, Paged)
                assert named.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]
                assert named.execute(HAZARD).fetchall() == [{"set_config": "x"}]
            with pytest.raises(SessionStateError):
                conn.commit()


class Row(NamedTuple):
    value: str


FACTORIES = [
    (dict_row, {"value": "x"}),
    (namedtuple_row, ("x",)),
    (class_row(Row), Row("x")),
    (kwargs_row(Row), Row("x")),
    (scalar_row, "x"),
]


@pytest.mark.parametrize("factory,row", FACTORIES, ids=[repr(row) for _, row in FACTORIES])
def test_row_factories(conn: psycopg.Connection[Any], factory: Any, row: Any) -> None:
    query = "SELECT set_config('app.way', 'x', false) AS value"
    with pgpoolsafe.install(conn, **REFUSED), pgpoolsafe.allow("session-set"):
        assert conn.cursor(row_factory=factory).execute(query).fetchone() == row
        conn.row_factory = factory
        assert conn.execute(query).fetchone() == row
        assert list(conn.cursor().stream(query)) == [row]
        with conn.transaction(), conn.cursor("way") as cursor:
            assert cursor.execute(query).fetchall() == [row]


def test_a_row_factory_that_fails(conn: psycopg.Connection[Any]) -> None:
    """The statement was sent and did what it does; the error is the user's."""
    error = ZeroDivisionError("of the user's")

    def factory(_: Any) -> Any:
        raise error

    with pgpoolsafe.install(conn, pooler="pgbouncer"), conn.transaction():
        with pytest.raises(ZeroDivisionError) as caught:
            conn.cursor(row_factory=factory).execute("SET app.way = 'x'; SELECT 1").fetchone()
        assert caught.value is error
        assert conn.execute("SHOW app.way").fetchone() == ("x",)


CONNECTIONS = [Tenant, OwnCursors]


@pytest.mark.parametrize("cls", CONNECTIONS, ids=[cls.__name__ for cls in CONNECTIONS])
def test_connections(dsn: str, cls: Any) -> None:
    with cls.connect(dsn, autocommit=True) as conn:
        with pgpoolsafe.install(conn, **REFUSED) as installation:
            assert isinstance(conn, cls)
            with pytest.raises(SessionStateError):
                conn.cursor().execute(HAZARD)
            with pytest.raises(SessionStateError):
                conn.enter() if cls is Tenant else conn.execute(HAZARD)
            assert sum(n for _, n in installation.findings()) == 2
        assert type(conn) is cls


def test_a_connection_class_of_the_whole_process(dsn: str) -> None:
    with pgpoolsafe.install(**REFUSED), Tenant.connect(dsn, autocommit=True) as conn:
        conn.tenant = "y"
        with pytest.raises(SessionStateError) as caught:
            conn.enter()
        assert caught.value.location is not None
        assert caught.value.location.function == "execute"
        assert "tenant" not in str(caught.value).partition("\n")[0]
        assert vars(conn)["tenant"] == "y"


async def test_async_classes(dsn: str) -> None:
    async with await TenantAsync.connect(
        dsn, autocommit=True, cursor_factory=CountingAsync
    ) as conn:
        with pgpoolsafe.install(conn, **REFUSED):
            with pytest.raises(SessionStateError):
                await conn.enter()
            cursor = conn.cursor(row_factory=dict_row)
            assert isinstance(cursor, CountingAsync)
            await cursor.execute("SELECT 1 AS one")
            assert await cursor.fetchall() == [{"one": 1}]
            assert cursor.times == 1
        assert type(conn) is TenantAsync


ASYNC_CURSORS = [psycopg.AsyncCursor, psycopg.AsyncClientCursor, psycopg.AsyncRawCursor]


@pytest.mark.parametrize("cls", ASYNC_CURSORS, ids=[cls.__name__ for cls in ASYNC_CURSORS])
async def test_async_cursors_made_before(aconn: psycopg.AsyncConnection[Any], cls: Any) -> None:
    early = cls(aconn)
    with pgpoolsafe.install(aconn, **REFUSED) as installation:
        with pytest.raises(SessionStateError):
            await early.execute(HAZARD)
        assert refused_once(installation)
    assert type(early) is cls


def test_a_class_that_cannot_be_guarded_is_refused_by_name(dsn: str) -> None:
    class Final(psycopg.Connection[Any]):
        def __init_subclass__(cls) -> None:
            raise TypeError("final")

    with Final.connect(dsn) as conn:
        with pytest.raises(pgpoolsafe.ConfigurationError, match=r"Final cannot be guarded"):
            pgpoolsafe.install(conn)
        assert type(conn) is Final
        assert conn.execute("SELECT 1").fetchone() == (1,)
