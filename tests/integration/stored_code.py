"""Functions, procedures and triggers in every shape, what calls them, and what they leave."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """What is created (`lib` is in no search_path), a call of it, and the rules it falls under."""

    create: str
    call: str
    rules: list[str]


def function(name: str, body: str, options: str = "", returns: str = "void") -> str:
    return (
        f"CREATE FUNCTION {name} RETURNS {returns} LANGUAGE plpgsql {options} AS $body${body}$body$"
    )


SET = "BEGIN SET work_mem = '8MB'; END"

SHAPES: dict[str, Shape] = {
    "a plain SET": Shape(function("lib.f()", SET), "SELECT lib.f()", ["session-set"]),
    "SET LOCAL": Shape(
        function("lib.f()", "BEGIN SET LOCAL work_mem = '8MB'; END"), "SELECT lib.f()", []
    ),
    "SET and RESET": Shape(
        function("lib.f()", "BEGIN SET work_mem = '8MB'; RESET work_mem; END"), "SELECT lib.f()", []
    ),
    "its own SET clause": Shape(
        function("lib.f()", "BEGIN PERFORM 1; END", "SET work_mem = '8MB'"), "SELECT lib.f()", []
    ),
    "its own SET clause, overridden": Shape(
        function("lib.f()", "BEGIN SET work_mem = '9MB'; END", "SET work_mem = '8MB'"),
        "SELECT lib.f()",
        ["session-set"],
    ),
    "set_config in an SQL string": Shape(
        "CREATE FUNCTION lib.f(t text) RETURNS text LANGUAGE sql"
        " AS 'SELECT set_config(''app.tenant'', t, false)'",
        "SELECT lib.f('a')",
        ["session-set"],
    ),
    "set_config for the transaction": Shape(
        "CREATE FUNCTION lib.f(t text) RETURNS text LANGUAGE sql"
        " AS 'SELECT set_config(''app.tenant'', $1, true)'",
        "SELECT lib.f('a')",
        [],
    ),
    "BEGIN ATOMIC": Shape(
        "CREATE FUNCTION lib.f(t text) RETURNS text LANGUAGE sql"
        " BEGIN ATOMIC SELECT 1; SELECT set_config('app.tenant', t, false); END",
        "SELECT lib.f('a')",
        ["session-set"],
    ),
    "RETURN": Shape(
        "CREATE FUNCTION lib.f(t text) RETURNS text LANGUAGE sql"
        " RETURN set_config('app.tenant', t, false)",
        "SELECT lib.f('a')",
        ["session-set"],
    ),
    "RETURN of something harmless": Shape(
        "CREATE FUNCTION lib.f(t text) RETURNS text LANGUAGE sql RETURN upper(t)",
        "SELECT lib.f('a')",
        [],
    ),
    "a procedure": Shape(
        "CREATE PROCEDURE lib.f(INOUT t text) LANGUAGE plpgsql"
        " AS $$BEGIN PERFORM set_config('app.tenant', t, false); END$$",
        "CALL lib.f('a')",
        ["session-set"],
    ),
    "a procedure that commits": Shape(
        "CREATE PROCEDURE lib.f() LANGUAGE plpgsql AS $$BEGIN SET work_mem = '8MB'; COMMIT; END$$",
        "CALL lib.f()",
        ["session-set"],
    ),
    "a procedure with OUT": Shape(
        "CREATE PROCEDURE lib.g(OUT x int) LANGUAGE plpgsql AS $$BEGIN LISTEN jobs; x := 1; END$$;"
        "CREATE PROCEDURE lib.f() LANGUAGE plpgsql"
        " AS $$DECLARE y int; BEGIN CALL lib.g(y); END$$",
        "CALL lib.f()",
        ["listen", "listen"],
    ),
    "the role": Shape(
        function("lib.f()", "BEGIN SET ROLE reporting; END"), "SELECT lib.f()", ["session-role"]
    ),
    "an advisory lock": Shape(
        function("lib.f()", "BEGIN PERFORM pg_advisory_lock(1); END"),
        "SELECT lib.f()",
        ["advisory-lock"],
    ),
    "a lock that is released": Shape(
        function("lib.f()", "BEGIN PERFORM pg_advisory_lock(1), pg_advisory_unlock(1); END"),
        "SELECT lib.f()",
        [],
    ),
    "a lock taken twice": Shape(
        function(
            "lib.f()",
            "BEGIN PERFORM pg_advisory_lock(1); PERFORM pg_advisory_lock(1);"
            " PERFORM pg_advisory_unlock(1); END",
        ),
        "SELECT lib.f()",
        ["advisory-lock"],
    ),
    "a channel": Shape(function("lib.f()", "BEGIN LISTEN jobs; END"), "SELECT lib.f()", ["listen"]),
    "a temporary table": Shape(
        function("lib.f()", "BEGIN CREATE TEMP TABLE cart (id int); END"),
        "SELECT lib.f()",
        ["temp-table"],
    ),
    "a temporary table that is dropped": Shape(
        function("lib.f()", "BEGIN CREATE TEMP TABLE cart (id int); DROP TABLE cart; END"),
        "SELECT lib.f()",
        [],
    ),
    "a prepared statement": Shape(
        function("lib.f()", "BEGIN PREPARE p AS SELECT 1; END"), "SELECT lib.f()", ["sql-prepare"]
    ),
    "EXECUTE of a constant": Shape(
        function("lib.f()", "BEGIN EXECUTE 'SET ' || 'work_mem = 9000'; END"),
        "SELECT lib.f()",
        ["session-set"],
    ),
    "a chain": Shape(
        function("lib.h()", SET)
        + ";"
        + function("lib.g()", "BEGIN PERFORM lib.h(); END")
        + ";"
        + function("lib.f()", "BEGIN PERFORM lib.g(); END"),
        "SELECT lib.f()",
        ["session-set"] * 3,
    ),
    "a chain that takes back": Shape(
        function("lib.lock_it(k int)", "BEGIN PERFORM pg_advisory_lock(k); END")
        + ";"
        + function("lib.free_it(a int)", "BEGIN PERFORM pg_advisory_unlock(a); END")
        + ";"
        + function("lib.f()", "BEGIN PERFORM lib.lock_it(7); PERFORM lib.free_it(7); END"),
        "SELECT lib.f()",
        ["unlock-not-held", "advisory-lock"],  # of free_it and lock_it, each on its own
    ),
    "a chain with a flag": Shape(
        "CREATE FUNCTION lib.put(t text, local boolean DEFAULT true) RETURNS text LANGUAGE sql"
        " AS $$SELECT set_config('app.tenant', t, local)$$;"
        + function("lib.f()", "BEGIN PERFORM lib.put('a'); PERFORM lib.put('b', true); END"),
        "SELECT lib.f()",
        ["session-set"],  # of put itself
    ),
    "a chain with the other flag": Shape(
        "CREATE FUNCTION lib.put(t text, local boolean DEFAULT true) RETURNS text LANGUAGE sql"
        " AS $$SELECT set_config('app.tenant', t, local)$$;"
        + function("lib.f()", "BEGIN PERFORM lib.put('a', local => false); END"),
        "SELECT lib.f()",
        ["session-set"] * 2,
    ),
    "recursion": Shape(
        function(
            "lib.f(n int)",
            "BEGIN IF n > 0 THEN PERFORM lib.f(n - 1); ELSE SET work_mem = '8MB'; END IF; END",
        ),
        "SELECT lib.f(3)",
        ["session-set"],
    ),
    "a circle": Shape(
        function("lib.g(n int)", "BEGIN PERFORM lib.f(n); LISTEN jobs; END")
        + ";"
        + function("lib.f(n int)", "BEGIN IF n > 0 THEN PERFORM lib.g(n - 1); END IF; END"),
        "SELECT lib.f(1)",
        ["listen", "listen"],
    ),
    "SECURITY DEFINER": Shape(
        function("lib.f()", SET, "SECURITY DEFINER"), "SELECT lib.f()", ["session-set"]
    ),
    "a search_path of its own": Shape(
        function("lib.g()", SET)
        + ";"
        + function("lib.f()", "BEGIN PERFORM g(); END", "SET search_path = lib, pg_temp"),
        "SELECT lib.f()",
        ["session-set"] * 2,
    ),
    "a namesake of set_config": Shape(
        "CREATE FUNCTION lib.set_config(a text, b text, c boolean) RETURNS text LANGUAGE sql"
        " AS 'SELECT a';"
        + function("lib.f()", "BEGIN PERFORM lib.set_config('app.tenant', 'x', false); END"),
        "SELECT lib.f()",
        [],
    ),
    "quoted names": Shape(
        function('lib."Set It"()', SET)
        + ";"
        + function("lib.f()", 'BEGIN PERFORM lib."Set It"(); END'),
        "SELECT lib.f()",
        ["session-set"] * 2,
    ),
    "a function in the condition": Shape(
        function("lib.g()", "BEGIN SET work_mem = '8MB'; RETURN true; END", returns="boolean")
        + ";"
        + function("lib.f()", "BEGIN IF lib.g() THEN RETURN; END IF; END"),
        "SELECT lib.f()",
        ["session-set"] * 2,
    ),
    "a function in a default": Shape(
        function("lib.g()", "BEGIN SET work_mem = '8MB'; RETURN 1; END", returns="int")
        + ";"
        + function("lib.f()", "DECLARE x int := lib.g(); BEGIN END"),
        "SELECT lib.f()",
        ["session-set"] * 2,
    ),
    "look-alikes": Shape(
        function(
            "lib.f()",
            "DECLARE listen int := 1; BEGIN listen := 2; -- SET work_mem = '1MB';\n"
            " RAISE NOTICE 'SET work_mem = 1'; UPDATE pg_temp_stand_in SET a = 1;"
            " EXCEPTION WHEN undefined_table THEN NULL; END",
        ),
        "SELECT lib.f()",
        [],
    ),
    "lastval of its own insert": Shape(
        "CREATE TABLE lib.orders (id serial);"
        + function(
            "lib.f()",
            "BEGIN INSERT INTO lib.orders DEFAULT VALUES; RETURN lastval(); END",
            returns="bigint",
        ),
        "SELECT lib.f()",
        [],
    ),
    "a trigger": Shape(
        "CREATE TABLE lib.orders (id int);"
        + function("lib.stamp()", "BEGIN SET work_mem = '8MB'; RETURN new; END", returns="trigger")
        + "; CREATE TRIGGER stamp BEFORE INSERT ON lib.orders FOR EACH ROW"
        " EXECUTE FUNCTION lib.stamp()",
        "INSERT INTO lib.orders VALUES (1)",
        ["session-set"],
    ),
    "a trigger that calls": Shape(
        "CREATE TABLE lib.orders (id int);"
        + function("lib.g()", SET)
        + ";"
        + function("lib.stamp()", "BEGIN PERFORM lib.g(); RETURN new; END", returns="trigger")
        + "; CREATE TRIGGER stamp BEFORE INSERT ON lib.orders FOR EACH ROW"
        " EXECUTE FUNCTION lib.stamp()",
        "INSERT INTO lib.orders VALUES (1)",
        ["session-set"] * 2,
    ),
    "a trigger that is switched off": Shape(
        "CREATE TABLE lib.orders (id int);"
        + function("lib.stamp()", "BEGIN SET work_mem = '8MB'; RETURN new; END", returns="trigger")
        + "; CREATE TRIGGER stamp BEFORE INSERT ON lib.orders FOR EACH ROW"
        " EXECUTE FUNCTION lib.stamp(); ALTER TABLE lib.orders DISABLE TRIGGER stamp",
        "INSERT INTO lib.orders VALUES (1)",
        [],
    ),
    "set_config in a STABLE function": Shape(
        function("lib.f()", "BEGIN PERFORM set_config('app.tenant', 'a', false); END", "STABLE"),
        "SELECT lib.f()",
        ["session-set"],
    ),
    "SELECT INTO TEMP in an SQL string": Shape(
        "CREATE FUNCTION lib.f() RETURNS void LANGUAGE sql AS 'SELECT 1 AS a INTO TEMP cart'",
        "SELECT lib.f()",
        ["temp-table"],
    ),
    "SELECT INTO a variable, before the expression": Shape(
        function(
            "lib.f()",
            "DECLARE x text; BEGIN SELECT INTO STRICT x set_config('app.tenant', 'a', false); END",
        ),
        "SELECT lib.f()",
        ["session-set"],
    ),
    "a cursor of PL/pgSQL": Shape(
        function(
            "lib.f()",
            "DECLARE c CURSOR FOR SELECT set_config('app.tenant', 'a', false);"
            " BEGIN FOR r IN c LOOP NULL; END LOOP; END",
        ),
        "SELECT lib.f()",
        ["session-set"],
    ),
    "an allowing comment": Shape(
        function("lib.f()", "BEGIN -- pgpoolsafe: allow session-set\n PERFORM 1; END"),
        "SELECT lib.f()",
        [],
    ),
}

# The server refuses these calls, so that they leave nothing.
REFUSED: dict[str, Shape] = {
    "SET in a STABLE function": Shape(
        function("lib.f()", "BEGIN SET work_mem = '8MB'; END", "STABLE"), "SELECT lib.f()", []
    ),
    "the role in a SECURITY DEFINER function": Shape(
        function("lib.f()", "BEGIN SET ROLE reporting; END", "SECURITY DEFINER"),
        "SELECT lib.f()",
        [],
    ),
    "the role in what a SECURITY DEFINER function calls": Shape(
        function("lib.g()", "BEGIN PERFORM set_config('role', 'reporting', false); END")
        + ";"
        + function("lib.f()", "BEGIN PERFORM lib.g(); END", "SECURITY DEFINER"),
        "SELECT lib.f()",
        ["session-role"],  # of g itself
    ),
}
