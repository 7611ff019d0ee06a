"""Which way a text can go with settings: every spelling, without a server.

That the server agrees is shown by tests/integration/test_manners.py.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgpoolsafe.sql import manners
from pgpoolsafe.sql.manners import ROWS, Manner, known_manner, manner
from pgpoolsafe.sql.statements import RECOGNISERS, WITHOUT_EFFECT

PIPED = """
SELECT 1
select a, b from c where d = %s
SELECT 1;
SELECT 1 ;;
  ; SELECT 1
SELECT ';'
SELECT 'VACUUM; COMMIT'
SELECT $$;$$
SELECT 1 AS "a$1"
(SELECT 1) UNION (SELECT 2)
((VALUES (1)))
/* a; b */ SELECT 1 -- ; COMMIT
SELECT 1 INTO t
WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x
INSERT INTO t VALUES (%s, %(name)s)
MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE
TABLE t
SHOW work_mem
EXPLAIN ANALYZE SELECT 1
EXPLAIN (ANALYZE) EXECUTE p
EXPLAIN DECLARE c CURSOR FOR SELECT 1
EXECUTE p(1)
PREPARE p AS SELECT 1
PREPARE transaction AS SELECT 1
DEALLOCATE ALL
LISTEN jobs
NOTIFY jobs
LOAD 'auto_explain'
DISCARD PLANS
DISCARD TEMP
CHECKPOINT
ANALYZE t
ANALYZE (VERBOSE, SKIP_LOCKED) t (a, b)
analyse verbose s.t
TRUNCATE t
REFRESH MATERIALIZED VIEW CONCURRENTLY v
CREATE TABLE vacuum (id int)
CREATE INDEX concurrently_made ON t (a)
CREATE INDEX "concurrently" ON t (a)
CREATE UNIQUE INDEX i ON t (a)
CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END
CREATE PROCEDURE p() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$
CREATE TABLE database (subscription int)
CREATE SCHEMA database CREATE TABLE t (id int)
DROP INDEX i
DROP TABLE database
ALTER TABLE t ADD concurrently_made int
ALTER TABLE t DETACH PARTITION p
ALTER TABLE t DETACH PARTITION p FINALIZE
ALTER TYPE mood ADD VALUE 'sad'
ALTER DATABASE shop SET work_mem = '1MB'
ALTER DATABASE shop RENAME TO store
ALTER DATABASE "set" RESET tablespace
ALTER SUBSCRIPTION feed ENABLE
ALTER SUBSCRIPTION "add" RENAME TO "drop"
ALTER ROLE app SET work_mem = '1MB'
DECLARE c CURSOR WITH HOLD FOR SELECT 1
DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1 FOR UPDATE
COPY t FROM '/tmp/stdin'
COPY t TO PROGRAM 'cat'
COPY stdin TO '/tmp/t'
DO $$BEGIN PERFORM 1; END$$
DO $$BEGIN INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; END$$
DO $$BEGIN INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1; END$$
DO $$BEGIN EXECUTE 'CALL p()'; RAISE 'no commit, no rollback'; END$$
DO $$BEGIN SET TRANSACTION READ ONLY; END$$
DO LANGUAGE plpgsql $$BEGIN /* COMMIT; */ PERFORM 'ROLLBACK'; END$$
DO $$BEGIN UPDATE t SET "commit" = 1; END$$
COMMENT ON TABLE t IS 'BEGIN; COMMIT'
GRANT reporting TO app
SECURITY LABEL ON TABLE t IS NULL
IMPORT FOREIGN SCHEMA s FROM SERVER a INTO b
REASSIGN OWNED BY a TO b
"""

QUERY = """
SELECT 1; SELECT 2
SELECT 1; VACUUM
VACUUM; VACUUM
SET work_mem = '1MB'; SELECT 1
SET TRANSACTION READ ONLY; SELECT 1
LOCK t; SELECT 1
CALL p(); SELECT 1
DECLARE c CURSOR FOR SELECT 1; FETCH c
SELECT $1
PREPARE p(int) AS SELECT $1
EXPLAIN (GENERIC_PLAN) SELECT $1
COPY t FROM STDIN
copy t from stdin (format csv)
COPY t (a, b) FROM STDOUT
COPY (SELECT 1) TO STDOUT
COPY stdin FROM STDIN
COPY t FROM /* the client */ STDIN WITH BINARY
"""

BARE = """
;
/* nothing */
BEGIN
BEGIN ISOLATION LEVEL SERIALIZABLE
START TRANSACTION
COMMIT
COMMIT AND CHAIN
END
ROLLBACK
ROLLBACK TO s
ABORT
SAVEPOINT s
RELEASE s
PREPARE TRANSACTION 'x'
/* x */ COMMIT;
LOCK t
lock table t in share mode
DECLARE c CURSOR FOR SELECT 1
DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1
DECLARE c SCROLL CURSOR FOR SELECT 'WITH HOLD' FOR UPDATE
FETCH ALL FROM c
MOVE c
CLOSE ALL
SET work_mem = '1MB'
SET LOCAL work_mem = '1MB'
SET TRANSACTION READ ONLY
SET CONSTRAINTS ALL DEFERRED
RESET ALL
DISCARD ALL
discard /* it */ all
"""

ALONE = """
VACUUM
vacuum (analyze) t
VACUUM FULL t;
CLUSTER
CLUSTER t USING i
REINDEX TABLE t
REINDEX INDEX i
REINDEX SCHEMA s
REINDEX DATABASE d
REINDEX SYSTEM d
REINDEX (CONCURRENTLY) TABLE t
REINDEX TABLE CONCURRENTLY t
ANALYZE
ANALYZE VERBOSE
ANALYZE (VERBOSE)
ANALYZE t, s.t
CREATE INDEX CONCURRENTLY i ON t (a)
create unique index concurrently on t (a)
DROP INDEX CONCURRENTLY i
DROP INDEX CONCURRENTLY IF EXISTS i
CREATE DATABASE d
DROP DATABASE IF EXISTS d
ALTER DATABASE d SET TABLESPACE t
ALTER DATABASE "set" SET TABLESPACE t
CREATE TABLESPACE t LOCATION '/t'
DROP TABLESPACE t
ALTER SYSTEM SET work_mem = '1MB'
ALTER SYSTEM RESET ALL
COMMIT PREPARED 'x'
ROLLBACK PREPARED 'x'
CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p
DROP SUBSCRIPTION s
ALTER SUBSCRIPTION s SET PUBLICATION p
ALTER SUBSCRIPTION s ADD PUBLICATION p
ALTER SUBSCRIPTION "enable" DROP PUBLICATION p
ALTER SUBSCRIPTION s REFRESH PUBLICATION
ALTER TABLE t DETACH PARTITION p CONCURRENTLY
ALTER TABLE ONLY s.t DETACH PARTITION s.p CONCURRENTLY;
CALL p()
CALL p($1)
DO $$BEGIN COMMIT; END$$
DO $$BEGIN IF true THEN ROLLBACK; END IF; END$$
DO $$BEGIN CALL p(); END$$
DO $$BEGIN DO $x$BEGIN COMMIT; END$x$; END$$
DO $$BEGIN DO LANGUAGE plpgsql 'BEGIN COMMIT; END'; END$$
DO 'begin commit and chain; end'
DO LANGUAGE plpython3u $$plpy.commit()$$
DO $$plpy.commit()$$ LANGUAGE "plpython3u"
DO %s
DO ''
BEGIN; SELECT 1; COMMIT
SELECT 1; COMMIT
COMMIT; VACUUM
SELECT 1; SELECT 'it
SELECT $1, 'it
SELECT 1 /* open; COMMIT
REPACK t
WAIT FOR LSN '0/1'
START
NONSENSE
1
"""


def lines(table: str) -> list[str]:
    return [line for line in table.splitlines() if line]


CASES = [
    *((text, Manner.PIPED) for text in lines(PIPED)),
    *((text, Manner.QUERY) for text in lines(QUERY)),
    *((text, Manner.BARE) for text in lines(BARE)),
    *((text, Manner.ALONE) for text in lines(ALONE)),
    ("-- BEGIN\nSELECT 1", Manner.PIPED),
    ("CREATE /* x */ INDEX -- y\n CONCURRENTLY i ON t (a)", Manner.ALONE),
    ("VACUUM -- ; SELECT 1", Manner.ALONE),
    ("", Manner.BARE),
    ("\0VACUUM", Manner.BARE),
]


@pytest.mark.parametrize("text, expected", CASES)
def test_the_manner_of_a_text(text: str, expected: Manner) -> None:
    assert manner(text) is expected


@pytest.mark.parametrize("text, expected", CASES)
def test_case_and_comments_make_no_difference(text: str, expected: Manner) -> None:
    if "$$" not in text and '"' not in text:
        assert manner(text.swapcase()) is expected
    assert manner(f"/* a /* b */ ; */\n\t{text}") is expected


@pytest.mark.parametrize("text, expected", CASES)
def test_a_known_text_is_one_look_up(text: str, expected: Manner) -> None:
    manner(text)
    assert known_manner(text) is expected


def test_every_command_of_the_reader_has_a_row() -> None:
    controls = {"abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start"}
    assert set(ROWS) == (set(RECOGNISERS) | WITHOUT_EFFECT) - controls


def test_a_long_text_is_not_kept() -> None:
    text = f"SELECT {'1' * 5000}"
    assert manner(text) is Manner.PIPED
    assert known_manner(text) is None


PIECES = "; ' \" $$ $1 ( ) /* */ -- \n SELECT DO COMMIT VACUUM DECLARE COPY STDIN FOR set".split(
    " "
)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12))
def test_the_quick_look_agrees_with_the_long_one(pieces: list[str]) -> None:
    """Where it says PIPED, a reading of the tokens does too, if the text is complete at all."""
    text = " ".join(pieces)
    if manners._is_plainly_one(text):
        complete = manners.source(text).complete
        assert manners._manner(text) is (Manner.PIPED if complete else Manner.ALONE)
    assert manner(text) in Manner
