"""The pages of the rules about how a connection is opened and pooled."""

from __future__ import annotations

from collections.abc import Mapping

from .page import Example, Page

CONNECTIONS: Mapping[str, Page] = {
    "startup-options": Page.of(
        story="""
            Client A's connection string says `options=-c statement_timeout=2s`, which
            PostgreSQL applies for the session. A pooler has one server connection for A and
            for B, who asked for something else. PgBouncer refuses A: `unsupported startup
            parameter in options: statement_timeout` (before 1.20 whatever the options say:
            `unsupported startup parameter: options`). The usual advice,
            `ignore_startup_parameters`, lets A in and drops the timeout without a word, as
            other poolers do from the start: A's runaway query then runs for ever.
        """,
        psycopg=Example.of(
            """
            conn = psycopg.connect(POOLED_DSN, options="-c statement_timeout=2s")
            """,
            """
            with conn.transaction():
                conn.execute("SET LOCAL statement_timeout = '2s'")
                conn.execute("SELECT item FROM orders")
            """,
        ),
        sqlalchemy=Example.of(
            """
            engine = create_engine(
                POOLED_URL, connect_args={"options": "-c statement_timeout=2s"}
            )
            """,
            """
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL statement_timeout = '2s'"))
                connection.execute(text("SELECT item FROM orders"))
            """,
        ),
        django=Example.of(
            """
            DATABASES["default"]["OPTIONS"] = {"options": "-c statement_timeout=2s"}
            """,
            """
            # In a migration, once: ALTER ROLE app SET statement_timeout = '2s'
            DATABASES["default"]["OPTIONS"] = {}
            """,
        ),
        remedy="""
            `ALTER ROLE app SET statement_timeout = '2s'`: the server applies it to every
            connection of the role, pooled or not. Where not every program of the role wants
            it, `SET LOCAL` in the transactions that do. PgBouncer from 1.26 applies what its
            operator names in `track_extra_parameters`, for each client; 1.20 to 1.25 do so
            only for settings that the server reports to clients, and drop the others without a
            word.
        """,
        fine="Where the setting is a wish only: `application_name`, say, arrives everywhere.",
        allow="""
            pgpoolsafe.install(conn, rules={"startup-options": "ignore"})
        """,
        undetected="""
            `pgpoolsafe.detect()`, `pgpoolsafe.require()` and `pgpoolsafe doctor` look at the
            options of the connection that they are given. `install()` on a pool, an engine or
            the whole process carries them instead, where it can ([settings](../settings.md)).
            Whether a setting arrived is asked of the server, except for a custom one
            (`app.tenant`) that it does not list.
        """,
        elsewhere="""
            PgBouncer and RDS Proxy refuse the connection; Odyssey applies some settings and
            drops the others; pgagroal, Supavisor and pg_doorman drop them; Pgpool-II and PgDog
            apply them. The settings that a pooler restores for each client (`application_name`,
            `client_encoding`, `DateStyle`, `TimeZone`, `standard_conforming_strings`) arrive
            through PgBouncer from 1.20 on; from 1.26 on so does `search_path`.
        """,
    ),
    "statement-mode-transaction": Page.of(
        story="""
            The pool is in statement mode: every statement is given a server connection of its
            own. Client A opens a transaction. PgBouncer closes A's connection at BEGIN.
            Odyssey accepts BEGIN and COMMIT and lets each statement commit by itself, so that
            ROLLBACK rolls nothing back, and client B sees half of A's work.
        """,
        psycopg=Example.of(
            """
            with conn.transaction():
                conn.execute("INSERT INTO orders (item) VALUES ('anvil')")
            """,
            """
            conn.autocommit = True
            conn.execute("INSERT INTO orders (item) VALUES ('anvil')")
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO orders (item) VALUES ('anvil')"))
            """,
            """
            # The dialect itself opens transactions: connect to a pool in transaction mode.
            engine = create_engine(TRANSACTION_URL)
            """,
        ),
        django=Example.of(
            """
            with transaction.atomic():
                Order.objects.create(item="anvil")
            """,
            """
            # Django itself opens transactions: connect to a pool in transaction mode.
            DATABASES["default"]["PORT"] = 6433
            """,
        ),
        remedy="""
            Have the pool set to transaction mode, or connect with `autocommit=True` and never
            open a transaction. The mode is not always visible from a connection: where it is
            not found, say `install(…, pool_mode="statement")`.
        """,
        fine="Never, where several statements belong together.",
        allow="""
            pgpoolsafe.install(conn, rules={"statement-mode-transaction": "ignore"})
        """,
        undetected="""
            Transactions that begin and end inside the server: a DO block, a procedure, several
            statements in one text.
        """,
        elsewhere="""
            Statement mode exists in PgBouncer, Odyssey and PgDog. PgBouncer and PgDog refuse a
            transaction there, Odyssey lets it fall apart.
        """,
    ),
}
