"""Pages of the rules about the session itself: what is loaded, kept and discarded in it."""

from __future__ import annotations

from .page import Example, Page

SESSIONS = {
    "load-library": Page.of(
        story="""
            Client A says `LOAD 'auto_explain'`. The library is loaded into the server process
            behind one server connection, and nothing unloads it again, not even DISCARD ALL.
            Client B is given that server connection and logs its plans unasked; A's next
            transaction runs on another one, without the library.
        """,
        psycopg=Example.of(
            """
            conn.execute("LOAD 'auto_explain'")
            conn.execute("SET LOCAL auto_explain.log_min_duration = 0")
            """,
            """
            # Once, as an administrator. It holds for each new server connection of the role.
            conn.execute("ALTER ROLE reporting SET session_preload_libraries = 'auto_explain'")
            conn.commit()
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("LOAD 'auto_explain'"))
            """,
            """
            with engine.begin() as connection:
                connection.execute(
                    text("ALTER ROLE reporting SET session_preload_libraries = 'auto_explain'")
                )
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("LOAD 'auto_explain'")
            """,
            """
            operations = [
                migrations.RunSQL(
                    "ALTER ROLE reporting SET session_preload_libraries = 'auto_explain'"
                ),
            ]
            """,
        ),
        remedy="""
            Have the server load it into every session that needs it:
            `session_preload_libraries` for the role or the database, or
            `shared_preload_libraries` for all.
        """,
        fine="When every client of the pool loads the same library and none minds it.",
        allow="""
            with pgpoolsafe.allow("load-library", reason="all clients of this pool load it"):
                conn.execute("LOAD 'auto_explain'")
        """,
        undetected="""
            A library that comes with the first call of a function written in C. That is how
            extensions are loaded, and no hazard by itself.
        """,
    ),
    "session-function": Page.of(
        story="""
            Some functions keep something in the session: `setseed` the state of `random()`,
            `dblink_connect` a connection, `pg_replication_origin_session_setup` an origin, a
            replication slot created as temporary itself. Client A calls one and commits.
            Client B, on the same server connection, draws A's random numbers or runs into A's
            connection; A, on another one, misses it.
        """,
        psycopg=Example.of(
            """
            conn.execute("SELECT setseed(0.5)")
            conn.commit()
            sample = conn.execute("SELECT item FROM orders ORDER BY random()").fetchall()
            """,
            """
            with conn.transaction():
                sample = conn.execute(
                    "SELECT item FROM orders ORDER BY md5(id::text || %s)", ["seed 5"]
                ).fetchall()
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("SELECT setseed(0.5)"))
            """,
            """
            with engine.begin() as connection:
                sample = connection.execute(
                    text("SELECT item FROM orders ORDER BY md5(CAST(id AS text) || :seed)"),
                    {"seed": "seed 5"},
                ).all()
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("SELECT setseed(0.5)")
            sample = list(Order.objects.order_by("?"))
            """,
            """
            ids = list(Order.objects.values_list("pk", flat=True))
            sample = random.Random(5).sample(ids, k=len(ids))
            """,
        ),
        remedy="""
            Undo it in the same transaction where there is a function for that
            (`dblink_disconnect`, `pg_replication_origin_session_reset`), or call it on a
            direct connection. What nothing undoes, such as `setseed`, is refused at once in
            strict mode, since at COMMIT it would be too late.

            A ROLLBACK undoes none of this. When strict mode refuses the COMMIT, a replication
            origin and `set_user` are reset with it; a dblink connection or a temporary
            replication slot stays on the server connection, and the error is all that tells.
        """,
        fine="""
            `dblink('connection string', …)` opens and closes its connection itself and is no
            finding. `setseed` is fine where nobody in the pool minds which numbers
            `random()` gives.
        """,
        allow="""
            with pgpoolsafe.allow("session-function", reason="nobody here minds the numbers"):
                conn.execute("SELECT setseed(0.5)")
        """,
        undetected="""
            Functions of extensions, and your own, that keep something in the session and are
            not in the table; global variables of PL/Perl, PL/Python and PL/Tcl.
        """,
    ),
    "discard": Page.of(
        story="""
            Client A says `DISCARD ALL` to clean up after itself. It reaches whichever server
            connection comes next: what A left on another one stays there, and what client B
            counts on here (a prepared statement, a temporary table) is gone.
        """,
        psycopg=Example.of(
            """
            conn.autocommit = True
            conn.execute("DISCARD ALL")
            """,
            """
            with conn.transaction():  # leaves nothing, so there is nothing to discard
                conn.execute("SET LOCAL statement_timeout = '2s'")
                orders = conn.execute("SELECT item FROM orders").fetchall()
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("DISCARD ALL"))
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
                cursor.execute("DISCARD ALL")
            """,
            """
            with transaction.atomic():
                orders = list(Order.objects.all())
            """,
        ),
        remedy="""
            Take it out. A reset query of the client's pool (`reset=` of psycopg_pool, a `reset`
            event of SQLAlchemy) does nothing useful behind a transaction pooler; keep the
            transactions clean instead. The pooler has a reset query of its own for session
            pooling.
        """,
        fine="""
            When the pool is PgBouncer's from 1.22 and only protocol-level prepared statements
            are at stake: it keeps them apart for each client.
        """,
        allow="""
            conn.autocommit = True
            with pgpoolsafe.allow("discard", reason="the same code also runs without a pooler"):
                conn.execute("DISCARD ALL")
        """,
        undetected="A DISCARD inside a function: PostgreSQL itself refuses DISCARD ALL there.",
    ),
    "residue": Page.of(
        story="""
            A statement looks harmless, and the code that it runs is not: a function says
            `set_config('app.tenant', …, false)`, a trigger takes a lock, a DO block executes
            a text that it has put together. Client A calls it and commits. Client B, on the
            same server connection, works for A's tenant. No reading of A's text can tell.

            In a test suite the server itself can. With `residue=True` strict mode asks the
            session after each transaction what it carries, and names the statement. It asks
            when the transaction is over, since only then SET and SET LOCAL differ: what is
            found has happened, and the error comes from COMMIT (in autocommit, from the
            statement).
        """,
        psycopg=Example.of(
            """
            # CREATE FUNCTION work_for(tenant text) RETURNS void LANGUAGE sql
            #   AS $$ SELECT set_config('app.tenant', tenant, false) $$
            pgpoolsafe.install(conn, mode="strict", residue=True)
            conn.execute("SELECT work_for('acme')")
            conn.commit()
            """,
            """
            conn.execute(
                "CREATE OR REPLACE FUNCTION work_for(tenant text) RETURNS void LANGUAGE sql"
                " AS $$ SELECT set_config('app.tenant', tenant, true) $$"
            )
            conn.execute("SELECT work_for('acme')")
            conn.commit()
            """,
        ),
        sqlalchemy=Example.of(
            """
            pgpoolsafe.install(engine, mode="strict", residue=True)
            with engine.begin() as connection:
                connection.execute(text("SELECT work_for('acme')"))
            """,
            """
            replacing = (
                "CREATE OR REPLACE FUNCTION work_for(tenant text) RETURNS void LANGUAGE sql"
                " AS $$ SELECT set_config('app.tenant', tenant, true) $$"
            )
            with engine.begin() as connection:
                connection.execute(text(replacing))
                connection.execute(text("SELECT work_for('acme')"))
            """,
        ),
        django=Example.of(
            """
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT work_for('acme')")
            """,
            """
            operations = [
                migrations.RunSQL(
                    "CREATE OR REPLACE FUNCTION work_for(tenant text) RETURNS void"
                    " LANGUAGE sql AS $$ SELECT set_config('app.tenant', tenant, true) $$"
                ),
            ]
            """,
        ),
        remedy="""
            Mend the code in the database: `SET LOCAL`, `set_config(…, true)`,
            `pg_advisory_xact_lock`, `ON COMMIT DROP`, or a `SET` clause of the function, which
            ends with its call. Where several statements of one transaction may have done it,
            the finding lists them; `residue="statement"` asks after each one and names it.
        """,
        fine="""
            Where the rule about that kind of thing is allowed or ignored for a statement, what
            its hidden code makes of the kind is too: `allow("temp-table")` covers a function
            that makes a temporary table.
        """,
        allow="""
            pgpoolsafe.install(conn, mode="strict", residue=True)
            with pgpoolsafe.allow("residue", reason="the function's table is a cache"):
                conn.execute("SELECT work_for('acme')")
                conn.commit()
        """,
        undetected="""
            Anything, unless it is asked for with `residue=True`, and then what SQL cannot see:
            the state of `random()`, variables of PL/Perl and PL/Python, a setting that is set to
            the value it had. A custom setting under a name that stands in no function (one
            that is computed). What a library was loaded for, before PostgreSQL 18. See
            `docs/residue.md`.
        """,
        elsewhere="""
            It looks at a session of its own: a direct connection, or a pooler in session mode.
            Behind one that shares server connections the next statement may reach another
            session, and `residue=True` is refused. What is found is judged as if behind
            PgBouncer in transaction mode (or the pooler that `install()` names).
        """,
    ),
}
