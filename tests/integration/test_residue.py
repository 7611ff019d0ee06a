"""What hidden code leaves in a session, on a real PostgreSQL: found, listed and blamed."""

from __future__ import annotations

import asyncio
import io
import linecache
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
import pytest
import sqlalchemy as sa
from psycopg.rows import scalar_row
from sqlalchemy.ext.asyncio import create_async_engine

import pgpoolsafe
from pgpoolsafe import ConfigurationError, Finding, SessionStateError, SessionStateWarning, residue
from pgpoolsafe.drivers import psycopg_residue
from pgpoolsafe.installation import ask_sessions
from pgpoolsafe.rules.pages import PAGES
from tests.servers import PgBouncer, Postgres

Connection = psycopg.Connection[Any]

PLPGSQL = "CREATE FUNCTION {name} RETURNS void LANGUAGE plpgsql AS $$BEGIN {body} END$$"

# name with arguments, body: each hides something from the text that calls it
FUNCTIONS = (
    ("hide_setting()", "SET work_mem = '7MB';"),
    ("hide_setting_local()", "SET LOCAL work_mem = '7MB';"),
    ("hide_and_undo()", "SET work_mem = '7MB'; RESET work_mem;"),
    ("hide_tenant(t text)", "PERFORM set_config('app.tenant', t, false);"),
    ("hide_tenant_local(t text)", "PERFORM set_config('app.tenant', t, true);"),
    ("hide_role()", "EXECUTE 'SET ROLE reporting';"),
    ("hide_lock(key int)", "PERFORM pg_advisory_lock(key);"),
    ("hide_xact_lock()", "PERFORM pg_advisory_xact_lock(11);"),
    ("hide_lock_and_unlock()", "PERFORM pg_advisory_lock(9), pg_advisory_unlock(9);"),
    ("hide_prepare()", "EXECUTE 'PREPARE price AS SELECT 1';"),
    ("hide_cursor()", "EXECUTE 'DECLARE page CURSOR WITH HOLD FOR SELECT 1';"),
    ("hide_listen(c text)", "EXECUTE format('LISTEN %I', c);"),
    ("hide_table()", "CREATE TEMP TABLE basket (item text);"),
    ("hide_table_dropped()", "CREATE TEMP TABLE purse (item text) ON COMMIT DROP;"),
    ("hide_nothing()", "PERFORM 1;"),
)
TRIGGER = """
CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN PERFORM set_config('app.tenant', NEW.tenant, false); RETURN NEW; END$$;
CREATE TABLE visits (tenant text);
CREATE TRIGGER remembering BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION remember();
"""


@pytest.fixture(scope="module", autouse=True)
def _hidden_code(postgres: Postgres) -> Iterator[None]:
    with postgres.connect(autocommit=True) as owner:
        owner.execute("CREATE SCHEMA hidden")
        owner.execute("GRANT USAGE ON SCHEMA hidden TO public; SET search_path = hidden")
        for name, body in FUNCTIONS:
            owner.execute(PLPGSQL.format(name=name, body=body))
        owner.execute(TRIGGER)
        yield
        owner.execute("DROP SCHEMA hidden CASCADE")


def connected(postgres: Postgres, user: str = "app", **options: Any) -> Connection:
    return postgres.connect(user, **{"autocommit": True, **options})


@pytest.fixture
def conn(postgres: Postgres) -> Iterator[Connection]:
    """A connection in autocommit that nobody guards."""
    with connected(postgres) as made:
        yield made


@contextmanager
def watched(
    postgres: Postgres, residue: bool | str = True, user: str = "app", **options: Any
) -> Iterator[Connection]:
    """A connection in autocommit that strict mode watches; closed without a look."""
    made = connected(postgres, user)
    try:
        with pgpoolsafe.install(made, mode="strict", residue=residue, **options):
            yield made
    finally:
        made.close()


# each kind, made by code that no text shows: the statement, the things, what is said of it
KINDS: list[tuple[str, str, str]] = [
    ("SELECT hidden.hide_setting()", "setting work_mem", "SET work_mem"),
    ("SELECT hidden.hide_tenant('acme')", "setting app.tenant", "SET app.tenant"),
    ("INSERT INTO hidden.visits VALUES ('acme')", "setting app.tenant", "SET app.tenant"),
    ("DO $$BEGIN EXECUTE reverse('777 = mem_krow TES'); END$$", "setting work_mem", "SET work_mem"),
    ("SELECT hidden.hide_role()", "role", "SET ROLE"),
    ("SELECT hidden.hide_lock(9)", "session advisory lock 9", "pg_advisory_lock(9)"),
    ("SELECT hidden.hide_prepare()", "prepared statement price", "PREPARE price"),
    ("SELECT hidden.hide_cursor()", "held cursor page", "the WITH HOLD cursor page"),
    ("SELECT hidden.hide_listen('jobs')", "listening channel jobs", "LISTEN jobs"),
    ("SELECT hidden.hide_table()", "temporary object basket", "the temporary object basket"),
    ("DO $$BEGIN EXECUTE reverse(')tni i( v ELBAT PMET ETAERC'); END$$", "temporary object v",
     "the temporary object v"),
]  # fmt: skip

CLEAN = (
    "SELECT 1",
    "SELECT hidden.hide_nothing()",
    "SELECT hidden.hide_setting_local()",
    "SELECT hidden.hide_tenant_local('acme')",
    "SELECT hidden.hide_and_undo()",
    "SELECT hidden.hide_xact_lock()",
    "SELECT hidden.hide_lock_and_unlock()",
    "SELECT hidden.hide_table_dropped()",
    "DO $$BEGIN EXECUTE 'SET LOCAL ' || 'work_mem = 777'; END$$",
    "SET LOCAL work_mem = '1MB'",
    "SELECT pg_advisory_xact_lock(3)",
    "CREATE TEMP TABLE gone (i int) ON COMMIT DROP",
)


# on request


@pytest.mark.parametrize("statement, things, _", KINDS)
def test_each_kind_is_listed(conn: Connection, statement: str, things: str, _: str) -> None:
    assert str(residue(conn)) == "nothing"
    conn.execute(statement)
    assert str(residue(conn)) == things


@pytest.mark.parametrize("statement", CLEAN)
def test_what_is_undone_is_not_listed(conn: Connection, statement: str) -> None:
    with conn.transaction():
        conn.execute(statement)
    assert str(residue(conn)) == "nothing"


def test_discard_leaves_nothing(conn: Connection) -> None:
    for statement, _, _ in KINDS:
        if "TES" not in statement:
            conn.execute("RESET ROLE")
            conn.execute(statement)
    conn.execute("RESET ROLE")
    assert len(residue(conn)) == 8
    conn.execute("DISCARD ALL")
    assert str(residue(conn)) == "nothing"


def test_every_temporary_object_is_listed_by_its_own_name(conn: Connection) -> None:
    conn.execute("""
        CREATE TEMP TABLE "Cart" (id serial PRIMARY KEY, note text);
        CREATE INDEX ON pg_temp."Cart" (note);
        CREATE TEMP SEQUENCE tickets;
        CREATE TYPE pg_temp.mood AS ENUM ('glad');
        CREATE FUNCTION pg_temp.twice(i int) RETURNS int LANGUAGE sql AS 'SELECT 2 * i';
    """)
    names = [thing.name for thing in residue(conn)]
    assert names == ["Cart", "mood", "tickets", "twice(integer)"]


@pytest.mark.parametrize(
    "take, key, shared",
    [
        ("pg_advisory_lock(42)", "42", False),
        ("pg_advisory_lock(-42)", "-42", False),
        ("pg_advisory_lock(9223372036854775807)", "9223372036854775807", False),
        ("pg_advisory_lock(-1, 2)", "-1, 2", False),
        ("pg_advisory_lock_shared(1, -2147483648)", "1, -2147483648", True),
    ],
)
def test_a_lock_has_its_own_key(conn: Connection, take: str, key: str, shared: bool) -> None:
    conn.execute(f"SELECT {take}")
    [thing] = residue(conn)
    assert (thing.name, thing.shared) == (key, shared)


def test_a_custom_setting_is_found_by_a_name_that_is_given(conn: Connection) -> None:
    conn.execute("SET nobody.knows = 'x'")
    assert str(residue(conn)) == "nothing"
    assert str(residue(conn, settings=["Nobody.Knows"])) == "setting nobody.knows"


def test_what_only_some_may_read_is_left_out(conn: Connection, postgres: Postgres) -> None:
    asked = ["shared_preload_libraries", "work_mem", "no such.name", "", "x.y'; --"]
    assert str(residue(conn, settings=asked)) == "nothing"
    with connected(postgres, "postgres") as admin:
        assert residue(admin).drawn is False
        admin.execute("CREATE TEMP SEQUENCE numbers; SELECT nextval('numbers')")
        assert residue(admin).drawn is True
        admin.execute("DROP SEQUENCE numbers; LOAD 'auto_explain'")
        sees_libraries = admin.info.server_version >= 180000
        assert str(residue(admin)) == ("library auto_explain" if sees_libraries else "nothing")
        admin.execute("SET ROLE app")
        assert "role" in str(residue(admin))


def test_what_functions_keep_is_listed(postgres: Postgres) -> None:
    with connected(postgres, "postgres") as admin:
        admin.execute("SELECT pg_create_physical_replication_slot('passing', false, true)")
        admin.execute("SELECT pg_replication_origin_create('residue')")
        admin.execute("SELECT pg_replication_origin_session_setup('residue')")
        assert str(residue(admin)) == "replication origin, temporary replication slot passing"
        admin.execute("SELECT pg_replication_origin_session_reset()")
        admin.execute("SELECT pg_replication_origin_drop('residue')")
        admin.execute("SELECT pg_drop_replication_slot('passing')")
        assert str(residue(admin)) == "nothing"


def test_dblink_connections_are_listed_wherever_it_is_installed(postgres: Postgres) -> None:
    with connected(postgres, "postgres") as admin:
        available = "SELECT count(*) FROM pg_available_extensions WHERE name = 'dblink'"
        if admin.execute(available).fetchone() == (0,):
            pytest.skip("this build of PostgreSQL comes without dblink")
        admin.execute('CREATE SCHEMA "Far"; CREATE EXTENSION dblink SCHEMA "Far"')
        try:
            admin.execute("""SELECT "Far".dblink_connect('it''s <"', %s)""", [postgres.dsn()])
            assert str(residue(admin)) == "dblink connection it's <\""
            with connected(postgres) as conn:  # may not use the schema
                assert str(residue(conn)) == "nothing"
        finally:
            admin.execute('DROP SCHEMA "Far" CASCADE')


def test_what_was_configured_is_not_listed(postgres: Postgres) -> None:
    with connected(postgres, "postgres") as admin:
        admin.execute("ALTER ROLE app SET role = 'reporting'")
        admin.execute("ALTER ROLE app SET app.tenant = 'acme'")
        admin.execute("ALTER DATABASE shop SET app.tenant = 'other'")
        try:
            options = "-c app.note=x -c work_mem=9MB"
            with connected(postgres, options=options) as conn:
                assert str(residue(conn, settings=["app.note"])) == "nothing"
                conn.execute("SET app.note = 'y'; SET app.tenant = 'b'; SET ROLE app")
                found = residue(conn, settings=["app.note"])
                assert str(found) == "setting app.note, setting app.tenant, role"
        finally:
            admin.execute("ALTER ROLE app RESET ALL")
            admin.execute("ALTER DATABASE shop RESET ALL")


def test_the_session_of_another_role(postgres: Postgres) -> None:
    with connected(postgres, "postgres") as admin:
        admin.execute("SET SESSION AUTHORIZATION app")
        assert str(residue(admin)) == "session authorization"
        with admin.transaction():
            admin.execute("SELECT 1")
            assert str(residue(admin)) == "session authorization"


def test_what_the_driver_prepared_is_its_own(postgres: Postgres) -> None:
    with connected(postgres, prepare_threshold=0) as conn:
        conn.execute("SELECT 'prepared'")
        names = conn.execute("SELECT name FROM pg_prepared_statements").fetchall()
        assert names
        assert str(residue(conn)) == "nothing"


def test_an_open_transaction_is_not_disturbed(conn: Connection) -> None:
    with conn.transaction():
        conn.execute("CREATE TEMP TABLE t (i int) ON COMMIT DROP")
        assert str(residue(conn)) == "temporary object t"
        conn.execute("INSERT INTO t VALUES (1)")
        state = "SELECT state FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        assert conn.execute(state).fetchone() == ("active",)
    assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_it_opens_no_transaction_and_writes_nothing(postgres: Postgres) -> None:
    with connected(postgres, autocommit=False) as conn:
        residue(conn)
        assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
        conn.read_only = True
        conn.execute("SELECT 1")
        assert str(residue(conn)) == "nothing"
        assert conn.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() == (None,)


def test_where_it_cannot_be_asked(conn: Connection) -> None:
    with pytest.raises(psycopg.errors.InFailedSqlTransaction), conn.transaction():
        with pytest.raises(psycopg.errors.DivisionByZero):
            conn.execute("SELECT 1/0")
        residue(conn)
    with conn.pipeline() as pipeline:
        assert str(residue(conn)) == "nothing"
        conn.execute("SELECT hidden.hide_setting()")
        with pytest.raises(psycopg.NotSupportedError, match="sync"):
            residue(conn)
        pipeline.sync()
        assert str(residue(conn)) == "setting work_mem"
    conn.close()
    with pytest.raises(psycopg.OperationalError, match="closed"):
        residue(conn)


@pytest.mark.parametrize("path", ["hidden, public", "pg_catalog, pg_temp", "''"])
def test_any_search_path_will_do(conn: Connection, path: str) -> None:
    conn.execute(f"SET search_path = {path}")
    assert str(residue(conn)) == "setting search_path"


def test_names_of_the_database_do_not_get_in_the_way(conn: Connection) -> None:
    conn.execute("CREATE FUNCTION hidden.pg_backend_pid() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    conn.execute("SET search_path = hidden, pg_catalog")
    assert residue(conn).pid == conn.info.backend_pid
    conn.execute("DROP FUNCTION hidden.pg_backend_pid()")


def test_async(postgres: Postgres) -> None:
    async def ask() -> str:
        async with await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True) as conn:
            await conn.execute("SELECT hidden.hide_setting()")
            return str(await residue(conn))

    assert asyncio.run(ask()) == "setting work_mem"


def test_sqlalchemy(postgres: Postgres) -> None:
    engine = sa.create_engine(postgres.url(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert str(residue(connection)) == "nothing"
        assert not connection.in_transaction()
        connection.execute(sa.text("SELECT hidden.hide_setting()"))
        connection.commit()
        assert str(residue(connection)) == "setting work_mem"


def test_sqlalchemy_async(postgres: Postgres) -> None:
    async def ask() -> list[str]:
        engine = create_async_engine(postgres.url(), poolclass=sa.NullPool)
        async with engine.connect() as connection:
            await connection.execute(sa.text("SELECT hidden.hide_setting()"))
            await connection.commit()
            return [str(await residue(connection)), str(await connection.run_sync(residue))]

    assert asyncio.run(ask()) == ["setting work_mem"] * 2


def test_of_an_engine_it_wants_a_connection(postgres: Postgres) -> None:
    engine = sa.create_engine(postgres.url())
    with pytest.raises(TypeError, match="take one from the engine"):
        residue(engine)  # type: ignore[call-overload]


def test_behind_a_pooler_it_sees_what_another_client_left(pgbouncer: PgBouncer) -> None:
    first, _ = pgbouncer.warm()
    with pgbouncer.only(first), pgbouncer.connect(autocommit=True) as a:
        a.execute("SET work_mem = '7MB'; SET TimeZone = 'Asia/Tokyo'")
        a.execute("SELECT 1", prepare=True)
        with pgbouncer.connect(autocommit=True) as b:
            found = residue(b)
    assert "setting work_mem" in str(found)
    assert "timezone" not in str(found)
    assert found.pid == first


# round trips


def asked(log: str) -> int:
    """How many questions reached the server."""
    return len(re.findall(r"execute <unnamed>: \s*with asked as", log))


def test_it_is_one_round_trip(conn: Connection, postgres: Postgres) -> None:
    mark = postgres.log_mark()
    residue(conn)
    conn.execute("SELECT 'the end'")
    log = postgres.log_since(mark)
    sent = re.compile(rf"\[{conn.info.backend_pid}\].*LOG:  (execute|statement)")
    ours = [line for line in log.splitlines() if sent.search(line)]
    assert asked(log) == 1
    assert len(ours) == 2


@pytest.mark.parametrize(
    "level, texts, questions",
    [
        (True, [["SELECT 1"]], 1),
        (True, [["SELECT hidden.hide_nothing()"]], 2),
        (True, [["SELECT hidden.hide_nothing()"] * 3], 2),
        (True, [["SELECT hidden.hide_nothing()"] * 3, ["SELECT 1", "SHOW work_mem"]], 2),
        (True, [["SELECT hidden.hide_nothing()"], ["SELECT hidden.hide_nothing()"]], 3),
        ("statement", [["SELECT hidden.hide_nothing()"] * 3], 5),
        ("off", [["SELECT hidden.hide_nothing()"] * 3], 0),
    ],
)
def test_one_question_for_each_transaction(
    postgres: Postgres, level: Any, texts: list[list[str]], questions: int
) -> None:
    with watched(postgres, level) as conn:
        mark = postgres.log_mark()
        for transaction in texts:
            with conn.transaction():
                for text in transaction:
                    conn.execute(text)
        conn.execute("SHOW work_mem")
        assert asked(postgres.log_since(mark)) == questions


# watching


def is_here(finding: Finding) -> bool:
    place = finding.location
    return place is not None and "# the statement" in linecache.getline(place.file, place.line)


@pytest.mark.parametrize("statement, things, said", KINDS)
def test_in_autocommit_the_statement_is_blamed(
    postgres: Postgres, statement: str, things: str, said: str
) -> None:
    with watched(postgres) as conn:
        conn.execute("SELECT hidden.hide_nothing()")
        with pytest.raises(SessionStateError) as caught:
            conn.execute(statement)  # the statement
        assert caught.value.rule == "residue"
        assert caught.value.statement == statement
        assert caught.value.finding.what.startswith(f"{said} is left in the session by code")
        assert is_here(caught.value.finding)
        assert str(residue(conn)) == things


@pytest.mark.parametrize("statement, things, said", KINDS)
def test_in_a_transaction_it_is_blamed_at_commit(
    postgres: Postgres, statement: str, things: str, said: str
) -> None:
    with watched(postgres) as conn:
        with pytest.raises(SessionStateError) as caught, conn.transaction():
            conn.execute("SELECT 1")
            conn.execute(statement)  # the statement
        assert caught.value.statement == statement
        assert is_here(caught.value.finding)
        assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
        assert conn.execute("SELECT 'goes on'").fetchone() == ("goes on",)
        assert said in str(caught.value)
        assert str(residue(conn)) == things


@pytest.mark.parametrize("statement, _, said", KINDS)
def test_statement_by_statement_it_is_named_among_others(
    postgres: Postgres, statement: str, _: str, said: str
) -> None:
    with watched(postgres, "statement") as conn:
        with pytest.raises(SessionStateError) as caught, conn.transaction():
            conn.execute("SELECT hidden.hide_nothing()")
            conn.execute(statement)  # the statement
            conn.execute("SELECT hidden.hide_xact_lock(), hidden.hide_nothing()")
        assert caught.value.finding.what.startswith(said)
        if said.startswith("LISTEN"):  # takes effect at COMMIT
            assert caught.value.statement.startswith("one of 3 statements of the transaction:")
        else:
            assert caught.value.statement == statement
            assert is_here(caught.value.finding)


@pytest.mark.parametrize("level", [True, "statement"])
@pytest.mark.parametrize("statement", CLEAN)
def test_what_is_undone_is_silent(postgres: Postgres, statement: str, level: Any) -> None:
    with watched(postgres, level) as conn:
        with conn.transaction():
            conn.execute(statement)
            conn.execute("SELECT hidden.hide_nothing()")
        conn.execute("SELECT hidden.hide_nothing()")
        assert str(residue(conn)) == "nothing"


def test_several_statements_are_listed_with_their_lines(postgres: Postgres) -> None:
    with watched(postgres) as conn:
        with pytest.raises(SessionStateError) as caught, conn.transaction():
            conn.execute("SELECT hidden.hide_nothing()")
            conn.execute("SELECT hidden.hide_setting()")
    lines = caught.value.statement.splitlines()
    assert lines[0] == "one of 2 statements of the transaction:"
    assert re.fullmatch(
        r" {4}SELECT hidden\.hide_setting\(\) \(tests/.*test_residue\.py:\d+\)", lines[2]
    )


def test_rolled_back_is_silent_unless_it_survives(postgres: Postgres) -> None:
    with watched(postgres) as conn:
        with conn.transaction(force_rollback=True):
            conn.execute("SELECT hidden.hide_setting(), hidden.hide_table()")
        with pytest.warns(SessionStateWarning, match=r"pg_advisory_lock\(7\)"):
            with conn.transaction(force_rollback=True):  # psycopg would swallow an error
                conn.execute("SELECT hidden.hide_lock(7)")
        conn.autocommit = False
        conn.execute("SELECT hidden.hide_lock(8)")
        with pytest.raises(SessionStateError, match=r"pg_advisory_lock\(8\)"):
            conn.rollback()


def test_a_lock_taken_by_a_statement_that_failed(postgres: Postgres) -> None:
    with watched(postgres) as conn, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(psycopg.errors.DivisionByZero):
            conn.execute("SELECT hidden.hide_lock(8), 1 / (random() * 0)::int")
    [told] = [w.message for w in heard if isinstance(w.message, SessionStateWarning)]
    assert told.finding is not None
    assert told.finding.what.startswith("pg_advisory_lock(8) is left")


def test_an_error_on_its_way_is_not_hidden(postgres: Postgres) -> None:
    with watched(postgres) as conn, pytest.warns(SessionStateWarning, match="pg_advisory_lock"):
        with pytest.raises(LookupError), conn.transaction():
            conn.execute("SELECT hidden.hide_lock(8)")
            raise LookupError


def test_what_the_text_shows_is_told_once_and_by_its_rule(postgres: Postgres) -> None:
    with watched(postgres, settings="local") as conn:
        with pytest.raises(SessionStateError) as caught:
            conn.execute("SELECT set_config('app.tenant', 'x', false)")
        assert caught.value.rule == "session-set"
        with conn.transaction():  # made local
            conn.execute("SELECT set_config('app.tenant', 'x', false)")
        with pgpoolsafe.allow("session-set", "temp-table"):
            conn.execute("SELECT set_config('app.tenant', 'x', false)")
            conn.execute("CREATE TEMP TABLE cart AS SELECT 1")
        conn.execute("SELECT hidden.hide_nothing()")
        assert str(residue(conn)) == "setting app.tenant, temporary object cart"


def test_a_setting_that_would_be_carried_is_no_residue(postgres: Postgres) -> None:
    """Behind a pooler it would stay with its client; here the session is the client's own."""
    with watched(postgres) as conn:
        conn.execute("SELECT set_config('app.tenant', 'x', false)")
        with conn.transaction():
            conn.execute("SET work_mem = '9MB'")
        conn.execute("SELECT hidden.hide_nothing()")
        assert str(residue(conn)) == "setting app.tenant, setting work_mem"
        with pytest.raises(SessionStateError) as caught:
            conn.execute("SELECT hidden.hide_setting()")
        assert caught.value.rule == "residue"


@pytest.mark.parametrize("rule", ["residue", "session-set"])
def test_allow(postgres: Postgres, rule: str) -> None:
    with watched(postgres) as conn:
        with pgpoolsafe.allow(rule):
            conn.execute("SELECT hidden.hide_setting()")
        conn.execute("SELECT hidden.hide_nothing()")
        conn.execute(f"SELECT hidden.hide_tenant('x') /* pgpoolsafe: allow {rule} */")


def test_what_the_pooler_tracks_is_no_finding(postgres: Postgres) -> None:
    with watched(postgres) as conn:
        conn.execute("DO $$BEGIN EXECUTE 'SET TimeZone = ' || '''Asia/Tokyo'''; END$$")
        assert str(residue(conn)) == "setting timezone"


def test_a_parameter_is_in_no_message(postgres: Postgres) -> None:
    with watched(postgres) as conn:
        with pytest.raises(SessionStateError) as caught:
            conn.execute("SELECT hidden.hide_listen(%s)", ["secret"])
    assert caught.value.finding.what.startswith("LISTEN ? is left")
    assert "secret" not in str(caught.value)


def test_a_warning_is_told_once_and_the_program_goes_on(postgres: Postgres) -> None:
    with watched(postgres, rules={"residue": "warn"}) as conn:
        with pytest.warns(SessionStateWarning, match="SET work_mem is left"), conn.transaction():
            conn.execute("SELECT hidden.hide_setting()")
        conn.execute("SELECT hidden.hide_setting()")


def copied(conn: Connection) -> None:
    with conn.cursor().copy("COPY (SELECT hidden.hide_setting()) TO STDOUT") as copy:
        list(copy)


def streamed(conn: Connection) -> None:
    list(conn.cursor().stream("SELECT hidden.hide_setting()"))


def executed_many(conn: Connection) -> None:
    conn.cursor().executemany("SELECT hidden.hide_tenant(%s)", [("x",), ("y",)])


def in_a_pipeline(conn: Connection) -> None:
    with conn.pipeline():
        conn.execute("SELECT hidden.hide_setting()")
        conn.execute("SELECT hidden.hide_nothing()")


def by_a_named_cursor(conn: Connection) -> None:
    with conn.transaction(), conn.cursor("page") as cursor:
        cursor.execute("SELECT hidden.hide_setting()")
        cursor.fetchall()


WAYS = (copied, streamed, executed_many, in_a_pipeline, by_a_named_cursor)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_way_is_found_before_the_next_statement(
    postgres: Postgres, way: Callable[[Connection], None]
) -> None:
    with watched(postgres) as conn:
        conn.execute("SELECT 1")
        with pytest.raises(SessionStateError, match="is left in the session"):
            way(conn)
            conn.execute("SELECT 1")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_way_is_found_at_commit(postgres: Postgres, way: Callable[[Connection], None]) -> None:
    with watched(postgres) as conn:
        conn.autocommit = False
        with pytest.raises(SessionStateError, match="is left in the session"):
            way(conn)
            conn.commit()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_way_is_found_when_the_connection_is_closed(
    postgres: Postgres, way: Callable[[Connection], None]
) -> None:
    with watched(postgres) as conn:
        with pytest.raises(SessionStateError, match="is left in the session"):
            way(conn)
            conn.close()
        assert conn.closed or way is by_a_named_cursor


def test_what_is_found_at_close_hides_no_error(postgres: Postgres) -> None:
    with watched(postgres) as conn:
        with (
            pytest.warns(SessionStateWarning, match=r"SET app\.tenant is left"),
            pytest.raises(ZeroDivisionError),
            conn,
        ):
            executed_many(conn)
            raise ZeroDivisionError
        assert conn.closed


def test_nothing_is_asked_at_close_where_all_is_known(postgres: Postgres) -> None:
    with watched(postgres) as conn:
        conn.execute("SELECT hidden.hide_nothing()")
        mark = postgres.log_mark()
        ask_sessions()
        conn.close()
    with connected(postgres) as other:
        other.execute("SELECT 'the end'")
    assert asked(postgres.log_since(mark)) == 0


def test_a_pool_closes_all_its_connections(postgres: Postgres) -> None:
    with psycopg_pool.ConnectionPool(
        postgres.dsn(), kwargs={"autocommit": True}, min_size=2, max_size=2
    ) as pool:
        with pgpoolsafe.install(pool, mode="strict", residue=True):
            with pool.connection() as one, pool.connection() as two:
                executed_many(one)
                executed_many(two)
            with pytest.warns(SessionStateWarning, match=r"SET app\.tenant is left") as told:
                pool.close()
        assert (len(told), one.closed, two.closed) == (2, True, True)


def test_an_async_connection_is_asked_when_it_is_closed(postgres: Postgres) -> None:
    async def play() -> bool:
        conn = await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True)
        with pgpoolsafe.install(conn, mode="strict", residue=True):
            await conn.cursor().executemany("SELECT hidden.hide_tenant(%s)", [("x",)])
            with pytest.raises(SessionStateError, match=r"SET app\.tenant is left"):
                await conn.close()
        return conn.closed

    assert asyncio.run(play())


def rules_of(installation: pgpoolsafe.Installation) -> list[str]:
    return [finding.rule for finding, _ in installation.findings()]


@pytest.mark.parametrize("way", [copied, streamed, executed_many, in_a_pipeline])
def test_what_waits_is_asked_on_request(
    postgres: Postgres, way: Callable[[Connection], None]
) -> None:
    with connected(postgres) as conn:
        with pgpoolsafe.install(conn, mode="strict", residue=True) as installation:
            way(conn)
            assert rules_of(installation) == []
            ask_sessions()
            assert rules_of(installation) == ["residue"]
            conn.execute("SELECT hidden.hide_nothing()")  # told once


def test_an_async_connection_that_waits_is_asked_on_request(postgres: Postgres) -> None:
    async def play() -> list[str]:
        async with await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True) as conn:
            with pgpoolsafe.install(conn, mode="strict", residue=True) as installation:
                await conn.cursor().executemany("SELECT hidden.hide_tenant(%s)", [("x",)])
                ask_sessions()
                await conn.execute("SELECT hidden.hide_nothing()")
                return rules_of(installation)

    assert asyncio.run(play()) == ["residue"]


def test_a_connection_in_use_is_left_alone(postgres: Postgres) -> None:
    """A stream that is read; another thread's; and that thread's when it is gone."""
    steps = [threading.Event(), threading.Event()]

    def work() -> None:
        executed_many(conn)
        steps[0].set()
        steps[1].wait(30)

    with connected(postgres) as conn, connected(postgres) as streaming:
        with (
            pgpoolsafe.install(conn, mode="strict", residue=True) as installation,
            pgpoolsafe.install(streaming, mode="strict", residue=True) as other,
        ):
            rows = streaming.cursor().stream(
                "SELECT hidden.hide_setting() FROM generate_series(1, 9)"
            )
            next(rows)
            worker = threading.Thread(target=work)
            worker.start()
            assert steps[0].wait(30)
            ask_sessions()
            assert rules_of(installation) + rules_of(other) == []
            steps[1].set()
            worker.join()
            list(rows)
            ask_sessions()
            assert (rules_of(installation), rules_of(other)) == (["residue"], ["residue"])


def test_a_function_made_later_is_known_by_its_names(postgres: Postgres) -> None:
    with watched(postgres) as conn:
        conn.execute("SELECT hidden.hide_nothing()")
        conn.execute(PLPGSQL.format(name="hidden.later()", body="SET late.comer = 'x';"))
        with pytest.raises(SessionStateError, match=r"SET late\.comer is left"):
            conn.execute("SELECT hidden.later()")
        conn.execute("DROP FUNCTION hidden.later()")


def test_what_was_there_before_is_nobodys(postgres: Postgres) -> None:
    with connected(postgres) as conn:
        conn.execute("SET work_mem = '7MB'")
        with pgpoolsafe.install(conn, mode="strict", residue=True):
            conn.execute("SELECT hidden.hide_nothing()")


def test_installed_inside_a_transaction(postgres: Postgres) -> None:
    with connected(postgres, autocommit=False) as conn:
        conn.execute("SELECT hidden.hide_setting()")
        with pgpoolsafe.install(conn, mode="strict", residue=True, pooler="direct"):
            conn.execute("SELECT hidden.hide_tenant('x')")
            conn.commit()  # what it began with is not known
            conn.execute("SELECT hidden.hide_lock(3)")
            with pytest.raises(SessionStateError, match=r"pg_advisory_lock\(3\)"):
                conn.commit()


def test_a_question_that_fails_breaks_nothing(
    postgres: Postgres, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(postgres) as conn:
        conn.execute("SELECT hidden.hide_nothing()")
        with monkeypatch.context() as patch:
            patch.setattr(psycopg_residue, "question", lambda _: "SELECT $1::int / 0")
            conn.execute("SELECT hidden.hide_setting()")
        assert "could not be asked what it carries: invalid input syntax" in caplog.text
        # What was left meanwhile is what it begins with now.
        assert conn.execute("SELECT hidden.hide_nothing(), 'goes on'").fetchone() == ("", "goes on")
        with pytest.raises(SessionStateError, match=r"SET app\.tenant is left"):
            conn.execute("SELECT hidden.hide_tenant('x')")


def test_sqlalchemy_is_watched(postgres: Postgres) -> None:
    engine = sa.create_engine(postgres.url())
    with pgpoolsafe.install(engine, mode="strict", residue=True):
        with pytest.raises(SessionStateError) as caught, engine.begin() as connection:
            connection.execute(sa.text("SELECT hidden.hide_setting()"))  # the statement
        assert is_here(caught.value.finding)
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT hidden.hide_nothing()"))
    engine.dispose()


def test_async_is_watched(postgres: Postgres) -> None:
    async def play() -> list[Finding]:
        found = []
        async with await psycopg.AsyncConnection.connect(postgres.dsn()) as conn:
            with pgpoolsafe.install(conn, mode="strict", residue=True):
                for statement in ("hide_setting()", "hide_nothing()", "hide_lock(4)"):
                    await conn.execute(f"SELECT hidden.{statement}")  # the statement
                    try:
                        await conn.commit()
                    except SessionStateError as error:
                        found.append(error.finding)
        return found

    found = asyncio.run(play())
    assert [f.statement for f in found] == [
        "SELECT hidden.hide_setting()",
        "SELECT hidden.hide_lock(4)",
    ]
    assert all(map(is_here, found))


def test_behind_a_shared_pooler_it_is_refused(pgbouncer: PgBouncer) -> None:
    with pgbouncer.connect(autocommit=True) as conn:
        with pgpoolsafe.install(conn, mode="strict", residue=True):
            with pytest.raises(ConfigurationError, match="residue=True looks at a session"):
                conn.execute("SELECT 1")


def test_behind_a_pooler_in_session_mode_it_works(
    pgbouncer_with: Callable[..., PgBouncer],
) -> None:
    pooler = pgbouncer_with(pool_mode="session")
    with pooler.connect(autocommit=True) as conn:
        options = {"pooler": "pgbouncer", "pool_mode": "session"}
        with pgpoolsafe.install(conn, mode="strict", residue=True, **options):  # type: ignore[arg-type]
            with pytest.raises(SessionStateError, match="SET work_mem is left"):
                conn.execute("SELECT hidden.hide_setting()")


def test_uninstalled_it_asks_no_more(postgres: Postgres) -> None:
    with connected(postgres) as conn:
        pgpoolsafe.install(conn, mode="strict", residue=True).uninstall()
        mark = postgres.log_mark()
        conn.execute("SELECT hidden.hide_setting()")
        assert asked(postgres.log_since(mark)) == 0


# the pages


@dataclass
class Bench:
    """What the blocks of the pages talk to."""

    names: dict[str, Any]

    def run(self, block: str) -> None:
        """Run a block; a warning fails the test."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(block, "<page>", "exec"), self.names)


@pytest.fixture
def bench(postgres: Postgres) -> Iterator[Bench]:
    engine = sa.create_engine(postgres.url())
    with postgres.connect(row_factory=scalar_row) as conn:
        conn.execute(
            "CREATE FUNCTION work_for(tenant text) RETURNS void LANGUAGE sql"
            " AS $$ SELECT set_config('app.tenant', tenant, false) $$"
        )
        conn.commit()
        yield Bench({"conn": conn, "engine": engine, "pgpoolsafe": pgpoolsafe, "text": sa.text})
        pgpoolsafe.uninstall(conn)
        pgpoolsafe.uninstall(engine)
        engine.dispose()
        conn.rollback()
        conn.execute("DROP FUNCTION work_for(text)")


@pytest.mark.parametrize("library", ["psycopg", "SQLAlchemy"])
def test_the_rules_page_is_right(bench: Bench, library: str) -> None:
    example = PAGES["residue"].examples[library]
    with pytest.raises(SessionStateError) as caught:
        bench.run(example.unsafe)
    assert caught.value.rule == "residue"
    bench.run(example.safe)


def test_the_rules_page_can_be_allowed(bench: Bench) -> None:
    bench.run(PAGES["residue"].allow)


def test_the_page_about_residue_prints_what_it_says(bench: Bench) -> None:
    page = (Path(__file__).parents[2] / "docs" / "residue.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", page, re.M | re.S)
    assert len(blocks) == page.count("```python")
    for block, output in blocks:
        printed = io.StringIO()
        with redirect_stdout(printed):
            bench.run(block)
        assert printed.getvalue() == output
