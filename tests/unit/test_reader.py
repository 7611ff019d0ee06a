"""The way in: cache, quick test, spans, what cannot be read; and that it never raises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgpoolsafe.effects import DRAWS, PLAIN, Effect, EffectKind, Reading
from pgpoolsafe.sql import reader
from pgpoolsafe.sql.phrases import source, statements
from pgpoolsafe.sql.quick import plain_reading
from pgpoolsafe.sql.reader import known, read, read_body
from pgpoolsafe.sql.statements import effects_of
from tests.unit.effect_words import tell

PLAIN_TEXTS = [
    "SELECT 1",
    "select a, b from c where d = %s",
    "SELECT 1;",
    "  ; SELECT 1 ; ",
    "/* trace=1 */ SELECT 1 -- x",
    "(SELECT 1) UNION (SELECT 2)",
    "WITH x AS (SELECT 1) SELECT * FROM x OFFSET 10",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT pg_catalog.version()",
    "VALUES (1)",
    "TABLE t",
    "SHOW work_mem",
    "NOTIFY c",
    "CREATE TABLE t ()",
    "VACUUM",
    "",
]


@pytest.mark.parametrize("text", PLAIN_TEXTS)
def test_uninteresting_texts_share_one_reading(text: str) -> None:
    assert read(text) is PLAIN


@pytest.mark.parametrize(
    "text", ["INSERT INTO t VALUES (1)", "COPY t FROM STDIN", "SELECT nextval('s')", "CALL p()"]
)
def test_texts_that_draw_share_another(text: str) -> None:
    assert read(text) is DRAWS


def test_known_is_one_look_up_in_the_cache() -> None:
    text = "SET only_for_this_test = 1"
    assert known(text) is None
    reading = read(text)
    assert known(text) is reading
    assert read(text) is reading


def test_long_texts_are_not_kept() -> None:
    text = "SET x = '" + "a" * reader.LONGEST_KEY + "'"
    assert tell(text) == ["acquire setting x"]
    assert known(text) is None


def test_a_full_cache_forgets_its_older_half_and_goes_on() -> None:
    read("SET first_of_many = 1")
    last = reader.MOST_KEYS + 10
    for number in range(last):
        read(f"SELECT {number}")
    assert known("SET first_of_many = 1") is None
    assert known(f"SELECT {last - 1}") is PLAIN
    remembered = sum(known(f"SELECT {number}") is not None for number in range(last))
    assert remembered <= reader.MOST_KEYS
    assert read("SET first_of_many = 1").statements


def test_many_threads_may_read_at_once() -> None:
    texts = [f"SET threaded = {number}" for number in range(reader.MOST_KEYS * 2)]
    with ThreadPoolExecutor(4) as threads:
        readings = list(threads.map(read, texts * 2))
    assert {reading.statements[0].effects[0].name for reading in readings} == {"threaded"}


def test_spans_are_those_of_the_statements() -> None:
    text = " /* a */ BEGIN ; SET x = 'ü;'  -- b\n;; (SELECT pg_advisory_lock(1)); COMMIT "
    reading = read(text)
    assert [text[one.start : one.end] for one in reading.statements] == [
        "BEGIN",
        "SET x = 'ü;'",
        "(SELECT pg_advisory_lock(1))",
        "COMMIT",
    ]
    assert [one.command for one in reading.statements] == ["BEGIN", "SET", "SELECT", "COMMIT"]


def test_semicolons_inside_a_statement_do_not_end_it() -> None:
    text = (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC"
        " SELECT CASE WHEN true THEN 1 END; SELECT (CASE 1 WHEN 1 THEN 2 END); END;"
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);"
        "CREATE TABLE begin_atomic (a int); SET x = 1"
    )
    assert [one.command for one in read(text).statements] == ["CREATE", "CREATE", "CREATE", "SET"]


def test_a_reading_says_that_a_parameter_decides() -> None:
    assert read("SELECT set_config('a', 'b', %s)").bound
    assert read("SELECT pg_advisory_lock(%s)").bound
    assert read("SELECT set_config('a', %s, false)").bound
    assert not read("SELECT set_config('a', 'b', false), %s").bound


def test_allowed_names_are_kept_even_for_a_plain_text() -> None:
    reading = read("SELECT 1 /* pgpoolsafe: allow listen */")
    assert reading.plain
    assert reading.allowed == {"listen"}


UNREADABLE = Effect(EffectKind.UNREADABLE)


@pytest.mark.parametrize(
    "text",
    [
        "SET x = 'a",
        "SELECT 1; SELECT 'a",
        'LISTEN "a',
        "DO $$ BEGIN END $",
        "SET x = 1 /* a",
        "SELECT pg_advisory_lock(1), E'\\'",
        "BEGIN; /* SET x = 1",
    ],
)
def test_an_open_quote_or_comment_cannot_be_read(text: str) -> None:
    reading = read(text)
    assert reading.statements[-1].effects[-1] == UNREADABLE
    assert not reading.plain


@pytest.mark.parametrize("text", ["SELECT 'a", "SELECT 1 /* a", 'UPDATE "t SET a = 1'])
def test_where_nothing_could_hide_nothing_is_said(text: str) -> None:
    assert read(text) is PLAIN


def test_what_follows_a_nul_is_never_sent() -> None:
    assert read("SELECT 1\0; SET x = 1") is PLAIN
    assert tell("SET x = 1\0 ' unfinished") == ["acquire setting x"]


# The quick test may only err towards looking closer

FRAGMENTS = [
    "SELECT", "select 1", "WITH x AS (", ")", "(", "INSERT INTO t", "VALUES (1)", "UPDATE",
    "pg_settings SET setting = 1", "DELETE FROM t", "set_config('a', 'b', false)", ",", "FROM x",
    "pg_advisory_lock(1)", "app.", "pg_catalog.", "INTO TEMP t", "INTO pg_temp.t", ";", "SET x = 1",
    "LISTEN a", "/*", "*/", "--", "\n", "'", '"', "$$", "U&\"set\\005fconfig\"('a', 'b', false)",
    "currval('s')", "COPY (", "TO STDOUT", "FETCH ALL", "SHOW x", "E'", "\\", "BEGIN", "COMMIT",
    "DO $a$ BEGIN", "$a$", "END", "EXECUTE", "||", "%s", "%%", "AS", "EXPLAIN ANALYZE",
    "CREATE TEMP TABLE t AS", "PREPARE p AS", "MERGE INTO t", "\0", "nextval('s')", "UESCAPE '!'",
    "dblink_connect('a')", "format('SET %I = 1', a)", "RESET ALL", "DECLARE c CURSOR WITH HOLD FOR",
]  # fmt: skip

texts = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(" ".join),
    st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join),
    st.text(max_size=80),
)


@given(texts)
def test_what_passes_the_quick_test_has_no_effect(text: str) -> None:
    if plain_reading(text) is not None:
        assert not [e for phrase in statements(source(text)) for e in effects_of(phrase)]


@given(texts)
def test_reading_never_raises_and_spans_are_in_order(text: str) -> None:
    reading = read(text)
    assert isinstance(reading, Reading)
    end = 0
    for statement in reading.statements:
        assert end <= statement.start < statement.end <= len(text)
        end = statement.end


@given(texts, st.sampled_from(["plpgsql", "sql", "C", ""]))
def test_reading_a_body_never_raises(body: str, language: str) -> None:
    assert all(effect.edits is None for effect in read_body(body, language))
