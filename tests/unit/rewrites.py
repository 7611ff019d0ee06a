"""Session-wide settings and the texts that make them end with the transaction.

Every pair is a promise about the server: the second text is accepted wherever the first
is, does the same until the transaction ends, and leaves nothing behind. The tests of the
reader check the texts; the same pairs can be sent to a server.
"""

from __future__ import annotations

from typing import Any

REWRITES: list[tuple[str, str]] = [
    # SET
    ("SET work_mem = '8MB'", "SET LOCAL work_mem = '8MB'"),
    ("set work_mem to '8MB'", "set LOCAL work_mem to '8MB'"),
    ("SET SESSION work_mem = '8MB'", "SET LOCAL work_mem = '8MB'"),
    ("SET work_mem='8MB';", "SET LOCAL work_mem='8MB';"),
    ("SET\"work_mem\"='8MB'", "SET LOCAL\"work_mem\"='8MB'"),
    ('SET "WORK_MEM" TO 8192', 'SET LOCAL "WORK_MEM" TO 8192'),
    ('SET U&"work\\005Fmem" = 8192', 'SET LOCAL U&"work\\005Fmem" = 8192'),
    (
        "SET U&\"work!005Fmem\" UESCAPE '!' = 8192",
        "SET LOCAL U&\"work!005Fmem\" UESCAPE '!' = 8192",
    ),
    ("SET search_path TO a, b, public", "SET LOCAL search_path TO a, b, public"),
    ("SET search_path = DEFAULT", "SET LOCAL search_path = DEFAULT"),
    ("SET work_mem FROM CURRENT", "SET LOCAL work_mem FROM CURRENT"),
    ("SET app.tenant = '42'", "SET LOCAL app.tenant = '42'"),
    ('SET "app"."tenant" = \'42\'', 'SET LOCAL "app"."tenant" = \'42\''),
    ("SET a.b.c = '42'", "SET LOCAL a.b.c = '42'"),
    ("SET session.x = '1'", "SET LOCAL session.x = '1'"),
    ("SET local.x = '1'", "SET LOCAL local.x = '1'"),
    ("SET SESSION session.x = '1'", "SET LOCAL session.x = '1'"),
    ("SET role.x = '1'", "SET LOCAL role.x = '1'"),
    ("SET transaction.x = '1'", "SET LOCAL transaction.x = '1'"),
    ("SET time.zone = '1'", "SET LOCAL time.zone = '1'"),
    ("SET datestyle = german, dmy", "SET LOCAL datestyle = german, dmy"),
    ("SET--c\nwork_mem/*d*/='8MB'", "SET LOCAL--c\nwork_mem/*d*/='8MB'"),
    (
        "SET /* a /* b */ */ work_mem = '8MB' -- c",
        "SET LOCAL /* a /* b */ */ work_mem = '8MB' -- c",
    ),
    ("SET/**/SESSION/**/work_mem='8MB'", "SET/**/LOCAL/**/work_mem='8MB'"),
    # Settings with a syntax of their own
    ("SET TIME ZONE 'Asia/Tokyo'", "SET LOCAL TIME ZONE 'Asia/Tokyo'"),
    ("SET SESSION TIME ZONE -7", "SET LOCAL TIME ZONE -7"),
    (
        "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
        "SET LOCAL TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
    ),
    ("SET TIME ZONE LOCAL", "SET LOCAL TIME ZONE LOCAL"),
    ("SET TIME ZONE DEFAULT", "SET LOCAL TIME ZONE DEFAULT"),
    ("SET NAMES 'SQL_ASCII'", "SET LOCAL NAMES 'SQL_ASCII'"),
    ("SET NAMES", "SET LOCAL NAMES"),
    ("SET NAMES DEFAULT", "SET LOCAL NAMES DEFAULT"),
    ("SET SCHEMA 'a'", "SET LOCAL SCHEMA 'a'"),
    ("SET XML OPTION DOCUMENT", "SET LOCAL XML OPTION DOCUMENT"),
    # Roles
    ("SET ROLE reporting", "SET LOCAL ROLE reporting"),
    ("SET ROLE 'reporting'", "SET LOCAL ROLE 'reporting'"),
    ("SET ROLE NONE", "SET LOCAL ROLE NONE"),
    ("SET SESSION ROLE reporting", "SET LOCAL ROLE reporting"),
    ("SET role = 'reporting'", "SET LOCAL role = 'reporting'"),
    ("SET role TO DEFAULT", "SET LOCAL role TO DEFAULT"),
    ("SET SESSION AUTHORIZATION reporting", "SET LOCAL SESSION AUTHORIZATION reporting"),
    ("SET SESSION AUTHORIZATION DEFAULT", "SET LOCAL SESSION AUTHORIZATION DEFAULT"),
    ("SET SESSION SESSION AUTHORIZATION reporting", "SET LOCAL SESSION AUTHORIZATION reporting"),
    ("SET session_authorization = 'reporting'", "SET LOCAL session_authorization = 'reporting'"),
    # RESET
    ("RESET work_mem", "SET LOCAL work_mem TO DEFAULT"),
    ('RESET "WORK_MEM";', 'SET LOCAL "WORK_MEM" TO DEFAULT;'),
    ("RESET app.tenant", "SET LOCAL app.tenant TO DEFAULT"),
    ("RESET/*a*/work_mem/*b*/", "SET LOCAL/*a*/work_mem TO DEFAULT/*b*/"),
    ("RESET work_mem -- c", "SET LOCAL work_mem TO DEFAULT -- c"),
    ("RESET TIME ZONE", "SET LOCAL TIME ZONE DEFAULT"),
    ("RESET ROLE", "SET LOCAL ROLE TO DEFAULT"),
    ("RESET SESSION AUTHORIZATION", "SET LOCAL SESSION AUTHORIZATION DEFAULT"),
    ("RESET session_authorization", "SET LOCAL session_authorization TO DEFAULT"),
    # set_config
    (
        "SELECT set_config('work_mem', '8MB', false)",
        "SELECT set_config('work_mem', '8MB', true)",
    ),
    (
        "SELECT pg_catalog.set_config('work_mem', '8MB', 'off')",
        "SELECT pg_catalog.set_config('work_mem', '8MB', true)",
    ),
    (
        "SELECT \"pg_catalog\".\"set_config\"('work_mem', '8MB', FALSE::boolean)",
        "SELECT \"pg_catalog\".\"set_config\"('work_mem', '8MB', true)",
    ),
    (
        "SELECT U&\"set\\005fconfig\"('work_mem', '8MB', CAST('f' AS bool))",
        "SELECT U&\"set\\005fconfig\"('work_mem', '8MB', true)",
    ),
    (
        "SELECT set_config('work_mem', '8MB', NULL)",
        "SELECT set_config('work_mem', '8MB', true)",
    ),
    (
        "SELECT set_config('role', 'reporting', false)",
        "SELECT set_config('role', 'reporting', true)",
    ),
    (
        "SELECT set_config('app.tenant', NULL, false)",
        "SELECT set_config('app.tenant', NULL, true)",
    ),
    (
        "WITH s AS (SELECT set_config('work_mem', '8MB', false) AS v) SELECT v FROM s",
        "WITH s AS (SELECT set_config('work_mem', '8MB', true) AS v) SELECT v FROM s",
    ),
    (
        "EXPLAIN (ANALYZE) SELECT set_config('work_mem', '8MB', false)",
        "EXPLAIN (ANALYZE) SELECT set_config('work_mem', '8MB', true)",
    ),
    (
        "COPY (SELECT set_config('work_mem', '8MB', false)) TO '/dev/null'",
        "COPY (SELECT set_config('work_mem', '8MB', true)) TO '/dev/null'",
    ),
    # Several in one text
    (
        "SET work_mem = '8MB'; RESET a.b; SELECT set_config('b.b', '', false)",
        "SET LOCAL work_mem = '8MB'; SET LOCAL a.b TO DEFAULT; SELECT set_config('b.b', '', true)",
    ),
]
"""Without parameters: text, text that ends with the transaction."""

BOUND_REWRITES: list[tuple[str, str, Any]] = [
    (sql, rewritten, params)
    for sql, rewritten, each in [
        (
            "SELECT set_config('work_mem', '8MB', %s)",
            "SELECT set_config('work_mem', '8MB', ((%s) OR true))",
            [(False,), (None,), ("f",), ("off",), (True,)],
        ),
        (
            "SELECT set_config(%s, %s, %s)",
            "SELECT set_config(%s, %s, ((%s) OR true))",
            [("work_mem", "8MB", False), ("work_mem", "8MB", "no"), ("app.tenant", None, False)],
        ),
        (
            "SELECT set_config(%(name)s::text, %(value)s::varchar, %(local)s::boolean)",
            "SELECT set_config(%(name)s::text, %(value)s::varchar, ((%(local)s::boolean) OR true))",
            [
                {"name": "work_mem", "value": "8MB", "local": False},
                {"name": "work_mem", "value": "8MB", "local": None},
                {"name": "work_mem", "value": "8MB", "local": "f"},
            ],
        ),
    ]
    for params in each
]
"""With psycopg's parameters: text, text that ends with the transaction, parameters."""
