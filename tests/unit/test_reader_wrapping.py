"""The verdict does not depend on how a statement is written down or where it stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgpoolsafe.sql.functions import FUNCTIONS
from pgpoolsafe.sql.lexer import Kind, Token, scan
from tests.unit.effect_words import tell

STATEMENTS = [
    "SET work_mem = '8MB'",
    "SET SESSION search_path TO a, b",
    "SET LOCAL work_mem = 1",
    "SET TIME ZONE INTERVAL '1' HOUR",
    "SET ROLE a",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
    "SET TRANSACTION READ ONLY",
    "RESET a.b",
    "RESET SESSION AUTHORIZATION",
    "RESET ALL",
    "LISTEN a",
    "UNLISTEN *",
    "CREATE LOCAL TEMPORARY TABLE IF NOT EXISTS t (a int) ON COMMIT DROP",
    "CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
    "CREATE TABLE pg_temp.t (a int)",
    "DROP TABLE IF EXISTS a, pg_temp.b",
    "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
    "CLOSE ALL",
    "PREPARE p (int) AS SELECT $1",
    "EXPLAIN ANALYZE EXECUTE p (1)",
    "DEALLOCATE PREPARE p",
    "LOAD 'a'",
    "DISCARD TEMP",
    "UPDATE pg_catalog.pg_settings SET setting = '1' WHERE name = 'a'",
    "DO LANGUAGE plpgsql $$ BEGIN SET x = 1; PERFORM pg_advisory_lock(1); END $$",
    "SELECT 1 INTO TEMP t FROM b",
    "UPDATE t SET a = 1",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET x = 1 AS 'SELECT set_config()'",
]
QUERIES = [
    "SELECT set_config('a', %s, 'off')",
    "SELECT pg_catalog.set_config('a', 'b', %(local)s::boolean)",
    "SELECT set_config('a', 'b', is_local => NOT true)",
    "SELECT pg_advisory_lock(1), pg_try_advisory_lock_shared(- 2, 3::int)",
    "SELECT DISTINCT ON (a) pg_advisory_unlock(hashtext('b')) FROM b AS setseed (c)",
    "SELECT app.set_config('a', 'b', false), pg_advisory_xact_lock(1)",
    "SELECT currval('s'), lastval()",
    "SELECT dblink_connect('c', 'd') FROM pg_advisory_lock (a)",
    "VALUES (setseed(0.5))",
]

SEPARATORS = [" ", "\n", "\t", " \r\n ", "/**/", "/* ' /* \" */ $$ ; */", " -- SET x = 1;\n", "\f"]


def _cased(name: str, upper: list[bool]) -> str:
    return "".join(c.upper() if up else c.lower() for c, up in zip(name, upper * 30, strict=False))


def _escaped(name: str) -> str:
    return 'U&"' + "".join(f"\\{ord(char):04x}" for char in name) + '"'


def _spelled(text: str, token: Token, following: str, draw: st.DrawFn) -> str:
    written = text[token.start : token.end]
    if token.kind is not Kind.WORD:
        return written
    if token.code in FUNCTIONS and following == "(" and draw(st.booleans()):
        return _escaped(token.code) if draw(st.booleans()) else f'"{token.code}"'
    return _cased(written, draw(st.lists(st.booleans(), min_size=1, max_size=4)))


@st.composite
def rewritten(draw: st.DrawFn, text: str) -> str:
    """The same tokens with other letters, quotes, white space and comments."""
    tokens = scan(text).tokens
    codes = [token.code for token in tokens[1:]] + [""]
    separator = st.sampled_from(SEPARATORS)
    parts = [draw(separator)]
    for token, following in zip(tokens, codes, strict=True):
        parts += (_spelled(text, token, following, draw), draw(separator))
    return "".join(parts)


@pytest.mark.parametrize("text", STATEMENTS + QUERIES)
@given(data=st.data())
def test_letters_quotes_space_and_comments_do_not_matter(text: str, data: st.DataObject) -> None:
    assert tell(data.draw(rewritten(text))) == tell(text)


PLACES: list[Callable[[str], str]] = [
    "{};".format,
    ";; {} ;".format,
    "SELECT 1; {}".format,
    "INSERT INTO t VALUES (';'); {}; SELECT 2".format,
    "BEGIN; {}; COMMIT".format,
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; {}".format,
]
IN_QUERIES: list[Callable[[str], str]] = [
    "({})".format,
    "WITH q AS ({}) SELECT * FROM q".format,
    "WITH RECURSIVE q (a) AS MATERIALIZED ({}), r AS (SELECT * FROM q) TABLE r".format,
    "SELECT * FROM ({}) AS q".format,
    "SELECT ARRAY({})".format,
    "SELECT 1 UNION ALL ({})".format,
    "INSERT INTO t {}".format,
    "COPY ({}) TO STDOUT".format,
    "CREATE TABLE t AS {}".format,
    "EXPLAIN (ANALYZE) {}".format,
    "DECLARE c CURSOR FOR {}".format,
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", STATEMENTS + QUERIES)
def test_the_other_statements_of_the_text_do_not_matter(
    text: str, place: Callable[[str], str]
) -> None:
    assert tell(place(text)) == tell(text)


@pytest.mark.parametrize("place", IN_QUERIES)
@pytest.mark.parametrize("text", QUERIES)
def test_a_query_counts_wherever_it_is_executed(text: str, place: Callable[[str], str]) -> None:
    assert tell(place(text)) == tell(text)


@pytest.mark.parametrize("text", QUERIES)
def test_a_query_that_is_not_executed_does_not_count(text: str) -> None:
    for place in ("EXPLAIN {}", "CREATE VIEW v AS {}", "WITH q AS ({}) SELECT 1"):
        assert tell(place.format(text)) == []
