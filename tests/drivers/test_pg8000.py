"""pg8000 without SQLAlchemy, by each of its three connections."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pg8000
import pg8000.dbapi
import pg8000.native
import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from pgpoolsafe.drivers.pg8000_begin import Characteristics, parts_of
from tests.servers import PgBouncer, Postgres

HAZARD = "SELECT set_config('app.way', 'x', false)"
LEFT = "SELECT current_setting('app.way', true)"
REFUSED: dict[str, Any] = {"rules": {"session-set": "raise"}, "pooler": "pgbouncer"}
CONNECTS = {"dbapi": pg8000.dbapi.connect, "legacy": pg8000.connect}


def connect(server: Postgres | PgBouncer, opened: Any = pg8000.dbapi.connect) -> Any:
    wanted = server.parameters()
    host, port, user = wanted["host"], wanted["port"], wanted["user"]
    return opened(user=user, host=host, port=port, database=wanted["dbname"])


@pytest.fixture(params=CONNECTS)
def conn(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Any]:
    made = connect(postgres, CONNECTS[request.param])
    yield made
    made.close()


def run(conn: Any, text: str, params: Any = ()) -> Any:
    cursor = conn.cursor()
    cursor.execute(text, params)
    return cursor.fetchone()[0]


def execute(conn: Any) -> Any:
    return run(conn, HAZARD)


def with_parameters(conn: Any) -> Any:
    return run(conn, "SELECT set_config(%s, %s, false)", ("app.way", "x"))


def executemany(conn: Any) -> Any:
    cursor = conn.cursor()
    cursor.executemany("SELECT set_config('app.way', %s, false)", [("x",)])
    return "x"


def copy(conn: Any) -> Any:
    rows = io.BytesIO()
    conn.cursor().execute(f"COPY ({HAZARD}) TO STDOUT", stream=rows)
    return rows.getvalue().decode().strip()


def second_of_a_string(conn: Any) -> Any:
    conn.cursor().execute(f"SELECT 1; {HAZARD}")
    return "x"


def on_the_connection(conn: Any) -> Any:
    conn.cursor().execute("SELECT 1")
    return conn.execute_unnamed(HAZARD).rows[0][0]


WAYS: list[Callable[[Any], Any]] = [
    execute,
    with_parameters,
    executemany,
    copy,
    second_of_a_string,
    on_the_connection,
]
WAY = pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])


@WAY
def test_seen_once(conn: Any, way: Callable[[Any], Any]) -> None:
    with pgpoolsafe.install(conn, rules={"session-set": "warn"}, pooler="pgbouncer") as guarded:
        with pytest.warns(SessionStateWarning, match=r"^session-set: "):
            assert way(conn) == "x"
            conn.commit()
        assert [count for _, count in guarded.findings()] == [1]


@WAY
def test_refused(conn: Any, way: Callable[[Any], Any]) -> None:
    with pgpoolsafe.install(conn, **REFUSED):
        with pytest.raises(SessionStateError):
            way(conn)
            conn.commit()
        assert not conn._in_transaction
        assert not run(conn, LEFT)
        conn.rollback()


@WAY
def test_rewritten(conn: Any, way: Callable[[Any], Any]) -> None:
    with pgpoolsafe.install(conn, pooler="pgbouncer", settings="local") as guarded:
        assert way(conn) == "x"
        conn.commit()
        assert [finding.level for finding, _ in guarded.findings()] == ["rewrite"]
        assert not run(conn, LEFT)
        conn.rollback()


@WAY
def test_carried(pgbouncer: PgBouncer, way: Callable[[Any], Any]) -> None:
    conn = connect(pgbouncer)
    with pgpoolsafe.install(conn) as guarded:
        assert way(conn) == "x"
        conn.commit()
        for _ in range(3):
            assert run(conn, LEFT) == "x"
            conn.rollback()
        conn.autocommit = True
        for _ in range(3):
            assert run(conn, "SELECT current_setting(%s, true)", ("app.way",)) == "x"
            assert run(conn, LEFT) == "x"
        assert copied(conn) == "x"
        assert guarded.findings() == []
    conn.close()


def copied(conn: Any) -> str:
    rows = io.BytesIO()
    conn.cursor().execute(f"COPY ({LEFT}) TO STDOUT", stream=rows)
    return rows.getvalue().decode().strip()


def test_a_carried_value_that_is_refused_opens_no_transaction(pgbouncer: PgBouncer) -> None:
    conn = connect(pgbouncer)
    with pgpoolsafe.install(conn):
        conn.autocommit = True
        conn.cursor().execute("SET default_table_access_method TO 'heap'")
        with pgpoolsafe.settings(conn_target(conn), default_table_access_method="none"):
            for statement, params in (("SELECT 1", ()), ("SELECT %s", (1,))):
                with pytest.raises(pg8000.exceptions.DatabaseError):
                    run(conn, statement, params)
                assert not conn._in_transaction
            conn.autocommit = False
            with pytest.raises(pg8000.exceptions.DatabaseError):
                run(conn, "SELECT 1")
            assert not conn._in_transaction
        assert run(conn, "SELECT 1") == 1
        conn.rollback()
    conn.close()


def conn_target(conn: Any) -> Any:
    return conn


def test_refused_before_begin(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict"):
        with pytest.raises(SessionStateError, match=r"^load-library: "):
            conn.cursor().execute("LOAD 'auto_explain'")
        assert not conn._in_transaction
        assert run(conn, "SELECT 1") == 1
        assert conn._in_transaction
        conn.rollback()


def test_parameters_that_do_not_fit_leave_no_half_transaction(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict"):
        with pytest.raises(pg8000.exceptions.Error):
            conn.cursor().execute("SELECT %q", (1,))
        conn.rollback()
        assert run(conn, "SELECT 1") == 1
        conn.commit()
        assert not conn._in_transaction


def test_uninstall_sends_the_begin_that_was_held_back(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict"):
        with pytest.raises(pg8000.exceptions.Error):
            conn.cursor().execute("SELECT %q", (1,))
    assert conn._in_transaction  # as it is without the guard
    conn.rollback()


def test_the_native_connection(postgres: Postgres) -> None:
    conn = connect(postgres, pg8000.native.Connection)
    with pgpoolsafe.install(conn, mode="strict", settings="leave") as guarded:
        assert conn.run("SELECT CAST(:n AS integer)", n=5) == [[5]]
        with pytest.raises(SessionStateError, match=r"^session-set: "):
            conn.run("SELECT set_config('app.way', :value, false)", value="x")
        conn.run("START TRANSACTION")
        conn.run(HAZARD)
        with pytest.raises(SessionStateError, match=r"^session-set: "):
            conn.run("COMMIT")
        assert conn.run(LEFT) in ([[None]], [[""]])
        assert {finding.rule for finding, _ in guarded.findings()} == {"session-set"}
        prepared = conn.prepare("SELECT set_config('app.way', :value, false)")
        with pytest.raises(SessionStateError, match=r"^session-set: "):
            prepared.run(value="x")
    conn.close()


def test_autocommit_with_parameters_behind_rotation(pgbouncer: PgBouncer) -> None:
    """pg8000 sends Sync after Parse: the next step may meet a server that never parsed it."""
    conn = connect(pgbouncer)
    conn.autocommit = True
    with pytest.raises(pg8000.exceptions.DatabaseError):
        assert [run(conn, "SELECT CAST(%s AS int)", (n,)) for n in range(8)] == [*range(8)]
        raise pg8000.exceptions.DatabaseError("by luck both servers had parsed the same text")
    conn.close()
    conn = connect(pgbouncer)
    conn.autocommit = True
    with pgpoolsafe.install(conn):
        found = [run(conn, f"SELECT CAST(%s AS int) + {n}", (n,)) for n in range(8)]
        assert found == [2 * n for n in range(8)]
        rows = io.BytesIO(b"1\n2\n")
        conn.cursor().execute("CREATE TABLE IF NOT EXISTS taken (n int)")
        conn.cursor().execute("COPY taken FROM STDIN", stream=rows)
        assert run(conn, "SELECT sum(n) FROM taken WHERE n < %s", (9,)) == 3
        with pytest.raises(pg8000.exceptions.DatabaseError, match="division by zero"):
            run(conn, "SELECT 1 / CAST(%s AS int)", (0,))
        conn.cursor().execute("DROP TABLE taken")
    conn.close()


def test_a_failed_transaction_is_a_rollback(conn: Any) -> None:
    with pgpoolsafe.install(conn, **REFUSED) as guarded:
        execute(conn)
        with pytest.raises(pg8000.exceptions.DatabaseError):
            run(conn, "SELECT 1/0")
        conn.rollback()
        assert guarded.findings() == []


def test_a_lock_that_is_kept_is_released(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict"):
        run(conn, "SELECT pg_advisory_lock(51)")
        with pytest.raises(SessionStateError, match=r"^advisory-lock: "):
            conn.commit()
        assert run(conn, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
        conn.rollback()


def test_two_phase(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict", settings="leave") as guarded:
        xid = conn.xid(0, "mine8000", "")
        conn.tpc_begin(xid)
        run(conn, "SELECT 1")
        conn.tpc_prepare()
        conn.tpc_commit()
        assert guarded.findings() == []
        conn.tpc_begin(xid)
        execute(conn)
        with pytest.raises(SessionStateError):
            conn.tpc_prepare()
        assert conn.tpc_recover() == []


def test_characteristics_are_kept_for_the_client(conn: Any) -> None:
    with pgpoolsafe.install(conn, pooler="pgbouncer") as guarded:
        conn.cursor().execute(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY"
        )
        conn.commit()
        for _ in range(2):
            assert run(conn, "SHOW transaction_isolation") == "serializable"
            assert run(conn, "SHOW transaction_read_only") == "on"
            conn.rollback()
        conn.cursor().execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        conn.rollback()  # takes it back, as on a plain connection
        assert run(conn, "SHOW transaction_read_only") == "on"
        conn.rollback()
        assert guarded.findings() == []
    assert run(conn, "SHOW default_transaction_isolation") == "read committed"
    conn.rollback()


@pytest.mark.parametrize(
    "text, begin",
    [
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "begin transaction ISOLATION LEVEL READ COMMITTED",
        ),
        (
            "set session characteristics as transaction read only,\n isolation  level serializable"
            " not deferrable ;",
            "begin transaction READ ONLY, ISOLATION LEVEL SERIALIZABLE, NOT DEFERRABLE",
        ),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLYX", None),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ,", None),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; DROP TABLE t", None),
        ("SET SESSION AUTHORIZATION app", None),
    ],
)
def test_characteristics(text: str, begin: str | None) -> None:
    kept = Characteristics()
    assert (kept.local_form(text) is not None) is (begin is not None)
    kept.ended(committed=True)
    assert kept.begin == (begin or "begin transaction")
    assert bool(parts_of(text)) is (begin is not None)


def test_the_process(postgres: Postgres) -> None:
    own = pg8000.core.CoreConnection.__init__
    with pgpoolsafe.install(**REFUSED):
        conn = connect(postgres)
        with pytest.raises(SessionStateError):
            execute(conn)
            conn.commit()
    assert pg8000.core.CoreConnection.__init__ is own
    assert execute(conn) == "x"
    conn.close()


def test_uninstall_restores(conn: Any) -> None:
    plain = type(conn)
    with pgpoolsafe.install(conn, **REFUSED):
        cursor = conn.cursor()
        cursor.execute("SELECT 1")
        assert type(conn) is not plain
    assert type(conn) is plain
    assert "_pgpoolsafe" not in vars(conn)
    cursor.execute(HAZARD)
    conn.commit()


def test_no_cycle_of_ours_keeps_a_connection(postgres: Postgres) -> None:
    conn = connect(postgres)
    installation = pgpoolsafe.install(conn, **REFUSED)
    run(conn, "SELECT 1")
    assert not [
        holder for holder in gc.get_referrers(conn) if type(holder).__module__ == "pgpoolsafe"
    ]
    conn.rollback()
    conn.close()
    gone = weakref.ref(conn)
    del conn
    gc.collect()
    assert gone() is None
    installation.uninstall()


def test_the_drivers_own_errors_are_unchanged(conn: Any, postgres: Postgres) -> None:
    other = connect(postgres)
    other.close()
    with pgpoolsafe.install(conn, mode="strict"):
        with pytest.raises(pg8000.exceptions.InterfaceError, match="connection is closed"):
            other.cursor().execute("SELECT 1")
        with pytest.raises(pg8000.exceptions.DatabaseError, match="does not exist"):
            conn.cursor().execute("SELECT nothing")
        conn.rollback()


def test_an_error_of_the_users_stream_is_not_masked(postgres: Postgres) -> None:
    class Broken:
        def read(self, *_: int) -> bytes:
            raise ValueError("the user's own")

        def __iter__(self) -> Iterator[bytes]:
            raise ValueError("the user's own")

    conn = connect(postgres)
    conn.autocommit = True
    pgpoolsafe.install(conn, pooler="pgbouncer")
    cursor = conn.cursor()
    cursor.execute("SET app.way = 'x'")
    cursor.execute("CREATE TABLE broken (a int)")
    with pytest.raises(ValueError, match="the user's own"):
        cursor.execute("COPY broken FROM STDIN", stream=Broken())
    conn.close()
    with postgres.connect("app", "shop") as other:
        other.execute("DROP TABLE broken")


@pytest.mark.parametrize("setting", [False, True])
def test_a_native_connection_behind_a_pooler(pgbouncer: PgBouncer, setting: bool) -> None:
    conn = connect(pgbouncer, pg8000.native.Connection)
    with pgpoolsafe.install(conn):
        if setting:
            conn.run("SET app.way = 'x'")
        assert conn.run(LEFT) == ([["x"]] if setting else [[None]])
        for number in range(3):
            assert conn.run("SELECT :n::int", n=number) == [[number]]
        rows = io.StringIO()
        conn.run("COPY (SELECT 1) TO STDOUT", stream=rows)
        assert rows.getvalue() == "1\n"
        conn.run("START TRANSACTION")
        assert conn.run("SELECT :n::int", n=7) == [[7]]
        conn.run("COMMIT")
        for text in ("SELECT no_such", "START TRANSACTION; SELECT no_such"):
            with pytest.raises(pg8000.native.DatabaseError, match="no_such"):
                conn.run(text)
            conn.run("ROLLBACK")
        with pytest.raises(pg8000.native.DatabaseError, match="no_such"):
            conn.run("COPY no_such TO STDOUT", stream=rows)
        assert conn.run("SELECT 1") == [[1]]
    conn.close()


@pytest.mark.parametrize("end", ["COMMIT AND CHAIN", "ABORT AND CHAIN", "ROLLBACK AND CHAIN"])
def test_what_a_failed_transaction_had_set_is_gone_in_the_one_that_follows(
    pgbouncer: PgBouncer, postgres: Postgres, end: str
) -> None:
    """pg8000 raises for most of these, though the server has done as it was told."""
    with pgpoolsafe.install(pooler="pgbouncer"):
        seen = [left_after(connect(server), end) for server in (pgbouncer, postgres)]
    assert seen == [None, None]


def left_after(conn: Any, end: str) -> Any:
    cursor = conn.cursor()
    cursor.execute(HAZARD)
    for text in ("SELECT 1/0", end):
        try:
            cursor.execute(text)
        except pg8000.dbapi.Error:
            continue
    conn.commit()
    found = run(conn, LEFT) or None  # empty where the session has heard of it
    conn.close()
    return found
