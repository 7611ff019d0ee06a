-- What these do their text does not show: a look into the catalog or a record of what was
-- made is needed.
SELECT sets()
SELECT i FROM hidden
SELECT locks()
SELECT runs('SET work_mem = 8192')
SELECT runs('SELECT pg_advisory_lock(1)')
CALL does()
INSERT INTO trap VALUES (1)
SET search_path = pg_temp; CREATE TABLE tt (i int)
CREATE TEMP TABLE tt (i int); CREATE VIEW vv AS SELECT * FROM tt
CREATE TEMP TABLE tt (i int); ALTER TABLE tt RENAME TO uu
DO $$ BEGIN CALL does(); END $$
DO $$ BEGIN PERFORM sets(); END $$
