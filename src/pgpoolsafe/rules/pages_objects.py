"""Pages of the rules about what a session makes: tables, cursors, numbers."""

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
            temporary table. The use of a temporary table that an earlier transaction of this
            client made is told, by its name; not where a view or a function uses it.
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
            a cursor are told only if this client declared it in an earlier transaction.
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
}
