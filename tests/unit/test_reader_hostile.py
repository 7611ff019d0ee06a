"""Hostile texts: time grows with the length, and nesting costs no stack."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pgpoolsafe.sql.reader import read, read_body

CALL = "set_config('a', 'b', false)"

HOSTILE: dict[str, Callable[[int], str]] = {
    "a long literal": lambda n: f"SET x = '{'a' * n * 300}'",
    "doubled quotes": lambda n: f"SET x = '{chr(39) * 2 * n * 5}'",
    "escapes": lambda n: "SET x = E'" + "\\'" * n * 5 + "'",
    "continued strings": lambda n: "SET x = " + "'a'\n" * n,
    "values": lambda n: f"INSERT INTO t VALUES ({CALL})" + ",(1, 'abc', 2.5)" * n,
    "a plain insert": lambda n: "INSERT INTO t VALUES (1)" + ",(1, 'abc', 2.5)" * n * 20,
    "open parentheses": lambda n: "SELECT " + "(" * n + CALL,
    "close parentheses": lambda n: "SET x = " + ")" * n + "(" * n,
    "nested parentheses": lambda n: f"SELECT pg_advisory_lock({'(' * n}1{')' * n})",
    "crossed brackets": lambda n: "SET x = 1;" + "([)]" * n,
    "nested calls": lambda n: "SELECT " + "set_config('a', 'b', " * n + "false" + ")" * n,
    "nested locks": lambda n: "SELECT " + "pg_advisory_lock(" * n + "1" + ")" * n,
    "nested casts": lambda n: f"SELECT pg_advisory_lock({'cast(' * n}1{' as int)' * n})",
    "casts in a row": lambda n: f"SELECT set_config('a', 'b', false{'::bool' * n})",
    "signs": lambda n: f"SELECT pg_advisory_lock({'- ' * n}1)",
    "sub-selects": lambda n: "SELECT " + "(SELECT " * n + CALL + ")" * n,
    "a long sum": lambda n: f"SELECT {CALL}" + "+1" * n,
    "nested comments": lambda n: "/*" * n * 5 + "*/" * n * 5 + "SET x = 1",
    "open comments": lambda n: "SET x = 1" + "/*" * n * 5,
    "a long comment": lambda n: f"SET x = 1 /* pgpoolsafe: {'*' * n * 50} */",
    "many comments": lambda n: "SET/**/" + "/*a*/--b\n" * n + "x = 1",
    "white space": lambda n: "SET" + " \n" * n * 50 + "x = 'a'" + "\n" * n * 50 + "-- b",
    "statements": lambda n: "SET x = 1;" * n,
    "semicolons": lambda n: ";" * n,
    "dollars": lambda n: "SET x = " + "$a" * n + "$" * n,
    "placeholders": lambda n: "SET x = " + "%s, " * n + "%(" * n,
    "nonsense": lambda n: "SET " + "\\{}" * n + " = 1",
    "a long name": lambda n: "SET " + "a." * n + "b = 1",
    "a long number": lambda n: f"SELECT pg_advisory_lock({'1' * n * 20}, ${'1' * n * 20})",
    "unicode names": lambda n: "SET U&\"a\" UESCAPE '!' = 1;" * n,
    "CTEs": lambda n: (
        "WITH " + ",".join(f"a{i} AS (SELECT {CALL})" for i in range(n)) + " SELECT 1"
    ),
    "CTEs in CTEs": lambda n: "WITH a AS (" * n + f"SELECT {CALL}" + ") SELECT 1" * n,
    "CTEs of one name": lambda n: (
        "WITH " + ",".join([f"a AS (SELECT a, {CALL})"] * n) + " SELECT 1"
    ),
    "WITH": lambda n: "WITH " * n + CALL,
    "EXPLAIN": lambda n: "EXPLAIN ANALYZE " * n + "SELECT 1",
    "UPDATE pg_settings": lambda n: "UPDATE pg_settings " * n,
    "DROP": lambda n: "DROP TABLE " + "a, " * n + "b",
    "BEGIN ATOMIC": lambda n: "CREATE FUNCTION f() BEGIN ATOMIC " + "CASE " * n + ";" * n,
}
BODIES: dict[str, Callable[[int], str]] = {
    "BEGIN": lambda n: "BEGIN " * n + "SET x = 1;",
    "IF": lambda n: "BEGIN " + "IF a THEN " * n + "SET x = 1;",
    "CASE": lambda n: "BEGIN " + "CASE " * n + "SET x = 1;",
    "labels": lambda n: "<<a " * n + "SET x = 1;",
    "FOR IN EXECUTE": lambda n: "BEGIN " + "FOR r IN EXECUTE 'a' LOOP " * n,
    "EXECUTE": lambda n: "BEGIN " + "EXECUTE 'SET x = 1';" * n,
    "concatenation": lambda n: f"BEGIN EXECUTE {chr(39)}a{chr(39)}" + "||'b'" * n,
    "nested concatenation": lambda n: "BEGIN EXECUTE " + "('a'||" * n + "'b'" + ")" * n,
    "concat()": lambda n: "BEGIN EXECUTE " + "concat('a'," * n + "'b'" + ")" * n,
    "format()": lambda n: "BEGIN EXECUTE format('" + "%I " * n + "'" + ", a" * n + ")",
}
CASES = [
    *(pytest.param(make, read, id=name) for name, make in HOSTILE.items()),
    *(
        pytest.param(make, lambda body: read_body(body, "plpgsql"), id=f"body: {name}")
        for name, make in BODIES.items()
    ),
]

SMALL, LARGE = 150, 1500
# Ten times the text may take ten times as long; squared it would be a hundred.
MOST = 30
TOO_SHORT_TO_MEASURE = 0.002


def _seconds(action: Callable[[str], object], text: str) -> float:
    """The processor's time, the best of three; no text is read from the cache."""
    gc.disable()
    try:
        return min(_once(action, text + " " * run) for run in range(3))
    finally:
        gc.enable()


def _once(action: Callable[[str], object], text: str) -> float:
    begin = time.process_time()
    action(text)
    return time.process_time() - begin


@pytest.mark.parametrize("make, action", CASES)
def test_time_is_linear(make: Callable[[int], str], action: Callable[[str], object]) -> None:
    small = _seconds(action, make(SMALL))
    large = _seconds(action, make(LARGE))
    assert large < MOST * max(small, TOO_SHORT_TO_MEASURE)


@contextmanager
def few_frames(frames: int) -> Iterator[None]:
    """Leave so many frames of stack."""
    depth, limit = 0, sys.getrecursionlimit()
    frame = sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(depth + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("make, action", CASES)
def test_nesting_needs_no_stack(
    make: Callable[[int], str], action: Callable[[str], object]
) -> None:
    text = make(LARGE)
    with few_frames(60):
        action(text)


@pytest.mark.parametrize(
    "text",
    [
        "SET x = '" + "a" * 1_000_000 + "'",
        "INSERT INTO t VALUES " + "(1, 'abc', 2), " * 50_000 + "(1, 'a', 2)",
        "SELECT " + "(" * 100_000 + "set_config('a', 'b', false)",
        "/*" * 100_000 + "*/" * 100_000 + "SET x = 1",
        "SET x = 1 /*" + "x" * 10_000_000 + "*/",
    ],
    ids=["1 MB literal", "50,000 rows", "100,000 parentheses", "nested comments", "10 MB comment"],
)
def test_the_largest_texts_are_read_at_once(text: str) -> None:
    assert _seconds(read, text) < 5
