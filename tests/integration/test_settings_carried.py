"""What a program that SETs gets behind a transaction pooler, one row for each sentence.

Every row runs through PgBouncer in rotation, where the next transaction meets another server
connection, and once more on a connection of its own without the library: the same values.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres, Wiretap

FAILS = "SELECT 1/0"

RULES = {"discard": "ignore"}
"""DISCARD ALL clears what is carried; that it does more on the server connection is told."""


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence; what is sent, one text each; what `SHOW name` then says.

    `options`: settings at start-up; `user`: who connects.
    """

    sentence: str
    steps: tuple[str, ...]
    name: str
    value: str
    user: str = "app"
    options: str = ""


def in_a_transaction(*steps: str) -> tuple[str, ...]:
    return ("BEGIN", *steps, "COMMIT")


ROWS = (
    # The ways to set something.
    Row("SET lasts", ("SET work_mem = '5MB'",), "work_mem", "5MB"),
    Row("SET SESSION is SET", ("SET SESSION work_mem TO 5120",), "work_mem", "5MB"),
    Row("the last SET counts", ("SET work_mem = '5MB'", "SET work_mem = '6MB'"), "work_mem", "6MB"),
    Row(
        "set_config(…, false) is SET",
        ("SELECT set_config('work_mem', '5MB', false)",),
        "work_mem",
        "5MB",
    ),
    Row(
        "set_config(…, true) ends with its statement",
        ("SELECT set_config('work_mem', '5MB', true)",),
        "work_mem",
        "4MB",
    ),
    Row(
        "SET LOCAL ends with the transaction",
        in_a_transaction("SET LOCAL work_mem = '5MB'"),
        "work_mem",
        "4MB",
    ),
    Row(
        "SET LOCAL gives way to the SET before it",
        ("SET work_mem = '5MB'", *in_a_transaction("SET LOCAL work_mem = '6MB'")),
        "work_mem",
        "5MB",
    ),
    Row(
        "a list is a list",
        ('SET search_path TO one, "Two, three", public',),
        "search_path",
        'one, "Two, three", public',
    ),
    Row(
        "a quoted list is one name", ("SET search_path TO 'one, two'",), "search_path", '"one, two"'
    ),
    Row("an empty value is a value", ("SET search_path TO ''",), "search_path", '""'),
    Row("a custom setting is a setting", ("SET app.user_id = 'it''s'",), "app.user_id", "it's"),
    Row("SET TIME ZONE", ("SET TIME ZONE 'Asia/Tokyo'",), "TimeZone", "Asia/Tokyo"),
    Row("SET NAMES", ("SET NAMES 'LATIN1'",), "client_encoding", "LATIN1"),
    Row("SET SCHEMA", ("SET SCHEMA 'one'",), "search_path", "one"),
    Row("SET ROLE", ("SET ROLE reporting",), "role", "reporting"),
    Row("RESET ROLE", ("SET ROLE reporting", "RESET ROLE"), "role", "none"),
    Row(
        "SET SESSION AUTHORIZATION",
        ("SET SESSION AUTHORIZATION reporting",),
        "session_authorization",
        "reporting",
        user="postgres",
    ),
    Row(
        "a role and then what it may not set is refused, as ever",
        ("SET ROLE reporting", "SET log_statement = 'ddl'"),
        "log_statement",
        "all",
        "postgres",
    ),
    Row(
        "what the user could set stays, whatever role comes later",
        ("SET log_statement = 'ddl'", "SET ROLE reporting"),
        "log_statement",
        "ddl",
        "postgres",
    ),
    Row(
        "SESSION CHARACTERISTICS act on the next transaction",
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",),
        "transaction_isolation",
        "serializable",
    ),
    Row(
        "default_transaction_isolation acts on the next transaction",
        ("SET default_transaction_isolation = 'repeatable read'", "BEGIN"),
        "transaction_isolation",
        "repeatable read",
    ),
    Row(
        "not on the one at hand",
        ("BEGIN", "SET default_transaction_isolation = 'repeatable read'"),
        "transaction_isolation",
        "read committed",
    ),
    Row(
        "BEGIN with a level of its own has that",
        (
            "SET default_transaction_isolation = 'repeatable read'",
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
        ),
        "transaction_isolation",
        "serializable",
    ),
    Row(
        "default_transaction_read_only",
        ("SET default_transaction_read_only = on", "BEGIN"),
        "transaction_read_only",
        "on",
    ),
    Row(
        "default_transaction_deferrable",
        ("SET default_transaction_deferrable = on", "BEGIN"),
        "transaction_deferrable",
        "on",
    ),
    # The ways back.
    Row("RESET", ("SET work_mem = '5MB'", "RESET work_mem"), "work_mem", "4MB"),
    Row("SET … TO DEFAULT", ("SET work_mem = '5MB'", "SET work_mem TO DEFAULT"), "work_mem", "4MB"),
    Row("RESET ALL", ("SET work_mem = '5MB'", "RESET ALL"), "work_mem", "4MB"),
    Row("RESET ALL leaves the role", ("SET ROLE reporting", "RESET ALL"), "role", "reporting"),
    Row("DISCARD ALL", ("SET work_mem = '5MB'", "DISCARD ALL"), "work_mem", "4MB"),
    Row("DISCARD ALL takes the role too", ("SET ROLE reporting", "DISCARD ALL"), "role", "none"),
    Row("a start-up option is in force", (), "work_mem", "3MB", options="-c work_mem=3MB"),
    Row(
        "RESET goes back to the start-up option",
        ("SET work_mem = '5MB'", "RESET work_mem"),
        "work_mem",
        "3MB",
        options="-c work_mem=3MB",
    ),
    Row(
        "so does RESET ALL",
        ("SET work_mem = '5MB'", "RESET ALL"),
        "work_mem",
        "3MB",
        options="-c work_mem=3MB",
    ),
    # Transactions.
    Row("COMMIT keeps", in_a_transaction("SET work_mem = '5MB'"), "work_mem", "5MB"),
    Row("ROLLBACK undoes", ("BEGIN", "SET work_mem = '5MB'", "ROLLBACK"), "work_mem", "4MB"),
    Row(
        "ROLLBACK brings back what was before",
        ("SET work_mem = '5MB'", "BEGIN", "SET work_mem = '6MB'", "ROLLBACK"),
        "work_mem",
        "5MB",
    ),
    Row(
        "ROLLBACK undoes RESET too",
        ("SET work_mem = '5MB'", "BEGIN", "RESET work_mem", "ROLLBACK"),
        "work_mem",
        "5MB",
    ),
    Row(
        "ROLLBACK undoes RESET ALL too",
        ("SET work_mem = '5MB'", "BEGIN", "RESET ALL", "ROLLBACK"),
        "work_mem",
        "5MB",
    ),
    Row(
        "inside the transaction it is in force at once",
        ("BEGIN", "SET work_mem = '5MB'"),
        "work_mem",
        "5MB",
    ),
    Row(
        "a failed transaction keeps nothing",
        in_a_transaction("SET work_mem = '5MB'", FAILS),
        "work_mem",
        "4MB",
    ),
    Row(
        "ROLLBACK TO undoes to there",
        in_a_transaction(
            "SET work_mem = '5MB'", "SAVEPOINT s", "SET work_mem = '6MB'", "ROLLBACK TO s"
        ),
        "work_mem",
        "5MB",
    ),
    Row(
        "ROLLBACK TO mends a failed transaction",
        in_a_transaction("SET work_mem = '5MB'", "SAVEPOINT s", FAILS, "ROLLBACK TO s"),
        "work_mem",
        "5MB",
    ),
    Row(
        "RELEASE keeps",
        in_a_transaction("SAVEPOINT s", "SET work_mem = '6MB'", "RELEASE s"),
        "work_mem",
        "6MB",
    ),
    Row(
        "a released savepoint goes with the one around it",
        in_a_transaction(
            "SAVEPOINT s", "SAVEPOINT t", "SET work_mem = '6MB'", "RELEASE t", "ROLLBACK TO s"
        ),
        "work_mem",
        "4MB",
    ),
    Row(
        "COMMIT AND CHAIN keeps, and the next transaction has it",
        ("BEGIN", "SET work_mem = '5MB'", "COMMIT AND CHAIN"),
        "work_mem",
        "5MB",
    ),
    Row(
        "ROLLBACK AND CHAIN undoes, and the next transaction has what was before",
        ("SET work_mem = '5MB'", "BEGIN", "SET work_mem = '6MB'", "ROLLBACK AND CHAIN"),
        "work_mem",
        "5MB",
    ),
    Row(
        "PREPARE TRANSACTION keeps, whatever becomes of what was prepared",
        ("BEGIN", "SET work_mem = '5MB'", "PREPARE TRANSACTION 'row'", "ROLLBACK PREPARED 'row'"),
        "work_mem",
        "5MB",
    ),
    Row(
        "several statements in one text are one transaction",
        (f"SET work_mem = '5MB'; {FAILS}",),
        "work_mem",
        "4MB",
    ),
    Row(
        "which keeps what it set, if all went well",
        ("SET work_mem = '5MB'; SELECT 1",),
        "work_mem",
        "5MB",
    ),
    Row(
        "a whole transaction in one text",
        ("BEGIN; SET work_mem = '5MB'; COMMIT",),
        "work_mem",
        "5MB",
    ),
    # What is wrong is told at once, and changes nothing.
    Row("a wrong value", ("SET work_mem = '5MB'", "SET work_mem = 'much'"), "work_mem", "5MB"),
    Row("a wrong name", ("SET no_such_setting = 1",), "work_mem", "4MB"),
    Row(
        "a wrong value by set_config",
        ("SELECT set_config('work_mem', 'much', false)",),
        "work_mem",
        "4MB",
    ),
    Row("a role that one is no member of", ("SET ROLE postgres",), "role", "none"),
)
"""PostgreSQL's own semantics of settings."""


class Talk:
    """Sends texts, and remembers which of them the server refused."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self.conn = conn
        self.refused: list[tuple[str, str | None]] = []

    def say(self, text: str) -> None:
        try:
            self.conn.execute(text)
        except psycopg.Error as error:
            self.refused.append((text, error.sqlstate))

    def show(self, name: str) -> str:
        row = self.conn.execute(f"SELECT current_setting('{name}', true)").fetchone()
        return str(row[0])


@pytest.fixture
def pool(pgbouncer_with: Callable[..., PgBouncer]) -> PgBouncer:
    """Three server connections in rotation; start-up options do not reach them."""
    return pgbouncer_with(pool_size=3, ignore_startup_parameters="options")


def carried(pool: PgBouncer, user: str = "app", **more: Any) -> psycopg.Connection[Any]:
    """A client connection whose settings are carried."""
    conn = psycopg.connect(pool.dsn(user, **more), autocommit=True)
    pgpoolsafe.install(conn, settings="carry", mode="strict", rules=RULES)
    return conn


def played(conn: psycopg.Connection[Any], row: Row, between: Callable[[], None]) -> Any:
    """What was refused, and the value twice: on the next server connection, and the one after."""
    talk = Talk(conn)
    for step in row.steps:
        talk.say(step)
        between()
    first = talk.show(row.name)
    between()
    return talk.refused, first, talk.show(row.name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence)
def test_settings_are_as_postgresql_has_them(row: Row, postgres: Postgres, pool: PgBouncer) -> None:
    more = {"options": row.options} if row.options else {}
    direct = psycopg.connect(postgres.dsn(row.user, **more), autocommit=True)
    with direct, carried(pool, row.user, **more) as pooled, pool.connect(row.user) as other:

        def others() -> None:
            assert other.execute("SHOW work_mem").fetchone() == ("4MB",)
            assert other.execute("SELECT current_user").fetchone() == (row.user,)
            other.rollback()

        alone = played(direct, row, lambda: None)
        behind = played(pooled, row, others)
        direct.rollback(), pooled.rollback()
    assert behind == alone
    assert behind[1:] == (row.value, row.value)


BOUND = [
    ("SELECT set_config(%s, %s, %s)", ("work_mem", "5MB", False), "5MB"),
    ("SELECT set_config(%s, %s, %s)", ("work_mem", "5MB", True), "4MB"),
    ("SELECT set_config('work_mem', %s, false)", ("5120",), "5MB"),
    ("SELECT set_config('work_mem', %s::text || 'MB', false)", ("5",), "5MB"),
    ("SELECT set_config(%s, NULL, false)", ("work_mem",), "4MB"),
]


@pytest.mark.parametrize("text, params, value", BOUND)
def test_values_may_be_bound(text: str, params: Any, value: str, pool: PgBouncer) -> None:
    with carried(pool) as client, pool.connect(autocommit=True) as other:
        client.execute(text, params)
        for _ in range(3):
            assert Talk(client).show("work_mem") == value
            assert Talk(other).show("work_mem") == "4MB"


def test_two_clients_have_each_their_own(pool: PgBouncer) -> None:
    with carried(pool) as one, carried(pool) as two, pool.connect(autocommit=True) as other:
        one.execute("SET work_mem = '5MB'")
        two.execute("SET work_mem = '6MB'")
        two.execute("SET app.user_id = '7'")
        for _ in range(4):
            assert Talk(one).show("work_mem") == "5MB"
            assert Talk(two).show("work_mem") == "6MB"
            assert Talk(two).show("app.user_id") == "7"
            assert Talk(other).show("work_mem") == "4MB"
            assert Talk(one).show("app.user_id") in ("None", "")


def test_a_connection_made_anew_has_nothing(pool: PgBouncer) -> None:
    with carried(pool) as client:
        client.execute("SET work_mem = '5MB'")
    with carried(pool) as client:
        assert Talk(client).show("work_mem") == "4MB"


WAITS = ["SELECT pg_sleep(60)", "SELECT pg_sleep(%s)"]


@pytest.mark.parametrize("text", WAITS)
@pytest.mark.parametrize("in_block", [False, True], ids=["autocommit", "transaction"])
def test_a_statement_timeout_strikes(text: str, in_block: bool, pool: PgBouncer) -> None:
    with carried(pool) as client:
        client.execute("SET statement_timeout = '300ms'")
        client.execute("SELECT 1")  # the next one is on another server connection
        if in_block:
            client.execute("BEGIN")
        with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
            client.execute(text, [60] if "%s" in text else None)
        client.rollback()


def test_rows_are_those_of_the_tenant(pool: PgBouncer, owner: psycopg.Connection[Any]) -> None:
    owner.execute("CREATE TABLE lib.loans AS SELECT * FROM (VALUES ('a', 1), ('b', 2)) l(who, n)")
    owner.execute("ALTER TABLE lib.loans ENABLE ROW LEVEL SECURITY")
    owner.execute("ALTER TABLE lib.loans FORCE ROW LEVEL SECURITY")
    owner.execute(
        "CREATE POLICY mine ON lib.loans USING (who = current_setting('app.tenant', true))"
    )
    with carried(pool) as a, carried(pool) as b, pool.connect(autocommit=True) as nobody:
        a.execute("SET app.tenant = 'a'")
        b.execute("SET app.tenant = 'b'")
        for _ in range(4):
            assert a.execute("SELECT n FROM lib.loans").fetchall() == [(1,)]
            assert b.execute("SELECT n FROM lib.loans WHERE n > %s", [0]).fetchall() == [(2,)]
            assert nobody.execute("SELECT n FROM lib.loans").fetchall() == []


TRACKED = [
    ("TimeZone", "Asia/Tokyo"),
    ("DateStyle", "German, DMY"),
    ("standard_conforming_strings", "off"),
    ("client_encoding", "LATIN1"),
]


@pytest.mark.parametrize("name, value", TRACKED)
def test_what_pgbouncer_tracks_is_left_to_it(name: str, value: str, pool: PgBouncer) -> None:
    with Wiretap(pool) as tap, psycopg.connect(pool.dsn(), autocommit=True) as other:
        usual = Talk(other).show(name)
        with psycopg.connect(tap.dsn(), autocommit=True) as client:
            pgpoolsafe.install(client, settings="carry", mode="strict")
            client.execute("SELECT 1")
            with tap.counting() as count:
                client.execute(f"SET {name} = '{value}'")
                for _ in range(4):
                    assert Talk(client).show(name) == value
            assert Talk(other).show(name) == usual
    show = f"SELECT current_setting('{name}', true)"
    assert count.passed.texts == [f"SET {name} = '{value}'", *[show] * 4]


ISOLATION, READ_ONLY = "SHOW transaction_isolation", "SHOW transaction_read_only"


def test_a_pipeline_begins_as_the_client_said(pool: PgBouncer) -> None:
    with psycopg.connect(pool.dsn(), autocommit=True) as client:
        pgpoolsafe.install(client, mode="strict")
        client.execute("SET work_mem = '5MB'")
        client.execute("SET default_transaction_isolation = 'serializable'")
        with client.pipeline() as pipeline:
            rows = [client.execute("SHOW work_mem"), client.execute(ISOLATION)]
            pipeline.sync()
            rows += [client.execute("SHOW work_mem"), client.execute(ISOLATION)]
            pipeline.sync()
            client.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            client.execute("COMMIT")
            rows += [client.execute("SHOW work_mem"), client.execute(ISOLATION)]
        assert [row.fetchone() for row in rows] == [("5MB",), ("serializable",)] * 3


@pytest.mark.parametrize(
    "text",
    ["VACUUM pg_catalog.pg_language", "CREATE DATABASE pipelined", "DROP DATABASE pipelined"],
)
def test_so_does_what_follows_a_statement_that_commits(text: str, pool: PgBouncer) -> None:
    rules = {**RULES, "settings-not-carried": "ignore"}
    with psycopg.connect(pool.dsn("postgres"), autocommit=True) as client:
        pgpoolsafe.install(client, mode="strict", rules=rules)
        client.execute("SET work_mem = '5MB'")
        client.execute("SET default_transaction_isolation = 'serializable'")
        with client.pipeline():
            client.execute(text)
            rows = [client.execute("SHOW work_mem"), client.execute(ISOLATION)]
            rows += [client.execute("SHOW work_mem"), client.execute(ISOLATION)]
        assert [row.fetchone() for row in rows] == [("5MB",), ("serializable",)] * 2


def test_what_follows_a_statement_that_may_commit_is_told(pool: PgBouncer) -> None:
    with psycopg.connect(pool.dsn("postgres"), autocommit=True) as client:
        client.execute("CREATE PROCEDURE plainly() LANGUAGE sql AS 'SELECT 1'")
        with (
            pgpoolsafe.install(client, mode="warn"),
            pytest.warns(pgpoolsafe.SessionStateWarning) as told,
        ):
            client.execute("SET work_mem = '5MB'")
            client.execute("SET default_transaction_isolation = 'serializable'")
            with client.pipeline() as pipeline:
                client.execute("CALL plainly()")
                rows = [client.execute("SHOW work_mem"), client.execute(ISOLATION)]
                pipeline.sync()
                rows += [client.execute("SHOW work_mem"), client.execute(ISOLATION)]
        client.execute("DROP PROCEDURE plainly()")
    assert [row.fetchone() for row in rows[::2]] == [("5MB",)] * 2
    assert rows[3].fetchone() == ("serializable",)
    said = [str(warned.message).splitlines()[0] for warned in told]
    runs = "runs without this connection's settings"
    assert said == [
        f"settings-not-carried: CALL {runs} (work_mem, default_transaction_isolation)",
        f"settings-not-carried: SHOW {runs} (default_transaction_isolation)",
    ]


@pytest.mark.parametrize("params", [None, (None,)], ids=["in the text", "bound"])
@pytest.mark.parametrize("is_first", [True, False])
def test_set_config_to_null_in_a_pipeline_goes_back_to_the_options(
    is_first: bool, params: Any, postgres: Postgres, pool: PgBouncer
) -> None:
    options = "-c work_mem=3MB -c statement_timeout=7s"
    text = f"SELECT set_config('work_mem', {'NULL' if params is None else '%s'}, false)"
    found = []
    for server in (postgres, pool):
        with psycopg.connect(server.dsn(options=options), autocommit=True) as client:
            pgpoolsafe.install(client, mode="warn" if server is postgres else "strict")
            client.execute("SET work_mem = '5MB'")
            with client.pipeline() as pipeline:
                rows = [] if is_first else [client.execute("SHOW work_mem")]
                client.execute(text, params)
                rows += [client.execute("SHOW work_mem"), client.execute("SHOW statement_timeout")]
                pipeline.sync()
                rows += [client.execute("SHOW work_mem"), client.execute("SHOW statement_timeout")]
            found.append([row.fetchone() for row in rows])
    assert found[0] == found[1]
    assert found[0][-4:] == [("3MB",), ("7s",)] * 2


def test_so_does_executemany(pool: PgBouncer) -> None:
    with psycopg.connect(pool.dsn(), autocommit=True) as client:
        pgpoolsafe.install(client, mode="strict")
        client.execute("SET default_transaction_read_only = on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            client.cursor().executemany("CREATE TABLE t (n int DEFAULT %s)", [(1,), (2,)])


def test_a_transaction_that_a_pipeline_has_begun_stays_as_it_is(pool: PgBouncer) -> None:
    with psycopg.connect(pool.dsn(), autocommit=True) as client:
        pgpoolsafe.install(client, mode="strict")
        with client.pipeline() as pipeline:
            client.execute("SELECT 1")
            client.execute("SELECT set_config('default_transaction_read_only', 'on', false)")
            now = client.execute(READ_ONLY)
            pipeline.sync()
            later = client.execute(READ_ONLY)
        assert (now.fetchone(), later.fetchone()) == (("off",), ("on",))


def test_where_it_is_not_known_whether_it_has_begun_that_is_told(pool: PgBouncer) -> None:
    with psycopg.connect(pool.dsn(), autocommit=True) as client:
        pgpoolsafe.install(client)
        with client.pipeline():
            assert client.execute("SELECT 1").fetchone() == (1,)
            with pgpoolsafe.settings(client, default_transaction_read_only="on"):
                with pytest.warns(
                    pgpoolsafe.SessionStateWarning, match="default_transaction_read_only"
                ):
                    assert client.execute("SHOW work_mem").fetchone() == ("4MB",)


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize(
    "end", [psycopg.Connection.commit, lambda client: client.execute("COMMIT")]
)
def test_a_pipeline_that_failed_keeps_nothing_of_its_transaction(
    pool: PgBouncer, end: Callable[[Any], Any], synced: bool
) -> None:
    for _ in range(40):  # how much of the answer was read when COMMIT is sent is a matter of luck
        with psycopg.connect(pool.dsn()) as client:
            pgpoolsafe.install(client, mode="strict")
            client.execute("SET work_mem = '5MB'")
            with suppress(psycopg.Error), client.pipeline() as pipeline:
                with suppress(psycopg.Error):
                    client.execute("SELECT nowhere")
                    if synced:
                        pipeline.sync()
                end(client)
            client.rollback()
            assert client.execute("SHOW work_mem").fetchone() == ("4MB",)


def test_what_shows_to_clients_without_it_is_carried(pool: PgBouncer) -> None:
    # Up to 1.21 PgBouncer lets a client that came without a name have that of another one.
    name = "application_name"
    with psycopg.connect(pool.dsn(), autocommit=True) as other:
        with psycopg.connect(pool.dsn(), autocommit=True) as client:
            pgpoolsafe.install(client, settings="carry", mode="strict")
            client.execute(f"SET {name} = 'ours'")
            for _ in range(4):
                assert Talk(client).show(name) == "ours"
                assert Talk(other).show(name) != "ours"
            client.execute(f"RESET {name}")
            assert [Talk(client).show(name) for _ in range(4)] == [""] * 4


DOORS = {
    "direct": {"pooler": "direct"},
    "session pool": {"pooler": "pgbouncer>=1.18", "pool_mode": "session"},
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence)
def test_where_nobody_shares_the_wire_is_as_without(
    door: str, row: Row, postgres: Postgres, pgbouncer_with: Callable[..., PgBouncer]
) -> None:
    if row.options and door != "direct":
        return  # PgBouncer takes no start-up options, whoever asks
    server = postgres if door == "direct" else pgbouncer_with(pool_mode="session")
    more = {"options": row.options} if row.options else {}
    heard = []
    with Wiretap(server) as tap:
        for options in (None, DOORS[door]):
            with psycopg.connect(tap.dsn(row.user, **more), autocommit=True) as conn:
                if options:
                    pgpoolsafe.install(conn, settings="carry", **options)
                with tap.counting() as count:
                    played(conn, row, lambda: None)
                conn.rollback()
            heard.append(count.passed)
    assert heard[1].sent == heard[0].sent
    assert heard[1].trips == heard[0].trips


WHO = "SELECT session_user, current_user, current_setting('log_statement')"


@pytest.mark.parametrize("pooler", ["pgbouncer>=1.18", "pgbouncer>=1.26"])
@pytest.mark.parametrize("texts", [("SET log_statement = 'none'",), ("SET ROLE reporting",)])
def test_a_session_authorization_is_carried_though_the_pooler_may_keep_it(
    texts: tuple[str, ...], pooler: str, postgres: Postgres, pgbouncer: PgBouncer
) -> None:
    """It decides who sets the others, and ends the role: by itself the pooler would come first."""
    texts = (*texts, "SET SESSION AUTHORIZATION app", WHO, "RESET SESSION AUTHORIZATION", WHO)
    with (
        postgres.connect("postgres", autocommit=True) as alone,
        pgbouncer.connect("postgres", autocommit=True) as shared,
        pgpoolsafe.install(shared, pooler=pooler, pool_mode="transaction"),
    ):
        for text in texts:
            expected, found = alone.execute(text), shared.execute(text)
            if text == WHO:
                assert found.fetchone() == expected.fetchone()
