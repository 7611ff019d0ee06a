"""Pages of the rules about what a session makes: tables, cursors, numbers, libraries."""

from __future__ import annotations

from .page import Example, Page

OBJECTS = {
    "temp-table": Page.of(
        story="""
            Client A creates a temporary table `basket`, commits, and looks for it in its next
            transaction: on another server connection it does not exist. On the one where it
            does, client B says `CREATE TEMP TABLE IF NOT EXISTS basket` and finds A's rows in
            it, or is told that `basket` already exists.
        """,
        psycopg=Example.of(
            """
            conn.execute("CREATE TEMP TABLE basket (item text)")
            conn.commit()
            conn.execute("INSERT INTO basket SELECT item FROM orders")
            """,
            """
            with conn.transaction():
                conn.execute("CREATE TEMP TABLE basket (item text) ON COMMIT DROP")
                conn.execute("INSERT INTO basket SELECT item FROM orders")
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("CREATE TEMP TABLE basket (item text)"))
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO basket SELECT item FROM orders"))
            """,
            """
            with engine.begin() as connection:
                connection.execute(text("CREATE TEMP TABLE basket (item text) ON COMMIT DROP"))
                connection.execute(text("INSERT INTO basket SELECT item FROM orders"))
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("CREATE TEMP TABLE basket (item text)")
                cursor.execute("INSERT INTO basket SELECT item FROM shop_order")
            """,
            """
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("CREATE TEMP TABLE basket (item text) ON COMMIT DROP")
                cursor.execute("INSERT INTO basket SELECT item FROM shop_order")
            """,
        ),
        remedy="""
            Create it in the transaction that uses it, with `ON COMMIT DROP`, or drop it before
            COMMIT. Where the rows have to outlast a transaction, use an ordinary UNLOGGED
            table with a column that says whose they are.

            The rule covers every temporary object: tables, views and sequences made with TEMP,
            whatever is created in `pg_temp`, `SELECT … INTO TEMP`, and the same under
            EXPLAIN ANALYZE.
        """,
        fine="""
            When it is created and dropped in one transaction, or rolled back: no finding then.
        """,
        allow="""
            with pgpoolsafe.allow("temp-table", reason="a pool of one, for this job alone"):
                conn.execute("CREATE TEMP TABLE basket (item text)")
        """,
        undetected="""
            Temporary objects that the text does not show: a table created without TEMP under
            `search_path = pg_temp`, one that a function creates, an index or a view on a
            temporary table. Statements that use a temporary table of an earlier transaction:
            they look like any other, and fail at the server with `undefined_table`.
        """,
    ),
    "hold-cursor": Page.of(
        story="""
            Client A declares a cursor WITH HOLD, which makes it outlive its transaction. It
            stays on the server connection. A's next FETCH goes to another one: cursor does
            not exist. Client B, whose program uses the same cursor name, is told that it
            already exists, or fetches A's rows.
        """,
        psycopg=Example.of(
            """
            with conn.cursor("page", withhold=True) as cursor:
                cursor.execute("SELECT item FROM orders")
                conn.commit()
                rows = cursor.fetchall()
            """,
            """
            with conn.transaction(), conn.cursor("page") as cursor:
                cursor.execute("SELECT item FROM orders")
                rows = cursor.fetchall()
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(
                    text("DECLARE page CURSOR WITH HOLD FOR SELECT item FROM orders")
                )
            """,
            """
            with engine.connect().execution_options(stream_results=True) as connection:
                for row in connection.execute(text("SELECT item FROM orders")):
                    print(row.item)
            """,
        ),
        django=Example.of(
            """
            for order in Order.objects.iterator():
                handle(order)
            """,
            """
            with transaction.atomic():
                for order in Order.objects.iterator():
                    handle(order)
            """,
        ),
        remedy="""
            Fetch inside one transaction, without WITH HOLD. With Django set
            `DISABLE_SERVER_SIDE_CURSORS`, or put `.iterator()` into `atomic()`: outside of one
            it declares a cursor WITH HOLD. A job that must not keep a transaction open while
            it reads pages by key (`WHERE id > … ORDER BY id LIMIT …`), or reads on a direct
            connection.
        """,
        fine="When it is closed in the transaction that declared it: no finding then.",
        allow="""
            with pgpoolsafe.allow("hold-cursor", reason="a pool of one, for this job alone"):
                conn.execute("DECLARE page CURSOR WITH HOLD FOR SELECT item FROM orders")
        """,
        undetected="""
            A cursor that a function of the database opens and keeps. FETCH, MOVE and CLOSE of
            a cursor from an earlier transaction: they fail at the server if it is not there.
        """,
    ),
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
    "sequence-state": Page.of(
        story="""
            Client A inserts a row and commits, then asks `lastval()` for the number that the
            row was given. On another server connection that fails: lastval is not yet defined
            in this session. On one where client B inserted last, A is answered B's number,
            and goes on to change B's row.
        """,
        psycopg=Example.of(
            """
            conn.execute("INSERT INTO orders (item) VALUES ('anvil')")
            conn.commit()
            number = conn.execute("SELECT lastval()").fetchone()[0]
            """,
            """
            with conn.transaction():
                number = conn.execute(
                    "INSERT INTO orders (item) VALUES ('anvil') RETURNING id"
                ).fetchone()[0]
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO orders (item) VALUES ('anvil')"))
            with engine.begin() as connection:
                number = connection.scalar(text("SELECT currval('orders_id_seq')"))
            """,
            """
            with engine.begin() as connection:
                number = connection.scalar(
                    text("INSERT INTO orders (item) VALUES ('anvil') RETURNING id")
                )
            """,
        ),
        django=Example.of(
            """
            Order.objects.bulk_create([Order(item="anvil")])
            with connection.cursor() as cursor:
                cursor.execute("SELECT lastval()")
            """,
            """
            order = Order.objects.create(item="anvil")
            number = order.pk
            """,
        ),
        remedy="""
            `INSERT … RETURNING id`. Or call `currval` and `lastval` in the transaction that
            drew the number.
        """,
        fine="""
            After an INSERT, MERGE, COPY, CALL, DO or `nextval` in the same transaction there is
            no finding. Any of them counts, since which sequence they draw from is not known.
        """,
        allow="""
            with pgpoolsafe.allow("sequence-state", reason="a trigger draws the number first"):
                conn.execute("SELECT nextval('orders_id_seq'), lastval()")
        """,
        undetected="""
            `currval` in a function of the database, and one that asks for another sequence
            than the statement before it drew from.
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
