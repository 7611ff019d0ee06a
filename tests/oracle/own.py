"""Our own statements for the server to judge: every spelling, look-alikes, combinations.

Nothing here says what a statement does: the server does. Each runs by itself, in blocks
that commit and that roll back, and inside longer texts.
"""

from __future__ import annotations

SETUP = """
CREATE SCHEMA app;
CREATE EXTENSION dblink; CREATE EXTENSION pg_trgm;
CREATE TABLE t (i int, listen text, temp int, set int, b boolean, j int);
INSERT INTO t VALUES (1, 'a', 1, 1, true, 1);
CREATE TABLE listen (i int); CREATE TABLE temp (i int); CREATE TABLE work_mem (i int);
CREATE TABLE app.t (i int); CREATE VIEW v AS SELECT i, temp FROM t;
CREATE TABLE pg_advisory_lock (i int); CREATE TABLE hold (i int); CREATE TABLE filled (c text);
CREATE SEQUENCE s; CREATE SEQUENCE "S 2";
CREATE TYPE pair AS (i int, j int);
CREATE FUNCTION app.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT $2';
CREATE FUNCTION app.pg_advisory_lock(bigint) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION app.setval(text, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION sets() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '7MB'; RETURN 1; END $$;
CREATE FUNCTION clause() RETURNS int LANGUAGE plpgsql SET work_mem = '7MB' AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION locks() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(77)';
CREATE FUNCTION runs(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; RETURN 1; END $$;
CREATE PROCEDURE does() LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '7MB'; END $$;
CREATE TABLE trap (i int);
CREATE FUNCTION trapped() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '7MB'; RETURN new; END $$;
CREATE TRIGGER trapped BEFORE INSERT ON trap FOR EACH ROW EXECUTE FUNCTION trapped();
CREATE VIEW hidden AS SELECT sets() AS i;
SELECT pg_replication_origin_create('there');
CREATE FUNCTION app.tidy() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  kinds CONSTANT jsonb := '{"r": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "i": "INDEX",
    "p": "TABLE", "S": "SEQUENCE"}';
  made text;
BEGIN
  FOR made IN
    SELECT format('DROP %s public.%I CASCADE', kinds->>relkind::text, relname) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace
      AND relname IN ('made', 'tt', 'uu', 'vv', 'set_config', 'pg_temporary')
    UNION ALL SELECT 'DROP ROUTINE public.made' FROM pg_proc WHERE proname = 'made'
    UNION ALL SELECT 'DROP OPERATOR public.=== (int4, int4)' FROM pg_operator
     WHERE oprname = '===' AND oprnamespace = 'public'::regnamespace
    UNION ALL SELECT 'DROP RULE made ON filled' FROM pg_rewrite WHERE rulename = 'made'
    UNION ALL SELECT 'DROP TRIGGER made ON filled' FROM pg_trigger WHERE tgname = 'made'
    UNION ALL SELECT 'DROP POLICY made ON filled' FROM pg_policy WHERE polname = 'made'
  LOOP EXECUTE made; END LOOP;
END $$;
"""

# One statement a line, grouped by what it is about.
STATEMENTS = r"""
-- SET in every spelling
SET work_mem = '8MB'
SET work_mem TO '8MB'
set work_mem to 8192
SeT WORK_MEM = '8MB'
SET SESSION work_mem = '8MB'
SET LOCAL work_mem = '8MB'
SET "work_mem" = '8MB'
SET "WORK_MEM" = '8MB'
SET U&"work\005fmem" = '8MB'
SET U&"work!005fmem" UESCAPE '!' = '8MB'
SET U&"\0077ork_mem" = '8MB'
SET/**/work_mem/* a /* nested */ comment */=/**/'8MB'
SET--comment
SET work_mem='8MB';
;;SET work_mem = '8MB'
SET work_mem = DEFAULT
SET work_mem TO DEFAULT
SET SESSION work_mem TO DEFAULT
SET LOCAL work_mem TO DEFAULT
SET work_mem FROM CURRENT
SET sort_mem = '8MB'
SET search_path = app, public
SET search_path TO app
SET search_path = ''
SET search_path TO "$user", public
SET SCHEMA 'app'
SET SESSION SCHEMA 'app'
SET LOCAL SCHEMA 'app'
SET NAMES 'LATIN1'
SET NAMES
SET NAMES DEFAULT
SET LOCAL NAMES 'LATIN1'
SET client_encoding TO 'LATIN1'
SET TIME ZONE 'Asia/Tokyo'
SET TIME ZONE -7
SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE
SET TIME ZONE LOCAL
SET TIME ZONE DEFAULT
SET SESSION TIME ZONE 'Asia/Tokyo'
SET LOCAL TIME ZONE 'Asia/Tokyo'
SET timezone = 'Asia/Tokyo'
SET TimeZone TO 'Asia/Tokyo'
SET XML OPTION DOCUMENT
SET LOCAL XML OPTION DOCUMENT
SET xmloption = document
SET datestyle = german
SET DateStyle TO 'SQL, DMY'
SET datestyle = iso, ymd
SET application_name = 'oracle'
SET app.tenant = '42'
SET app.tenant TO 42
SET LOCAL app.tenant = '42'
SET "app"."tenant" = '42'
SET a.b.c = '42'
SET session.x = '1'
SET local.x = '1'
SET SESSION local.x = '1'
SET LOCAL session.x = '1'
SET role.x = '1'
SET time.zone = '1'
SET names.x = '1'
SET transaction.x = '1'
SET app.tenant = DEFAULT
SET statement_timeout = 60000
SET statement_timeout TO '60s'
SET lock_timeout = 5000
SET geqo_threshold = 13.5
SET enable_seqscan = off
SET enable_seqscan = false
SET standard_conforming_strings = on
SET synchronous_commit TO local
SET default_transaction_isolation = 'serializable'
SET default_transaction_read_only = on
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE DEFERRABLE
SET SESSION CHARACTERISTICS AS TRANSACTION NOT DEFERRABLE
SET SEED TO 0.5
SET no_such_setting = 1
SET work_mem = 'not a size'
-- SET that ends with the transaction
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET TRANSACTION READ ONLY
SET LOCAL TRANSACTION READ ONLY
SET transaction_read_only = on
SET SESSION transaction_isolation = 'serializable'
SET SESSION transaction_deferrable = on
SET CONSTRAINTS ALL DEFERRED
-- RESET
RESET work_mem
RESET "WORK_MEM"
RESET ALL
RESET TIME ZONE
RESET app.tenant
RESET ROLE
RESET SESSION AUTHORIZATION
RESET search_path
RESET transaction_isolation
RESET TRANSACTION ISOLATION LEVEL
-- Roles
SET ROLE reporting
SET ROLE 'reporting'
SET ROLE "Mixed Case"
SET ROLE NONE
SET ROLE 'none'
SET ROLE DEFAULT
SET role = 'reporting'
SET role TO reporting
SET SESSION ROLE reporting
SET LOCAL ROLE reporting
SET LOCAL role = reporting
SET role = none
SET role = DEFAULT
SET SESSION AUTHORIZATION reporting
SET SESSION AUTHORIZATION 'reporting'
SET SESSION AUTHORIZATION DEFAULT
SET LOCAL SESSION AUTHORIZATION reporting
SET SESSION SESSION AUTHORIZATION reporting
SET session_authorization = 'reporting'
SET session_authorization TO DEFAULT
SET LOCAL session_authorization = reporting
SELECT set_config('role', 'reporting', false)
SELECT set_config('role', 'reporting', true)
SELECT set_config('role', 'none', false)
SELECT set_config('session_authorization', 'reporting', false)
-- set_config()
SELECT set_config('work_mem', '8MB', false)
SELECT set_config('work_mem', '8MB', true)
SELECT set_config('WORK_MEM', '8MB', false)
SELECT SET_CONFIG('work_mem', '8MB', FALSE)
SELECT pg_catalog.set_config('work_mem', '8MB', false)
SELECT "pg_catalog"."set_config"('work_mem', '8MB', false)
SELECT U&"set\005fconfig"('work_mem', '8MB', false)
SELECT oracle.pg_catalog.set_config('work_mem', '8MB', false)
SELECT app.set_config('work_mem', '8MB', false)
SELECT "SET_CONFIG"('work_mem', '8MB', false)
SELECT set_config ( 'work_mem' , '8MB' , false )
SELECT set_config/**/('work_mem', '8MB', false)
SELECT set_config('work_mem', '8MB', 'f')
SELECT set_config('work_mem', '8MB', 't')
SELECT set_config('work_mem', '8MB', 'yes')
SELECT set_config('work_mem', '8MB', 'no')
SELECT set_config('work_mem', '8MB', 'on')
SELECT set_config('work_mem', '8MB', 'of')
SELECT set_config('work_mem', '8MB', '1')
SELECT set_config('work_mem', '8MB', '0')
SELECT set_config('work_mem', '8MB', ' TRUE ')
SELECT set_config('work_mem', '8MB', true::bool)
SELECT set_config('work_mem', '8MB', 'true'::boolean)
SELECT set_config('work_mem', '8MB', CAST('true' AS boolean))
SELECT set_config('work_mem', '8MB', bool 'true')
SELECT set_config('work_mem', '8MB', 1::bool)
SELECT set_config('work_mem', '8MB', 0::bool)
SELECT set_config('work_mem', '8MB', (true))
SELECT set_config('work_mem', '8MB', ((false)))
SELECT set_config('work_mem', '8MB', NULL)
SELECT set_config('work_mem', '8MB', NULL::boolean)
SELECT set_config('work_mem', '8MB', not true)
SELECT set_config('work_mem', '8MB', 1 = 2)
SELECT set_config('work_mem', NULL, false)
SELECT set_config('work_mem', NULL, true)
SELECT set_config('app.tenant', '42', false)
SELECT set_config('app.tenant', '42', true)
SELECT set_config('app.tenant', '', false)
SELECT set_config('app.tenant'::text, '42'::text, false::bool)
SELECT set_config(E'work\x5fmem', '8MB', false)
SELECT set_config(U&'work\005fmem', '8MB', false)
SELECT set_config($$work_mem$$, $a$8MB$a$, false)
SELECT set_config('work_'
SELECT set_config(setting_name => 'work_mem', new_value => '8MB', is_local => false)
SELECT set_config(is_local := true, setting_name := 'work_mem', new_value := '8MB')
SELECT set_config('work_mem', '8MB', is_local => true)
SELECT set_config('work_mem', '8MB', is_local => false)
SELECT set_config('transaction_read_only', 'on', false)
SELECT set_config('work_' || 'mem', '8MB', false)
SELECT set_config(lower('WORK_MEM'), '8MB', false)
SELECT set_config(n, '8MB', false) FROM (VALUES ('work_mem')) AS x (n)
SELECT set_config('work_mem', '8MB', false), set_config('app.tenant', '1', true)
SELECT set_config('work_mem', '8MB', b) FROM t
SELECT 1 WHERE set_config('work_mem', '8MB', false) IS NOT NULL
SELECT 1 FROM t WHERE i = 1 AND set_config('work_mem', '8MB', false) = '8MB'
SELECT 1 ORDER BY set_config('work_mem', '8MB', false)
SELECT i FROM t GROUP BY i HAVING set_config('work_mem', '8MB', false) = '8MB'
SELECT 1 LIMIT length(set_config('work_mem', '8MB', false))
SELECT 1 OFFSET length(set_config('work_mem', '8MB', false))
SELECT * FROM set_config('work_mem', '8MB', false)
SELECT * FROM set_config('work_mem', '8MB', false) AS set_config
SELECT * FROM t, LATERAL set_config('work_mem', '8MB', false) AS x
SELECT * FROM ROWS FROM (set_config('work_mem', '8MB', false)) AS x
SELECT DISTINCT set_config('work_mem', '8MB', false)
SELECT DISTINCT ON (i) set_config('work_mem', '8MB', false) FROM t
SELECT ALL set_config('work_mem', '8MB', false)
SELECT (SELECT set_config('work_mem', '8MB', false))
SELECT (SELECT (SELECT set_config('work_mem', '8MB', false)))
SELECT ARRAY(SELECT set_config('work_mem', '8MB', false))
SELECT ARRAY[set_config('work_mem', '8MB', false)]
SELECT ROW(set_config('work_mem', '8MB', false))
SELECT EXISTS (SELECT set_config('work_mem', '8MB', false) FROM t)
SELECT CASE WHEN true THEN set_config('work_mem', '8MB', false) END
SELECT CASE WHEN 1 = 1 THEN 'a' ELSE set_config('work_mem', '8MB', false) END
SELECT coalesce(NULL, set_config('work_mem', '8MB', false))
SELECT coalesce(set_config('work_mem', '8MB', false), 'b')
SELECT set_config('work_mem', '8MB', false)::text
SELECT set_config('work_mem', '8MB', false) || 'x'
SELECT 'x' || set_config('work_mem', '8MB', false)
SELECT NOT (set_config('work_mem', '8MB', false) = 'x')
SELECT -length(set_config('work_mem', '8MB', false))
SELECT set_config('work_mem', '8MB', false) UNION SELECT 'x'
SELECT 'x' UNION ALL SELECT set_config('work_mem', '8MB', false)
(SELECT set_config('work_mem', '8MB', false))
((SELECT set_config('work_mem', '8MB', false)))
VALUES (set_config('work_mem', '8MB', false))
VALUES ('x'), (set_config('work_mem', '8MB', false))
WITH x AS (SELECT set_config('work_mem', '8MB', false)) SELECT * FROM x
WITH x AS (SELECT set_config('work_mem', '8MB', false)) SELECT 1
WITH x AS MATERIALIZED (SELECT set_config('work_mem', '8MB', false)) SELECT * FROM x
WITH x AS NOT MATERIALIZED (SELECT set_config('work_mem', '8MB', false)) SELECT * FROM x
WITH x (a) AS (VALUES (set_config('work_mem', '8MB', false))) TABLE x
WITH x AS (SELECT set_config('work_mem', '8MB', false)), y AS (SELECT * FROM x) SELECT * FROM y
WITH x AS (SELECT set_config('work_mem', '8MB', false)), y AS (SELECT * FROM x) SELECT 1
WITH x AS (INSERT INTO filled VALUES ('a') RETURNING set_config('work_mem', '8MB', false)) SELECT 1
WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 2) SELECT set_config('work_mem', '8MB', false) FROM x
WITH x AS (WITH y AS (SELECT set_config('work_mem', '8MB', false)) SELECT * FROM y) SELECT * FROM x
WITH x AS (WITH y AS (SELECT set_config('work_mem', '8MB', false)) SELECT 2) SELECT * FROM x
WITH x AS (SELECT 1) SELECT set_config('work_mem', '8MB', false)
INSERT INTO filled VALUES (set_config('work_mem', '8MB', false))
INSERT INTO filled SELECT set_config('work_mem', '8MB', false)
INSERT INTO filled VALUES ('a') RETURNING set_config('work_mem', '8MB', false)
INSERT INTO filled (c) VALUES ('a') RETURNING (set_config('work_mem', '8MB', false))
UPDATE t SET listen = set_config('work_mem', '8MB', false)
UPDATE t SET i = 2 WHERE set_config('work_mem', '8MB', false) = '8MB'
UPDATE t SET i = 2 RETURNING set_config('work_mem', '8MB', false)
UPDATE t SET (listen, i) = (SELECT set_config('work_mem', '8MB', false), 1)
UPDATE t SET i = 1 FROM set_config('work_mem', '8MB', false)
DELETE FROM filled USING set_config('work_mem', '8MB', false)
DELETE FROM t WHERE set_config('work_mem', '8MB', false) = 'x'
MERGE INTO t USING (SELECT set_config('work_mem', '8MB', false) AS c) AS x ON t.listen = x.c WHEN MATCHED THEN DO NOTHING
COPY (SELECT set_config('work_mem', '8MB', false)) TO STDOUT
COPY (VALUES (set_config('work_mem', '8MB', false))) TO STDOUT WITH (FORMAT csv)
DECLARE c CURSOR WITH HOLD FOR SELECT set_config('work_mem', '8MB', false)
CREATE TABLE made AS SELECT set_config('work_mem', '8MB', false)
CREATE TABLE made AS SELECT set_config('work_mem', '8MB', false) WITH NO DATA
CREATE MATERIALIZED VIEW made AS SELECT set_config('work_mem', '8MB', false) AS c
CREATE VIEW made AS SELECT set_config('work_mem', '8MB', false)
SELECT set_config('work_mem', '8MB', false) INTO made
EXPLAIN SELECT set_config('work_mem', '8MB', false)
EXPLAIN ANALYZE SELECT set_config('work_mem', '8MB', false)
EXPLAIN ANALYSE SELECT set_config('work_mem', '8MB', false)
EXPLAIN ANALYZE VERBOSE SELECT set_config('work_mem', '8MB', false)
EXPLAIN (ANALYZE) SELECT set_config('work_mem', '8MB', false)
EXPLAIN (ANALYZE on, COSTS off) SELECT set_config('work_mem', '8MB', false)
EXPLAIN (ANALYZE off) SELECT set_config('work_mem', '8MB', false)
EXPLAIN (ANALYZE false, VERBOSE) SELECT set_config('work_mem', '8MB', false)
EXPLAIN (COSTS, ANALYZE 1) SELECT set_config('work_mem', '8MB', false)
EXPLAIN (ANALYZE 0) SELECT set_config('work_mem', '8MB', false)
EXPLAIN (ANALYZE off, ANALYZE on) SELECT set_config('work_mem', '8MB', false)
EXPLAIN VERBOSE SELECT set_config('work_mem', '8MB', false)
EXPLAIN ANALYZE CREATE TABLE made AS SELECT set_config('work_mem', '8MB', false)
EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT set_config('work_mem', '8MB', false)
PREPARE p AS SELECT set_config('work_mem', '8MB', false)
ALTER TABLE filled ADD COLUMN d text DEFAULT 'set_config(''work_mem'', ''8MB'', false)'
ALTER TABLE t ALTER COLUMN listen TYPE text USING set_config('work_mem', '8MB', false)
COMMENT ON TABLE t IS 'SELECT set_config(''work_mem'', ''8MB'', false)'
SELECT set_config('work_mem', '8MB', false), 1/0
SELECT set_config('work_mem', '8MB')
SELECT set_config('no_such_setting', '8MB', false)
-- UPDATE pg_settings
UPDATE pg_settings SET setting = '8192' WHERE name = 'work_mem'
UPDATE pg_catalog.pg_settings SET setting = '8192' WHERE name = 'work_mem'
UPDATE pg_settings SET setting = '8192' WHERE 'work_mem' = name
UPDATE pg_settings SET setting = '8192' WHERE name IN ('work_mem', 'temp_buffers')
UPDATE ONLY pg_settings SET setting = '8192' WHERE name = 'work_mem'
UPDATE "pg_settings" AS s SET setting = '8192' WHERE s.name = 'work_mem'
update pg_settings s set setting = '8192' where name like 'work_m%'
WITH x AS (UPDATE pg_settings SET setting = '8192' WHERE name = 'work_mem' RETURNING 1) SELECT 1
SELECT * FROM pg_settings WHERE name = 'work_mem'
-- Advisory locks
SELECT pg_advisory_lock(1)
SELECT pg_advisory_lock(1, 2)
SELECT pg_advisory_lock(-1)
SELECT pg_advisory_lock(- 1, +2)
SELECT pg_advisory_lock(1::bigint)
SELECT pg_advisory_lock(CAST(1 AS bigint))
SELECT pg_advisory_lock('1')
SELECT pg_advisory_lock(int8 '1')
SELECT pg_advisory_lock(9223372036854775807)
SELECT pg_advisory_lock(2147483648)
SELECT pg_advisory_lock((1))
SELECT pg_advisory_lock(40 + 2)
SELECT pg_advisory_lock(hashtext('jobs'))
SELECT pg_advisory_lock(hashtext('jobs'), 3)
SELECT pg_advisory_lock(1), pg_advisory_lock(2)
SELECT pg_advisory_lock(i) FROM t
SELECT pg_advisory_lock_shared(1)
SELECT pg_advisory_lock_shared(1, 2)
SELECT pg_try_advisory_lock(1)
SELECT pg_try_advisory_lock(1, 2)
SELECT pg_try_advisory_lock_shared(1)
SELECT pg_try_advisory_lock_shared(1, 2)
SELECT pg_catalog.pg_advisory_lock(1)
SELECT "pg_advisory_lock"(1)
SELECT PG_ADVISORY_LOCK(1)
SELECT U&"pg\005fadvisory_lock"(1)
SELECT app.pg_advisory_lock(1)
SELECT * FROM pg_advisory_lock(1)
SELECT * FROM pg_advisory_lock
SELECT 1 FROM pg_advisory_lock AS pg_advisory_lock
INSERT INTO pg_advisory_lock (i) VALUES (1)
INSERT INTO pg_advisory_lock(i) SELECT 1
CREATE TABLE set_config (pg_advisory_lock int)
SELECT 1 AS pg_advisory_lock
SELECT 'pg_advisory_lock(1)'
SELECT $$SELECT pg_advisory_lock(1)$$
SELECT 1 -- pg_advisory_lock(1)
SELECT 1 /* pg_advisory_lock(1) */
WITH pg_advisory_lock (i) AS (SELECT 1) SELECT * FROM pg_advisory_lock
WITH pg_advisory_lock(i) AS (VALUES (1)) SELECT i FROM pg_advisory_lock
SELECT pg_advisory_xact_lock(1)
SELECT pg_advisory_xact_lock_shared(1)
SELECT pg_try_advisory_xact_lock(1)
SELECT pg_try_advisory_xact_lock_shared(1, 2)
SELECT pg_advisory_lock(1), 1/0
SELECT pg_advisory_unlock(1)
SELECT pg_advisory_unlock_shared(1)
SELECT pg_advisory_unlock_all()
SELECT pg_advisory_lock(1), pg_advisory_unlock(1)
SELECT pg_advisory_lock(1, 2), pg_advisory_unlock(1, 2)
SELECT pg_advisory_lock(1), pg_advisory_unlock(2)
SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1)
SELECT pg_advisory_lock(1); SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1)
SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock('1')
SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock_shared(1)
SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock_all()
SELECT pg_advisory_lock(1::bigint); SELECT pg_advisory_unlock(CAST(1 AS bigint))
SELECT pg_advisory_lock(hashtext('a')); SELECT pg_advisory_unlock(hashtext('a'))
SELECT pg_advisory_lock(hashtext('a')); SELECT pg_advisory_unlock(hashtext( 'a' ))
WITH x AS (SELECT pg_advisory_lock(1)) SELECT 1 FROM x
WITH x AS (SELECT pg_advisory_lock(1)) SELECT 1
SELECT 1 FROM t WHERE pg_try_advisory_lock(i)
SELECT i FROM t ORDER BY pg_advisory_lock(i)::text
DELETE FROM t WHERE pg_try_advisory_lock(1) AND false
EXPLAIN SELECT pg_advisory_lock(1)
EXPLAIN ANALYZE SELECT pg_advisory_lock(1)
COPY (SELECT pg_advisory_lock(1)) TO STDOUT
-- LISTEN
LISTEN jobs
listen "Jobs"
LISTEN U&"jo\0062s"
LISTEN JOBS
LISTEN jobs; LISTEN other
LISTEN jobs; UNLISTEN jobs
LISTEN jobs; UNLISTEN *
LISTEN jobs; UNLISTEN other
UNLISTEN jobs
UNLISTEN *
NOTIFY jobs
NOTIFY jobs, 'LISTEN other'
SELECT pg_notify('jobs', 'LISTEN')
SELECT listen FROM t
SELECT * FROM listen
SELECT listen.i FROM listen
INSERT INTO listen VALUES (1)
SELECT 'LISTEN jobs'
-- Temporary objects
CREATE TEMP TABLE tt (i int)
CREATE TEMPORARY TABLE tt (i int)
CREATE LOCAL TEMP TABLE tt (i int)
CREATE LOCAL TEMPORARY TABLE tt (i int)
CREATE GLOBAL TEMP TABLE tt (i int)
CREATE GLOBAL TEMPORARY TABLE tt (i int)
CREATE TEMP TABLE IF NOT EXISTS tt (i int)
CREATE TEMP TABLE "T t" (i int)
CREATE TEMP TABLE U&"\0074\0074" (i int)
CREATE TEMP TABLE temp (i int)
CREATE TEMP TABLE tt (i serial PRIMARY KEY, j int GENERATED ALWAYS AS IDENTITY)
CREATE TEMP TABLE tt (LIKE t INCLUDING ALL)
CREATE TEMP TABLE tt () INHERITS (t)
CREATE TEMP TABLE tt OF pair
CREATE TEMP TABLE tt (i int) PARTITION BY LIST (i)
CREATE TEMP TABLE tt (i int) ON COMMIT DROP
CREATE TEMP TABLE tt (i int) ON COMMIT DELETE ROWS
CREATE TEMP TABLE tt (i int) ON COMMIT PRESERVE ROWS
CREATE TEMP TABLE tt (i int) WITH (fillfactor = 70) ON COMMIT DROP
CREATE TEMP TABLE tt AS SELECT 1 AS i
CREATE TEMP TABLE tt ON COMMIT DROP AS SELECT 1 AS i
CREATE TEMP TABLE tt AS SELECT 1 AS i WITH NO DATA
CREATE TEMP TABLE tt (a) AS VALUES (1)
CREATE TEMP TABLE tt AS TABLE t
CREATE TEMP TABLE tt AS WITH x AS (SELECT 1) SELECT * FROM x
CREATE TEMP TABLE IF NOT EXISTS tt AS SELECT 1
CREATE TABLE pg_temp.tt (i int)
CREATE TABLE "pg_temp"."tt" (i int)
CREATE TABLE PG_TEMP.tt (i int)
CREATE TABLE IF NOT EXISTS pg_temp.tt (i int)
CREATE TABLE pg_temp.tt AS SELECT 1
CREATE UNLOGGED TABLE tt (i int)
CREATE TABLE public.tt (i int)
CREATE TABLE tt (temp int)
CREATE TABLE tt (i int DEFAULT 1, "temp" text)
CREATE TABLE pg_temporary (i int)
CREATE TEMP VIEW tt AS SELECT 1
CREATE TEMPORARY VIEW tt AS SELECT 1
CREATE OR REPLACE TEMP VIEW tt AS SELECT 1
CREATE TEMP RECURSIVE VIEW tt (n) AS SELECT 1
CREATE VIEW pg_temp.tt AS SELECT 1
CREATE OR REPLACE VIEW tt AS SELECT temp FROM t
CREATE TEMP SEQUENCE tt
CREATE TEMP SEQUENCE IF NOT EXISTS tt START 3
CREATE SEQUENCE pg_temp.tt
CREATE TYPE pg_temp.tt AS (i int)
CREATE TYPE pg_temp.tt AS ENUM ('a')
CREATE TYPE pg_temp.tt AS RANGE (subtype = int4)
CREATE TYPE pg_temp.tt
CREATE DOMAIN pg_temp.tt AS int
CREATE FUNCTION pg_temp.tt() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE OR REPLACE FUNCTION pg_temp.tt() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE FUNCTION pg_temp.tt() RETURNS int BEGIN ATOMIC SELECT 1; END
CREATE PROCEDURE pg_temp.tt() LANGUAGE sql AS 'SELECT 1'
CREATE AGGREGATE pg_temp.tt (int) (sfunc = int4pl, stype = int)
CREATE OPERATOR pg_temp.=== (leftarg = int4, rightarg = int4, function = int4eq)
CREATE OPERATOR public.=== (leftarg = int4, rightarg = int4, function = int4eq)
CREATE COLLATION pg_temp.tt FROM "C"
CREATE COLLATION IF NOT EXISTS pg_temp.tt (locale = 'C')
CREATE CONVERSION pg_temp.tt FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8
CREATE STATISTICS pg_temp.tt ON i, j FROM t
CREATE TEXT SEARCH CONFIGURATION pg_temp.tt (COPY = simple)
CREATE TEXT SEARCH DICTIONARY pg_temp.tt (template = simple)
CREATE OPERATOR FAMILY pg_temp.tt USING btree
SELECT 1 AS i INTO TEMP tt
SELECT 1 AS i INTO TEMPORARY tt
SELECT 1 AS i INTO TEMP TABLE tt
SELECT 1 AS i INTO LOCAL TEMP tt
SELECT 1 AS i INTO pg_temp.tt
SELECT 1 AS i INTO TABLE pg_temp.tt
SELECT 1 AS i INTO tt
SELECT 1 AS i INTO TABLE tt
SELECT 1 AS i INTO UNLOGGED tt
SELECT * INTO TEMP tt FROM t
SELECT i INTO TEMP tt FROM t UNION SELECT 2
WITH x AS (SELECT 1 AS i) SELECT * INTO TEMP tt FROM x
SELECT i, temp FROM t
SELECT temp.i FROM temp
SELECT temp FROM temp
SELECT i AS temp FROM t
INSERT INTO temp VALUES (1)
INSERT INTO temp SELECT 1
UPDATE temp SET i = 1
DELETE FROM temp
EXPLAIN CREATE TEMP TABLE tt AS SELECT 1
EXPLAIN ANALYZE CREATE TEMP TABLE tt AS SELECT 1
EXPLAIN (ANALYZE) CREATE TABLE pg_temp.tt AS SELECT 1
CREATE TEMP TABLE tt (i int); DROP TABLE tt
CREATE TEMP TABLE tt (i int); DROP TABLE pg_temp.tt
CREATE TEMP TABLE tt (i int); DROP TABLE IF EXISTS tt, none_such
CREATE TEMP TABLE tt (i int); DROP TABLE tt CASCADE
CREATE TEMP TABLE tt (i int); DROP TABLE public.tt
CREATE TEMP TABLE tt (i int); ALTER TABLE tt ADD COLUMN j int
CREATE TEMP TABLE tt (i int); CREATE INDEX ON tt (i)
CREATE TEMP TABLE tt (i int); INSERT INTO tt VALUES (1)
CREATE TEMP VIEW tt AS SELECT 1; DROP VIEW tt
CREATE TEMP SEQUENCE tt; DROP SEQUENCE tt
CREATE TYPE pg_temp.tt AS ENUM ('a'); DROP TYPE pg_temp.tt
CREATE TYPE pg_temp.tt AS ENUM ('a'); DROP TYPE tt
CREATE FUNCTION pg_temp.tt() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION pg_temp.tt()
DROP TABLE IF EXISTS tt
DROP VIEW IF EXISTS tt
-- SQL prepares
PREPARE p AS SELECT 1
PREPARE "P p" (int, text) AS SELECT $1, $2
PREPARE p (int) AS INSERT INTO t VALUES ($1)
PREPARE p AS UPDATE t SET i = 1
PREPARE transaction AS SELECT 1
PREPARE p AS SELECT 1; EXECUTE p
PREPARE p AS SELECT 1; DEALLOCATE p
PREPARE p AS SELECT 1; DEALLOCATE PREPARE p
PREPARE p AS SELECT 1; DEALLOCATE ALL
PREPARE p AS SELECT 1; DEALLOCATE PREPARE ALL
PREPARE prepare AS SELECT 1; DEALLOCATE prepare
PREPARE p AS SELECT 1; PREPARE q AS SELECT 2; DEALLOCATE p
PREPARE p AS SELECT 1; EXPLAIN ANALYZE EXECUTE p
PREPARE p AS SELECT 1; CREATE TABLE made AS EXECUTE p
PREPARE p AS SELECT 1; CREATE TEMP TABLE tt AS EXECUTE p
PREPARE p AS SELECT 1 AS i; EXPLAIN ANALYZE CREATE TEMP TABLE tt AS EXECUTE p
EXECUTE none_such
DEALLOCATE none_such
DEALLOCATE ALL
-- Cursors
DECLARE c CURSOR WITH HOLD FOR SELECT 1
DECLARE c CURSOR WITH HOLD FOR VALUES (1)
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1
DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1
DECLARE c BINARY INSENSITIVE CURSOR WITH HOLD FOR SELECT 1
DECLARE "C c" CURSOR WITH HOLD FOR SELECT 1
DECLARE hold CURSOR WITH HOLD FOR SELECT 1
DECLARE c CURSOR FOR SELECT 1
DECLARE hold CURSOR FOR SELECT * FROM hold
DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1
DECLARE c CURSOR WITH HOLD FOR SELECT 1; CLOSE c
DECLARE c CURSOR WITH HOLD FOR SELECT 1; CLOSE ALL
DECLARE c CURSOR WITH HOLD FOR SELECT 1; FETCH c
DECLARE c CURSOR WITH HOLD FOR SELECT 1; FETCH ALL FROM c; CLOSE c
DECLARE c CURSOR WITH HOLD FOR WITH x AS (SELECT 1) SELECT * FROM x
CLOSE ALL
CLOSE c
-- DISCARD, LOAD
DISCARD ALL
DISCARD TEMP
DISCARD TEMPORARY
DISCARD PLANS
DISCARD SEQUENCES
LOAD 'plpgsql'
LOAD '$libdir/plpgsql'
LOAD 'none_such'
-- Sequences
SELECT nextval('s')
SELECT setval('s', 3)
SELECT nextval('"S 2"')
SELECT nextval('s'), currval('s')
SELECT nextval('s'); SELECT lastval()
SELECT currval('s')
SELECT lastval()
-- Session functions
SELECT dblink_connect('c', 'dbname=oracle')
SELECT dblink_connect('dbname=oracle')
SELECT dblink_connect_u('c', 'dbname=oracle')
SELECT public.dblink_connect('c', 'dbname=oracle')
SELECT dblink_connect('c', 'dbname=oracle'), dblink_disconnect('c')
SELECT dblink_connect('c', 'dbname=oracle'); SELECT dblink_disconnect('c')
SELECT dblink_connect('c', 'dbname=oracle'); SELECT dblink_disconnect('d')
SELECT * FROM dblink('dbname=oracle', 'SELECT 1') AS x (i int)
SELECT dblink_exec('dbname=oracle', 'SET work_mem = 1')
SELECT pg_create_physical_replication_slot('slot', false, true)
SELECT pg_create_physical_replication_slot('slot', temporary => true)
SELECT pg_create_physical_replication_slot('slot', true, true); SELECT pg_drop_replication_slot('slot')
SELECT * FROM pg_create_physical_replication_slot('slot', immediately_reserve => false, temporary => true)
SELECT pg_replication_origin_session_setup('there')
SELECT pg_replication_origin_session_setup('there'); SELECT pg_replication_origin_session_reset()
SELECT set_limit(0.5)
SELECT public.set_limit(0.5)
SELECT show_limit()
SELECT pg_listening_channels()
SELECT pg_my_temp_schema()
SELECT pg_backend_pid()
SELECT current_setting('work_mem')
SELECT pg_export_snapshot()
-- DO
DO $$ BEGIN SET work_mem = '8MB'; END $$
DO 'BEGIN SET work_mem = ''8MB''; END'
DO E'BEGIN SET work_mem = \'8MB\'; END'
DO LANGUAGE plpgsql $$ BEGIN SET work_mem = '8MB'; END $$
DO $$ BEGIN SET work_mem = '8MB'; END $$ LANGUAGE plpgsql
DO $$ BEGIN SET LOCAL work_mem = '8MB'; END $$
DO $$ BEGIN PERFORM set_config('work_mem', '8MB', false); END $$
DO $$ BEGIN PERFORM set_config('work_mem', '8MB', true); END $$
DO $$ DECLARE x text := set_config('work_mem', '8MB', false); BEGIN END $$
DO $$ DECLARE x text; BEGIN x := set_config('work_mem', '8MB', false); END $$
DO $$ DECLARE x text; BEGIN SELECT set_config('work_mem', '8MB', false) INTO x; END $$
DO $$ DECLARE x int; BEGIN SELECT 1 INTO x; END $$
DO $$ DECLARE temp int; BEGIN SELECT 1 INTO temp; END $$
DO $$ BEGIN IF set_config('work_mem', '8MB', false) = '8MB' THEN NULL; END IF; END $$
DO $$ BEGIN IF true THEN SET work_mem = '8MB'; END IF; END $$
DO $$ BEGIN FOR i IN 1..2 LOOP SET work_mem = '8MB'; END LOOP; END $$
DO $$ DECLARE r record; BEGIN FOR r IN SELECT set_config('work_mem', '8MB', false) LOOP NULL; END LOOP; END $$
DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT set_config(''work_mem'', ''8MB'', false)' LOOP NULL; END LOOP; END $$
DO $$ BEGIN WHILE set_config('work_mem', '8MB', false) = 'x' LOOP NULL; END LOOP; END $$
DO $$ BEGIN CASE set_config('work_mem', '8MB', false) WHEN 'x' THEN NULL; ELSE NULL; END CASE; END $$
DO $$ BEGIN CASE WHEN true THEN SET work_mem = '8MB'; END CASE; END $$
DO $$ <<outer>> BEGIN SET work_mem = '8MB'; END $$
DO $$ BEGIN <<a>> LOOP SET work_mem = '8MB'; EXIT a; END LOOP; END $$
DO $$ BEGIN BEGIN SET work_mem = '8MB'; END; END $$
DO $$ BEGIN RAISE NOTICE '%', set_config('work_mem', '8MB', false); END $$
DO $$ BEGIN ASSERT set_config('work_mem', '8MB', false) = '8MB'; END $$
DO $$ BEGIN EXECUTE 'SET work_mem = ''8MB'''; END $$
DO $$ BEGIN EXECUTE 'SET ' || 'work_mem = ''8MB'''; END $$
DO $$ BEGIN EXECUTE 'S' || 'ET work_mem = 8192'; END $$
DO $$ BEGIN EXECUTE format('SET work_mem = %L', '8MB'); END $$
DO $$ BEGIN EXECUTE format('SET %I = %L', 'work_mem', '8MB'); END $$
DO $$ BEGIN EXECUTE format('SET LOCAL work_mem = %L', '8MB'); END $$
DO $$ DECLARE v text := '8MB'; BEGIN EXECUTE format('SET work_mem = %L', v); END $$
DO $$ DECLARE v text := '8MB'; BEGIN EXECUTE 'SET work_mem = ' || quote_literal(v); END $$
DO $$ BEGIN EXECUTE concat('SET work_mem = ', '8192'); END $$
DO $$ BEGIN EXECUTE $x$SET work_mem = '8MB'$x$; END $$
DO $$ BEGIN EXECUTE 'DO $x$ BEGIN SET work_mem = ''8MB''; END $x$'; END $$
DO $$ BEGIN EXECUTE 'SELECT $1' USING set_config('work_mem', '8MB', false); END $$
DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE tt (i int)'; END $$
DO $$ BEGIN CREATE TEMP TABLE tt (i int); END $$
DO $$ BEGIN CREATE TEMP TABLE tt (i int) ON COMMIT DROP; END $$
DO $$ BEGIN CREATE TEMP TABLE tt (i int); DROP TABLE tt; END $$
DO $$ BEGIN PERFORM pg_advisory_lock(1); END $$
DO $$ BEGIN PERFORM pg_advisory_xact_lock(1); END $$
DO $$ BEGIN PERFORM pg_advisory_lock(1); PERFORM pg_advisory_unlock(1); END $$
DO $$ BEGIN LISTEN jobs; END $$
DO $$ BEGIN UNLISTEN jobs; END $$
DO $$ BEGIN NOTIFY jobs; END $$
DO $$ BEGIN RESET work_mem; END $$
DO $$ BEGIN SET ROLE reporting; END $$
DO $$ BEGIN SET LOCAL ROLE reporting; END $$
DO $$ BEGIN UPDATE t SET i = 1; END $$
DO $$ DECLARE set int; BEGIN set := 1; END $$
DO $$ DECLARE c CURSOR FOR SELECT 1; BEGIN OPEN c; CLOSE c; END $$
DO $$ BEGIN -- SET work_mem = '8MB';
DO $$ BEGIN /* SET work_mem = '8MB'; */ END $$
DO $$ BEGIN RAISE NOTICE 'SET work_mem'; END $$
DO $$ BEGIN SET work_mem = '8MB'; RAISE EXCEPTION 'x'; END $$
DO $$ BEGIN PERFORM pg_advisory_lock(1); RAISE EXCEPTION 'x'; END $$
DO $$ BEGIN CALL does(); END $$
DO $$ BEGIN LOAD 'plpgsql'; END $$
DO $$ BEGIN PREPARE p AS SELECT 1; END $$
DO $$ BEGIN UPDATE pg_settings SET setting = '8192' WHERE name = 'work_mem'; END $$
DO $$ BEGIN NULL; END $$
-- Look-alikes
UPDATE t SET set = 1
UPDATE t SET "set" = 1, temp = 2
UPDATE t SET work_mem = 1
INSERT INTO t (i) VALUES (1) ON CONFLICT DO NOTHING
ALTER TABLE t ALTER COLUMN i SET DEFAULT 1
ALTER TABLE t SET (fillfactor = 70)
ALTER TABLE t ALTER COLUMN i SET STATISTICS 10
ALTER ROLE reporting SET work_mem = '8MB'
ALTER ROLE reporting RESET work_mem
ALTER DATABASE oracle SET app.unused = '1'
ALTER FUNCTION clause() SET work_mem = '7MB'
ALTER FUNCTION clause() RESET ALL
CREATE FUNCTION made() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '8MB'; RETURN 1; END $$
CREATE FUNCTION made() RETURNS int LANGUAGE sql SET work_mem = '8MB' AS 'SELECT 1'
CREATE FUNCTION made() RETURNS text BEGIN ATOMIC SELECT set_config('work_mem', '8MB', false); END
CREATE PROCEDURE made() BEGIN ATOMIC SELECT pg_advisory_lock(1); SELECT CASE WHEN true THEN 1 END; END
CREATE PROCEDURE made() LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE tt (i int); END $$
CREATE RULE made AS ON INSERT TO filled DO ALSO NOTIFY jobs
CREATE RULE made AS ON INSERT TO filled DO ALSO SELECT set_config('work_mem', '8MB', false)
CREATE TRIGGER made BEFORE INSERT ON filled FOR EACH ROW EXECUTE FUNCTION trapped()
CREATE POLICY made ON filled USING (set_config('work_mem', '8MB', false) = 'x')
CREATE INDEX made ON t ((lower(listen))) WHERE temp = 1
CREATE TABLE made (c text DEFAULT set_config('work_mem', '8MB', false))
CREATE TABLE made (c text CHECK (set_config('work_mem', '8MB', false) = c))
ALTER TABLE filled ALTER COLUMN c SET DEFAULT set_config('work_mem', '8MB', false)
COMMENT ON TABLE t IS 'SET work_mem'
GRANT EXECUTE ON FUNCTION clause() TO reporting
SHOW work_mem
SHOW ALL
SELECT 1 FROM work_mem
SELECT clause()
SELECT 1; SELECT 2
SELECT E'\'; SET work_mem = 8192; --'
SELECT '\'; SET work_mem = 8192; --'
SELECT $a$; SET work_mem = 8192; $a$
SELECT $$; SET work_mem = 8192; $$
SELECT $a$ $$ ; SET work_mem = 8192; $b$ $a$
SELECT 1 /* ; SET work_mem = 8192; */
SELECT 1 /* /* */ ; SET work_mem = 8192; */
SELECT 1 -- ; SET work_mem = 8192;
SELECT "set" FROM t; SELECT ";" FROM (SELECT 1 AS ";") AS x
SELECT U&'\0027; SET work_mem = 8192; --'
SELECT B'1'; SELECT X'1F'
LOCK TABLE t
SAVEPOINT sp
TRUNCATE filled
VACUUM t
ANALYZE t
CHECKPOINT
-- Several statements in one text
SET work_mem = '8MB'; SELECT 1
SELECT 1; SET work_mem = '8MB'
SELECT 1; SELECT 2; SET work_mem = '8MB'; SELECT 3
SET work_mem = '8MB'; RESET work_mem
SET work_mem = '8MB'; SET LOCAL work_mem = '9MB'
SET LOCAL work_mem = '9MB'; SET work_mem = '8MB'
SET work_mem = '8MB'; SELECT 1/0
SELECT pg_advisory_lock(1); SELECT 1/0
PREPARE p AS SELECT 1; SELECT 1/0
CREATE TEMP TABLE tt (i int); SELECT 1/0
LISTEN jobs; SELECT 1/0
SET work_mem = '8MB'; SET app.tenant = '1'; RESET ALL
SELECT 'a;b'; SET work_mem = '8MB'
SELECT 1; ; ; SET work_mem = '8MB' ;
/* c */ SET work_mem = '8MB' /* d */ ; -- e
SELECT $1$; SET work_mem = '8MB'
"""

BLOCKS = r"""
BEGIN; SET work_mem = '8MB'; COMMIT
BEGIN; SET work_mem = '8MB'; ROLLBACK
BEGIN; SET work_mem = '8MB'; END
BEGIN; SET work_mem = '8MB'; ABORT
START TRANSACTION; SET work_mem = '8MB'; COMMIT WORK
BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET work_mem = '8MB'; COMMIT TRANSACTION
BEGIN; SET LOCAL work_mem = '8MB'; COMMIT
BEGIN; SAVEPOINT a; SET work_mem = '8MB'; ROLLBACK TO a; COMMIT
BEGIN; SAVEPOINT a; SET work_mem = '8MB'; ROLLBACK TO SAVEPOINT a; COMMIT
BEGIN; SAVEPOINT a; SET work_mem = '8MB'; RELEASE a; COMMIT
BEGIN; SAVEPOINT a; SET work_mem = '8MB'; RELEASE SAVEPOINT a; ROLLBACK
BEGIN; SET work_mem = '8MB'; SAVEPOINT a; SET app.tenant = '1'; ROLLBACK TO a; COMMIT
BEGIN; SAVEPOINT a; SAVEPOINT a; SET work_mem = '8MB'; ROLLBACK TO a; COMMIT
BEGIN; SAVEPOINT a; SET work_mem = '8MB'; SAVEPOINT b; ROLLBACK TO a; SET app.tenant = '1'; COMMIT
BEGIN; SAVEPOINT a; SET work_mem = '8MB'; SAVEPOINT b; RELEASE b; ROLLBACK TO a; COMMIT
BEGIN; SAVEPOINT a; SELECT pg_advisory_lock(1); ROLLBACK TO a; COMMIT
BEGIN; SAVEPOINT a; PREPARE p AS SELECT 1; ROLLBACK TO a; COMMIT
BEGIN; SAVEPOINT a; LISTEN jobs; ROLLBACK TO a; COMMIT
BEGIN; SAVEPOINT a; CREATE TEMP TABLE tt (i int); ROLLBACK TO a; COMMIT
BEGIN; SAVEPOINT a; DECLARE c CURSOR WITH HOLD FOR SELECT 1; ROLLBACK TO a; COMMIT
BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT
BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; ROLLBACK
BEGIN; DECLARE c CURSOR FOR SELECT 1; COMMIT
BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; CLOSE c; COMMIT
BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; SAVEPOINT a; CLOSE c; ROLLBACK TO a; COMMIT
BEGIN; CREATE TEMP TABLE tt (i int) ON COMMIT DROP; INSERT INTO tt VALUES (1); COMMIT
BEGIN; CREATE TEMP TABLE tt (i int); SAVEPOINT a; DROP TABLE tt; ROLLBACK TO a; COMMIT
BEGIN; CREATE TEMP TABLE tt (i int); DROP TABLE tt; COMMIT
BEGIN; SELECT pg_advisory_lock(1); ROLLBACK
BEGIN; SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1); COMMIT
BEGIN; SELECT pg_advisory_lock(1); SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1); COMMIT
BEGIN; SELECT pg_advisory_xact_lock(1); COMMIT
BEGIN; SELECT pg_advisory_lock(1); SELECT 1/0
BEGIN; PREPARE p AS SELECT 1; ROLLBACK
BEGIN; PREPARE p AS SELECT 1; DEALLOCATE p; ROLLBACK
BEGIN; LISTEN jobs; COMMIT
BEGIN; LISTEN jobs; ROLLBACK
BEGIN; LISTEN jobs; UNLISTEN jobs; COMMIT
BEGIN; LISTEN jobs; UNLISTEN *; LISTEN other; COMMIT
BEGIN; SET work_mem = '8MB'; COMMIT AND CHAIN; SET app.tenant = '1'; ROLLBACK
BEGIN; SET work_mem = '8MB'; ROLLBACK AND CHAIN; SET app.tenant = '1'; COMMIT
BEGIN; SET work_mem = '8MB'; COMMIT; BEGIN; SET app.tenant = '1'; ROLLBACK
BEGIN; SET work_mem = '8MB'; COMMIT; SET app.tenant = '1'
SET work_mem = '8MB'; COMMIT; SET app.tenant = '1'; SELECT 1/0
SET work_mem = '8MB'; BEGIN; SET app.tenant = '1'; ROLLBACK
SELECT 1; BEGIN; SET work_mem = '8MB'; COMMIT; SELECT 2
BEGIN; SELECT set_config('work_mem', '8MB', true); COMMIT
BEGIN; SELECT set_config('work_mem', '8MB', false); COMMIT
BEGIN; SET ROLE reporting; COMMIT
BEGIN; SET ROLE reporting; RESET ROLE; COMMIT
BEGIN; SET LOCAL ROLE reporting; COMMIT
BEGIN; SET TRANSACTION READ ONLY; COMMIT
BEGIN; DO $$ BEGIN SET work_mem = '8MB'; END $$; COMMIT
BEGIN; DO $$ BEGIN SET work_mem = '8MB'; END $$; ROLLBACK
"""

HIDDEN = r"""
SELECT sets()
SELECT i FROM hidden
SELECT locks()
SELECT runs('SET work_mem = 8192')
SELECT runs('SELECT pg_advisory_lock(1)')
CALL does()
INSERT INTO trap VALUES (1)
COPY trap FROM STDIN
SET search_path = pg_temp; CREATE TABLE tt (i int)
CREATE TEMP TABLE tt (i int); CREATE VIEW vv AS SELECT * FROM tt
CREATE TEMP TABLE tt (i int); ALTER TABLE tt RENAME TO uu
"""
"""Statements whose effect their text does not show: the server sees one, the reader must not
claim to. What these need is a look into the catalog or a record of what was made."""


def lines(table: str) -> list[str]:
    """The statements of a table."""
    return [line for line in table.splitlines() if line.strip() and not line.startswith("--")]
