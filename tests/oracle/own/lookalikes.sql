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
