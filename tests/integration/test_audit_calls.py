"""`install(audit=True)`: calls of the database's own functions, judged before they are sent."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from psycopg_pool import ConnectionPool
from sqlalchemy.ext.asyncio import create_async_engine

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning, allow, install
from pgpoolsafe.effects import DRAWS, PLAIN
from pgpoolsafe.sql.reader import read
from tests.integration.clients import CLIENTS, Client, is_at_the_statement
from tests.integration.stored_code import SET, SHAPES, function
from tests.integration.test_audit import LEFT, TENANT
from tests.servers import PgBouncer, Postgres

QUESTION = r"pg_catalog\.oidvectortypes"
"""What is in the server's log when it was asked for its functions."""

_TRY = (
    "CREATE FUNCTION lib.try_it(bigint) RETURNS boolean LANGUAGE sql"
    " AS 'SELECT pg_try_advisory_lock($1)'"
)
LOCKS = ";".join(
    [
        function("lib.lock_it(k bigint)", "BEGIN PERFORM pg_advisory_lock(k); END"),
        function("lib.free_it(id bigint)", "BEGIN PERFORM pg_advisory_unlock(id); END"),
        _TRY,
    ]
)


@pytest.fixture
def caller(postgres: Postgres) -> Any:
    """A strict guard that is to know the functions there are at its first statement."""
    with postgres.connect("app", autocommit=True) as conn:
        with install(conn, mode="strict", audit=True):
            yield conn


def refused(conn: psycopg.Connection[Any], text: str, params: Any = None) -> str:
    """What the refusal of a statement says."""
    with pytest.raises(SessionStateError) as caught:
        conn.execute(text, params)
    return caught.value.finding.what


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape(name: str, owner: psycopg.Connection[Any], postgres: Postgres) -> None:
    """The call is refused, or it leaves nothing; but for what a trigger does."""
    shape = SHAPES[name]
    owner.execute(shape.create)
    with postgres.connect("app", autocommit=True) as conn:
        before = conn.execute(LEFT).fetchone()
        with install(conn, mode="strict", audit=True):
            try:
                conn.execute(shape.call)
                is_refused = False
            except SessionStateError:
                is_refused = True
        is_left = conn.execute(LEFT).fetchone() != before
    with postgres.connect("app", autocommit=True) as conn:
        conn.execute(shape.call)
        would_be_left = conn.execute(LEFT).fetchone() != before
    by_trigger = "TRIGGER" in shape.create
    assert is_refused is (would_be_left and not by_trigger)
    assert is_left is (would_be_left and by_trigger)


# behind a pooler, over every way to it


@pytest.mark.parametrize("make", CLIENTS)
def test_each_driver(
    make: type[Client], owner: psycopg.Connection[Any], pgbouncer: PgBouncer
) -> None:
    owner.execute(TENANT)
    with make(pgbouncer, mode="strict", audit=True) as client:
        for send in (client.alone, client.together):
            with pytest.raises(SessionStateError) as caught:
                send("SELECT lib.log_in(7)")
            assert caught.value.rule == "session-set"
            assert caught.value.finding.what == (
                "set_config(app.tenant) in lib.set_tenant(text), called by lib.log_in(integer)"
                " outlives the transaction"
            )
            assert is_at_the_statement(caught.value.finding)
        with allow("session-set"):
            client.alone("SELECT lib.log_in(7)")
        client.alone("SELECT lib.log_in(7) /* pgpoolsafe: allow session-set */")


@pytest.mark.parametrize("make", CLIENTS)
def test_without_the_option_nothing_is_known(
    make: type[Client],
    owner: psycopg.Connection[Any],
    pgbouncer: PgBouncer,
    postgres: Postgres,
) -> None:
    owner.execute(TENANT)
    mark = postgres.log_mark()
    with make(pgbouncer, mode="strict") as client:
        client.together("SELECT lib.log_in(7)")
    assert not postgres.log_contains(QUESTION, since=mark)


def test_the_environment_can_ask_for_it(
    owner: psycopg.Connection[Any], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.execute(TENANT)
    monkeypatch.setenv("PGPOOLSAFE_AUDIT", "1")
    with postgres.connect("app", autocommit=True) as conn, install(conn, mode="strict"):
        refused(conn, "SELECT lib.log_in(1)")


def test_a_warning(owner: psycopg.Connection[Any], pgbouncer: PgBouncer) -> None:
    owner.execute(TENANT)
    with pgbouncer.connect(autocommit=True) as conn, install(conn, audit=True):
        with pytest.warns(SessionStateWarning, match=r"called by lib\.log_in\(integer\)"):
            conn.execute("SELECT lib.log_in(7)")


# what it costs


def questions(postgres: Postgres, mark: int) -> int:
    return postgres.log_since(mark).count("pg_catalog.oidvectortypes")


def test_each_endpoint_is_asked_once(
    owner: psycopg.Connection[Any], pgbouncer: PgBouncer, postgres: Postgres
) -> None:
    owner.execute(TENANT)
    mark = postgres.log_mark()
    options = {"autocommit": True}
    with ConnectionPool(pgbouncer.dsn(), kwargs=options, min_size=2, open=True) as pool:
        with install(pool, mode="strict", audit=True):
            for _ in range(3):
                with pool.connection() as one, pool.connection() as other:
                    one.execute("SELECT 1")
                    refused(other, "SELECT lib.log_in(1)")
                    one.execute("SELECT 2")
    assert questions(postgres, mark) == 1


def test_no_statement_waits_where_nothing_is_watched(postgres: Postgres) -> None:
    mark = postgres.log_mark()
    with postgres.connect("app", autocommit=True) as conn:
        with install(conn, audit=True):  # direct, and not strict
            conn.execute("SELECT 1")
        with install(conn, audit=True, mode="off"):
            conn.execute("SELECT 1")
    assert questions(postgres, mark) == 0


def test_a_known_plain_text_costs_one_look_up(caller: Any, owner: psycopg.Connection[Any]) -> None:
    owner.execute(TENANT)
    caller.execute("SELECT 1 AS one")
    seat = caller._pgpoolsafe
    reader = seat.guard.routines
    assert seat.known == reader.known == reader._cache.get
    assert seat.known("SELECT 1 AS one") is PLAIN
    assert seat.known("SELECT 2 AS never_sent") is None


def test_other_connections_read_as_before(caller: Any, owner: psycopg.Connection[Any]) -> None:
    owner.execute(TENANT)
    refused(caller, "SELECT lib.log_in(1)")
    assert read("SELECT lib.log_in(1)") is PLAIN
    owner.execute("SELECT lib.log_in(1)")


def test_without_any_such_function_the_common_cache_serves(
    caller: Any, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(function("lib.f()", "BEGIN PERFORM 1; END"))
    caller.execute("SELECT lib.f()")
    assert caller._pgpoolsafe.guard.routines is None


# transactions


def test_it_is_asked_before_the_first_begin(owner: psycopg.Connection[Any]) -> None:
    owner.execute(TENANT)
    with psycopg.connect(owner.info.dsn) as conn, install(conn, mode="strict", audit=True):
        with conn.transaction():
            conn.execute("SELECT 1")
        with pytest.raises(SessionStateError), conn.transaction():
            conn.execute("SELECT lib.log_in(1)")


def test_in_the_middle_of_a_transaction_it_is_asked_afterwards(
    owner: psycopg.Connection[Any], postgres: Postgres
) -> None:
    owner.execute(TENANT)
    mark = postgres.log_mark()
    with psycopg.connect(owner.info.dsn) as conn:
        conn.execute("SELECT 1")
        with install(conn, mode="strict", audit=True):
            conn.execute("SELECT 2")
            assert questions(postgres, mark) == 0
            conn.rollback()
            conn.execute("SELECT 3")
            assert questions(postgres, mark) == 1
            conn.execute("SELECT lib.log_in(1)")
            with pytest.raises(SessionStateError):
                conn.commit()


def test_what_is_taken_back_in_the_same_transaction(
    caller: Any, owner: psycopg.Connection[Any]
) -> None:
    """Through functions, and through PostgreSQL's own, whatever the parameters are called."""
    owner.execute(LOCKS)
    for take, give in (
        ("SELECT lib.lock_it(5)", "SELECT lib.free_it(5)"),
        ("SELECT lib.lock_it(k => 5)", "SELECT pg_advisory_unlock(5)"),
        ("SELECT pg_advisory_lock(5)", "SELECT lib.free_it(id => 5)"),
    ):
        with caller.transaction():
            caller.execute(take)
            caller.execute(give)
    with caller.transaction():
        caller.execute("SELECT lib.lock_it(%s)", [6])
        caller.execute("SELECT lib.free_it(%s)", [6])
    with pytest.raises(SessionStateError) as caught, caller.transaction():
        caller.execute("SELECT lib.lock_it(%s)", [6])
        caller.execute("SELECT lib.free_it(%s)", [7])
    # The one that was not held is told at once.
    assert caught.value.finding.what == (
        "pg_advisory_unlock(?) in lib.free_it(bigint) releases a lock that this transaction does"
        " not hold"
    )


def test_an_attempt_that_the_server_declines(
    caller: Any, owner: psycopg.Connection[Any], postgres: Postgres
) -> None:
    owner.execute(LOCKS)
    with postgres.connect("app", autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(9)")
        with caller.transaction():
            assert caller.execute("SELECT lib.try_it(9)").fetchone() == (False,)
        # A server process that ends gives its locks back a little later.
        other.execute("SELECT pg_advisory_unlock(9)")
    with pytest.raises(SessionStateError), caller.transaction():
        assert caller.execute("SELECT lib.try_it(9)").fetchone() == (True,)


def test_a_rollback_undoes(caller: Any, owner: psycopg.Connection[Any]) -> None:
    owner.execute(TENANT)
    with caller.transaction(force_rollback=True):
        caller.execute("SELECT lib.log_in(1)")


# which function is meant


PUT = """
CREATE FUNCTION lib.put(name text, value text, local boolean DEFAULT true) RETURNS text
  LANGUAGE sql AS $$SELECT set_config(name, value, local)$$
"""

# what is sent, with which parameters, what is said
PUTS: list[tuple[str, Any, str]] = [
    ("SELECT lib.put('app.tenant', 'a')", None, ""),
    ("SELECT lib.put('app.tenant', 'a', true)", None, ""),
    ("SELECT lib.put('app.tenant', 'a', local => true)", None, ""),
    ("SELECT lib.put('app.tenant', 'a', %s)", [True], ""),
    ("SELECT lib.put('app.tenant', 'a', %s)", [False], "app.tenant"),
    ("SELECT lib.put('app.tenant', 'a', %(l)s)", {"l": None}, "app.tenant"),
    ("SELECT lib.put('work_mem', '1MB', false)", None, "work_mem"),
    ("SELECT lib.put(value => 'x', name => 'app.x', local => false)", None, "app.x"),
    ("SELECT lib.put(%s, 'x', false)", ["app.secret"], "?"),
    ("SELECT lib.put('transaction_read_only', 'on', false)", None, ""),
    ("SELECT lib.put(upper('x'), 'x', false)", None, "…"),
]


@pytest.mark.parametrize("text, params, name", PUTS)
def test_arguments_decide(
    text: str, params: Any, name: str, caller: Any, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(PUT)
    if name:
        said = refused(caller, text, params)
        assert said.startswith(f"set_config({name}) in lib.put(text, text, boolean)")
        assert "secret" not in said
    else:
        caller.execute(text, params)


def test_executemany_takes_the_worst_parameters(
    caller: Any, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(PUT)
    text = "SELECT lib.put('app.tenant', 'a', %s)"
    with pytest.raises(SessionStateError):
        caller.cursor().executemany(text, [[True], [False]])
    caller.cursor().executemany(text, [[True], [True]])


def test_overloads(caller: Any, owner: psycopg.Connection[Any]) -> None:
    """Told apart by the number of arguments; where only the types differ, all are meant."""
    owner.execute(
        function("lib.f()", "BEGIN PERFORM 1; END")
        + ";"
        + function("lib.f(a int, b int)", SET)
        + ";"
        + function("lib.f(a int, b text)", "BEGIN PERFORM 1; END")
        + ";"
        + function("lib.f(VARIADIC a text[])", "BEGIN LISTEN jobs; END")
    )
    caller.execute("SELECT lib.f()")
    assert "SET work_mem in lib.f(integer, integer)" in refused(caller, "SELECT lib.f(1, 2)")
    assert "LISTEN jobs in lib.f(text[])" in refused(caller, "SELECT lib.f('a', 'b', 'c')")


def test_the_same_name_in_two_schemas(caller: Any, owner: psycopg.Connection[Any]) -> None:
    """The schema decides, or else the search_path of the connection."""
    harmless = "BEGIN PERFORM 1; END"
    owner.execute(
        f"{function('lib.f()', SET)}; {function('public.f()', harmless)};"
        f"{function('lib.g()', harmless)}; {function('public.g()', SET)}"
    )
    try:
        for text in ("SELECT f()", "SELECT public.f()", "SELECT lib.g()", "SELECT shop.lib.g()"):
            caller.execute(text)
        for text in (
            "SELECT lib.f()",
            "SELECT g()",
            'SELECT "public" . "g" ()',
            "SELECT PUBLIC.G()",
        ):
            assert "SET work_mem in" in refused(caller, text)
    finally:
        owner.execute("DROP FUNCTION public.f(), public.g()")


def test_what_is_in_no_schema_of_the_path(caller: Any, owner: psycopg.Connection[Any]) -> None:
    """It can be called by its name only while the path is another one."""
    owner.execute(TENANT)
    owner.execute(function("lib.upper(text)", SET))
    with pytest.raises(SessionStateError) as caught, caller.transaction():
        caller.execute("SET LOCAL search_path = lib")
        caller.execute("SELECT log_in(1)")
    assert caught.value.finding.statement == "SELECT log_in(1)"
    caller.execute("SELECT upper('x')")
    refused(caller, "SELECT lib.upper('x')")


def test_quoted_names(caller: Any, owner: psycopg.Connection[Any]) -> None:
    names = ['"Log In"', '"say ""hi"""', '"Größe"', '"set"', "größe", "a" * 70]
    for name in names:
        owner.execute(function(f"lib.{name}()", SET))
    for name in names:
        assert "SET work_mem in lib." in refused(caller, f"SELECT lib.{name}()")
    assert "SET work_mem" in refused(caller, 'SELECT lib.U&"\\0067r\\00F6\\00DFe"()')
    caller.execute("SELECT 'lib.größe()', \"a\" FROM (SELECT 1 AS a) AS größe(a)")


def test_a_namesake_of_an_extensions_function(caller: Any, owner: psycopg.Connection[Any]) -> None:
    """Without a look at the database, `set_user` is taken for the extension's."""
    owner.execute(
        "CREATE FUNCTION lib.set_user(id int) RETURNS int LANGUAGE sql AS 'SELECT id';"
        + function("lib.other()", SET)
    )
    assert pgpoolsafe.check("SELECT lib.set_user(1)")
    caller.execute("SELECT lib.set_user(1)")


# where a call stands

PLACES = [
    "SELECT 1 WHERE lib.f()",
    "SELECT * FROM lib.f() AS x",
    "SELECT CASE WHEN lib.f() THEN 1 END",
    "WITH x AS MATERIALIZED (SELECT lib.f() AS f) SELECT f FROM x",
    "VALUES (lib.f())",
    "EXPLAIN ANALYZE SELECT lib.f()",
    "COPY (SELECT lib.f()) TO STDOUT",
    "DO $$BEGIN PERFORM lib.f(); END$$",
    "DO $$DECLARE x boolean; BEGIN x := lib.f(); END$$",
    "DO $$BEGIN EXECUTE 'SELECT lib.f()'; END$$",
    "SELECT 1; SELECT lib.f()",
    "/* x */ select LIB . F ( ) -- y",
]
ELSEWHERE = [
    "SELECT 'lib.f()'",
    "SELECT 1 AS f -- lib.f()",
    "EXPLAIN SELECT lib.f()",
    "WITH x AS (SELECT lib.f()) SELECT 1",
    "CREATE VIEW lib.v AS SELECT lib.f()",
    "WITH f(a) AS (SELECT 1) SELECT a FROM f",
    "CREATE FUNCTION lib.h() RETURNS boolean LANGUAGE sql AS 'SELECT lib.f()'",
]


@pytest.fixture
def truth(owner: psycopg.Connection[Any]) -> None:
    body = "BEGIN SET work_mem = '8MB'; RETURN true; END"
    owner.execute(function("lib.f()", body, returns="boolean"))


@pytest.mark.usefixtures("truth")
@pytest.mark.parametrize("text", PLACES)
def test_wherever_it_is_called(text: str, caller: Any) -> None:
    assert refused(caller, text).startswith("SET work_mem in lib.f()")


@pytest.mark.usefixtures("truth")
@pytest.mark.parametrize("text", ELSEWHERE)
def test_where_it_is_not_called(text: str, caller: Any) -> None:
    caller.execute(text)


def test_lastval_after_a_function_that_draws(caller: Any, owner: psycopg.Connection[Any]) -> None:
    owner.execute(
        "CREATE TABLE lib.orders (id serial);"
        + function("lib.order_it()", "BEGIN INSERT INTO lib.orders DEFAULT VALUES; END")
        + ";"
        + function("lib.order_all()", "BEGIN PERFORM lib.order_it(); END")
    )
    with caller.transaction():
        caller.execute("SELECT lib.order_all()")
        assert caller.execute("SELECT lastval()").fetchone() == (1,)
    with pytest.raises(SessionStateError):
        caller.execute("SELECT lastval()")


def test_a_dropped_function_is_the_servers_to_refuse(
    caller: Any, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(TENANT)
    refused(caller, "SELECT lib.log_in(1)")
    owner.execute("DROP FUNCTION lib.log_in")
    with allow("session-set"), pytest.raises(psycopg.errors.UndefinedFunction):
        caller.execute("SELECT lib.log_in(1)")
    pgpoolsafe.uninstall(caller)
    with install(caller, mode="strict", audit=True):
        with pytest.raises(psycopg.errors.UndefinedFunction):
            caller.execute("SELECT lib.log_in(1)")


def test_code_that_cannot_be_read(owner: psycopg.Connection[Any], postgres: Postgres) -> None:
    owner.execute(function("lib.run(code text)", "BEGIN EXECUTE code; END"))
    owner.execute(TENANT)
    with postgres.connect("app", autocommit=True) as conn:
        with install(conn, mode="strict", audit=True):
            conn.execute("SELECT lib.run('SELECT 1')")
            reading = conn._pgpoolsafe.known("SELECT lib.run('SELECT 1')")  # type: ignore[attr-defined]
            assert reading is DRAWS  # plain, but for what it may have drawn
        with install(conn, mode="strict", audit=True, rules={"opaque-code": "raise"}):
            said = refused(conn, "SELECT lib.run('SELECT 1')")
    assert said == "the code of lib.run(text) cannot be read"


def test_a_catalog_that_cannot_be_read_is_told_once(
    owner: psycopg.Connection[Any], postgres: Postgres
) -> None:
    owner.execute(TENANT)
    with postgres.connect("postgres", autocommit=True) as admin:
        admin.execute("REVOKE SELECT ON pg_catalog.pg_trigger FROM public")
        try:
            with postgres.connect("app", autocommit=True) as conn:
                with install(conn, mode="strict", audit=True):
                    with pytest.warns(SessionStateWarning, match="audit=True: .* denied"):
                        conn.execute("SELECT 1")
                    assert conn.execute("SELECT 2").fetchone() == (2,)
        finally:
            admin.execute("GRANT SELECT ON pg_catalog.pg_trigger TO public")


async def test_async_engines_too(owner: psycopg.Connection[Any], pgbouncer: PgBouncer) -> None:
    owner.execute(TENANT)
    engine = create_async_engine(pgbouncer.url())
    with install(engine, mode="strict", audit=True):
        async with engine.connect() as conn:
            await conn.execute(sqlalchemy.text("SELECT 1"))
            await conn.execute(sqlalchemy.text("SELECT lib.log_in(:id)"), {"id": 1})
            with pytest.raises(SessionStateError):
                await conn.commit()
    await engine.dispose()


def test_the_page_prints_what_it_says(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    shown = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", page, re.M | re.S)
    assert len(shown) == page.count("```python") == 3
    engine = sqlalchemy.create_engine(pgbouncer.url())
    with postgres.connect("app", autocommit=True) as conn:
        for create in re.findall(r"^```sql\n(.*?)^```$", page, re.M | re.S):
            conn.execute(create)
        names = {"pgpoolsafe": pgpoolsafe, "sa": sqlalchemy, "conn": conn, "engine": engine}
        try:
            for block, output in shown:
                printed = io.StringIO()
                with redirect_stdout(printed):
                    exec(compile(block, "shop/accounts.py", "exec"), dict(names))
                assert printed.getvalue() == output
        finally:
            pgpoolsafe.uninstall(engine)
            engine.dispose()
            conn.execute("DROP FUNCTION log_in, set_tenant, warm_up")
