"""Statements of every manner, as real servers are asked about them.

They meet the schema `lib` of `STAGE`, which only the carried search_path finds.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgpoolsafe.sql.manners import Manner

STAGE = """
DROP SCHEMA IF EXISTS lib CASCADE;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
CREATE SCHEMA lib;
SET search_path = lib;
CREATE TABLE t (id int PRIMARY KEY, item text);
INSERT INTO t VALUES (1, 'a'), (2, 'b');
CREATE TABLE u (id int CONSTRAINT odd CHECK (id % 2 = 1), seen text);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
CREATE MATERIALIZED VIEW stock AS TABLE t;
CREATE UNIQUE INDEX ON stock (id);
CREATE TYPE mood AS ENUM ('sad');
CREATE FUNCTION seen() RETURNS text LANGUAGE sql STABLE
  RETURN current_setting('app.seen', true);
CREATE PROCEDURE quiet() LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO lib.u VALUES (1, lib.seen()); END$$;
CREATE PROCEDURE commits() LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO lib.u VALUES (1, lib.seen()); COMMIT;
          INSERT INTO lib.u VALUES (3, lib.seen()); END$$;
RESET search_path;
"""

WORLD = """
SELECT (SELECT json_agg(format('%s.%s %s', n.nspname, c.relname, c.relkind) ORDER BY 1)
          FROM (SELECT * FROM pg_class ORDER BY relnamespace, relname) c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('lib', 'public')) #>> '{}',
       (SELECT json_agg(p.oid::regprocedure ORDER BY 1) FROM pg_proc p
         WHERE p.pronamespace::regnamespace::text IN ('lib', 'public')) #>> '{}',
       (SELECT json_agg(t ORDER BY t.id) FROM lib.t) #>> '{}',
       (SELECT json_agg(u ORDER BY u.id) FROM lib.u) #>> '{}',
       (SELECT count(DISTINCT xmin::text) FROM pg_statistic
         WHERE starelid IN ('lib.t'::regclass, 'lib.stock'::regclass)),
       (SELECT array_agg(datname) FROM pg_database WHERE datname = 'annex'),
       (SELECT array_agg(gid) FROM pg_prepared_xacts)
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One text and the way it has to go.

    `before`: what a superuser does first; `prelude`: what the session itself does first.
    `since`: the first version of PostgreSQL that knows the text. `blind`: no setting
    matters to it (PIPED, QUERY). `alike`: in the other ways it would come out the same, at
    least as far as it can be seen from outside (QUERY, BARE, ALONE). `copies`: it is not
    tried in a pipeline, where libpq's manual forbids COPY.
    """

    text: str
    manner: Manner
    before: tuple[str, ...] = ()
    prelude: tuple[str, ...] = ()
    since: int = 0
    blind: bool = False
    alike: bool = False
    copies: bool = False

    def __str__(self) -> str:
        return self.text


def _all(manner: Manner, *texts: str, blind: bool = False, alike: bool = False) -> list[Case]:
    return [Case(text, manner, blind=blind, alike=alike) for text in texts]


FEED = (
    "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p"
    " WITH (connect = false, slot_name = 'feed')",
    "ALTER SUBSCRIPTION feed ENABLE",
)
HELD = ("DECLARE held CURSOR WITH HOLD FOR VALUES (1), (2), (3)",)
PREPARED = ("BEGIN; INSERT INTO lib.t VALUES (7); PREPARE TRANSACTION 'seven'",)
ATTIC = "CREATE TABLESPACE attic LOCATION ''"
IN_PLACE = ("SET allow_in_place_tablespaces = on",)

PIPED = [
    *_all(
        Manner.PIPED,
        "SELECT seen(), id FROM t ORDER BY id;",
        "(SELECT seen()) UNION ALL (SELECT 'more')",
        "WITH gone AS (DELETE FROM t WHERE id = 1 RETURNING id) SELECT seen(), id FROM gone",
        "SELECT seen() AS seen INTO v",
        "VALUES (seen())",
        "TABLE t",
        "SHOW app.seen",
        "INSERT INTO u VALUES (5, seen()) RETURNING *",
        "UPDATE t SET item = seen() WHERE id = 1",
        "DELETE FROM t WHERE item <> seen()",
        "MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (3, seen())",
        "SELECT nothing FROM t",
        "SELECT 1/0 FROM t",
        "INSERT INTO u VALUES (2, seen())",
        "EXPLAIN (COSTS off) SELECT * FROM t",
        "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS off) TABLE t",
        "EXPLAIN (COSTS off) DECLARE c CURSOR FOR TABLE t",
        "PREPARE p AS TABLE t",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY stock",
        "TRUNCATE t",
        "ANALYZE t",
        "COPY t TO '/dev/null'",
        "CREATE TABLE v AS SELECT seen()",
        "CREATE TABLE v (id int)",
        "CREATE UNIQUE INDEX i ON t (item)",
        "CREATE VIEW v AS TABLE t",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$",
        "ALTER TABLE t ADD price int",
        "ALTER TABLE parts DETACH PARTITION part1",
        "ALTER TABLE parts DETACH PARTITION part1 FINALIZE",
        "ALTER TYPE mood ADD VALUE 'glad'",
        "DROP TABLE t",
        "COMMENT ON TABLE t IS 'x'",
        "GRANT SELECT ON t TO app",
        "DECLARE c CURSOR WITH HOLD FOR SELECT seen() FROM t",
        "DO $$BEGIN INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; PERFORM 1/0; END$$",
        "DO $$BEGIN EXECUTE 'INSERT INTO t VALUES (3)'; END$$",
        "DO $$BEGIN EXECUTE 'CALL commits()'; END$$",
        "DO $$BEGIN RAISE NOTICE '%', seen(); END$$",
    ),
    *_all(
        Manner.PIPED,
        "DO $$BEGIN EXECUTE 'COMMIT'; END$$",
        "DO $$BEGIN SET TRANSACTION READ ONLY; INSERT INTO lib.t VALUES (3); END$$",
        "DO $$BEGIN SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; END$$",
        "DO $$BEGIN EXECUTE 'DO $x$BEGIN COMMIT; END$x$'; END$$",
        "SELECT id FROM nothing",
        "SECURITY LABEL ON TABLE t IS NULL",
        "LISTEN jobs",
        "UNLISTEN *",
        "NOTIFY jobs",
        "LOAD 'auto_explain'",
        "CHECKPOINT",
        "DEALLOCATE ALL",
        "DISCARD PLANS",
        "DISCARD SEQUENCES",
        "DISCARD TEMP",
        "REASSIGN OWNED BY reporting TO app",
        "DROP OWNED BY reporting",
        "ALTER DATABASE shop SET work_mem = '4MB'",
        "ALTER ROLE app SET work_mem = '4MB'",
        "IMPORT FOREIGN SCHEMA s FROM SERVER nowhere INTO lib",
        blind=True,
    ),
    Case("EXECUTE p", Manner.PIPED, prelude=("PREPARE p AS SELECT lib.seen()",)),
    Case("EXPLAIN EXECUTE p", Manner.PIPED, prelude=("PREPARE p AS SELECT 1",), blind=True),
    Case("ALTER SUBSCRIPTION feed DISABLE", Manner.PIPED, before=FEED, blind=True),
]

QUERY = [
    *_all(
        Manner.QUERY,
        "SELECT seen(); TABLE t",
        "INSERT INTO t VALUES (3); SELECT 1/0 FROM t",
        "TABLE t; VACUUM t",
        "TABLE t; ALTER SYSTEM SET work_mem = '1MB'",
        "LOCK t; TABLE t",
        "DECLARE c CURSOR FOR SELECT seen() FROM t; FETCH 1 FROM c; CLOSE c",
        "CALL quiet(); TABLE u",
        "CALL commits(); TABLE u",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT seen(); SHOW transaction_isolation",
        "SELECT id FROM t WHERE id = $1",
    ),
    Case("COPY t FROM STDIN", Manner.QUERY, copies=True),
    Case("COPY t TO STDOUT", Manner.QUERY, copies=True),
    Case("COPY (SELECT seen()) TO STDIN WITH (FORMAT csv)", Manner.QUERY, copies=True),
    Case("DO $$BEGIN COMMIT; END$$; TABLE u", Manner.QUERY, blind=True),
    Case("PREPARE p(int) AS SELECT id FROM t WHERE id = $1", Manner.QUERY, alike=True),
    Case("EXPLAIN (GENERIC_PLAN, COSTS off) TABLE t", Manner.PIPED, since=16),
    Case("EXPLAIN (GENERIC_PLAN, COSTS off) SELECT * FROM t WHERE id = $1", Manner.QUERY, since=16),
]

BARE = [
    *_all(
        Manner.BARE,
        "LOCK lib.t",
        "DECLARE c CURSOR FOR TABLE lib.t",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET CONSTRAINTS ALL DEFERRED",
        "SET LOCAL work_mem = '1MB'",
        "DISCARD ALL",
        "PREPARE TRANSACTION 'x'",
        "/* nothing */",
    ),
    *_all(
        Manner.BARE,
        "SET work_mem = '1MB'",
        "RESET work_mem",
        "COMMIT",
        "ROLLBACK",
        "COMMIT AND CHAIN",
        "SAVEPOINT s",
        "RELEASE s",
        "ROLLBACK TO s",
        "CLOSE ALL",
        alike=True,
    ),
    Case("FETCH 2 FROM held", Manner.BARE, prelude=HELD, alike=True),
    Case("MOVE held", Manner.BARE, prelude=HELD, alike=True),
]

ALONE = [
    *_all(
        Manner.ALONE,
        "VACUUM t",
        "VACUUM (ANALYZE) t",
        "VACUUM FULL t",
        "CLUSTER",
        "CLUSTER parts USING parts_pkey",
        "REINDEX TABLE parts",
        "REINDEX INDEX parts_pkey",
        "REINDEX SCHEMA lib",
        "REINDEX DATABASE shop",
        "REINDEX SYSTEM shop",
        "REINDEX (CONCURRENTLY) TABLE t",
        "REINDEX TABLE CONCURRENTLY t",
        "ANALYZE t, stock",
        "CREATE INDEX CONCURRENTLY i ON t (item)",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (item)",
        "DROP INDEX CONCURRENTLY stock_id_idx",
        "ALTER TABLE parts DETACH PARTITION part1 CONCURRENTLY",
        "CREATE DATABASE annex",
        "ALTER DATABASE shop SET TABLESPACE pg_default",
        "ALTER SYSTEM SET work_mem = '5MB'",
        "ALTER SYSTEM RESET work_mem",
        "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p",
        "CALL commits()",
        "DO $$BEGIN COMMIT; INSERT INTO lib.u VALUES (1, lib.seen()); END$$",
        "DO $$BEGIN CALL lib.commits(); END$$",
        "DO $$BEGIN DO $x$BEGIN COMMIT; INSERT INTO lib.u VALUES (1, lib.seen()); END$x$; END$$",
    ),
    # These would come out the same; their text cannot tell, or not without its options.
    *_all(
        Manner.ALONE,
        "CALL quiet()",
        "REINDEX TABLE t",
        "CLUSTER t USING t_pkey",
        "DROP SUBSCRIPTION IF EXISTS nothing",
        "DO LANGUAGE nothing 'x'",
        "NONSENSE",
        alike=True,
    ),
    Case("COMMIT PREPARED 'seven'", Manner.ALONE, before=PREPARED),
    Case("ROLLBACK PREPARED 'seven'", Manner.ALONE, before=PREPARED),
    Case("DROP DATABASE annex", Manner.ALONE, before=("CREATE DATABASE annex",)),
    Case(ATTIC, Manner.ALONE, prelude=IN_PLACE),
    Case("DROP TABLESPACE attic", Manner.ALONE, before=(*IN_PLACE, ATTIC)),
    Case("ALTER SUBSCRIPTION feed REFRESH PUBLICATION", Manner.ALONE, before=FEED),
    Case("ALTER SUBSCRIPTION feed SET PUBLICATION q", Manner.ALONE, before=FEED),
    Case("ALTER SUBSCRIPTION feed ADD PUBLICATION q", Manner.ALONE, before=FEED),
    Case("DROP SUBSCRIPTION feed", Manner.ALONE, before=FEED),
    Case("BEGIN; SELECT seen(); COMMIT; SELECT lib.seen()", Manner.ALONE),
]

CASES = (*PIPED, *QUERY, *BARE, *ALONE)
