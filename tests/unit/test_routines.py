"""The functions of a database: which are meant, what they do, and what those do that they call."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgpoolsafe.effects import DRAWS, PLAIN, Effect
from pgpoolsafe.sql import routines
from pgpoolsafe.sql.calls import Call
from pgpoolsafe.sql.phrases import source
from pgpoolsafe.sql.reader import read
from pgpoolsafe.sql.routine_reader import RoutineReader
from pgpoolsafe.sql.routine_triage import Words, words_of, worth_reading
from pgpoolsafe.sql.routines import MOST_EFFECTS, Analysis
from pgpoolsafe.sql.stored import Routine, StoredCode
from tests.unit.effect_words import told

PATH = ("pg_catalog", "public")


def routine(name: str, body: str = "", *parameters: str, **more: Any) -> Routine:
    """`schema.name`, `public` if there is none; with as many parameters."""
    schema, _, own = name.rpartition(".")
    schema = schema or "public"
    more.setdefault("types", ", ".join("int" for _ in parameters))
    return Routine(
        schema, own, f"{schema}.{own}", body=f"BEGIN {body} END", parameters=parameters, **more
    )


def analysis(*stored: Routine, path: tuple[str, ...] = PATH, **more: Any) -> Analysis:
    return Analysis(StoredCode(stored, path, **more))


def summary(of: Analysis, number: int = 0) -> list[str]:
    return [told(piece.effect) for piece in of.summaries[number].pieces]


def effects_of(text: str, of: Analysis) -> list[Effect]:
    reading = RoutineReader(of).read(text)
    return [effect for statement in reading.statements for effect in statement.effects]


def tell(text: str, of: Analysis) -> list[str]:
    return [told(effect) for effect in effects_of(text, of)]


# one body

BODIES = [
    ("SET work_mem = 1;", ["acquire setting work_mem"]),
    ("SET LOCAL work_mem = 1;", []),
    ("SET work_mem = 1; SET work_mem = 2;", ["acquire setting work_mem"]),
    ("SET work_mem = 1; RESET work_mem;", []),
    ("RESET work_mem; SET work_mem = 1;", ["release setting work_mem", "acquire setting work_mem"]),
    ("SET a = 1; SET b = 1; RESET ALL;", []),
    ("RESET ALL; RESET ALL;", ["release setting"]),
    ("LISTEN a; LISTEN b; UNLISTEN *; LISTEN c;", ["acquire listening channel c"]),
    ("PERFORM pg_advisory_lock(1); PERFORM pg_advisory_unlock(1);", []),
    ("PERFORM pg_advisory_lock(1); PERFORM pg_advisory_unlock(2);", None),
    ("PERFORM pg_advisory_lock(1); PERFORM pg_advisory_lock(1);", ["acquire advisory lock 1"] * 2),
    (
        "PERFORM pg_advisory_lock(1); PERFORM pg_advisory_unlock(1); PERFORM pg_advisory_lock(1);",
        ["acquire advisory lock 1"],
    ),
    ("PERFORM pg_advisory_lock_shared(1); PERFORM pg_advisory_unlock(1);", None),
    ("PERFORM pg_try_advisory_lock(1);", ["try to acquire advisory lock 1"]),
    ("IF pg_try_advisory_lock(1) THEN NULL; END IF;", ["acquire advisory lock 1"]),
    ("CREATE TEMP TABLE t (); DROP TABLE t;", []),
    ("CREATE TEMP TABLE t () ON COMMIT DROP;", []),
    ("PERFORM setseed(1); PERFORM setseed(2);", ["acquire session function"]),
    ("EXECUTE a; EXECUTE b;", ["acquire code that cannot be read"]),
]


@pytest.mark.parametrize("body, expected", BODIES)
def test_what_is_left_of_a_body(body: str, expected: list[str] | None) -> None:
    found = summary(analysis(routine("f", body)))
    if expected is None:
        assert len(found) == 2
    else:
        assert found == expected


def test_a_long_body_is_cut() -> None:
    body = "".join(f"SET a{number} = 1;" for number in range(1000))
    assert len(analysis(routine("f", body)).summaries[0].pieces) == MOST_EFFECTS


@pytest.mark.parametrize(
    "more, expected",
    [
        ({"language": "plpython3u"}, ["acquire code that cannot be read"]),
        ({"language": "c"}, ["acquire code that cannot be read"]),
        ({"is_volatile": False}, ["acquire setting b"]),
        ({"is_definer": True}, ["acquire setting a", "acquire setting b"]),
        ({}, ["acquire setting a", "acquire setting b", "acquire role role"]),
    ],
)
def test_what_a_function_is_decides(more: dict[str, Any], expected: list[str]) -> None:
    body = "SET a = 1; PERFORM set_config('b', '1', false); SET ROLE x;"
    assert summary(analysis(routine("f", body, **more))) == expected


def test_a_body_that_is_not_known_is_opaque() -> None:
    bare = Routine("public", "f", "public.f", language="plpgsql", body=None)
    assert summary(analysis(bare)) == ["acquire code that cannot be read"]


# which is meant

MANY = analysis(
    routine("app.f", "SET app_f = 1;"),
    routine("public.f", "SET public_f = 1;"),
    routine("app.g", "SET app_g = 1;"),
    routine("app.h", "SET one = 1;", "a"),
    routine("app.h", "SET two = 1;", "a", "b"),
    routine("app.h", "SET also_two = 1;", "a", "b", types="text, text"),
    routine("app.d", "SET d = 1;", "a", "b", defaults=(None, "1")),
    routine("app.v", "SET v = 1;", "a", "b", is_variadic=True),
    routine("app.lower", "SET lower = 1;", "a"),
    routine("app.Lower", "SET upper = 1;", "a"),
    routine("app.set_config", "NULL;", "a", "b", "c"),
    routine("app.row", "LISTEN row;", is_trigger=True),
    built_in={"lower": frozenset({1}), "set_config": frozenset({3})},
)

CALLS = [
    ("SELECT f()", ["public_f"]),
    ("SELECT app.f(), public.f()", ["app_f", "public_f"]),
    ("SELECT shop.app.f()", ["app_f"]),
    ("SELECT other.f()", []),
    ("SELECT f(1)", []),
    ("SELECT g()", ["app_g"]),
    ("SELECT app.h(1)", ["one"]),
    ("SELECT app.h(a => 1)", ["one"]),
    ("SELECT app.h(b => 1)", []),
    ("SELECT app.h(1, 2)", ["two", "also_two"]),
    ("SELECT app.h(1, b => 2)", ["two", "also_two"]),
    ("SELECT app.h(1, a => 2)", []),
    ("SELECT app.h(1, 2, 3)", []),
    ("SELECT app.d(1), app.d(1, 2), app.d(), app.d(b := 1, a := 1)", ["d"]),
    ("SELECT app.d()", []),
    ("SELECT app.v(1)", []),
    ("SELECT app.v(1, 2, 3, 4)", ["v"]),
    ("SELECT lower('x')", []),
    ("SELECT app.lower('x')", ["lower"]),
    ("SELECT app.LOWER('x')", ["lower"]),
    ('SELECT app."Lower"(1)', ["upper"]),
    ("SELECT lower('x', 'y')", []),
    ("SELECT set_config('c', 'x', false)", ["c"]),
    ("SELECT app.set_config('c', 'x', false)", []),
    ("SELECT app.row()", []),
    ("SELECT 'app.f()', f FROM app.f", []),
]


@pytest.mark.parametrize("text, settings", CALLS)
def test_which_function_is_meant(text: str, settings: list[str]) -> None:
    found = [effect.name for effect in effects_of(text, MANY)]
    assert list(dict.fromkeys(found)) == settings


def test_the_path_comes_from_the_functions_own_clause() -> None:
    """Its SET search_path, not that of the connection."""
    own = routine("app.own", "PERFORM f();", path=("pg_catalog", "app"))
    plain = routine("app.plain", "PERFORM f();")
    two = (routine("app.f", "SET a = 1;"), routine("public.f", "SET b = 1;"))
    found = analysis(own, plain, *two)
    assert summary(found, 0) == ["acquire setting a"]
    assert summary(found, 1) == ["acquire setting b"]


@pytest.mark.parametrize("path, expected", [(("app", "pg_catalog"), "app_it"), (PATH, "c")])
def test_a_path_with_the_own_schema_before_the_built_in(
    path: tuple[str, ...], expected: str
) -> None:
    own = routine("app.set_config", "SET app_it = 1;", "a", "b", "c")
    found = analysis(own, path=path, built_in={"set_config": frozenset({3})})
    names = [effect.name for effect in effects_of("SELECT set_config('c', 'x', false)", found)]
    assert names == [expected]


# chains


def test_the_chain_is_kept() -> None:
    found = analysis(
        routine("f", "PERFORM g();"), routine("g", "PERFORM h();"), routine("h", "LISTEN x;")
    )
    [effect] = effects_of("SELECT f()", found)
    assert effect.via == ("public.f()", "public.g()", "public.h()")


def test_a_long_chain_is_shortened_and_never_recursed_into() -> None:
    many = [routine(f"f{at}", f"PERFORM f{at + 1}();") for at in range(5000)]
    found = analysis(*many, routine("f5000", "LISTEN x;"))
    [effect] = effects_of("SELECT f0()", found)
    assert effect.via == ("public.f0()", "public.f1()", "public.f2()", "…", "public.f5000()")


CIRCLES = [
    (["PERFORM f0(); LISTEN a;"], [["a"]]),
    (["PERFORM f1(); LISTEN a;", "PERFORM f0();"], [["a"], ["a"]]),
    (["PERFORM f1();", "PERFORM f0(); LISTEN a;"], [["a"], ["a"]]),
    (
        ["PERFORM f1(); LISTEN a;", "PERFORM f2(); LISTEN b;", "PERFORM f0(); LISTEN c;"],
        [["a", "b", "c"]] * 3,
    ),
    (["PERFORM f1();", "PERFORM f1();"], [[], []]),
    (["PERFORM f1(); PERFORM f2();", "PERFORM f0();", "PERFORM f1(); LISTEN a;"], [["a"]] * 3),
]


@pytest.mark.parametrize("bodies, expected", CIRCLES)
def test_circles(bodies: list[str], expected: list[list[str]]) -> None:
    found = analysis(*(routine(f"f{at}", body) for at, body in enumerate(bodies)))
    names = [sorted(p.effect.name for p in summary.pieces) for summary in found.summaries]
    assert names == expected
    for one in found.summaries:
        assert all(len(set(p.effect.via)) == len(p.effect.via) for p in one.pieces)


def test_what_grows_for_ever_ends() -> None:
    grows = routine("f", "PERFORM pg_advisory_lock(k); PERFORM f(k + 1);", "k")
    names = {piece.effect.name for piece in analysis(grows).summaries[0].pieces}
    assert names <= {"?", "$1"}


def test_calls_of_many_that_call_many() -> None:
    """Twice as many at each level: what is gathered does not grow with the ways to it."""
    many = [routine(f"f{at}", f"PERFORM f{at - 1}(); PERFORM f{at - 1}();") for at in range(1, 60)]
    assert summary(analysis(routine("f0", "LISTEN x;"), *many), 59) == [
        "acquire listening channel x"
    ]


# arguments

LOCKS = analysis(
    routine("lock_it", "PERFORM pg_advisory_lock(k);", "k"),
    routine("lock_two", "PERFORM pg_advisory_lock(a, $2);", "a", "b"),
    routine("lock_text", "PERFORM pg_advisory_lock(hashtext(k));", "k"),
    routine("lock_next", "k := k + 1; PERFORM pg_advisory_lock(k);", "k"),
    routine("lock_column", "PERFORM pg_advisory_lock(t.k) FROM t;", "k"),
    routine("lock_other", "PERFORM lock_it(j + 1);", "j"),
    routine("lock_default", "PERFORM pg_advisory_lock(k);", "k", defaults=("7",)),
    routine("lock_unnamed", "PERFORM pg_advisory_lock($1);", ""),
    routine("try_it", "RETURN pg_try_advisory_lock(k);", "k"),
    routine("try_twice", "RETURN try_it(k);", "k"),
    routine("try_more", "PERFORM 1; RETURN try_it(k);", "k"),
    routine("named", "PERFORM set_config(n, 'x', false);", "n"),
    routine("local", "PERFORM set_config('a', 'x', l);", "l"),
    routine("local_by_default", "PERFORM set_config('a', 'x', l);", "l", defaults=("true",)),
    routine("local_by_itself", "l := false; PERFORM set_config('a', 'x', l);", "l"),
)

ARGUMENTS = [
    ("SELECT lock_it(5)", ["acquire advisory lock 5"]),
    ("SELECT lock_it('5'::bigint)", ["acquire advisory lock 5"]),
    ("SELECT lock_it(%s)", ["acquire advisory lock ?"]),
    ("SELECT lock_it(id) FROM t", ["acquire advisory lock id"]),
    ("SELECT lock_two(1, 2)", ["acquire advisory lock 1, 2"]),
    ("SELECT lock_two(b => 1, a => 2)", ["acquire advisory lock 2, 1"]),
    ("SELECT lock_text('a')", ["acquire advisory lock hashtext(, 'a', )"]),
    ("SELECT lock_next(5)", ["acquire advisory lock k"]),
    ("SELECT lock_column(5)", ["acquire advisory lock t.k"]),
    ("SELECT lock_other(5)", ["acquire advisory lock 5, +1"]),
    ("SELECT lock_default()", ["acquire advisory lock 7"]),
    ("SELECT lock_unnamed(5)", ["acquire advisory lock 5"]),
    ("SELECT try_it(5)", ["try to acquire advisory lock 5"]),
    ("SELECT try_twice(5)", ["try to acquire advisory lock 5"]),
    ("SELECT try_more(5)", ["acquire advisory lock 5"]),
    ("SELECT named('Work_Mem')", ["acquire setting work_mem"]),
    ("SELECT named('role')", ["acquire role role"]),
    ("SELECT named('transaction_isolation')", []),
    ("SELECT named(%s)", ["acquire setting ?"]),
    ("SELECT named(a || b)", ["acquire setting"]),
    ("SELECT local(true), local('on'), local((true))", []),
    ("SELECT local(false)", ["acquire setting a"]),
    ("SELECT local(NULL)", ["acquire setting a"]),
    ("SELECT local(x)", ["acquire setting a"]),
    ("SELECT local(%s)", ["acquire setting a (bound)"]),
    ("SELECT local_by_default()", []),
    ("SELECT local_by_default(false)", ["acquire setting a"]),
    ("SELECT local_by_itself(true)", ["acquire setting a"]),
    ("DO $$BEGIN PERFORM lock_it(5); END$$", ["acquire advisory lock 5"]),
]


@pytest.mark.parametrize("text, expected", ARGUMENTS)
def test_arguments_are_filled_in(text: str, expected: list[str]) -> None:
    assert tell(text, LOCKS) == expected
    assert all(effect.edits is None for effect in effects_of(text, LOCKS))


# the reader


def test_a_text_without_such_a_call_is_read_as_ever() -> None:
    reader = RoutineReader(LOCKS)
    for text in ("SELECT 1", "INSERT INTO t VALUES (1)", "SET work_mem = 1", "BEGIN", "SELECT 'x"):
        assert reader.read(text) is read(text)
        assert reader.known(text) is read(text)
    assert reader.read("SELECT lock_item FROM local") is PLAIN


def test_one_database_is_not_another() -> None:
    one, other = analysis(routine("f", "LISTEN a;")), analysis(routine("f", "NULL;"))
    text = "SELECT f() AS one_database_is_not_another"
    assert tell(text, one) == ["acquire listening channel a"]
    assert RoutineReader(other).is_empty
    assert RoutineReader(other).read(text) is PLAIN
    assert read(text) is PLAIN


def test_a_function_that_draws() -> None:
    found = analysis(
        routine("draws", "INSERT INTO t DEFAULT VALUES;"),
        routine("calls", "PERFORM draws();"),
        routine("does_both", "LISTEN a; PERFORM calls();"),
        routine("plain", "SELECT 1;"),
    )
    reader = RoutineReader(found)
    assert reader.read("SELECT draws()") is DRAWS
    assert reader.read("SELECT calls()") is DRAWS
    assert reader.read("SELECT does_both()").draws_sequence
    assert reader.read("SELECT plain()") is PLAIN


def test_bodies_can_be_forgotten() -> None:
    found = analysis(routine("f", "LISTEN a;", "k"))
    found.forget_bodies()
    assert found.stored.routines[0].body is None
    assert tell("SELECT f(1)", found) == ["acquire listening channel a"]


def test_long_texts_are_read_and_not_kept() -> None:
    reader = RoutineReader(LOCKS)
    text = "SELECT lock_it(5) -- " + "x" * 100_000
    assert reader.read(text) == reader.read(text)
    assert reader.known(text) is None


@pytest.mark.parametrize(
    "text", ["", "\0", "SELECT lock_it(", "lock_it(\ud800)", "SELECT " + "lock_it(" * 50_000, "'"]
)
def test_no_text_makes_it_fail(text: str) -> None:
    RoutineReader(LOCKS).read(text)


# which bodies have to be read

FRAGMENTS = [
    "SET a = 1;",
    "/* x */ set b = 1;",
    "-- x\nSeT c = 1;",
    "IF x THEN SET d = 1; END IF;",
    "<<l>> SET e = 1;",
    "UPDATE t SET a = 1;",
    "UPDATE t AS x SET a = 1;",
    "x := '--'; -- ; \n\n SET f = 1;",
    "-- " + "y" * 1000 + "\n SET g = 1;",
    "RESET a;",
    "LISTEN a;",
    "PERFORM f1();",
    "PERFORM \"F2\"();",
    "PERFORM public.\"f 3\"();",
    "PERFORM U&\"f\\0031\"();",
    "x := F1();",
    "EXECUTE 'SET a = 1';",
    "EXECUTE x;",
    "PERFORM set_config('a', 'b', false);",
    "CREATE TABLE pg_temp_3.t ();",
    "CREATE TEMPORARY TABLE t ();",
    "UPDATE pg_settings SET setting = 1;",
    "INSERT INTO t VALUES (1);",
    "PERFORM nextval('a');",
    "NULL;",
]  # fmt: skip
NAMES = ["f0", "f1", "F2", "f 3"]


@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=3), min_size=4, max_size=4))
def test_what_is_not_read_does_nothing(bodies: list[list[str]]) -> None:
    stored = StoredCode(
        tuple(routine(name, " ".join(body)) for name, body in zip(NAMES, bodies, strict=True))
    )
    everything = frozenset(range(len(NAMES)))
    some = Analysis(stored)
    chosen = routines.worth_reading
    try:
        routines.worth_reading = lambda _routines: (everything, everything)
        assert [one.pieces for one in some.summaries] == [
            one.pieces for one in Analysis(stored).summaries
        ]
    finally:
        routines.worth_reading = chosen


def test_ordinary_bodies_are_not_read() -> None:
    ordinary = [
        "UPDATE t SET a = 1 WHERE b = 2;",
        "UPDATE t AS x SET a = 1;",
        "UPDATE t\n  SET a = 1\n  WHERE b = 2;",
        "SELECT a INTO b FROM c;",
        "PERFORM ordinary();",
        "RETURN QUERY SELECT offset_of(a) FROM c;",
    ]
    read_bodies, drawing = worth_reading([routine(f"f{at}", b) for at, b in enumerate(ordinary)])
    assert (read_bodies, drawing) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    "name, text",
    [
        ("f", "select f()"),
        ("F", 'select "F"()'),
        ("größe", "select GRÖßE()"),
        ("a b", 'select "a b"()'),
        ('a"b', 'select "a""b"()'),
        ("a" * 63, f"select {'a' * 70}()"),
        ("f$1", "select f$1()"),
    ],
)
def test_names_are_found(name: str, text: str) -> None:
    low = text.lower()
    few = Words(frozenset({name, "other"}))
    many = Words(frozenset({name, *(f"other{at}" for at in range(200))}))
    assert few.found_in(low, words_of(low)) == many.found_in(low, words_of(low)) == {name}
    assert few.are_in(low)
    assert many.are_in(low)
    assert not few.are_in("select 1")
    assert not many.are_in("select 1")


def test_accepts() -> None:
    named = routine("f", "", "a", "b", defaults=(None, "1"))
    assert [named.accepts(count, ()) for count in range(4)] == [False, True, True, False]
    assert named.accepts(0, ("a",))
    assert not named.accepts(0, ("b",))
    assert not named.accepts(1, ("a",))
    assert not named.accepts(1, ("c",))
    unnamed = routine("f", "", "", "")
    assert [unnamed.accepts(count, ()) for count in range(4)] == [False, False, True, False]


def test_a_call_is_found_by_its_last_names() -> None:
    call = Call(("shop", "app", "f"), (), {})
    assert MANY.directory.find(call, PATH) == (0,)
    assert source("f", callables=None).callables is None
