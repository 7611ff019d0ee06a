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

-- More of SET and pg_settings
SET LOCAL SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
SET SESSION SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
SET SESSION TRANSACTION READ ONLY
SET SESSION TIME ZONE LOCAL
SET XML OPTION CONTENT
UPDATE oracle.pg_catalog.pg_settings SET setting = '8192' WHERE name = 'work_mem'
UPDATE pg_settings * SET setting = '8192' WHERE name = 'work_mem'
UPDATE pg_settings SET setting = '8192' FROM t WHERE name = 'work_mem'
UPDATE pg_catalog . "pg_settings" SET setting = '8192' WHERE name = 'work_mem'
UPDATE pg_settings SET setting = '8192' WHERE name = ANY ('{work_mem}')
UPDATE pg_settings SET setting = '8192' WHERE name = ANY (ARRAY['work_mem'])
UPDATE pg_settings SET setting = '8192' WHERE name = ('work_mem')
UPDATE pg_settings SET setting = '8192' WHERE name = 'work_' || 'mem'
UPDATE pg_settings SET setting = '8192' WHERE name = 'x' OR unit = 'kB' AND name LIKE 'work%'
UPDATE t SET i = 1 FROM pg_settings WHERE name = 'work_mem'
UPDATE t SET i = (SELECT setting::int FROM pg_settings WHERE name = 'work_mem')
UPDATE public.pg_settings SET setting = '8192' WHERE name = 'work_mem'
