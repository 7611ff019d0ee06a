"""Texts that are not PostgreSQL's: other dialects, odd placeholders, bytes that are no text."""

from __future__ import annotations

import time

import pytest

from pgpoolsafe.sql.reader import read
from tests.unit.effect_words import tell

SET = ["acquire setting a"]
UNREADABLE = "acquire text that cannot be read"

DIALECTS = [
    # CockroachDB
    ("UPSERT INTO t VALUES (1, 2)", []),
    ("UPSERT INTO t VALUES (set_config('a', 'b', false))", SET),
    ("SET DATABASE = shop", ["acquire setting database"]),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION PRIORITY HIGH", []),
    ("SHOW RANGES FROM TABLE t", []),
    ("SELECT * FROM t AS OF SYSTEM TIME '-1m'", []),
    ("SELECT set_config('a', 'b', false) FROM t@primary AS OF SYSTEM TIME '-1m'", SET),
    ("CREATE TABLE t (id UUID PRIMARY KEY, FAMILY f (id), INDEX (id) STORING (b))", []),
    ("INSERT INTO t VALUES (1) RETURNING NOTHING", []),
    # Redshift
    ("UNLOAD ('SELECT 1') TO 's3://bucket' IAM_ROLE 'x'", []),
    ("COPY t FROM 's3://bucket' IAM_ROLE 'x' FORMAT AS PARQUET", []),
    ("SET query_group TO 'reports'", ["acquire setting query_group"]),
    ("CREATE TEMP TABLE t (a int ENCODE zstd) DISTKEY (a)", ["acquire temporary object t"]),
    ("SELECT TOP 5 a FROM #t", []),
    # Nobody knows what these leave behind
    ("USE shop", [UNREADABLE]),
    ("FROB (set_config('a', 'b', false))", [*SET, UNREADABLE]),
    ("SELECT 1; FROB x; SET a = 1", [UNREADABLE, *SET]),
    # A newer grammar
    ("SELECT * FROM GRAPH_TABLE (g MATCH (a)-[b]->(c) COLUMNS (a.x))", []),
    ("SELECT set_config('a', 'b', false) FROM GRAPH_TABLE (g MATCH (a)-[b]->(c))", SET),
    ("CREATE OR REPLACE TEMP TABLE t (a int)", ["acquire temporary object t"]),
    # pgbouncer's console, replication
    ("KILL shop", []),
    ("IDENTIFY_SYSTEM", []),
]


@pytest.mark.parametrize("text, expected", DIALECTS)
def test_other_dialects(text: str, expected: list[str]) -> None:
    assert tell(text) == expected


PLACEHOLDERS = [
    ("SET %s = 1", ["acquire setting ?"]),
    ("SET a = %s", SET),
    ("SET a.%s = 1", ["acquire setting"]),
    ("%s", []),
    ("%s; SET a = 1", SET),
    ("(%s); SET a = 1", SET),
    ("SET%s a = 1", []),
    ("LISTEN %(channel)s", ["acquire listening channel ?"]),
    ("CREATE TEMP TABLE %s (i int)", ["acquire temporary object ?"]),
    ("SELECT pg_advisory_lock(%s + %s)", ["acquire advisory lock ?, +, ?"]),
    ("SELECT %s(1); SELECT pg_advisory_lock(%(a b)s)", ["acquire advisory lock ?"]),
    ("PREPARE %s AS SELECT 1", ["acquire prepared statement ?"]),
    ("SELECT '%s; SET x = 1', %% 2; SET a = 1", SET),
    ("SET a = %s -- %(", SET),
    ("SELECT {name}; SET a = 1", SET),
    ("SELECT :name, :'quoted'; SET a = 1", SET),
    ("SELECT ?, ?; SET a = 1", SET),
]


@pytest.mark.parametrize("text, expected", PLACEHOLDERS)
def test_placeholders_in_odd_places(text: str, expected: list[str]) -> None:
    assert tell(text) == expected


BYTES = [
    ("SELECT '\ud800'; SET a = 1", SET),
    ("SET \udcff = 1", ["acquire setting \udcff"]),
    ("SELECT \ud83d\ude00; SET a = 1", SET),
    ("SET a = 'gr\xfc\xdf'", SET),
    ("\ufeffSET a = 1", [UNREADABLE]),
    ("SET\xa0a = 1", [UNREADABLE]),
    ("SET a = 1\0", SET),
    ("\0SET a = 1", []),
    ("SET \0a = 1", []),
    ("SELECT 'a\0'; SET a = 1", [UNREADABLE]),
    ("SET a = 'b\0", [*SET, UNREADABLE]),
    ("\x00", []),
    ("\x01\x02", []),
]


@pytest.mark.parametrize("text, expected", BYTES)
def test_what_is_hardly_text(text: str, expected: list[str]) -> None:
    assert tell(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("SELECT '" + "x" * 100_000_000 + "'", []),
        ("SET a = '" + "x" * 100_000_000 + "'; LISTEN b", [*SET, "acquire listening channel b"]),
        ("SET a = '" + "x" * 100_000_000, [*SET, UNREADABLE]),
    ],
    ids=["plain", "hazard", "open"],
)
def test_a_hundred_megabytes(text: str, expected: list[str]) -> None:
    begin = time.process_time()
    assert tell(text) == expected
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("text", ["SELEC 1", "SELCT set_config('a', 'b', false)", "SETT a = 1"])
def test_what_cannot_be_read_is_never_plain(text: str) -> None:
    assert not read(text).plain
