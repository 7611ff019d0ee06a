"""Pages of the rules about where settings do not reach, and what they leave when they end."""

from __future__ import annotations

from .page import Example, Page

CARRYING = {
    "settings-not-carried": Page.of(
        story="""
            A client says `SET lock_timeout = '2s'` and, in autocommit,
            `CREATE INDEX CONCURRENTLY …`. pgpoolsafe sends the settings of a client along with
            each transaction of it, so that they hold behind a pooler and reach nobody else. This
            statement refuses to run in a transaction block, and there is no other way to bring
            the settings to it: it waits for its lock as long as the server lets it.
        """,
        psycopg=Example.of(
            """
            conn.autocommit = True
            conn.execute("SET lock_timeout = '2s'")
            conn.execute("VACUUM orders")
            """,
            """
            with psycopg.connect(DIRECT_DSN, autocommit=True) as direct:
                direct.execute("SET lock_timeout = '2s'")
                direct.execute("VACUUM orders")
            """,
        ),
        sqlalchemy=Example.of(
            """
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SET lock_timeout = '2s'"))
                connection.execute(text("VACUUM orders"))
            """,
            """
            direct = create_engine(DIRECT_URL, isolation_level="AUTOCOMMIT")
            with direct.connect() as connection:
                connection.execute(text("SET lock_timeout = '2s'"))
                connection.execute(text("VACUUM orders"))
            direct.dispose()
            """,
        ),
        django=Example.of(
            """
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
                cursor.execute("VACUUM orders")
            """,
            """
            with connections["direct"].cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
                cursor.execute("VACUUM orders")
            """,
        ),
        remedy="""
            Run it on a direct connection, as migrations are best run anyway, or through a pool in
            session mode. A setting that is the same for every statement of a role belongs to the
            role: `ALTER ROLE app SET lock_timeout = '2s'`. `REINDEX TABLE`, `CLUSTER table` and a
            CALL that does not commit can also run in a transaction that you open; they are on
            the list because their text does not show that they can.
        """,
        fine="""
            When the statement does as well without the settings: a `statement_timeout` for
            queries need not hold for a nightly VACUUM. Take heed of `search_path` and of roles:
            without them a statement may be about another table, or not be permitted.
        """,
        allow="""
            conn.autocommit = True
            conn.execute("SET lock_timeout = '2s'")
            with pgpoolsafe.allow("settings-not-carried", reason="may wait as long as it takes"):
                conn.execute("VACUUM orders")
        """,
        undetected="""
            Nothing is sent without its settings silently: a statement that is not known here
            falls under the rule too. What a function does on another connection (dblink) never
            had them.
        """,
        elsewhere="""
            The rule is about what PostgreSQL refuses in a transaction block, behind every pooler
            that gives out server connections by the transaction:

            - `VACUUM`, `CLUSTER`, `REINDEX`, `ANALYZE` of several tables or all;
            - `CREATE INDEX`, `DROP INDEX` and `DETACH PARTITION` with `CONCURRENTLY`;
            - `CREATE` and `DROP` of a `DATABASE`, `TABLESPACE` or `SUBSCRIPTION`,
              `ALTER DATABASE … SET TABLESPACE`, `ALTER SUBSCRIPTION` that may talk to its
              publisher, `ALTER SYSTEM`;
            - `COMMIT PREPARED`, `ROLLBACK PREPARED`;
            - `CALL`, and `DO` with `COMMIT`, `ROLLBACK` or `CALL` in it, or in another language
              than PL/pgSQL;
            - several statements in one text with transaction control among them.
        """,
    ),
    "empty-custom-setting": Page.of(
        story="""
            A policy says `tenant = current_setting('app.tenant', true)::uuid`. Client A sets
            `SET LOCAL app.tenant = …`, as it should, and commits. On that server connection the
            setting is now '' and not NULL: PostgreSQL keeps the name of a setting that it does
            not know, with an empty value. Client B, which sets no tenant, reads the table on it
            and gets `invalid input syntax for type uuid: ""`; on another server connection it
            gets no rows. Which of the two happens is a matter of luck.
        """,
        psycopg=Example.of(
            """
            conn.execute(
                "CREATE POLICY mine ON orders"
                " USING (tenant = current_setting('app.tenant', true)::uuid)"
            )
            """,
            """
            conn.execute(
                "CREATE POLICY mine ON orders"
                " USING (tenant = nullif(current_setting('app.tenant', true), '')::uuid)"
            )
            """,
        ),
        sqlalchemy=Example.of(
            """
            mine = "current_setting('app.tenant', true)::uuid"
            with engine.begin() as connection:
                connection.execute(text(f"CREATE POLICY mine ON orders USING (tenant = {mine})"))
            """,
            """
            mine = "nullif(current_setting('app.tenant', true), '')::uuid"
            with engine.begin() as connection:
                connection.execute(text(f"CREATE POLICY mine ON orders USING (tenant = {mine})"))
            """,
        ),
        django=Example.of(
            """
            operations = [
                migrations.RunSQL(
                    "CREATE POLICY mine ON orders"
                    " USING (tenant = current_setting('app.tenant', true)::uuid)"
                ),
            ]
            """,
            """
            operations = [
                migrations.RunSQL(
                    "CREATE POLICY mine ON orders"
                    " USING (tenant = nullif(current_setting('app.tenant', true), '')::uuid)"
                ),
            ]
            """,
        ),
        remedy="""
            `nullif(current_setting('app.tenant', true), '')`, and the cast upon it: NULL on every
            server connection, so that the policy lets nothing through where no tenant is set.
            COALESCE does not help, for '' is not NULL.
        """,
        fine="""
            When every transaction that reads the table sets the setting first. A comparison as
            text needs no such cast and cannot fail:
            `tenant::text = current_setting('app.tenant', true)`.
        """,
        allow="""
            pgpoolsafe.install(conn, rules={"empty-custom-setting": "ignore"})
            findings = pgpoolsafe.audit(conn)
        """,
        undetected="""
            Casts that are not written: a PL/pgSQL variable of type uuid that the setting is
            assigned to, `uuid(current_setting(…))`, an argument of that type. A cast of a CASE, or
            of what a function of yours returns. A name of the setting that is computed. Index
            expressions, rules, domains and trigger conditions.
            Nothing is said where the same expression or function compares the setting with ''.
        """,
        elsewhere="""
            `audit()` finds it in policies, views, column defaults, checks of tables and functions
            in SQL and PL/pgSQL. The same on a direct connection, but there the client is the
            one that has set it: behind a pooler it is somebody else, whoever used the server
            connection before.
        """,
    ),
}
