"""What never changes a verdict, over texts nobody wrote.

How a statement is spelled is varied in test_reader_wrapping; here it is wrapped again and
again, its strings are spelled otherwise, its parameters change, and PostgreSQL's own
scanner reads along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast.parser import ParseError

from pgpoolsafe.effects import Bound, Effect
from pgpoolsafe.judge import Trial
from pgpoolsafe.poolers.answers import Pooler
from pgpoolsafe.rules.policy import Policy
from pgpoolsafe.session.books import Books
from pgpoolsafe.sql.lexer import Kind, scan
from pgpoolsafe.sql.reader import read
from tests.fuzz.checks import FINDINGS, check_text
from tests.oracle.lexing import cuts_by_postgres, cuts_by_us, places_by_postgres, places_by_us
from tests.unit.effect_words import effects, tell

BOUNDED = settings(max_examples=150, deadline=None)

# Wrapping

QUERIES = [
    "SELECT set_config('a', 'b', false)",
    "SELECT set_config('a', %s, %(local)s::bool), 1",
    "SELECT pg_advisory_lock(1), pg_try_advisory_lock_shared(2, 3)",
    "SELECT pg_catalog.pg_advisory_unlock('1')",
    "SELECT app.set_config('a', 'b', false), set_config FROM pg_advisory_lock",
    "SELECT 'set_config(1, 2, 3)', $$pg_advisory_lock(1)$$ -- setseed(1)\n",
    "VALUES (currval('s'), 1)",
]
WRAPPERS: list[Callable[[str], str]] = [
    "({})".format,
    "SELECT * FROM ({}) AS q".format,
    "SELECT ({}) FROM t".format,
    "SELECT ARRAY({}), 'x'".format,
    "SELECT 1 WHERE EXISTS ({})".format,
    "SELECT CASE WHEN ({}) IS NULL THEN 1 END".format,
    "WITH q AS ({}) SELECT * FROM q".format,
    "WITH RECURSIVE q (a, b) AS MATERIALIZED ({}), r AS (TABLE q) SELECT * FROM r".format,
    "WITH q AS (SELECT 1) ({})".format,
    "SELECT 1 UNION ALL ({}) ORDER BY 1".format,
    "SELECT * FROM t, LATERAL ({}) AS q".format,
    "SELECT * FROM t JOIN ({}) AS q ON true".format,
]
OUTER: list[Callable[[str], str]] = [
    "{}".format,
    "EXPLAIN (ANALYZE, COSTS off) {}".format,
    "EXPLAIN ANALYZE {}".format,
    "INSERT INTO t {}".format,
    "COPY ({}\n) TO STDOUT".format,
    "CREATE TABLE t AS {}".format,
    "DECLARE c CURSOR FOR {}".format,
    "SELECT 1; {}".format,
    "{}\n; SELECT 2".format,
    "BEGIN; {}\n; COMMIT".format,
]
UNUSED: list[Callable[[str], str]] = [
    "EXPLAIN {}".format,
    "CREATE VIEW v AS {}".format,
    "PREPARE p AS {}".format,
    "WITH u AS ({}\n) SELECT 1".format,
    "WITH u AS ({}\n), w AS (SELECT * FROM u) SELECT 1".format,
]


@BOUNDED
@given(
    st.sampled_from(QUERIES),
    st.lists(st.sampled_from(WRAPPERS), max_size=6),
    st.sampled_from(OUTER),
)
def test_wrapping_changes_nothing(
    query: str, wrappers: list[Callable[[str], str]], outer: Callable[[str], str]
) -> None:
    text = query
    for wrap in wrappers:
        text = wrap(f"{text}\n")
    assert tell(outer(text)) == tell(query)


@BOUNDED
@given(
    st.sampled_from(QUERIES),
    st.lists(st.sampled_from(WRAPPERS), max_size=3),
    st.sampled_from(UNUSED),
)
def test_what_is_not_executed_does_nothing(
    query: str, wrappers: list[Callable[[str], str]], unused: Callable[[str], str]
) -> None:
    text = query
    for wrap in wrappers:
        text = wrap(f"{text}\n")
    told = tell(unused(text))
    assert told == (["acquire prepared statement p"] if unused is UNUSED[2] else [])


# Comments

COMMENT_TEXT = st.text(alphabet="ab '\"$;-\n\\%(){}*", max_size=8).filter(
    lambda text: "*/" not in text and "/*" not in text
)


@st.composite
def comments(draw: st.DrawFn) -> str:
    """White space or a comment, nested to some depth, with anything inside."""
    if draw(st.booleans()):
        line = draw(COMMENT_TEXT).replace("\n", "")
        return f" --{line}\n"
    text = ""
    for _ in range(draw(st.integers(1, 4))):
        text = f"/*{draw(COMMENT_TEXT)} {text} {draw(COMMENT_TEXT)}*/"
    return f" {text} "


SPELLED = [
    "SET work_mem = '8MB'",
    "RESET ALL",
    "LISTEN a",
    "CREATE TEMP TABLE t (i int) ON COMMIT DROP",
    "SELECT pg_advisory_lock(1, -2)",
    "UPDATE pg_settings SET setting = '1' WHERE name = 'a'",
    "UPDATE t SET a = 1",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
]


@BOUNDED
@given(st.sampled_from(SPELLED), st.data())
def test_nested_comments_change_nothing(text: str, data: st.DataObject) -> None:
    tokens = [text[token.start : token.end] for token in scan(text).tokens]
    commented = "".join(data.draw(comments()) + token for token in tokens)
    assert tell(commented + data.draw(comments())) == tell(text)


# Strings


def plain(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def escaped(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def octal(text: str) -> str:
    return "e'" + "".join(f"\\{ord(c):03o}" if c.isascii() else c for c in text) + "'"


def unicode_escaped(text: str) -> str:
    return "U&'" + "".join(f"\\+{ord(char):06x}" for char in text) + "'"


def continued(text: str) -> str:
    half = len(text) // 2
    return f"{plain(text[:half])}\n  {plain(text[half:])}"


def dollar_quoted(text: str) -> str:
    return f"$zz9${text}$zz9$"


SPELLINGS = [plain, escaped, octal, unicode_escaped, continued, dollar_quoted]
# No NUL: libpq ends a text there. No surrogates: no octal or Unicode escape makes one.
ANY_TEXT = st.text(
    alphabet=st.one_of(
        st.characters(min_codepoint=1, max_codepoint=0x2FFF, exclude_categories=["Cs"]),
        st.sampled_from("'\"\\$;-/*%()abs "),
    ),
    max_size=20,
)


@BOUNDED
@given(ANY_TEXT, st.sampled_from(SPELLINGS))
def test_a_string_is_read_as_the_server_reads_it(text: str, spelling: Any) -> None:
    (token,) = scan(spelling(text), placeholders=False).tokens
    assert (token.kind, token.value) == (Kind.STRING, text)


@BOUNDED
@given(ANY_TEXT, st.sampled_from(SPELLINGS))
def test_nothing_inside_a_string_counts(text: str, spelling: Any) -> None:
    told = tell(f"SELECT {spelling(text)}; SET a.b = {spelling(text)}; LISTEN c")
    assert told == ["acquire setting a.b", "acquire listening channel c"]


@BOUNDED
@given(st.sampled_from(SPELLINGS), st.sampled_from(SPELLINGS))
def test_the_spelling_of_an_argument_does_not_matter(name: Any, local: Any) -> None:
    call = f"SELECT set_config({name('work_mem')}, 'b', {local('off')})"
    assert tell(call) == ["acquire setting work_mem"]


# Parameters

BOUND_TEXTS = [
    "SELECT set_config(%s, %s, %s), %s",
    "SELECT set_config('a', %s, false), pg_advisory_lock(%s), %s, %s",
    "SELECT pg_advisory_lock(%s, %s) WHERE %s = %s",
    "SELECT set_config('a', %s, %s) FROM t WHERE b = %s AND c = %s",
    "SET work_mem = %s; SELECT %s, %s, %s",
    "SELECT %s, dblink_connect(%s, %s), %s",
]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.sampled_from(["t", "off"])
)


def decisive(found: list[Effect]) -> set[int | str]:
    """The parameters that effects name."""
    parts = [part for effect in found for part in (*effect.key, effect.scope_param)]
    return {part.param for part in parts if isinstance(part, Bound)}


def verdict(text: str, params: list[Any]) -> list[tuple[str, str]]:
    trial = Trial(text, read(text), params, Books(), Policy(), Pooler("unknown", "a proxy"))
    trial.locate = lambda: None
    return [(finding.rule, finding.what) for finding in trial.run().findings]


@BOUNDED
@given(
    st.sampled_from(BOUND_TEXTS),
    st.lists(VALUES, min_size=4, max_size=4),
    st.lists(VALUES, min_size=4, max_size=4),
)
def test_only_the_parameters_that_an_effect_names_decide(
    text: str, first: list[Any], second: list[Any]
) -> None:
    named = decisive(effects(text))
    pairs = enumerate(zip(first, second, strict=True))
    mixed = [old if at in named else new for at, (old, new) in pairs]
    assert verdict(text, mixed) == verdict(text, first)


@BOUNDED
@given(st.sampled_from(BOUND_TEXTS), st.lists(VALUES, min_size=4, max_size=4))
def test_no_value_is_ever_said(text: str, params: list[Any]) -> None:
    marked = [f"secret-{param}" for param in params]
    assert not any("secret-" in what for _, what in verdict(text, marked))


# PostgreSQL's scanner reads along

LEXEMES_WORDS = r"""
    ' '' E' e'\' U&' u&" " "" $$ $a$ $a $1 $ N' B' X' 'a' \ \\ \' -- /* */ /*/ ** * / - + @ # %
    %s %(a)s :: := : .. . ; , ( ) [ ] a é _b c$d 1 1.5 .5 1e5 1..2 0x1F UESCAPE select set < >
    => <> != ~ ! ^ & | ? `
"""
LEXEMES = [*LEXEMES_WORDS.split(), " ", "\n", "\t", "\r", "\f", "'!'", "\\0041", "\\+000041"]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(LEXEMES), max_size=14).map("".join))
def test_the_tokens_are_those_of_the_server(text: str) -> None:
    try:
        theirs = places_by_postgres(text)
    except ParseError:  # the server refuses the text
        return
    assert places_by_us(text) == theirs


@BOUNDED
@given(st.lists(st.sampled_from([*LEXEMES, "create function", "begin atomic", "end", "case"])))
def test_statements_end_where_the_server_ends_them(lexemes: list[str]) -> None:
    text = " ".join(lexemes)
    try:
        theirs = cuts_by_postgres(text)
    except ParseError:
        return
    assert cuts_by_us(text) == theirs


# What fuzzing found


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_what_fuzzing_found(path: Any) -> None:
    check_text(path.read_text(encoding="utf-8", errors="surrogatepass"))
