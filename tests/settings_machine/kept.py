"""Programs that once could tell the pooler from a connection of their own."""

from __future__ import annotations

from .programs import Program

SEVERAL = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE,"
    " DEFERRABLE"
)

KEPT = (
    Program((("many", "SELECT set_config('app.user_id', %s, %s)", (("m1", False), ("m2", True))),)),
    Program(
        (
            ("execute", "plain", "BEGIN", None),
            ("execute", "plain", "SET LOCAL work_mem TO DEFAULT", None),
            ("look",),
            ("execute", "plain", "COMMIT", None),
        ),
        options=(("work_mem", "3MB"),),
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "SELECT set_config(%s, %s, %s)", ("work_mem", "12MB", False)),
            ("execute", "plain", "SELECT %s::int + 1", ("x",)),
            ("leave", ""),
        )
    ),
    Program((("copy_out", "COPY (SELECT set_config('lock_timeout', '51s', false)) TO STDOUT"),)),
    Program((("execute", "binary", "SET statement_timeout = '31s'", None),)),
    Program((("execute", "plain", "SET application_name = 'ours'", None),)),
    Program(
        (
            ("enter", "pipeline"),
            (
                "execute",
                "plain",
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                None,
            ),
            ("leave", ""),
        )
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "SET statement_timeout TO DEFAULT", None),
            ("execute", "plain", "SELECT set_config('app.tenant', %s::int::text, false)", (5,)),
            ("leave", ""),
        )
    ),
    Program((("execute", "binary", "SET app. = 1", None),)),
    Program(
        (
            (
                "execute",
                "plain",
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                None,
            ),
            ("enter", "pipeline"),
            ("execute", "plain", "SET statement_timeout = '31s'", None),
            ("leave", ""),
        )
    ),
    Program(
        (
            ("execute", "plain", "SET statement_timeout = '31s'", None),
            ("enter", "transaction"),
            ("stream", "SELECT current_setting(%s)", ("search_path",)),
            ("many", "SELECT set_config('app.user_id', %s, %s)", (("m1", False), ("m2", True))),
            ("leave", ""),
        )
    ),
    Program((("enter", "transaction"), ("declare", "SELECT who FROM place"), ("fetch",))),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "SET app. = 1", None),
            ("leave", ""),
        )
    ),
    Program(
        (
            ("execute", "plain", "BEGIN", None),
            ("execute", "plain", "RESET statement_timeout", None),
            ("stream", "SELECT current_setting(%s)", ("search_path",)),
            ("many", "SELECT set_config('app.user_id', %s, %s)", (("m1", False), ("m2", True))),
            ("execute", "plain", "COMMIT", None),
        ),
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE", None),
            ("many", "SELECT set_config('app.user_id', %s, %s)", (("m1", False), ("m2", True))),
            ("execute", "binary", "ROLLBACK TO SAVEPOINT s", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "BEGIN", None),
            ("many", "SELECT %s::int", ((1,), (2,))),
            ("execute", "plain", "SET work_mem = '5MB'", None),
            ("execute", "plain", "ROLLBACK", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET default_transaction_deferrable = off", None),
            ("enter", "pipeline"),
            (
                "execute",
                "raw",
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                None,
            ),
            ("leave", ""),
        ),
        user="postgres",
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", None),
            ("execute", "plain", "BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE", None),
            ("execute", "plain", "SELECT set_config('no_such_setting', 'x', false)", None),
            ("execute", "plain", "COMMIT AND CHAIN", None),
            ("look",),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", None),
            ("many", "INSERT INTO public.items VALUES (%s)", ((5,), (6,))),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET work_mem = '7MB'", None),
            ("enter", "pipeline"),
            ("execute", "plain", "SELECT 1", None),
            ("execute", "plain", "ROLLBACK", None),
            ("execute", "plain", "SHOW work_mem", None),
            ("execute", "raw", "SET lock_timeout = '44s'", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "client", "SET SESSION ROLE reporting", None),
            ("execute", "client", "PREPARE TRANSACTION 'machine'", None),
            ("many", "SELECT current_setting(%s)", (("work_mem",), ("search_path",))),
            ("execute", "client", "PREPARE TRANSACTION 'machine'", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET default_transaction_isolation = serializable", None),
            ("enter", "pipeline"),
            ("execute", "binary", "COMMIT AND CHAIN", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET app.user_id = 'a'", None),
            ("enter", "pipeline"),
            ("execute", "plain", "DISCARD ALL", None),
            ("execute", "binary", "SET app. = 1", None),
            ("leave", ""),
        ),
        user="postgres",
        watches=False,
    ),
    Program(
        (
            ("enter", "transaction"),
            ("stream", "SELECT '%%', %s::text", ("s",)),
            ("leave", ""),
            ("execute", "plain", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", None),
            ("many", "INSERT INTO public.items VALUES (%s)", ((5,), (6,))),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "INSERT INTO public.child VALUES (404)", None),
            ("enter", "pipeline"),
            ("commit",),
            ("leave", ""),
        ),
        autocommit=False,
        options=(("statement_timeout", "61s"),),
    ),
    Program(
        (
            ("execute", "plain", "BEGIN", None),
            (
                "execute",
                "plain",
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                None,
            ),
            ("execute", "plain", "COMMIT AND CHAIN", None),
            ("execute", "plain", "SELECT 1 / 0", None),
            ("execute", "plain", "COMMIT AND CHAIN", None),
        ),
    ),
    Program(
        (
            ("execute", "plain", "BEGIN", None),
            ("execute", "plain", "SET work_mem = '5MB'", None),
            ("execute", "binary", "COMMIT AND CHAIN", None),
            ("execute", "binary", "BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE", None),
        ),
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            (
                "execute",
                "raw",
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                None,
            ),
            ("execute", "plain", "BEGIN TRANSACTION NOT DEFERRABLE", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SHOW work_mem", None),
            ("execute", "plain", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", None),
        ),
        autocommit=False,
        watches=False,
        options=(("work_mem", "5MB"),),
        fuses=True,
    ),
    Program(
        (
            (
                "execute",
                "plain",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                None,
            ),
            ("enter", "pipeline"),
            ("execute", "plain", "RESET default_transaction_read_only", None),
            ("execute", "plain", "INSERT INTO public.items VALUES (%s)", (4,)),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            (
                "execute",
                "plain",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                None,
            ),
            ("enter", "pipeline"),
            ("execute", "plain", "SET LOCAL work_mem TO DEFAULT", None),
            ("execute", "plain", "INSERT INTO public.items VALUES (%s)", (4,)),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            (
                "execute",
                "plain",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                None,
            ),
            ("enter", "pipeline"),
            ("execute", "plain", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", None),
            ("execute", "plain", "INSERT INTO public.items VALUES (%s)", (4,)),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            (
                "execute",
                "plain",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                None,
            ),
            ("enter", "pipeline"),
            ("execute", "plain", "SET TRANSACTION READ WRITE", None),
            ("execute", "plain", "INSERT INTO public.items VALUES (%s)", (4,)),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            (
                "execute",
                "plain",
                SEVERAL,
                None,
            ),
            ("leave", ""),
            ("execute", "plain", "SHOW transaction_isolation", None),
        ),
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "BEGIN", None),
            (
                "execute",
                "plain",
                SEVERAL,
                None,
            ),
            ("execute", "plain", "COMMIT", None),
            ("leave", ""),
            ("execute", "plain", "SHOW transaction_isolation", None),
        ),
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "BEGIN", None),
            (
                "execute",
                "plain",
                SEVERAL,
                None,
            ),
            ("execute", "plain", "ROLLBACK", None),
            ("leave", ""),
            ("execute", "plain", "SHOW transaction_isolation", None),
        ),
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("many", "SELECT set_config('app.user_id', %s, %s)", (("m1", False), ("m2", True))),
            (
                "execute",
                "plain",
                "SELECT coalesce(current_setting(%s, true), '')",
                ("app.user_id",),
            ),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET default_transaction_read_only TO on", None),
            ("enter", "pipeline"),
            ("execute", "plain", "SET work_mem = '5MB'", None),
            ("execute", "plain", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", None),
            ("execute", "plain", "SHOW transaction_isolation", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET default_transaction_read_only TO on", None),
            ("enter", "pipeline"),
            ("execute", "plain", "SHOW work_mem", None),
            ("execute", "plain", "SET TRANSACTION READ WRITE", None),
            ("execute", "plain", "INSERT INTO public.items VALUES (1)", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "binary", "SET SESSION default_transaction_deferrable TO on", None),
            ("execute", "client", "START TRANSACTION READ ONLY", None),
            ("execute", "binary", "INSERT INTO public.items VALUES (1)", None),
            ("execute", "binary", "ROLLBACK AND CHAIN", None),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "START TRANSACTION READ ONLY", None),
            ("stream", "SELECT current_setting(%s)", ("search_path",)),
            ("execute", "raw", "SELECT set_config('app.tenant', %s::int::text, false)", (5,)),
            ("stream", "SELECT current_setting(%s)", ("search_path",)),
            ("execute", "plain", "COMMIT", None),
            ("execute", "plain", "SELECT current_setting(%s)", ("search_path",)),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET default_transaction_read_only TO on", None),
            ("execute", "plain", "BEGIN", None),
            ("execute", "plain", "SELECT 1/0", None),
            ("enter", "pipeline"),
            ("execute", "plain", "ROLLBACK AND CHAIN", None),
            ("execute", "plain", "SHOW transaction_read_only", None),
            ("leave", ""),
        ),
        watches=False,
    ),
    Program(
        (
            (
                "execute",
                "plain",
                "SELECT set_config('default_transaction_isolation', 'serializable', false)",
                None,
            ),
            ("enter", "pipeline"),
            ("look",),
            ("execute", "plain", "SELECT nowhere FROM public.items", None),
            ("commit",),
            ("leave", ""),
        ),
        autocommit=False,
        watches=False,
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "SET TIME ZONE 'Nowhere/Land'", None),
            ("commit",),
            ("leave", ""),
        ),
        autocommit=False,
        watches=False,
        options=(("statement_timeout", "61s"),),
        fuses=True,
    ),
    Program(
        (
            ("enter", "pipeline"),
            ("execute", "plain", "DISCARD ALL", None),
            ("execute", "raw", "SET ROLE 'reporting'", None),
            ("leave", ""),
            ("execute", "raw", "SELECT current_user", None),
        ),
        watches=False,
    ),
    Program(
        (
            ("execute", "plain", "SET statement_timeout = '7s'", None),
            ("enter", "pipeline"),
            ("execute", "plain", "DISCARD ALL", None),
            ("execute", "plain", "SET lock_timeout = '3s'", None),
            ("execute", "plain", "SELECT current_setting(%s)", ("lock_timeout",)),
            ("execute", "plain", "SELECT current_setting(%s)", ("statement_timeout",)),
            ("sync",),
            ("execute", "plain", "SELECT current_setting(%s)", ("lock_timeout",)),
            ("leave", ""),
        ),
        watches=False,
        options=(("statement_timeout", "61s"),),
    ),
)
