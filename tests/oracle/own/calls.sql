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
SELECT CASE WHEN i = 2 THEN 'a' ELSE set_config('work_mem', '8MB', false) END FROM t
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

-- Sequences
SELECT nextval('s')
SELECT setval('s', 3)
SELECT nextval('"S 2"')
SELECT nextval('s'), currval('s')
SELECT nextval('s'); SELECT lastval()
SELECT currval('s')
SELECT lastval()

-- Session functions
SELECT dblink_connect('c', 'set_config(''work_mem'', ''8MB'', false)sn@')
SELECT dblink_connect('set_config(''work_mem'', ''8MB'', false)sn@')
SELECT dblink_connect_u('c', 'set_config(''work_mem'', ''8MB'', false)sn@')
SELECT public.dblink_connect('c', 'set_config(''work_mem'', ''8MB'', false)sn@')
SELECT dblink_connect('c', 'set_config(''work_mem'', ''8MB'', false)sn@'), dblink_disconnect('c')
SELECT dblink_connect('c', 'set_config(''work_mem'', ''8MB'', false)sn@'); SELECT dblink_disconnect('c')
SELECT dblink_connect('c', 'set_config(''work_mem'', ''8MB'', false)sn@'); SELECT dblink_disconnect('d')
SELECT * FROM dblink('set_config(''work_mem'', ''8MB'', false)sn@', 'SELECT 1') AS x (i int)
SELECT dblink_exec('set_config(''work_mem'', ''8MB'', false)sn@', 'SET work_mem = 1')
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

-- Every place of an expression
SELECT sum(i) OVER (ORDER BY set_config('work_mem', '8MB', false)) FROM t
SELECT sum(i) OVER w FROM t WINDOW w AS (PARTITION BY set_config('work_mem', '8MB', false))
SELECT sum(i) FILTER (WHERE set_config('work_mem', '8MB', false) <> 'x') FROM t
SELECT array_agg(i ORDER BY set_config('work_mem', '8MB', false)) FROM t
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY set_config('work_mem', '8MB', false)) FROM t
SELECT listen BETWEEN set_config('work_mem', '8MB', false) AND 'z' FROM t
SELECT listen BETWEEN 'A' AND set_config('work_mem', '8MB', false) FROM t
SELECT listen LIKE set_config('work_mem', '8MB', false) FROM t
SELECT listen NOT LIKE 'a' ESCAPE substr(set_config('work_mem', '8MB', false), 1, 1) FROM t
SELECT listen SIMILAR TO set_config('work_mem', '8MB', false) FROM t
SELECT listen IN ('x', set_config('work_mem', '8MB', false)) FROM t
SELECT listen NOT IN (set_config('work_mem', '8MB', false)) FROM t
SELECT listen = ANY (ARRAY[set_config('work_mem', '8MB', false)]) FROM t
SELECT listen = ANY (SELECT set_config('work_mem', '8MB', false)) FROM t
SELECT listen IS DISTINCT FROM set_config('work_mem', '8MB', false) FROM t
SELECT now() AT TIME ZONE coalesce(nullif(set_config('work_mem', '8MB', false), '8MB'), 'UTC')
SELECT 'x' < set_config('work_mem', '8MB', false) COLLATE "C"
SELECT (ARRAY[1, 2, 3])[length(set_config('work_mem', '8MB', false))]
SELECT (ARRAY[1, 2, 3])[1:length(set_config('work_mem', '8MB', false))]
SELECT overlay('abc' PLACING set_config('work_mem', '8MB', false) FROM 1)
SELECT overlay(set_config('work_mem', '8MB', false) PLACING 'x' FROM 1 FOR 1)
SELECT substring(set_config('work_mem', '8MB', false) FROM 1 FOR 1)
SELECT substring('abc' FROM length(set_config('work_mem', '8MB', false)) FOR 1)
SELECT trim(BOTH set_config('work_mem', '8MB', false) FROM 'x')
SELECT trim(LEADING FROM set_config('work_mem', '8MB', false))
SELECT trim(TRAILING 'x' FROM set_config('work_mem', '8MB', false))
SELECT position('x' IN set_config('work_mem', '8MB', false))
SELECT position(set_config('work_mem', '8MB', false) IN 'x')
SELECT cast(set_config('work_mem', '8MB', false) AS text)
SELECT normalize(set_config('work_mem', '8MB', false), NFC)
SELECT nullif(set_config('work_mem', '8MB', false), 'x')
SELECT greatest('x', set_config('work_mem', '8MB', false))
SELECT concat(VARIADIC ARRAY[set_config('work_mem', '8MB', false)])
SELECT (set_config('work_mem', '8MB', false)) IS NULL
SELECT set_config('work_mem', '8MB', false) IS NOT NULL AND true
SELECT ROW(1, set_config('work_mem', '8MB', false)) = ROW(1, 'x')
SELECT (1, set_config('work_mem', '8MB', false))
SELECT CASE set_config('work_mem', '8MB', false) WHEN 'x' THEN 1 ELSE 2 END
SELECT CASE WHEN set_config('work_mem', '8MB', false) = 'x' THEN 1 END
SELECT i FROM t GROUP BY i, set_config('work_mem', '8MB', false)
SELECT i FROM t GROUP BY GROUPING SETS ((i), (set_config('work_mem', '8MB', false)))
SELECT i FROM t GROUP BY ROLLUP (set_config('work_mem', '8MB', false), i)
SELECT i FROM t GROUP BY DISTINCT CUBE (i, set_config('work_mem', '8MB', false))
SELECT 1 FROM t a JOIN t b ON set_config('work_mem', '8MB', false) IS NOT NULL
SELECT 1 FROM t a LEFT JOIN LATERAL (SELECT set_config('work_mem', '8MB', false)) AS x ON x.set_config = 'x'
SELECT 1 FROM t a CROSS JOIN LATERAL set_config('work_mem', '8MB', false) AS x
SELECT 1 FROM t TABLESAMPLE bernoulli (length(set_config('work_mem', '8MB', false)) * 10)
SELECT 1 FROM t TABLESAMPLE bernoulli (100) REPEATABLE (length(set_config('work_mem', '8MB', false)))
SELECT 1 FETCH FIRST (length(set_config('work_mem', '8MB', false))) ROWS ONLY
SELECT 1 FETCH FIRST 1 ROWS ONLY OFFSET length(set_config('work_mem', '8MB', false))
SELECT * FROM ROWS FROM (generate_series(1, 2), set_config('work_mem', '8MB', false)) WITH ORDINALITY AS x
SELECT * FROM generate_series(1, length(set_config('work_mem', '8MB', false)))
SELECT * FROM (VALUES (1, set_config('work_mem', '8MB', false))) AS x (a, b)
SELECT * FROM (SELECT set_config('work_mem', '8MB', false)) AS x
SELECT 1 IN (VALUES (length(set_config('work_mem', '8MB', false))))
SELECT 1 WHERE EXISTS (SELECT 1 FROM set_config('work_mem', '8MB', false) AS x)
SELECT DISTINCT ON (set_config('work_mem', '8MB', false)) i FROM t
SELECT i FROM t ORDER BY i, set_config('work_mem', '8MB', false) DESC NULLS LAST
SELECT i FROM t ORDER BY set_config('work_mem', '8MB', false) USING <
SELECT -(-length(set_config('work_mem', '8MB', false)))
SELECT @ length(set_config('work_mem', '8MB', false))
SELECT NOT set_config('work_mem', '8MB', false) = 'x'
SELECT 2*length(set_config('work_mem', '8MB', false))
SELECT 1, /* set_config('work_mem', '8MB', false) */ set_config('work_mem', '8MB', false)
SELECT set_config('work_mem', '8MB', false) AS set_config
SELECT set_config('work_mem', '8MB', false) set_config FROM t
SELECT x.set_config FROM (SELECT set_config('work_mem', '8MB', false)) AS x
(VALUES (set_config('work_mem', '8MB', false))) LIMIT 1
INSERT INTO filled (c) SELECT set_config('work_mem', '8MB', false) ON CONFLICT DO NOTHING
INSERT INTO filled OVERRIDING SYSTEM VALUE VALUES (set_config('work_mem', '8MB', false))
INSERT INTO keyed VALUES (1, 'a') ON CONFLICT (i) DO UPDATE SET c = set_config('work_mem', '8MB', false)
INSERT INTO keyed VALUES (1, 'a') ON CONFLICT (i) DO UPDATE SET c = 'x' WHERE set_config('work_mem', '8MB', false) IS NOT NULL
DELETE FROM filled RETURNING set_config('work_mem', '8MB', false)
MERGE INTO t USING (SELECT 1 AS i) AS x ON t.i = x.i WHEN MATCHED AND set_config('work_mem', '8MB', false) IS NOT NULL THEN DO NOTHING
COPY (SELECT i FROM t WHERE set_config('work_mem', '8MB', false) IS NOT NULL) TO STDOUT
COPY (INSERT INTO filled VALUES (set_config('work_mem', '8MB', false)) RETURNING 1) TO STDOUT
EXECUTE none_such (set_config('work_mem', '8MB', false))
PREPARE q (text) AS SELECT $1; EXECUTE q (set_config('work_mem', '8MB', false))
ALTER TABLE keyed ADD COLUMN d text DEFAULT set_config('work_mem', '8MB', false)
ALTER TABLE keyed ADD CHECK (set_config('work_mem', '8MB', false) IS NOT NULL)
ALTER TABLE keyed ALTER c TYPE text USING set_config('work_mem', '8MB', false)
SELECT set_config(N'work_mem', '8MB', false)
SELECT set_config(U&'work!005fmem' UESCAPE '!', '8MB', false)
SELECT set_config('work_'⏎'mem', '8MB', false)
SELECT set_config('work_'  --x⏎'mem', '8MB', false)
SELECT set_config--x⏎('work_mem', '8MB', false)
SELECT pg_catalog . set_config ('work_mem', '8MB', false)
SELECT pg_catalog/**/./**/set_config('work_mem', '8MB', false)
SELECT set_config('work_mem'::name::text, '8MB', false)
SELECT set_config('work_mem', '8MB', (false)::bool)
SELECT set_config('work_mem', '8MB', 'FALSE'::pg_catalog.bool)
SELECT set_config('work_mem', '8MB', 'true'::pg_catalog.bool)
SELECT set_config('work_mem', '8MB', CAST('off' AS pg_catalog.bool))
SELECT set_config('work_mem', '8MB', E'\x74rue')
SELECT set_config('work_mem', '8MB', $$t$$)
SELECT set_config('work_mem', '8MB', true AND false)
SELECT set_config('work_mem', '8MB', (SELECT false))
SELECT set_config('work_mem', '8MB', CASE WHEN true THEN false END)
