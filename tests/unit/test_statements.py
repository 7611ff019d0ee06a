"""Statements and what they do to the session: every spelling, and every look-alike."""

from __future__ import annotations

import pytest

from pgpoolsafe.effects import Bound, Control, ControlVerb, Effect, EffectKind, Scope, Verb
from pgpoolsafe.sql.reader import read
from tests.unit.effect_words import effects, tell

CHANNELS = [
    ("LISTEN jobs", ["acquire listening channel jobs"]),
    ('listen "Jobs"', ["acquire listening channel Jobs"]),
    ("LISTEN Jobs;", ["acquire listening channel jobs"]),
    ("LISTEN %s", ["acquire listening channel ?"]),
    ("UNLISTEN jobs", ["release listening channel jobs"]),
    ("UNLISTEN *", ["release listening channel"]),
    ("/* c */ -- d\n LISTEN jobs", ["acquire listening channel jobs"]),
]

CURSORS = [
    ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", ["acquire held cursor c"]),
    ('DECLARE "C" NO SCROLL CURSOR WITH HOLD FOR SELECT 1', ["acquire held cursor C"]),
    (
        "DECLARE hold BINARY INSENSITIVE SCROLL CURSOR WITH HOLD FOR TABLE t",
        ["acquire held cursor hold"],
    ),
    ("DECLARE c ASENSITIVE CURSOR WITH /* x */ HOLD FOR SELECT 1", ["acquire held cursor c"]),
    ("CLOSE c", ["release held cursor c"]),
    ("CLOSE ALL", ["release held cursor"]),
    ('CLOSE "all"', ["release held cursor all"]),
]

PREPARED = [
    ("PREPARE p AS SELECT 1", ["acquire prepared statement p"]),
    (
        "PREPARE p (int, text) AS SELECT set_config('a', 'b', false)",
        ["acquire prepared statement p"],
    ),
    ("PREPARE transaction AS SELECT 1", ["acquire prepared statement transaction"]),
    ("PREPARE transaction (int) AS SELECT 1", ["acquire prepared statement transaction"]),
    ("EXECUTE p", ["read prepared statement p"]),
    (
        "EXECUTE p (1, pg_advisory_lock(1))",
        ["read prepared statement p", "acquire advisory lock 1"],
    ),
    ("EXPLAIN EXECUTE p", ["read prepared statement p"]),
    ("EXPLAIN EXECUTE p (pg_advisory_lock(1))", ["read prepared statement p"]),
    ("EXPLAIN ANALYZE EXECUTE p (1)", ["read prepared statement p"]),
    ("EXPLAIN CREATE TABLE t AS EXECUTE p", ["read prepared statement p"]),
    ("CREATE TABLE t AS EXECUTE p (1)", ["read prepared statement p"]),
    (
        "CREATE TEMP TABLE t AS EXECUTE p",
        ["acquire temporary object t", "read prepared statement p"],
    ),
    ("DEALLOCATE p", ["release prepared statement p"]),
    ("DEALLOCATE PREPARE p", ["release prepared statement p"]),
    ("DEALLOCATE prepare", ["release prepared statement prepare"]),
    ("DEALLOCATE ALL", ["release prepared statement"]),
    ("DEALLOCATE PREPARE ALL", ["release prepared statement"]),
    ('DEALLOCATE "all"', ["release prepared statement all"]),
]

TEMPORARY = [
    ("CREATE TEMP TABLE t (id int)", ["acquire temporary object t"]),
    ("CREATE TEMPORARY TABLE IF NOT EXISTS t (id int)", ["acquire temporary object t"]),
    ("CREATE LOCAL TEMP TABLE t ()", ["acquire temporary object t"]),
    ("CREATE GLOBAL TEMPORARY TABLE t ()", ["acquire temporary object t"]),
    ("CREATE TEMP TABLE t () ON COMMIT DELETE ROWS", ["acquire temporary object t"]),
    ("CREATE TEMP TABLE t () ON COMMIT PRESERVE ROWS", ["acquire temporary object t"]),
    ("CREATE TEMP TABLE t () ON COMMIT DROP", ["acquire temporary object t (transaction)"]),
    (
        "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1",
        ["acquire temporary object t (transaction)"],
    ),
    ("CREATE TEMP TABLE t AS SELECT a FROM b JOIN c ON commit", ["acquire temporary object t"]),
    ('CREATE TEMP TABLE "T x" ()', ["acquire temporary object T x"]),
    ("CREATE TEMP TABLE temp ()", ["acquire temporary object temp"]),
    ("CREATE TEMP VIEW v AS SELECT set_config('a', 'b', false)", ["acquire temporary object v"]),
    ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", ["acquire temporary object v"]),
    ("CREATE TEMP RECURSIVE VIEW v (n) AS SELECT 1", ["acquire temporary object v"]),
    ("CREATE TEMP SEQUENCE s", ["acquire temporary object s"]),
    ("CREATE TABLE pg_temp.t ()", ["acquire temporary object t"]),
    ("CREATE TABLE pg_temp_3.t ()", ["acquire temporary object t"]),
    ('CREATE TABLE IF NOT EXISTS db."pg_temp"."T" ()', ["acquire temporary object T"]),
    ("CREATE SEQUENCE pg_temp.s", ["acquire temporary object s"]),
    ("CREATE TYPE pg_temp.e AS ENUM ('a')", ["acquire temporary object e"]),
    ("CREATE DOMAIN pg_temp.d AS int", ["acquire temporary object d"]),
    (
        "CREATE OR REPLACE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ["acquire temporary object f"],
    ),
    ("CREATE PROCEDURE pg_temp.p() LANGUAGE sql AS ''", ["acquire temporary object p"]),
    ("CREATE OPERATOR pg_temp.=== (function = f)", ["acquire temporary object ==="]),
    (
        "CREATE OPERATOR CLASS pg_temp.c FOR TYPE t USING btree AS OPERATOR 1 <",
        ["acquire temporary object c"],
    ),
    ("IMPORT FOREIGN SCHEMA a FROM SERVER s INTO pg_temp", ["acquire temporary object"]),
    ("CREATE AGGREGATE pg_temp.a (int) (sfunc = f)", ["acquire temporary object a"]),
    ("CREATE FOREIGN TABLE pg_temp.f () SERVER s", ["acquire temporary object f"]),
    ("CREATE VIEW pg_temp.v AS SELECT 1", ["acquire temporary object v"]),
    ("CREATE VIEW v AS SELECT * FROM pg_temp.t", ["acquire temporary object v"]),
    ("CREATE TEXT SEARCH CONFIGURATION pg_temp.c (copy = simple)", ["acquire temporary object c"]),
    ("CREATE COLLATION pg_temp.c (locale = 'C')", ["acquire temporary object c"]),
    ("SELECT 1 INTO TEMP t", ["acquire temporary object t"]),
    ("SELECT a INTO TEMPORARY TABLE t FROM b", ["acquire temporary object t"]),
    ("SELECT a INTO LOCAL TEMP t FROM b", ["acquire temporary object t"]),
    ("SELECT a INTO pg_temp.t FROM b", ["acquire temporary object t"]),
    ("SELECT a INTO TABLE pg_temp.t FROM b", ["acquire temporary object t"]),
    ("(SELECT a INTO TEMP t FROM b)", ["acquire temporary object t"]),
    (
        "WITH x AS (INSERT INTO y VALUES (1) RETURNING 1) SELECT 1 INTO TEMP t FROM x",
        ["acquire temporary object t"],
    ),
    ("EXPLAIN (ANALYZE) CREATE TEMP TABLE t AS SELECT 1", ["acquire temporary object t"]),
    ("EXPLAIN ANALYZE SELECT 1 INTO TEMP t", ["acquire temporary object t"]),
    (
        "CREATE TEMP TABLE t AS SELECT set_config('a', 'b', false)",
        ["acquire temporary object t", "acquire setting a"],
    ),
    (
        "CREATE TEMP TABLE t AS SELECT set_config('a', 'b', false) WITH NO DATA",
        ["acquire temporary object t"],
    ),
    ("DROP TABLE t", ["release temporary object t"]),
    (
        "DROP TABLE IF EXISTS a, pg_temp.b, public.c CASCADE",
        ["release temporary object a", "release temporary object b"],
    ),
    ("DROP VIEW v; DROP SEQUENCE s", ["release temporary object v", "release temporary object s"]),
    ("DROP FUNCTION pg_temp.f(int, text), g(int)", ["release temporary object f"]),
    ("DROP OPERATOR pg_temp.=== (int, int), + (int, int)", ["release temporary object ==="]),
    ("DROP TYPE pg_temp.e", ["release temporary object e"]),
]

OTHERS = [
    ("LOAD 'age'", ["acquire library age"]),
    ("load E'$libdir/\\x61ge'", ["acquire library $libdir/age"]),
    ("DISCARD ALL", ["release the whole session"]),
    ("DISCARD PLANS", ["release the whole session plans"]),
    ("DISCARD SEQUENCES", ["release the whole session sequences"]),
    ("DISCARD TEMP", ["release the whole session temp", "release temporary object"]),
    ("DISCARD TEMPORARY", ["release the whole session temp", "release temporary object"]),
    ("UPDATE pg_settings SET setting = '1' WHERE name = 'Work_Mem'", ["acquire setting work_mem"]),
    (
        "update only pg_catalog.pg_settings s set setting = 1 where s.name in ('a', 'b')",
        ["acquire setting a", "acquire setting b"],
    ),
    ("UPDATE pg_settings SET setting = %s WHERE name = %s", ["acquire setting ?"]),
    ("UPDATE pg_settings SET setting = reset_val", ["acquire setting"]),
    ("UPDATE db.pg_catalog.pg_settings SET setting = 1 WHERE name = 'a'", ["acquire setting a"]),
    ("UPDATE pg_settings SET setting = 1 WHERE name = 'a' || 'b'", ["acquire setting"]),
    ("UPDATE pg_settings SET setting = 1 WHERE name = 'a' OR true", ["acquire setting"]),
    (
        "UPDATE pg_settings SET setting = 1 WHERE name = 'a'::text AND unit = 'kB'",
        ["acquire setting a"],
    ),
    (
        "WITH x AS (UPDATE pg_settings SET setting = '1' WHERE name = 'a' RETURNING 1) SELECT 1",
        ["acquire setting a"],
    ),
    ("UPDATE pg_settings SET setting = 'on' WHERE name = 'transaction_read_only'", []),
]


@pytest.mark.parametrize("text, expected", [*CHANNELS, *CURSORS, *PREPARED, *TEMPORARY, *OTHERS])
def test_what_a_statement_does(text: str, expected: list[str]) -> None:
    assert tell(text) == expected


LOOK_ALIKES = [
    # SET that is no SET
    "UPDATE t SET work_mem = 1",
    "UPDATE t SET a = 1, b = 2 WHERE c = 'SET x = 1'",
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = 2",
    "ALTER TABLE t SET (fillfactor = 70)",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT set_config('a', 'b', false)",
    "ALTER TABLE t ADD CHECK (set_config('a', 'b', false) = 'b') NOT VALID",
    "ALTER TABLE t ALTER a SET DEFAULT setseed(1), ADD COLUMN b int",
    "ALTER ROLE r SET work_mem = '8MB'",
    "ALTER ROLE r RESET ALL",
    "ALTER DATABASE d SET search_path = a",
    "ALTER SYSTEM SET work_mem = '8MB'",
    "ALTER FUNCTION f() SET work_mem = '8MB'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a AS 'SELECT 1'",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET LOCAL TRANSACTION READ ONLY",
    "SET SESSION TRANSACTION READ ONLY",
    "SET TRANSACTION SNAPSHOT '1'",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET transaction_read_only = on",
    "SET SESSION transaction_isolation = 'serializable'",
    "RESET transaction_isolation",
    "RESET TRANSACTION ISOLATION LEVEL",
    "SELECT set_config('transaction_read_only', 'on', false)",
    "SELECT current_setting('work_mem')",
    "SHOW work_mem",
    "SET work_mem",
    "SET",
    "RESET",
    '"set" x = 1',
    # Functions that are not called, or are somebody else's
    "SELECT app.set_config('a', 'b', false), app.pg_advisory_lock(1)",
    "SELECT 'set_config(''a'', ''b'', false)'",
    "SELECT $$ pg_advisory_lock(1) $$",
    "SELECT 1 -- pg_advisory_lock(1)",
    "SELECT 1 /* pg_advisory_lock(1) */",
    "SELECT set_config, pg_advisory_lock FROM setseed",
    "SELECT \"SET_CONFIG\"('a', 'b', false)",
    "SELECT x.set_config FROM x",
    "SELECT set_config('a', 'b')",
    "SELECT set_config(a, b, c, d)",
    "INSERT INTO set_config (a, b, c) VALUES (1, 2, 3)",
    "INSERT INTO pg_advisory_lock (a) SELECT 1",
    "COPY pg_advisory_lock (a) FROM STDIN",
    "SELECT * FROM t AS pg_advisory_lock (a)",
    "SELECT * FROM t pg_advisory_lock (a)",
    "SELECT * FROM f(1) setseed (a)",
    "WITH pg_advisory_lock (a) AS (SELECT 1) SELECT a FROM pg_advisory_lock",
    "WITH x AS (SELECT 1), setseed (a) AS MATERIALIZED (SELECT 1) SELECT 1 FROM setseed",
    "SELECT 1::pg_advisory_lock(4)",
    "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(1, 2)",
    "SELECT pg_notify('c', 'x'), pg_listening_channels(), pg_my_temp_schema()",
    "SELECT pg_backend_pid(), pg_export_snapshot(), lo_open(1, 2)",
    "SELECT pg_replication_origin_xact_setup('0/0', now())",
    "SELECT * FROM dblink('dbname=x', 'SELECT 1') AS t(a int)",
    "SELECT isn_weak()",
    # What is not executed
    "EXPLAIN SELECT set_config('a', 'b', false)",
    "EXPLAIN (ANALYZE false) SELECT set_config('a', 'b', false)",
    "EXPLAIN (ANALYZE, ANALYZE off) SELECT set_config('a', 'b', false)",
    "EXPLAIN (COSTS OFF) CREATE TEMP TABLE t AS SELECT 1",
    "EXPLAIN DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "WITH x AS (SELECT set_config('a', 'b', false)) SELECT 1",
    "WITH x AS (SELECT set_config('a', 'b', false)), y AS (SELECT * FROM x) SELECT 1",
    "WITH x AS (WITH y AS (SELECT 1) SELECT set_config('a', 'b', false)) SELECT 1",
    "CREATE VIEW v AS SELECT pg_advisory_lock(1)",
    "CREATE MATERIALIZED VIEW v AS SELECT pg_advisory_lock(1) WITH NO DATA",
    "CREATE TABLE t (a int DEFAULT setseed(1))",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET x = 1; LISTEN y; END $$",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT pg_advisory_lock(1); SELECT 2; END",
    "CREATE TRIGGER t AFTER INSERT ON u EXECUTE FUNCTION pg_advisory_lock()",
    "CREATE RULE r AS ON INSERT TO t DO (SELECT pg_advisory_lock(1); SELECT 2)",
    "CREATE POLICY p ON t USING (set_config('a', 'b', false) = 'b')",
    "DROP FUNCTION set_config(text, text, boolean)",
    "COMMENT ON FUNCTION set_config(text, text, boolean) IS 'LISTEN x'",
    "GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO r",
    # Objects that are not temporary, and words that are only names
    "CREATE TABLE t (id int)",
    "CREATE UNLOGGED TABLE temp (id int)",
    "CREATE TABLE public.pg_temp (id int)",
    "CREATE TABLE temp.t (id int)",
    "SELECT a INTO t FROM b",
    "SELECT a INTO temp FROM b",
    "SELECT a INTO temp",
    "SELECT a INTO temp.t FROM b",
    "SELECT a INTO UNLOGGED t FROM b",
    "SELECT 1 AS into, b.temp FROM b",
    "INSERT INTO pg_temp.t VALUES (1)",
    "CREATE INDEX temp ON t (a)",
    "CREATE VIEW v AS SELECT pg_temp.f()",
    "CREATE VIEW v AS SELECT 'a'::pg_temp.e",
    "CREATE MATERIALIZED VIEW v AS SELECT set_config('a', 'b', false)",
    "CREATE OPERATOR public.=== (function = f)",
    "CREATE OPERATOR === (function = f)",
    "DROP OPERATOR === (int, int)",
    "IMPORT FOREIGN SCHEMA pg_temp FROM SERVER s INTO public",
    "DROP TABLE public.t",
    "DROP INDEX i",
    "DROP FUNCTION f(int)",
    "DECLARE hold CURSOR FOR SELECT 1",
    "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
    "SELECT listen, load, prepare, discard FROM execute",
    "NOTIFY c, 'LISTEN x'",
    "LOCK TABLE t",
    "SECURITY LABEL ON TABLE t IS 'x'",
    "TABLE listen",
    "VALUES ('LOAD DATA')",
    "UPDATE app.pg_settings SET setting = 1",
    "SELECT * FROM pg_settings WHERE name = 'a' FOR UPDATE",
    "SELECT * FROM pg_prepared_statements, pg_cursors",
    "VACUUM",
    "",
    ";;",
    "-- only a comment",
    "/* only a comment */",
    "(((",
    "{x}",
]


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alikes_do_nothing(text: str) -> None:
    reading = read(text)
    assert reading.plain
    assert not any(statement.effects for statement in reading.statements)


@pytest.mark.parametrize(
    "text, verb, name, chain",
    [
        ("BEGIN", ControlVerb.BEGIN, None, False),
        ("START TRANSACTION", ControlVerb.BEGIN, None, False),
        ("COMMIT", ControlVerb.COMMIT, None, False),
        ("END TRANSACTION", ControlVerb.COMMIT, None, False),
        ("COMMIT AND CHAIN", ControlVerb.COMMIT, None, True),
        ("COMMIT WORK AND NO CHAIN", ControlVerb.COMMIT, None, False),
        ("ROLLBACK", ControlVerb.ROLLBACK, None, False),
        ("ABORT WORK AND CHAIN", ControlVerb.ROLLBACK, None, True),
        ("SAVEPOINT Sp", ControlVerb.SAVEPOINT, "sp", False),
        ('SAVEPOINT "Sp"', ControlVerb.SAVEPOINT, "Sp", False),
        ("RELEASE sp", ControlVerb.RELEASE, "sp", False),
        ("RELEASE SAVEPOINT sp", ControlVerb.RELEASE, "sp", False),
        ("RELEASE savepoint", ControlVerb.RELEASE, "savepoint", False),
        ("ROLLBACK TO sp", ControlVerb.ROLLBACK_TO, "sp", False),
        ("ROLLBACK WORK TO SAVEPOINT sp", ControlVerb.ROLLBACK_TO, "sp", False),
        ("ROLLBACK TRANSACTION TO sp", ControlVerb.ROLLBACK_TO, "sp", False),
        ("PREPARE TRANSACTION 'id'", ControlVerb.PREPARE_TRANSACTION, None, False),
        ("COMMIT PREPARED 'id'", ControlVerb.COMMIT_PREPARED, None, False),
        ("ROLLBACK PREPARED 'id'", ControlVerb.ROLLBACK_PREPARED, None, False),
    ],
)
def test_transaction_control(text: str, verb: ControlVerb, name: str | None, chain: bool) -> None:
    (statement,) = read(f"/* c */ {text};").statements
    assert statement.control == Control(verb, name, chain)
    assert statement.effects == ()


# what a BEGIN says of its transaction, the defaults that it so decides
MODES: list[tuple[str, list[str]]] = [
    ("BEGIN", []),
    ("begin work isolation level serializable", ["isolation"]),
    ("BEGIN ISOLATION LEVEL REPEATABLE READ", ["isolation"]),
    ("START TRANSACTION READ ONLY", ["read_only"]),
    ("BEGIN TRANSACTION READ WRITE", ["read_only"]),
    ("BEGIN DEFERRABLE", ["deferrable"]),
    ("BEGIN NOT DEFERRABLE", ["deferrable"]),
    (
        "START TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, READ ONLY, NOT DEFERRABLE",
        ["isolation", "read_only", "deferrable"],
    ),
    ("BEGIN /* READ ONLY */", []),
]


@pytest.mark.parametrize("text, modes", MODES)
def test_the_modes_of_a_transaction(text: str, modes: list[str]) -> None:
    (statement,) = read(text).statements
    defaults = frozenset(f"default_transaction_{mode}" for mode in modes)
    assert statement.control == Control(ControlVerb.BEGIN, modes=defaults)


LOCKS = [
    ("pg_advisory_lock(1)", ("1",)),
    ("pg_advisory_lock( 1 , 2 )", ("1", "2")),
    ("pg_advisory_lock(1::bigint)", ("1",)),
    ("pg_advisory_lock(CAST(1 AS bigint))", ("1",)),
    ("pg_advisory_lock((1))", ("1",)),
    ("pg_advisory_lock(- 5)", ("-5",)),
    ("pg_advisory_lock(-5::bigint)", ("-5",)),
    ("pg_advisory_lock('7')", ("7",)),
    ("pg_advisory_lock(bigint '7')", ("7",)),
    ("pg_advisory_lock(1_000)", ("1000",)),
    ("pg_advisory_lock(%s)", (Bound(0),)),
    ("pg_advisory_lock(%s::bigint, %(b)s)", (Bound(0), Bound("b"))),
    ("pg_advisory_lock($2)", (Bound(1),)),
    ("pg_advisory_lock(hashtext('Job'))", ("hashtext('Job')",)),
    ("pg_advisory_lock( HASHTEXT ( 'Job' ) :: bigint )", ("hashtext('Job')",)),
    ("pg_advisory_lock(hashtext(%s))", ("hashtext(", Bound(0), ")")),
    ("pg_advisory_lock(1, hashtext(%s::text))", ("1", "hashtext(", Bound(0), ")")),
    ("pg_advisory_lock(a.id and b)", ("a.id and b",)),
]


@pytest.mark.parametrize("call, key", LOCKS)
def test_the_key_of_a_lock(call: str, key: tuple[str | Bound, ...]) -> None:
    (effect,) = effects(f"SELECT {call}")
    assert effect.key == key


def test_the_same_expression_gives_the_same_key_however_long() -> None:
    expression = "+".join("a" for _ in range(500))
    acquired, released = effects(
        f"SELECT pg_advisory_lock({expression}), pg_advisory_unlock( {expression} )"
    )
    assert acquired.key == released.key


LOCK_FUNCTIONS = [
    ("pg_advisory_lock", Verb.ACQUIRE, False, False),
    ("pg_advisory_lock_shared", Verb.ACQUIRE, True, False),
    ("pg_try_advisory_lock", Verb.ACQUIRE, False, True),
    ("pg_try_advisory_lock_shared", Verb.ACQUIRE, True, True),
    ("pg_advisory_unlock", Verb.RELEASE, False, False),
    ("pg_advisory_unlock_shared", Verb.RELEASE, True, False),
]


@pytest.mark.parametrize("name, verb, shared, by_attempt", LOCK_FUNCTIONS)
@pytest.mark.parametrize("prefix", ["", "pg_catalog.", '"pg_catalog" . ', "db.pg_catalog."])
def test_lock_functions(prefix: str, name: str, verb: Verb, shared: bool, by_attempt: bool) -> None:
    assert effects(f"SELECT {prefix}{name}(1)") == [
        Effect(
            EffectKind.ADVISORY_LOCK,
            verb,
            ("1",),
            function=name,
            shared=shared,
            by_attempt=by_attempt,
        )
    ]


FUNCTIONS = [
    ("pg_advisory_unlock_all()", ["release advisory lock"]),
    ("currval('s')", ["read sequence state s"]),
    ("currval('s'::regclass)", ["read sequence state s"]),
    ("currval(%s)", ["read sequence state"]),
    ("currval(pg_get_serial_sequence('t', 'id'))", ["read sequence state"]),
    ("lastval()", ["read sequence state"]),
    ("setseed(0.5)", ["acquire session function"]),
    ("set_limit(0.5)", ["acquire setting pg_trgm.similarity_threshold"]),
    ("public.set_limit(0.5)", ["acquire setting pg_trgm.similarity_threshold"]),
    ("dblink_connect('dbname=x')", ["acquire session function unnamed"]),
    ("dblink_connect('c', 'dbname=x')", ["acquire session function c"]),
    ("extensions.dblink_connect_u(%s, 'dbname=x')", ["acquire session function ?"]),
    ("dblink_send_query('c', 'SELECT 1')", ["acquire session function c"]),
    ("dblink_disconnect()", ["release session function unnamed"]),
    ("dblink_disconnect('c')", ["release session function c"]),
    ("dblink_open('cur', 'SELECT 1', false)", ["acquire session function cursor, 'cur'"]),
    ("dblink_close('cur')", ["release session function cursor, 'cur'"]),
    ("pg_backup_start('label', true)", ["acquire session function backup"]),
    ("pg_backup_stop()", ["release session function backup"]),
    ("pg_start_backup('label')", []),
    ("pg_start_backup('label', false, false)", ["acquire session function backup"]),
    ("pg_stop_backup(false)", ["release session function backup"]),
    ("pg_replication_origin_session_setup('o')", ["acquire session function replication origin"]),
    ("pg_replication_origin_session_reset()", ["release session function replication origin"]),
    ("pg_create_physical_replication_slot('s')", []),
    ("pg_create_physical_replication_slot('s', false, false)", []),
    ("pg_create_physical_replication_slot('s', false, true)", ["acquire session function s"]),
    ("pg_create_logical_replication_slot('s', 'p', %s)", ["acquire session function s"]),
    (
        "pg_create_logical_replication_slot('s', 'p', temporary => true)",
        ["acquire session function s"],
    ),
    ("set_user('admin')", ["acquire session function set_user"]),
    ("reset_user()", ["release session function set_user"]),
    ("pgv_set_int('p', 'n', 1)", ["acquire session function p"]),
    ("dbms_output.enable()", ["acquire session function dbms_output"]),
    ("enable()", []),
    ("dbms_alert.register('a')", ["acquire session function a"]),
    ("dbms_pipe.send_message('p')", ["acquire session function dbms_pipe"]),
    ("isn_weak(true)", ["acquire session function isn_weak"]),
    ("hypopg_create_index('CREATE INDEX ON t (a)')", ["acquire session function hypopg"]),
    ("set_config('a', 'b', false)", ["acquire setting a"]),
]


@pytest.mark.parametrize("call, expected", FUNCTIONS)
def test_functions(call: str, expected: list[str]) -> None:
    assert tell(f"SELECT {call}") == expected


PLACES = [
    "SELECT {}",
    "SELECT 1 FROM {}",
    "SELECT * FROM a, LATERAL {} AS x",
    "SELECT * FROM a CROSS JOIN {} x",
    "SELECT DISTINCT ON (a) {} FROM b",
    "SELECT DISTINCT {} FROM b",
    "SELECT a FROM b WHERE {} IS NULL AND NOT c",
    "SELECT a FROM b WHERE c OR {} IS NULL",
    "SELECT a FROM b GROUP BY a HAVING {} IS NULL",
    "SELECT a FROM b ORDER BY {}",
    "SELECT a FROM b LIMIT {}",
    "SELECT a FROM b OFFSET {}",
    "SELECT CASE WHEN {} IS NULL THEN 1 ELSE 2 END",
    "SELECT CASE {} WHEN 1 THEN 2 END",
    "SELECT (SELECT ARRAY[{}])",
    "SELECT coalesce({}::text, 'x')",
    "SELECT -{}",
    "SELECT a = {}",
    "SELECT a BETWEEN {} AND 2",
    "SELECT sum(a) FILTER (WHERE {} IS NULL) FROM b",
    "SELECT sum(a) OVER (PARTITION BY b, {}) FROM b",
    "SELECT 1 UNION ALL SELECT {}",
    "(SELECT {})",
    "((SELECT 1) UNION (SELECT {}))",
    "VALUES ({})",
    "INSERT INTO t VALUES (1, {})",
    "INSERT INTO t (a) SELECT {}",
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = {}",
    "INSERT INTO t VALUES (1) RETURNING {}",
    "UPDATE t SET a = {}",
    "UPDATE t SET a = 1 FROM {} x WHERE true",
    "DELETE FROM t WHERE {} IS NULL",
    "DELETE FROM t USING {} x",
    "MERGE INTO t USING {} x ON true WHEN MATCHED THEN DELETE",
    "WITH x AS (SELECT {}) SELECT * FROM x",
    "WITH x AS NOT MATERIALIZED (SELECT {}) SELECT * FROM x",
    "WITH x AS (SELECT {}), y AS (SELECT * FROM x) SELECT * FROM y",
    "WITH x AS (INSERT INTO t VALUES ({}) RETURNING 1) SELECT 1",
    "WITH RECURSIVE x AS (SELECT {} UNION SELECT * FROM x) SELECT * FROM x",
    "WITH x AS (SELECT 1) SELECT {}",
    "COPY (SELECT {}) TO STDOUT",
    "COPY t FROM STDIN WHERE {} IS NULL",
    "CALL p({})",
    "EXPLAIN ANALYZE SELECT {}",
    "EXPLAIN (ANALYZE, COSTS OFF) SELECT {}",
    "EXPLAIN (ANALYZE false, ANALYZE) SELECT {}",
    "EXPLAIN ANALYZE VERBOSE INSERT INTO t VALUES ({})",
    "EXPLAIN ANALYZE DECLARE c CURSOR WITH HOLD FOR SELECT {}",
    "CREATE TABLE t AS SELECT {}",
    "CREATE TABLE t (a) AS SELECT {} WITH DATA",
    "CREATE MATERIALIZED VIEW v AS SELECT {}",
    "SELECT {} INTO t FROM b",
    "DECLARE c CURSOR FOR SELECT {}",
    "ALTER TABLE t ALTER a TYPE int USING {}",
    "ALTER TABLE t ADD COLUMN a text DEFAULT {}",
    "ALTER TABLE t DROP COLUMN b, ADD a text NOT NULL DEFAULT {}, ADD c int",
    "ALTER TABLE t ADD CONSTRAINT c CHECK ({} IS NULL)",
    "SELECT 1; SELECT {}",
    "SELECT XMLELEMENT(NAME a, {})",
    "SELECT substring('abc' FROM {} FOR 1)",
    "SELECT a AT TIME ZONE {}",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_function_counts_wherever_it_is_called(place: str) -> None:
    assert tell(place.format("pg_advisory_lock(1)")) == ["acquire advisory lock 1"]


@pytest.mark.parametrize(
    "text, draws",
    [
        ("SELECT 1", False),
        ("UPDATE t SET a = 1", False),
        ("UPDATE t SET a = DEFAULT", True),
        ("WITH x AS (UPDATE t SET a = DEFAULT RETURNING 1) SELECT 1", True),
        ("ALTER TABLE t ADD COLUMN a serial", True),
        ("ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS IDENTITY", True),
        ("ALTER TABLE t ADD COLUMN a int", False),
        ("INSERT INTO t VALUES (1)", True),
        ("MERGE INTO t USING s ON true WHEN NOT MATCHED THEN INSERT VALUES (1)", True),
        ("COPY t FROM STDIN", True),
        ("SELECT nextval('s')", True),
        ("SELECT setval('s', 1)", True),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING id) SELECT * FROM x", True),
        ("CALL p()", True),
        ("DO 'BEGIN END'", True),
        ("EXECUTE p", True),
        ("CREATE TABLE t AS EXECUTE p", True),
        ("SELECT 1; INSERT INTO t VALUES (1)", True),
        ("INSERT INTO t VALUES (1); SELECT currval('s')", True),
        ("SELECT currval('s')", False),
        ("SET x = 1", False),
    ],
)
def test_what_may_draw_a_sequence_value(text: str, draws: bool) -> None:
    assert read(text).draws_sequence is draws


def test_a_temporary_table_that_goes_at_commit_is_for_the_transaction() -> None:
    (effect,) = effects("CREATE TEMP TABLE t () ON COMMIT DROP")
    assert effect == Effect(EffectKind.TEMP_OBJECT, key=("t",), scope=Scope.TRANSACTION)
