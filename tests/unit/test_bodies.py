"""DO blocks and the bodies of functions."""

from __future__ import annotations

import pytest

from pgpoolsafe.effects import EffectKind
from pgpoolsafe.sql.reader import read, read_body
from tests.unit.effect_words import effects, tell, told

BODIES = [
    # Statements of SQL where a statement can stand
    ("BEGIN SET work_mem = '8MB'; END", ["acquire setting work_mem"]),
    ("BEGIN SET LOCAL work_mem = '8MB'; END", ["acquire setting work_mem (transaction)"]),
    ("BEGIN RESET ROLE; RESET ALL; END", ["release role role", "release setting"]),
    (
        "BEGIN LISTEN jobs; UNLISTEN *; END",
        ["acquire listening channel jobs", "release listening channel"],
    ),
    (
        "BEGIN CREATE TEMP TABLE t (); DROP TABLE t; END",
        ["acquire temporary object t", "release temporary object t"],
    ),
    (
        "BEGIN CREATE TEMP TABLE t () ON COMMIT DROP; END",
        ["acquire temporary object t (transaction)"],
    ),
    ("BEGIN LOAD 'age'; END", ["acquire library age"]),
    (
        "BEGIN PREPARE p AS SELECT 1; DEALLOCATE p; END",
        ["acquire prepared statement p", "release prepared statement p"],
    ),
    (
        "BEGIN IF a THEN SET x = 1; ELSIF b THEN SET y = 1; ELSE SET z = 1; END IF; END",
        ["acquire setting x", "acquire setting y", "acquire setting z"],
    ),
    (
        "BEGIN WHILE a LOOP SET x = 1; END LOOP; LOOP SET y = 1; EXIT; END LOOP; END",
        ["acquire setting x", "acquire setting y"],
    ),
    ("BEGIN FOR i IN 1..3 LOOP SET x = 1; END LOOP; END", ["acquire setting x"]),
    ("BEGIN FOREACH i IN ARRAY a LOOP SET x = 1; END LOOP; END", ["acquire setting x"]),
    (
        "BEGIN CASE a WHEN 1 THEN SET x = 1; WHEN 2,3 THEN SET y=1; ELSE SET z = 1; END CASE; END",
        ["acquire setting x", "acquire setting y", "acquire setting z"],
    ),
    ("BEGIN CASE WHEN CASE WHEN a THEN b END THEN SET x = 1; END CASE; END", ["acquire setting x"]),
    ("BEGIN IF CASE WHEN a THEN b ELSE c END THEN SET x = 1; END IF; END", ["acquire setting x"]),
    ("#variable_conflict use_column\nBEGIN SET x = 1; END", ["acquire setting x"]),
    (
        "#option dump #print_strict_params on DECLARE i int; BEGIN SET x = i; END",
        ["acquire setting x"],
    ),
    ("<<a>> DECLARE i int; BEGIN <<b>> BEGIN SET x = 1; END; END", ["acquire setting x"]),
    ("BEGIN a := 1; EXCEPTION WHEN others THEN SET x = 1; END", ["acquire setting x"]),
    ("BEGIN UPDATE pg_settings SET setting = '1' WHERE name = 'a'; END", ["acquire setting a"]),
    # Functions, wherever an expression can stand
    ("BEGIN PERFORM set_config('a', 'b', false); END", ["acquire setting a"]),
    ("BEGIN PERFORM set_config('a', 'b', true); END", ["acquire setting a (transaction)"]),
    ("BEGIN PERFORM app.set_config('a', 'b', false); END", []),
    ("BEGIN SELECT pg_advisory_lock(1) INTO x; END", ["acquire advisory lock 1"]),
    ("BEGIN x := pg_try_advisory_lock(1); END", ["try to acquire advisory lock 1"]),
    ("BEGIN x = pg_advisory_unlock(1); END", ["release advisory lock 1"]),
    (
        "BEGIN IF pg_try_advisory_lock(1) THEN RETURN; END IF; END",
        ["try to acquire advisory lock 1"],
    ),
    (
        "BEGIN WHILE NOT pg_try_advisory_lock(1) LOOP NULL; END LOOP; END",
        ["try to acquire advisory lock 1"],
    ),
    (
        "BEGIN FOR r IN SELECT pg_advisory_lock(1) LOOP NULL; END LOOP; END",
        ["acquire advisory lock 1"],
    ),
    ("BEGIN RETURN setseed(1); END", ["acquire session function"]),
    ("BEGIN RAISE NOTICE '%', lastval(); END", ["read sequence state"]),
    ("DECLARE x text := set_config('a', 'b', false); BEGIN END", ["acquire setting a"]),
    ("DECLARE x text DEFAULT set_config('a', 'b', false); BEGIN END", ["acquire setting a"]),
    ("BEGIN PERFORM set_config($1, $2, $3); END", ["acquire setting"]),
    # EXECUTE of what can be told
    ("BEGIN EXECUTE 'SET work_mem = 1'; END", ["acquire setting work_mem"]),
    ("BEGIN EXECUTE 'S' || 'ET ' || $q$work_mem = 1$q$; END", ["acquire setting work_mem"]),
    ("BEGIN EXECUTE ('SET ' || ('work_mem' || ' = 1'))::text; END", ["acquire setting work_mem"]),
    ("BEGIN EXECUTE concat('SET ', 'work_mem', ' = 1'); END", ["acquire setting work_mem"]),
    ("BEGIN EXECUTE format('SET work_mem = 1'); END", ["acquire setting work_mem"]),
    ("BEGIN EXECUTE format('SET %s = %L', 'work_mem', '1'); END", ["acquire setting work_mem"]),
    ("BEGIN EXECUTE format('SET %2$I = %1$L', '1', 'work_mem'); END", ["acquire setting work_mem"]),
    ("BEGIN EXECUTE 'SELECT set_config($1, $2, false)' USING 'a', 'b'; END", ["acquire setting"]),
    ("BEGIN EXECUTE 'SELECT 1' INTO x USING pg_advisory_lock(1); END", ["acquire advisory lock 1"]),
    (
        "BEGIN EXECUTE 'LISTEN a; LISTEN b'; END",
        ["acquire listening channel a", "acquire listening channel b"],
    ),
    (
        "BEGIN FOR r IN EXECUTE 'SELECT pg_advisory_lock(1)' LOOP NULL; END LOOP; END",
        ["acquire advisory lock 1"],
    ),
    ("BEGIN RETURN QUERY EXECUTE 'SELECT pg_advisory_lock(1)'; END", ["acquire advisory lock 1"]),
    ("BEGIN OPEN c FOR EXECUTE 'SELECT pg_advisory_lock(1)'; END", ["acquire advisory lock 1"]),
    ("BEGIN EXECUTE 'DO $x$ BEGIN EXECUTE ''SET a = 1''; END $x$'; END", ["acquire setting a"]),
    # Gaps that are one name or one literal
    ("BEGIN EXECUTE format('SET %I = %L', a, b); END", ["acquire setting"]),
    ("BEGIN EXECUTE format('SET app.%I = %L', a, b); END", ["acquire setting"]),
    ("BEGIN EXECUTE format('SET app%I = 1', a); END", ["acquire setting"]),
    ("BEGIN EXECUTE format('SET LOCAL %I = %L', a, b); END", ["acquire setting (transaction)"]),
    ("BEGIN EXECUTE 'SET work_mem = ' || quote_literal(a); END", ["acquire setting work_mem"]),
    ("BEGIN EXECUTE 'LISTEN ' || quote_ident(a); END", ["acquire listening channel"]),
    ("BEGIN EXECUTE 'DROP TABLE ' || quote_ident(a); END", []),
    ("BEGIN EXECUTE format('CREATE TABLE %I PARTITION OF p FOR VALUES IN (%L)', a, b); END", []),
    ("BEGIN EXECUTE format('ANALYZE %s', a::regclass); END", []),
    ("BEGIN EXECUTE 'DROP TABLE t_' || a::int; END", []),
    ("BEGIN EXECUTE format('SELECT pg_advisory_lock(%L)', a); END", ["acquire advisory lock ?"]),
    # Gaps that can hold anything
    ("BEGIN EXECUTE a; END", ["acquire code that cannot be read"]),
    (
        "BEGIN EXECUTE 'SET work_mem = ' || a; END",
        ["acquire code that cannot be read", "acquire setting work_mem"],
    ),
    (
        "BEGIN EXECUTE format('SET work_mem = %s', a); END",
        ["acquire code that cannot be read", "acquire setting work_mem"],
    ),
    ("BEGIN EXECUTE format(a, b); END", ["acquire code that cannot be read"]),
    ("BEGIN EXECUTE replace('SET x = 1', 'x', a); END", ["acquire code that cannot be read"]),
    # Look-alikes
    ("BEGIN UPDATE t SET work_mem = 1; END", []),
    ("BEGIN INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1; END", []),
    (
        "DECLARE listen int; set text = 'x'; load int; BEGIN listen := 1; set = ''; load := 2; END",
        [],
    ),
    ("BEGIN set.x := 1; listen[1] := 2; END", []),
    ("BEGIN SELECT a INTO temp FROM b; SELECT a INTO temp x FROM b; END", []),
    ("BEGIN FOR listen IN SELECT 1 LOOP NULL; END LOOP; END", []),
    ("BEGIN CLOSE c; OPEN c; FETCH c INTO x; MOVE c; END", []),
    ("BEGIN COMMIT; ROLLBACK; COMMIT AND CHAIN; END", []),
    ("BEGIN RAISE NOTICE 'SET x = 1'; END", []),
    ("BEGIN -- SET x = 1;\n NULL; /* LISTEN y; */ END", []),
    ("DECLARE x t.a%TYPE; y t%ROWTYPE; BEGIN x := 5 %s; END", []),
    ("BEGIN CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SET x = 1'; END", []),
    ("", []),
]


@pytest.mark.parametrize("body, expected", BODIES)
def test_what_a_do_block_does(body: str, expected: list[str]) -> None:
    text = f"DO $body$ {body} $body$"
    assert tell(text) == expected
    assert all(effect.edits is None for effect in effects(text))
    assert all(statement.control is None for statement in read(text).statements)


@pytest.mark.parametrize("body, expected", BODIES)
def test_a_function_body_reads_the_same(body: str, expected: list[str]) -> None:
    assert [told(effect) for effect in read_body(body, "plpgsql")] == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("DO LANGUAGE plpgsql $$ BEGIN SET a = 1; END $$", ["acquire setting a"]),
        ("DO $$ BEGIN SET a = 1; END $$ LANGUAGE 'plpgsql'", ["acquire setting a"]),
        ("DO E'BEGIN SET a = \\'1\\'; END'", ["acquire setting a"]),
        ("DO 'BEGIN SET a = ''1''; END'", ["acquire setting a"]),
        ("DO LANGUAGE plpython3u 'pass'", ["acquire code that cannot be read"]),
        ('DO $$ return 1 $$ LANGUAGE "plperl"', ["acquire code that cannot be read"]),
        ("DO $$ BEGIN x := 'a; END $$", ["acquire text that cannot be read"]),
    ],
)
def test_languages_and_quotes(text: str, expected: list[str]) -> None:
    assert tell(text) == expected


def test_sql_bodies_are_statements() -> None:
    found = read_body("SET a = 1; SELECT pg_advisory_lock($1)", "SQL")
    assert [told(effect) for effect in found] == ["acquire setting a", "acquire advisory lock $1"]


def test_code_in_code_is_followed_only_so_far() -> None:
    text = "SET a = 1"
    for depth in range(12):
        text = f"DO $d{depth}$ BEGIN EXECUTE $e{depth}${text}$e{depth}$; END $d{depth}$"
    assert [effect.kind for effect in effects(text)] == [EffectKind.OPAQUE_CODE]


def test_a_comment_inside_the_body_allows_too() -> None:
    text = "DO $$ BEGIN LISTEN a; -- pgpoolsafe: allow listen\nEND $$"
    assert read(text).allowed == {"listen"}
