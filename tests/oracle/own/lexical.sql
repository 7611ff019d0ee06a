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

-- Lexical corners
 -- c⏎SET work_mem = '8MB'
--/*⏎SET work_mem = '8MB'⏎--*/
SELECT 1 -- c␍; SET work_mem = '8MB'
/*/ SET */ SET work_mem = '8MB'
/*/*/ SELECT 1 */*/ SET work_mem = '8MB'
/**//**/SET/**/work_mem/**/=/**/8192
/* ' */ SET work_mem = '8MB' /* ' */
 -- ' ⏎SET work_mem = '8MB' -- '
SELECT 2*/**/3; SET work_mem = '8MB'
SELECT 1 +-- c⏎1; SET work_mem = '8MB'
SELECT 1 - -1; SET work_mem = '8MB'
SELECT 5 %2; SET work_mem = '8MB'
SELECT 5 %(2)s; SET work_mem = '8MB'
SELECT i %(2)s FROM t; SET work_mem = '8MB'
SELECT listen %(' )s') FROM t; SET work_mem = 8192 --'
SELECT listen %(" )s") FROM (SELECT listen, 'a' AS " )s" FROM t) x; SET work_mem = 8192 --"
SELECT listen %($$ )s$$) FROM t; SET work_mem = 8192 --$$
SELECT listen %(/* )s */ 'a') FROM t; SET work_mem = 8192
SELECT 'a%'; SET work_mem = '8MB' -- %'
SELECT a$1 FROM (SELECT 1 AS a$1) x; SET work_mem = '8MB'
SELECT a$b$ FROM (SELECT 1 AS a$b$) x; SET work_mem = '8MB' -- $b$
SELECT $b$ $a$ $b$, $a$ $b$ $a$; SET work_mem = '8MB'
SELECT $é$ ; $é$; SET work_mem = '8MB'
SELECT 1e5, .5, 5., 1.5e-3, 1.e5; SET work_mem = '8MB'
SELECT (ARRAY[1,2])[1:2]; SET work_mem = '8MB'
SELECT 'a' 'b'; SET work_mem = '8MB'
SELECT 'a'⏎'b;'; SET work_mem = '8MB'
SELECT E'a\\'; SET work_mem = '8MB' -- '
SELECT E'a\'' ; SET work_mem = '8MB'
SELECT E'a''\\'; SET work_mem = '8MB'
SELECT E'a'⏎'\'; SET work_mem = 8192 --'
SELECT e'\047; SET work_mem = 8192 --'
SELECT n'a\'; SET work_mem = '8MB'
SELECT U&'a\\'; SET work_mem = '8MB'
SELECT U&"a\\" FROM (SELECT 1 AS U&"a\\") x; SET work_mem = '8MB'
SELECT U&'a!!' UESCAPE '!'; SET work_mem = '8MB'
SELECT "a""" FROM (SELECT 1 AS "a""") x; SET work_mem = '8MB' -- "
SELECT b'01'⏎'10'; SET work_mem = '8MB'
SELECT 1 AS "SELECT"; SET work_mem = '8MB'
SELECT 1;⏎⏎SET⏎work_mem⏎=⏎'8MB'⏎;
SELECT 1; SET work_mem = '8MB'
SET work_mem = '8MB'␍
EXPLAIN (ANALYZE TRUE) SELECT set_config('work_mem', '8MB', false)
EXPLAIN (ANALYZE 'on') SELECT set_config('work_mem', '8MB', false)
EXPLAIN (ANALYZE "off") SELECT set_config('work_mem', '8MB', false)
EXPLAIN (VERBOSE, ANALYZE) INSERT INTO filled VALUES (set_config('work_mem', '8MB', false))
EXPLAIN (ANALYZE) (SELECT set_config('work_mem', '8MB', false))
EXPLAIN (FORMAT json, ANALYZE) SELECT set_config('work_mem', '8MB', false)
EXPLAIN (SELECT set_config('work_mem', '8MB', false))
EXPLAIN ((SELECT set_config('work_mem', '8MB', false)))
EXPLAIN ANALYZE (SELECT set_config('work_mem', '8MB', false))
