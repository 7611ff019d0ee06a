-- What our own statements find in their database.
CREATE SCHEMA app;
CREATE EXTENSION dblink; CREATE EXTENSION pg_trgm;
CREATE TABLE t (i int, listen text, temp int, set int, b boolean, j int);
CREATE TABLE listen (i int); CREATE TABLE temp (i int); CREATE TABLE work_mem (i int);
CREATE TABLE app.t (i int); CREATE VIEW v AS SELECT i, temp FROM t;
CREATE TABLE pg_advisory_lock (i int); CREATE TABLE hold (i int);
CREATE EXTENSION postgres_fdw; CREATE SCHEMA other;
CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS (@options@);
CREATE USER MAPPING FOR postgres SERVER here OPTIONS (user 'postgres');
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
    "p": "TABLE", "S": "SEQUENCE", "f": "FOREIGN TABLE", "c": "TYPE"}';
  made text;
BEGIN
  IF pg_replication_origin_session_is_setup() THEN
    PERFORM pg_replication_origin_session_reset();
  END IF;
  PERFORM dblink_disconnect(c) FROM unnest(dblink_get_connections()) AS connections (c);
  PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots;
  DROP TABLE IF EXISTS filled, keyed CASCADE;
  CREATE TABLE filled (c text);
  CREATE TABLE keyed (i int PRIMARY KEY, c text);
  TRUNCATE t;
  INSERT INTO t VALUES (1, 'a', 1, 1, true, 1);
  INSERT INTO filled VALUES ('a');
  INSERT INTO keyed VALUES (1, 'a');
  FOR made IN
    SELECT format('DROP %s public.%I CASCADE', kinds->>relkind::text, relname) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace
      AND relname IN ('made', 'tt', 'uu', 'vv', 'set_config', 'pg_temporary')
    UNION ALL SELECT 'DROP SCHEMA made CASCADE' FROM pg_namespace WHERE nspname = 'made'
    UNION ALL SELECT 'DROP FOREIGN TABLE other.t' FROM pg_class
     WHERE relname = 't' AND relnamespace = 'other'::regnamespace
    UNION ALL SELECT 'DROP EXTENSION cube' FROM pg_extension WHERE extname = 'cube'
    UNION ALL SELECT 'DROP ROUTINE public.made' FROM pg_proc WHERE proname = 'made'
    UNION ALL SELECT 'DROP OPERATOR public.=== (int4, int4)' FROM pg_operator
     WHERE oprname = '===' AND oprnamespace = 'public'::regnamespace
  LOOP EXECUTE made; END LOOP;
END $$;
SELECT app.tidy();
