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
SELECT pg_advisory_lock(1), 1/(i - i) FROM t
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

-- More of locks
SELECT pg_advisory_lock(1) FROM generate_series(1, 1)
SELECT count(pg_advisory_lock(i)) FROM t
SELECT pg_advisory_lock(0x10)
SELECT pg_advisory_lock(1_000)
SELECT pg_advisory_lock(-2147483648)
SELECT pg_advisory_lock(-1, -2)
SELECT pg_advisory_lock(1.0)
SELECT pg_advisory_lock(key => 1)
SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(0x1)
SELECT pg_advisory_lock(x) FROM (SELECT 3 AS x) AS y
SELECT pg_advisory_lock(ascii('a')); SELECT pg_advisory_unlock(97)
WITH x AS MATERIALIZED (SELECT pg_advisory_lock(1)) SELECT count(*) FROM x
