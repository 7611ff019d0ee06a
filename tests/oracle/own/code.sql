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
DO $$ BEGIN LOAD 'plpgsql'; END $$
DO $$ BEGIN PREPARE p AS SELECT 1; END $$
DO $$ BEGIN UPDATE pg_settings SET setting = '8192' WHERE name = 'work_mem'; END $$
DO $$ BEGIN NULL; END $$

-- More code in DO
DO $$ BEGIN PERFORM 1 FROM set_config('work_mem', '8MB', false); END $$
DO $$ DECLARE x record; BEGIN SELECT 1 AS a INTO x; x.a := length(set_config('work_mem', '8MB', false)); END $$
DO $$ DECLARE x text[]; BEGIN x[1] := set_config('work_mem', '8MB', false); END $$
DO $$ DECLARE x text; BEGIN x = set_config('work_mem', '8MB', false); END $$
DO $$ DECLARE x text DEFAULT set_config('work_mem', '8MB', false); BEGIN END $$
DO $$ DECLARE x text = set_config('work_mem', '8MB', false); BEGIN END $$
DO $$ DECLARE x CONSTANT text := set_config('work_mem', '8MB', false); y int := 1; BEGIN END $$
DO $$ DECLARE x text; BEGIN FOREACH x IN ARRAY ARRAY[set_config('work_mem', '8MB', false)] LOOP NULL; END LOOP; END $$
DO $$ BEGIN FOR i IN 1..length(set_config('work_mem', '8MB', false)) LOOP NULL; END LOOP; END $$
DO $$ BEGIN FOR i IN REVERSE 2..length(set_config('work_mem', '8MB', false)) BY 1 LOOP NULL; END LOOP; END $$
DO $$ BEGIN LOOP EXIT WHEN set_config('work_mem', '8MB', false) IS NOT NULL; END LOOP; END $$
DO $$ BEGIN FOR i IN 1..2 LOOP CONTINUE WHEN set_config('work_mem', '8MB', false) IS NOT NULL; END LOOP; END $$
DO $$ BEGIN IF 1 = 2 THEN NULL; ELSIF set_config('work_mem', '8MB', false) IS NULL THEN NULL; ELSE NULL; END IF; END $$
DO $$ BEGIN IF 1 = 2 THEN NULL; ELSE SET work_mem = '8MB'; END IF; END $$
DO $$ DECLARE c CURSOR FOR SELECT set_config('work_mem', '8MB', false); BEGIN FOR r IN c LOOP NULL; END LOOP; END $$
DO $$ DECLARE c refcursor; x text; BEGIN OPEN c FOR SELECT set_config('work_mem', '8MB', false); FETCH c INTO x; CLOSE c; END $$
DO $$ DECLARE c refcursor; x text; BEGIN OPEN c FOR EXECUTE 'SELECT set_config(''work_mem'', ''8MB'', false)'; FETCH c INTO x; CLOSE c; END $$
DO $$ DECLARE x text; BEGIN EXECUTE 'SELECT set_config(''work_mem'', ''8MB'', false)' INTO x; END $$
DO $$ DECLARE x text; BEGIN EXECUTE 'SELECT set_config(''work_mem'', ''8MB'', false) || $1' INTO STRICT x USING 'a'; END $$
DO $$ BEGIN EXECUTE E'SET work_mem = \'8MB\''; END $$
DO $$ BEGIN EXECUTE 'SET work_mem = 8192; SELECT 1'; END $$
DO $$ BEGIN EXECUTE 'SELECT 1; SET work_mem = 8192'; END $$
DO $$ BEGIN EXECUTE 'LISTEN ' || quote_ident('jobs'); END $$
DO $$ BEGIN EXECUTE format('LISTEN %I', 'jobs'); END $$
DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE %I (i int)', 'tt'); END $$
DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE %s (i int) ON COMMIT DROP', 'tt'); END $$
DO $$ BEGIN EXECUTE format('CREATE TABLE %I (i int)', 'tt'); END $$
DO $$ BEGIN EXECUTE 'UPDATE t SET i = 1'; END $$
DO $$ BEGIN EXECUTE 'SELECT ' || quote_literal('SET work_mem = 8192'); END $$
DO $$ BEGIN EXECUTE 'COMMENT ON TABLE t IS ''SET work_mem'''; END $$
DO $$ DECLARE s text := 'SET work_mem = 8192'; BEGIN EXECUTE s; END $$
DO $$ BEGIN RAISE NOTICE USING message = set_config('work_mem', '8MB', false); END $$
DO $$ BEGIN RAISE DEBUG 'a % b', set_config('work_mem', '8MB', false); END $$
DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN SET work_mem = '8MB'; END $$
DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN OTHERS THEN NULL; END; $$
DO $$ #variable_conflict use_column⏎BEGIN SET work_mem = '8MB'; END $$
DO $$ DECLARE work_mem int; BEGIN work_mem := 1; END $$
DO $$ DECLARE listen int; BEGIN listen = 2; END $$
DO $$ DECLARE load int; temp int; BEGIN load := 1; temp := load; END $$
DO $$ DECLARE r t%ROWTYPE; i t.i%TYPE; BEGIN r.listen := 'a'; i := 1; END $$
DO $$ DECLARE x record; BEGIN UPDATE t SET set = 1 RETURNING * INTO x; END $$
DO $$ DECLARE x text; BEGIN INSERT INTO filled VALUES ('a') RETURNING set_config('work_mem', '8MB', false) INTO x; END $$
DO $$ DECLARE x text; BEGIN SELECT listen INTO STRICT x FROM t LIMIT 1; END $$
DO $$ DECLARE set int := 0; BEGIN set = set + 1; END $$
DO $$ BEGIN INSERT INTO listen VALUES (1); DELETE FROM listen; END $$
DO $$ BEGIN PERFORM clause(); END $$
DO $$ BEGIN CREATE TABLE tt AS SELECT set_config('work_mem', '8MB', false); END $$
DO $$ BEGIN NULL; /* ; SET work_mem = 8192; */ END $$
DO $$ BEGIN RAISE NOTICE '; SET work_mem = 8192;'; END $$
DO $$ BEGIN <<a>> BEGIN <<b>> FOR i IN 1..1 LOOP SET work_mem = '8MB'; END LOOP b; END a; END $$
DO $$ BEGIN IF true THEN IF true THEN CASE 1 WHEN 1 THEN SET work_mem = '8MB'; END CASE; END IF; END IF; END $$
DO $$ BEGIN WHILE true LOOP SET work_mem = '8MB'; EXIT; END LOOP; END $$
DO $$ DECLARE a int; BEGIN a := CASE WHEN true THEN 1 ELSE 2 END; SET work_mem = '8MB'; END $$
DO $$ BEGIN SET LOCAL work_mem = '8MB'; SET app.tenant = '1'; END $$
DO $$ BEGIN SET work_mem = '8MB'; RESET work_mem; END $$
DO LANGUAGE 'plpgsql' $$ BEGIN SET work_mem = '8MB'; END $$
DO LANGUAGE "plpgsql" 'BEGIN SET work_mem = 8192; END'
DO LANGUAGE PLPGSQL $do$ BEGIN EXECUTE $x$ SELECT $y$a$y$; SET work_mem = 8192 $x$; END $do$
DO U&'BEGIN SET work\005fmem = 8192; END'
DO 'BEGIN SET '⏎'work_mem = 8192; END'
DO $$ BEGIN PERFORM set_config('work_mem', '8MB', i = 2) FROM t; END $$
DO $$ BEGIN PERFORM dblink_connect('c', 'set_config(''work_mem'', ''8MB'', false)sn@'); END $$
DO $$ BEGIN SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; END $$
DO $$ BEGIN SET ROLE reporting; RESET ROLE; END $$
DO $$ BEGIN DISCARD TEMP; END $$
DO $$ BEGIN IF false THEN SET work_mem = '8MB'; END IF; END $$
DO $$ BEGIN BEGIN SET work_mem = '8MB'; RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN NULL; END; END $$
