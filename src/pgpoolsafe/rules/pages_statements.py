"""Pages of the rules about prepared statements and code that cannot be read."""

from __future__ import annotations

from .page import Example, Page

STATEMENTS = {
    "sql-prepare": Page.of(
        story="""
            Client A says `PREPARE price AS …` and commits. The statement stays on the server
            connection. A's `EXECUTE price` goes to another one: prepared statement does not
            exist. If client B has prepared its own `price` there, A is answered from B's
            statement, without any error.
        """,
        psycopg=Example.of(
            """
            conn.execute("PREPARE by_tenant (text) AS SELECT item FROM orders WHERE tenant = $1")
            conn.commit()
            items = conn.execute("EXECUTE by_tenant ('acme')").fetchall()
            """,
            """
            with conn.transaction():
                items = conn.execute(
                    "SELECT item FROM orders WHERE tenant = %s", ["acme"]
                ).fetchall()
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("PREPARE all_items AS SELECT item FROM orders"))
            with engine.begin() as connection:
                items = connection.execute(text("EXECUTE all_items")).all()
            """,
            """
            with engine.begin() as connection:
                items = connection.execute(
                    text("SELECT item FROM orders WHERE tenant = :tenant"), {"tenant": "acme"}
                ).all()
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("PREPARE all_items AS SELECT item FROM shop_order")
                cursor.execute("EXECUTE all_items")
            """,
            """
            items = list(Order.objects.filter(tenant="acme").values_list("item", flat=True))
            """,
        ),
        remedy="""
            Hand the parameters to `execute()` and let the driver and the pooler prepare, or
            PREPARE, EXECUTE and DEALLOCATE in one transaction. What a pooler does for
            protocol-level prepared statements (`max_prepared_statements` of PgBouncer) it does
            not do for these.
        """,
        fine="""
            When it is prepared, executed and deallocated in one transaction: no finding then.
            ROLLBACK does not undo a PREPARE; in strict mode pgpoolsafe deallocates what a
            refused transaction has prepared.
        """,
        allow="""
            with pgpoolsafe.allow("sql-prepare", reason="a pool of one, for this job alone"):
                conn.execute("PREPARE all_items AS SELECT item FROM orders")
        """,
        undetected="""
            `DEALLOCATE ALL` that psycopg itself sends after a ROLLBACK is known and not
            reported.
        """,
    ),
    "named-prepare": Page.of(
        story="""
            psycopg prepares a query by itself from its sixth execution, and calls the first
            one `_pg3_0`, as every other process does. Client A's `_pg3_0` is on one server
            connection, client B's on another. Where A is given B's, it is answered the rows
            of B's query: `select 'tenant-A'` returns `tenant-B`, without any error. Where
            there is none, it fails (26000), and where it prepares again, it fails too
            (42P05).
        """,
        psycopg=Example.of(
            """
            conn.prepare_threshold = 0
            with conn.transaction():
                conn.execute("SELECT item FROM orders WHERE tenant = %s", ["acme"])
            """,
            """
            conn.prepare_threshold = None
            with conn.transaction():
                conn.execute("SELECT item FROM orders WHERE tenant = %s", ["acme"])
            """,
        ),
        sqlalchemy=Example.of(
            """
            named = create_engine(engine.url, connect_args={"prepare_threshold": 0})
            """,
            """
            unnamed = create_engine(engine.url, connect_args={"prepare_threshold": None})
            """,
        ),
        django=Example.of(
            """
            DATABASES["default"]["OPTIONS"] = {
                "server_side_binding": True,
                "prepare_threshold": 5,
            }
            """,
            """
            DATABASES["default"]["OPTIONS"] = {"server_side_binding": True}
            """,
        ),
        remedy="""
            Nothing, as a rule: where the pooler does not track prepared statements, pgpoolsafe
            keeps psycopg from preparing by name (`prepared="auto"`), on connections that are
            open already as well, and drops what they prepared before. Where it does track
            them, they are left alone. Or have the pooler track them: PgBouncer from 1.21 with
            `max_prepared_statements`, on by default from 1.24.

            The rule speaks only with `prepared="leave"`, once for each connection that would
            prepare by name.
        """,
        fine="""
            Behind a pooler that tracks them, and on a connection with
            `prepare_threshold=None`: no finding then. Django sets that by itself.
        """,
        allow="""
            pgpoolsafe.install(conn, prepared="leave", rules={"named-prepare": "ignore"})
        """,
        undetected="""
            Statements that are prepared by name on the raw connection
            (`conn.pgconn.prepare`). After a change of a table a tracked prepared statement may
            fail with `cached plan must not change result type`, for clients too that never met
            the old table; no tracking helps against that.
        """,
        elsewhere="""
            By default. Where configuration decides, the pooler is asked at the first
            connection, and `pooler=` overrides what is found.
        """,
    ),
    "opaque-code": Page.of(
        story="""
            Client A runs a DO block that executes a string which it reads from a table. The
            string may say SET, LISTEN or CREATE TEMP TABLE; whatever it leaves stays on the
            server connection, and client B is given it. The text of the statement shows
            nothing of it.
        """,
        psycopg=Example.of(
            """
            conn.execute("SET LOCAL app.todo = 'SET statement_timeout = 4711'")
            conn.execute("DO $$BEGIN EXECUTE current_setting('app.todo'); END$$")
            """,
            """
            with conn.transaction():
                conn.execute("DO $$BEGIN EXECUTE 'SET LOCAL statement_timeout = 4711'; END$$")
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("DO $$BEGIN EXECUTE current_setting('app.todo'); END$$"))
            """,
            """
            with engine.begin() as connection:
                connection.execute(text("DO $$BEGIN PERFORM 1; END$$"))
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("DO $$BEGIN EXECUTE current_setting('app.todo'); END$$")
            """,
            """
            with connection.cursor() as cursor:
                cursor.execute("DO $$BEGIN PERFORM 1; END$$")
            """,
        ),
        remedy="""
            Read the code and make sure that it leaves nothing (SET LOCAL, ON COMMIT DROP), then
            allow that place. The rule is off unless asked for
            (`rules={"opaque-code": "warn"}`), because most such code is harmless.
        """,
        fine="When the code is yours and leaves nothing in the session.",
        allow="""
            with pgpoolsafe.allow("opaque-code", reason="creates partitions, nothing else"):
                conn.execute("DO $$BEGIN EXECUTE format('SELECT %s', '1'); END$$")
        """,
        undetected="""
            Functions and procedures of the database, unless `install(audit=True)` has asked
            for [their code](../audit.md), which is not in the text that calls them; triggers.
            Without it only DO blocks are looked into.
        """,
    ),
    "unreadable-statement": Page.of(
        story="""
            A statement holds something that may change the session, and its text ends inside
            a quote or a comment. As a rule the server refuses it. But with
            `standard_conforming_strings` off, the spelling of old programs, a backslash hides
            the quote: `SELECT 'it\\'s A', set_config('app.note', 'A', false)` is then a whole
            statement, its setting stays on the server connection, and client B is given it.
        """,
        psycopg=Example.of(
            r"""
            conn.execute("SET standard_conforming_strings = off")
            conn.commit()
            conn.execute(r"SELECT 'it\'s A', set_config('app.note', 'A', false)")
            """,
            """
            with conn.transaction():
                conn.execute("SELECT 'it''s A', set_config('app.note', 'A', true)")
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("SELECT 'unfinished; SET app.note = 1"))
            """,
            """
            with engine.begin() as connection:
                connection.execute(
                    text("SELECT set_config('app.note', :note, true)"), {"note": "it's A"}
                )
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("SELECT 'unfinished; SET app.note = 1")
            """,
            """
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('app.note', %s, true)", ["it's A"])
            """,
        ),
        remedy="""
            Close the quote or the comment. Write a quote inside a string as two (`'it''s'`), a
            backslash escape as `E'…'`, and hand values over as parameters.
        """,
        fine="""
            With `standard_conforming_strings` off the server reads the text otherwise than
            pgpoolsafe does. Then it may be fine, and cannot be called so.
        """,
        allow=r"""
            conn.execute("SET standard_conforming_strings = off")
            with pgpoolsafe.allow("unreadable-statement", reason="old spelling of quotes"):
                conn.execute(r"SELECT 'it\'s A', set_config('app.note', 'A', true)")
        """,
        undetected="""
            A text that the server reads otherwise and that looks whole all the same. Texts that
            contain nothing like a hazard are not looked into, whole or not.
        """,
    ),
}
