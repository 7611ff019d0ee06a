"""The settings that programs use, and the texts that change and read them."""

from __future__ import annotations

CUSTOM = ("app.user_id", "app.tenant")

VALUES: dict[str, tuple[str, ...]] = {
    "statement_timeout": ("'31s'", "32000", "'1min'", "0"),
    "lock_timeout": ("'41s'", "42000"),
    "work_mem": ("'5MB'", "6144", "'7MB'", "'1 GB'"),
    "search_path": (
        "one",
        "two, public",
        "'one', two",
        '"Odd, Name", "two"',
        "'Odd, Name', public",
        "''",
        '"$user", public',
        "pg_catalog",
    ),
    "app.user_id": ("'7'", "eight", "9", "''", "'it''s'", "on"),
    "app.tenant": ("'acme'", "'zürich, ltd'", '"Mixed"', "-1.50"),
    "idle_in_transaction_session_timeout": ("'11min'", "720000"),
    "bytea_output": ("'escape'", "hex"),
    "extra_float_digits": ("0", "-7", "3"),
    "default_transaction_isolation": ("serializable", "'repeatable read'", "'read committed'"),
    "default_transaction_read_only": ("on", "off", "TRUE"),
    "default_transaction_deferrable": ("on", "off"),
    "log_statement": ("'none'", "ddl"),
    "session_replication_role": ("replica", "'origin'"),
    # What PgBouncer tracks by itself, in all versions or in later ones.
    "TimeZone": ("'Asia/Tokyo'", "'UTC'", "-3"),
    "DateStyle": ("'German'", "'ISO, DMY'", "SQL, MDY"),
    "IntervalStyle": ("iso_8601", "'postgres'"),
    "application_name": ("'ours'", "''"),
    "standard_conforming_strings": ("off", "on"),
    "client_encoding": ("'UTF8'", "LATIN1"),
}
"""Settings with values as SET takes them; none is short enough to strike."""

BAD = (
    "SET statement_timeout = 'soon'",
    "SET no_such_setting = 1",
    "SET LOCAL work_mem = '1 parsec'",
    "SET max_connections = 10",
    "SET default_transaction_isolation = 'none'",
    "SET ROLE nobody_at_all",
    "SET app.user_id TO",
    "SET TIME ZONE 'Nowhere/Land'",
    "SET app. = 1",
    "RESET no_such_setting",
    "SHOW no_such_setting",
    "SELECT current_setting('no_such_setting')",
    "SELECT set_config('no_such_setting', 'x', false)",
    "SELECT set_config('work_mem', '-5', true)",
    "SET SESSION AUTHORIZATION nobody_at_all",
)
"""Wrong names, wrong values, no permission, no sense."""

SPECIAL = (
    "RESET ALL",
    "DISCARD ALL",
    "SET ROLE reporting",
    "SET ROLE 'reporting'",
    "SET ROLE NONE",
    "RESET ROLE",
    "SET SESSION ROLE reporting",
    "SET LOCAL ROLE reporting",
    "SET SESSION AUTHORIZATION reporting",
    "SET LOCAL SESSION AUTHORIZATION reporting",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET SESSION AUTHORIZATION",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE,"
    " DEFERRABLE",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET TRANSACTION READ ONLY",
    "SET transaction_read_only = on",
    "SET TIME ZONE 'Europe/Vienna'",
    "SET TIME ZONE LOCAL",
    "SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE",
    "SET NAMES 'UTF8'",
    "SET SCHEMA 'two'",
    "SET XML OPTION DOCUMENT",
    "set Session Statement_Timeout to '33s'",
    'SET "work_mem" TO DEFAULT',
    "/* why */ SET /* not */ lock_timeout = '43s' -- so",
    "SET search_path = one ;",
)
"""Spellings of their own."""

READS = (
    "SHOW statement_timeout",
    "SHOW search_path",
    "SHOW transaction_isolation",
    "SHOW TIME ZONE",
    "SELECT current_setting('work_mem')",
    "SELECT who FROM place",
    "SELECT current_user, session_user",
    "SELECT E'\\\\x6162'::bytea::text",
    "SELECT 0.1::float8 + 0.2",
    "SELECT timestamptz '2020-02-03 04:05:06+00'::text",
    "SELECT interval '1 day 2 hours'::text",
    "TABLE place",
    "WITH one AS (SELECT current_setting('lock_timeout') AS v) SELECT v FROM one",
    "EXPLAIN (COSTS OFF) SELECT 1",
)
"""What depends on settings."""

DOINGS = (
    "INSERT INTO public.items VALUES (1)",
    "INSERT INTO public.items VALUES (2) RETURNING n",
    "SELECT count(*) FROM public.items",
    "INSERT INTO public.child VALUES (404)",  # refused at COMMIT, not before
    "SELECT 1/0",
    "SELECT nowhere FROM public.items",
    "SELEC 1",
    "LOCK TABLE public.items IN ACCESS SHARE MODE",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH c",
    "",
    "SELECT 'only'; SELECT 'two'",
)
"""What a program does besides, some of it wrong."""

MIXED = (
    "SET statement_timeout = '34s'; SHOW statement_timeout",
    "SELECT 1; SET work_mem = '8MB'; SELECT current_setting('work_mem')",
    "SET lock_timeout = '44s'; SELECT 1/0",
    "BEGIN; SET lock_timeout = '45s'; COMMIT",
    "BEGIN; SET lock_timeout = '46s'; ROLLBACK",
    "BEGIN; SET LOCAL lock_timeout = '47s'; SHOW lock_timeout; COMMIT; SHOW lock_timeout",
    "SET app.user_id = 'a'; SET LOCAL app.user_id = 'b'; SELECT current_setting('app.user_id')",
    "SET work_mem = '9MB'; COMMIT; SELECT current_setting('work_mem')",
    "INSERT INTO public.items VALUES (3); RESET ALL; SHOW work_mem",
    "SET search_path = two; SELECT who FROM place; SET search_path = one; SELECT who FROM place",
    "BEGIN; SAVEPOINT m; SET work_mem = '10MB'; ROLLBACK TO m; SHOW work_mem; COMMIT",
    "SELECT 1; BEGIN; SET work_mem = '11MB'",
    "COMMIT; SET statement_timeout = '35s'; BEGIN",
)
"""Several statements in one text."""

BLOCKS = (
    "BEGIN",
    "START TRANSACTION READ ONLY",
    "BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    "begin work",
    "BEGIN TRANSACTION NOT DEFERRABLE",
)
ENDS = (
    "COMMIT",
    "ROLLBACK",
    "END",
    "ABORT",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "COMMIT AND NO CHAIN",
    "PREPARE TRANSACTION 'machine'",
)
SAVEPOINTS = (
    "SAVEPOINT s",
    "SAVEPOINT t",
    "ROLLBACK TO SAVEPOINT s",
    "ROLLBACK TO t",
    "RELEASE s",
    "RELEASE SAVEPOINT t",
)
PREPARED = ("COMMIT PREPARED 'machine'", "ROLLBACK PREPARED 'machine'")

PARAMETERS = (
    ("SELECT set_config(%s, %s, %s)", ("app.user_id", "p1", False)),
    ("SELECT set_config(%s, %s, %s)", ("app.user_id", "p2", True)),
    ("SELECT set_config(%s, %s, %s)", ("work_mem", "12MB", False)),
    (
        "SELECT set_config(%s, %s, false)",
        (
            "search_path",
            "two",
        ),
    ),
    ("SELECT set_config('lock_timeout', %s, true)", ("48s",)),
    ("SELECT set_config('lock_timeout', %s, %s)", ("49s", False)),
    ("SELECT set_config(%s, %s, false)", ("statement_timeout", "never")),
    ("SELECT set_config('app.tenant', %s, false), %s::int", ("two", 2)),
    ("SELECT set_config('app.tenant', %s::int::text, false)", (5,)),
    ("SELECT current_setting(%s)", ("search_path",)),
    ("SELECT coalesce(current_setting(%s, true), '')", ("app.user_id",)),
    ("SELECT who FROM place WHERE who <> %s", ("nobody",)),
    ("INSERT INTO public.items VALUES (%s)", (4,)),
    ("INSERT INTO public.child VALUES (%s)", (404,)),
    ("SELECT 1 / %s::int", (0,)),
    ("SELECT %s::int + 1", ("x",)),
    ("SELECT '%%', %s::text", ("s",)),
)
"""Statements with bound values."""

COMPUTED = "%s::int::text"
"""In a text: it sets something to what only the server knows."""

STREAMED = tuple(row for row in PARAMETERS if "set_config" not in row[0])
"""What is sent by stream(), which cannot carry a setting on: the guard says so."""

AT_SYNC = "public.child"
"""In a text: it fails when all is over, which psycopg cannot bear in a pipeline of the user's."""

MANY = (
    ("SELECT set_config('app.user_id', %s, %s)", (("m1", False), ("m2", True))),
    ("SELECT set_config('work_mem', %s, false)", (("13MB",), ("14MB",))),
    ("INSERT INTO public.items VALUES (%s)", ((5,), (6,))),
    ("SELECT current_setting(%s)", (("work_mem",), ("search_path",))),
    ("SELECT 1 / %s::int", ((1,), (0,))),
)
COPIES_OUT = (
    "COPY (SELECT current_setting('work_mem')) TO STDOUT",
    "COPY (SELECT who FROM place) TO STDOUT",
    "COPY (SELECT set_config('lock_timeout', '51s', false)) TO STDOUT",
    "COPY (SELECT 1/0) TO STDOUT",
)
COPIES_IN = (
    ("COPY public.items FROM STDIN", ("7", "8")),
    ("COPY public.items FROM STDIN", ("seven",)),
    ("COPY items FROM STDIN", ("9",)),
)
