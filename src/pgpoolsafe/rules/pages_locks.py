"""Pages of the rules about advisory locks and notifications."""

from __future__ import annotations

from .page import Example, Page

LOCKS = {
    "advisory-lock": Page.of(
        story="""
            Client A takes `pg_advisory_lock(42)`. The lock belongs to the server connection
            and survives COMMIT and ROLLBACK. A's `pg_advisory_unlock(42)` goes to another
            server connection, returns false, and the lock stays, even after A has gone:
            everybody else waits for ever. Only who happens to be given that very server
            connection gets the lock at once, and holds it beside A.
        """,
        psycopg=Example.of(
            """
            conn.execute("SELECT pg_advisory_lock(42)")
            conn.execute("UPDATE orders SET item = upper(item)")
            conn.commit()
            conn.execute("SELECT pg_advisory_unlock(42)")
            conn.commit()
            """,
            """
            with conn.transaction():
                conn.execute("SELECT pg_advisory_xact_lock(42)")
                conn.execute("UPDATE orders SET item = upper(item)")
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_lock(42)"))
            with engine.begin() as connection:
                connection.execute(text("UPDATE orders SET item = upper(item)"))
                connection.execute(text("SELECT pg_advisory_unlock(42)"))
            """,
            """
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(42)"))
                connection.execute(text("UPDATE orders SET item = upper(item)"))
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(42)")
                call_command("migrate")
                cursor.execute("SELECT pg_advisory_unlock(42)")
            """,
            """
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(42)")
                Order.objects.update(item=Upper("item"))
            """,
        ),
        remedy="""
            `pg_advisory_xact_lock(…)`, which the end of the transaction releases. A lock that
            has to outlast transactions needs a connection of its own to PostgreSQL itself:
            take and release it there, and do the work where you like.

            A lock that is taken and released inside one transaction is no finding, whatever
            the name of the function. In strict mode a transaction that would leave a lock
            behind is rolled back and the lock released with it.
        """,
        fine="""
            When the pool has a server connection for each client and never takes it back,
            which is session pooling, and known by itself. Behind transaction pooling, hardly
            ever.
        """,
        allow="""
            with pgpoolsafe.allow("advisory-lock", reason="this pool has one server connection"):
                conn.execute("SELECT pg_advisory_lock(42)")
        """,
        undetected="""
            A lock that a function of the database takes. A lock of an expression that reads
            differently at its release, `pg_advisory_lock(40 + 2)` and
            `pg_advisory_unlock(42)`: it is reported although it is released, never the other
            way about.
        """,
    ),
    "unlock-not-held": Page.of(
        story="""
            Client A took a lock in an earlier transaction and releases it now. The unlock
            goes to whichever server connection comes next. On most it returns false, a
            result that few programs look at, and the lock stays for ever. On the one where
            client B holds a lock of the same key it returns true: B works on, and is no
            longer alone.
        """,
        psycopg=Example.of(
            """
            conn.execute("SELECT pg_advisory_unlock(42)")  # locked in an earlier transaction
            conn.commit()
            """,
            """
            with conn.transaction():
                conn.execute("SELECT pg_advisory_lock(42)")
                conn.execute("UPDATE orders SET item = upper(item)")
                conn.execute("SELECT pg_advisory_unlock(42)")
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
            """,
            """
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(42)"))
                connection.execute(text("UPDATE orders SET item = upper(item)"))
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(42)")
            """,
            """
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(42)")
            """,
        ),
        remedy="""
            Lock and unlock in one transaction, or use `pg_advisory_xact_lock(…)` and leave the
            release to the end of the transaction. `allow("advisory-lock")` covers this rule
            too, so that one line allows the pair.
        """,
        fine="""
            As with [advisory-lock](advisory-lock.md): hardly ever behind transaction pooling.
            A clean-up that calls `pg_advisory_unlock_all()` when a connection is returned can
            be taken out: it cleans somebody else's connection.
        """,
        allow="""
            with pgpoolsafe.allow("unlock-not-held", reason="this pool has one server connection"):
                conn.execute("SELECT pg_advisory_unlock(42)")
        """,
        undetected="An unlock inside a function of the database.",
    ),
    "listen": Page.of(
        story="""
            Client A says `LISTEN jobs`. What listens is the server connection, and it goes
            back to the pool at COMMIT. Notifications reach whoever holds that server
            connection at the moment, client B who never asked, and usually nobody. A waits
            and hears nothing; no error says so.
        """,
        psycopg=Example.of(
            """
            conn.autocommit = True
            conn.execute("LISTEN jobs")
            for notify in conn.notifies(timeout=10, stop_after=1):
                print(notify.payload)
            """,
            """
            # DIRECT_DSN leads to PostgreSQL itself. NOTIFY may go through the pooler.
            with psycopg.connect(DIRECT_DSN, autocommit=True) as listener:
                listener.execute("LISTEN jobs")
                conn.execute("NOTIFY jobs, 'job 7'")
                conn.commit()
                for notify in listener.notifies(timeout=10, stop_after=1):
                    print(notify.payload)
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("LISTEN jobs"))
            """,
            """
            # DIRECT_DSN leads to PostgreSQL itself. NOTIFY may go through the pooler.
            with psycopg.connect(DIRECT_DSN, autocommit=True) as listener:
                listener.execute("LISTEN jobs")
                with engine.begin() as connection:
                    connection.execute(text("NOTIFY jobs, 'job 7'"))
                for notify in listener.notifies(timeout=10, stop_after=1):
                    print(notify.payload)
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("LISTEN jobs")
            """,
            """
            with psycopg.connect(DIRECT_DSN, autocommit=True) as listener:
                listener.execute("LISTEN jobs")
                for notify in listener.notifies():
                    handle(notify.payload)
            """,
        ),
        remedy="""
            Listen on a direct connection, one for a process, not one for a request. NOTIFY and
            `pg_notify()` work through every pooler. Where there is no direct way, poll a table.

            With `mode="strict"` direct connections are guarded as well, if they are among what
            was installed on; leave the listener out, or allow it there.
        """,
        fine="""
            A LISTEN and its UNLISTEN in one transaction are no finding, and of no use. Some
            poolers carry LISTEN for their clients if they are configured to.
        """,
        allow="""
            with pgpoolsafe.allow("listen", reason="pub/sub is configured in the pooler"):
                conn.execute("LISTEN jobs")
        """,
        undetected="A LISTEN inside a function of the database, and one that is sent on the"
        " raw `conn.pgconn`.",
    ),
}
