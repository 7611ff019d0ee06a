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
}
