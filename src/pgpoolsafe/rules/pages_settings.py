"""Pages of the rules about settings and roles."""

from __future__ import annotations

from .page import Example, Page

SETTINGS = {
    "session-set": Page.of(
        story="""
            Client A says `SET app.tenant = 'acme'` and commits. The setting belongs to the
            server connection, which goes back to the pool as it is. Client B is given that
            server connection for its next transaction and works under A's tenant, search
            path or timeout; A is given another one, where nothing is set. Neither is told.
        """,
        psycopg=Example.of(
            """
            conn.execute("SET app.tenant = 'acme'")
            conn.commit()
            orders = conn.execute("SELECT item FROM orders").fetchall()
            """,
            """
            with conn.transaction():
                conn.execute("SELECT set_config('app.tenant', %s, true)", ["acme"])
                orders = conn.execute("SELECT item FROM orders").fetchall()
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("SET app.tenant = 'acme'"))
            with engine.begin() as connection:
                orders = connection.execute(text("SELECT item FROM orders")).all()
            """,
            """
            with engine.begin() as connection:
                connection.execute(
                    text("SELECT set_config('app.tenant', :tenant, true)"), {"tenant": "acme"}
                )
                orders = connection.execute(text("SELECT item FROM orders")).all()
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("SET app.tenant = 'acme'")
            orders = list(Order.objects.all())
            """,
            """
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('app.tenant', %s, true)", ["acme"])
                orders = list(Order.objects.all())
            """,
        ),
        remedy="""
            Most often nothing: on a guarded connection the setting stays with its client. SET
            is sent as SET LOCAL, `set_config(…, false)` with `true`, and what was set is put
            in force again with each later transaction, in the message that is sent anyway
            ([how](../settings.md)). The rule then finds only what cannot be carried:
            `UPDATE pg_settings`, a SET in a DO block, `set_config()` with a computed name or
            a computed third argument.

            By hand, set it in the transaction that needs it: `SET LOCAL name = value`, or
            `set_config(name, value, true)` where the value is a parameter. What is the same
            for every transaction of a role belongs to the role: `ALTER ROLE app SET …`.
            `settings="local"` makes SET local inside a transaction only, and reports it in
            autocommit; `settings="leave"` reports all and changes none.
        """,
        fine="""
            Settings that the pooler restores for each client are not reported. PgBouncer does
            so for `TimeZone`, `DateStyle`, `client_encoding`, `application_name` and
            `standard_conforming_strings`, newer ones for more. Nor is what ends with the
            transaction by its nature (`SET TRANSACTION`, `transaction_isolation`), or a SET
            that is rolled back. It does no harm, though it proves nothing either, when every
            client of the pool sets the same value at the beginning of each transaction.
        """,
        allow="""
            with pgpoolsafe.allow("session-set", reason="each client of this pool sets the same"):
                conn.execute("SET statement_timeout = '5s'")
        """,
        undetected="""
            A SET inside a function, trigger or procedure of the database: the statement that
            calls it does not show it (a `DO` block is read). Functions of extensions that
            change a setting and are not in the table. Start-up parameters
            (`options=-c search_path=…`), which a pooler treats in its own way.
        """,
    ),
    "session-role": Page.of(
        story="""
            Client A says `SET ROLE reporting` and commits. The server connection goes back to
            the pool under that role. Client B is given it and runs with the privileges of
            `reporting`: it reads what it may not, or is refused what it may. A goes on with
            its login role on another server connection.
        """,
        psycopg=Example.of(
            """
            conn.execute("SET ROLE reporting")
            conn.commit()
            who = conn.execute("SELECT current_user").fetchone()
            """,
            """
            with conn.transaction():
                conn.execute("SET LOCAL ROLE reporting")
                who = conn.execute("SELECT current_user").fetchone()
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("SET ROLE reporting"))
            with engine.begin() as connection:
                who = connection.scalar(text("SELECT current_user"))
            """,
            """
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL ROLE reporting"))
                who = connection.scalar(text("SELECT current_user"))
            """,
        ),
        django=Example.of(
            """
            DATABASES["default"]["OPTIONS"] = {"assume_role": "reporting"}
            """,
            """
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL ROLE reporting")
                orders = list(Order.objects.all())
            """,
        ),
        remedy="""
            Most often nothing: on a guarded connection the role stays with its client, and
            travels with each of its transactions like [any other setting](../settings.md).
            By hand, `SET LOCAL ROLE …` in the transaction that needs the role, or a pool of
            its own that logs in as that role.
        """,
        fine="""
            When the pool serves one application only, and every transaction of it begins with
            the same SET ROLE. PgBouncer from 1.26 restores `session_authorization` for each
            client, but not the role.
        """,
        allow="""
            with pgpoolsafe.allow("session-role", reason="the pool serves this job alone"):
                conn.execute("SET ROLE reporting")
        """,
        undetected="""
            A role that is set inside a function or procedure of the database. A function with
            SECURITY DEFINER is no hazard: its role ends with the call.
        """,
    ),
    "set-local-outside-transaction": Page.of(
        story="""
            A client in autocommit says `SET LOCAL statement_timeout = '2s'` and then runs its
            query. Each statement is a transaction of its own, so the setting has ended before
            the query begins. The server sends a notice (25P01) that no program reads. A
            second client plays no part in it: it is the same on a direct connection.
        """,
        psycopg=Example.of(
            """
            conn.autocommit = True
            conn.execute("SET LOCAL statement_timeout = '2s'")
            orders = conn.execute("SELECT item FROM orders").fetchall()
            """,
            """
            conn.autocommit = True
            with conn.transaction():
                conn.execute("SET LOCAL statement_timeout = '2s'")
                orders = conn.execute("SELECT item FROM orders").fetchall()
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SET LOCAL statement_timeout = '2s'"))
                orders = connection.execute(text("SELECT item FROM orders")).all()
            """,
            """
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL statement_timeout = '2s'"))
                orders = connection.execute(text("SELECT item FROM orders")).all()
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '2s'")
            orders = list(Order.objects.all())
            """,
            """
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL statement_timeout = '2s'")
                orders = list(Order.objects.all())
            """,
        ),
        remedy="""
            Open a transaction first. The rule is off unless asked for
            (`rules={"set-local-outside-transaction": "warn"}`), since nothing leaks and
            nothing differs behind a pooler. It finds the half of a repair: SET made LOCAL,
            and no transaction around it.
        """,
        fine="It never does anything, so it can be taken out.",
        allow="""
            with pgpoolsafe.allow("set-local-outside-transaction", reason="legacy, harmless"):
                conn.execute("SET LOCAL statement_timeout = '2s'")
        """,
        undetected="`set_config(…, true)` in autocommit, which is as idle and sends no notice.",
        elsewhere="""
            The same behind every pooler, and on a direct connection.
        """,
    ),
}
