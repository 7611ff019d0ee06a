"""psycopg: an error shows its place in the user's text, whatever was sent.

Measured by a bare connection: the same text, the same message, to the last blank.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pgpoolsafe
from pgpoolsafe.drivers.positions import pointer
from tests.servers import Postgres

Conn = psycopg.Connection[Any]
Seen = tuple[type[Exception], str, tuple[str | None, ...]]

FIELDS = (
    "severity",
    "sqlstate",
    "message_primary",
    "message_detail",
    "message_hint",
    "statement_position",
    "internal_position",
    "context",
)


@pytest.fixture(scope="module")
def bare(postgres: Postgres) -> Iterator[Conn]:
    with psycopg.connect(postgres.dsn(), autocommit=True, prepare_threshold=None) as conn:
        yield conn


@pytest.fixture(scope="module")
def carrying(postgres: Postgres) -> Iterator[Conn]:
    """A guarded client with settings in force, so that every text travels with some."""
    with psycopg.connect(postgres.dsn(), autocommit=True, prepare_threshold=None) as conn:
        pgpoolsafe.install(conn, pooler="pgbouncer")
        conn.execute("SET statement_timeout = '20s'")
        conn.execute('SET search_path TO shop, "$user", public')
        yield conn


def seen(conn: Conn, text: str, params: Any = None) -> Seen:
    with pytest.raises(psycopg.Error) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore", pgpoolsafe.SessionStateWarning)  # of VACUUM
        conn.execute(text, params)
    fields = tuple(getattr(caught.value.diag, name) for name in FIELDS)
    return type(caught.value), str(caught.value), fields


# what libpq makes of a position

SPACE = st.text(" \t\n\r", min_size=1, max_size=6)
ODD = st.text(
    # Of some later characters libpq and Python know different widths.
    st.characters(max_codepoint=0x2FF, exclude_characters="\0'*/\\", exclude_categories=("Cs",)),
    max_size=70,
)
PLAIN = st.text("ab \t\né漢\N{COMBINING ACUTE ACCENT}\N{GRINNING FACE}", max_size=130)


@st.composite
def erring(draw: st.DrawFn) -> str:
    """A text whose error is somewhere among comments and strings of every kind."""
    filling = draw(st.sampled_from([ODD, PLAIN]))
    comment, before, after = draw(filling), draw(filling), draw(filling)
    gaps = [draw(SPACE) for _ in range(3)]
    wrong = draw(st.sampled_from(["no_such", '"no such 漢字"', "no_such.column", "no_such_f(1)"]))
    return f"/*{comment}*/{gaps[0]}SELECT '{before}',{gaps[1]}{wrong}{gaps[2]}, '{after}'"


@settings(max_examples=300, deadline=None)
@given(erring())
@example("SELECT\r\n no_such")
@example("SELECT '" + "x" * 100 + "', no_such, '" + "y" * 100 + "'")
@example("SELECT no_such, '" + "漢" * 100 + "'")
def test_the_pointer_is_that_of_libpq(bare: Conn, text: str) -> None:
    _, message, fields = seen(bare, text)
    position = fields[FIELDS.index("statement_position")]
    assert position is not None
    assert message.split("\n", 1)[1].startswith(pointer(text, int(position)))


# what the user sees

ERRING: list[str] = [
    "SELEC 1",
    "SELECT no_such",
    "SELECT 1,\n  no_such\nFROM pg_class",
    "SELECT 1 FROM no_such",
    "SELECT 'é漢', no_such",
    "  SELECT 1 FROM (SELECT",
    "SELECT 1 +",
    "SELECT 1/0",
    "SELECT 'x'::int",
    "SELECT no_such(1)",
    "INSERT INTO no_such VALUES (1)",
    "COPY no_such TO STDOUT",
    "SET no_such = 1",
    "SET work_mem = 'much'",
    "SET work_mem TO",
    "SET work_mem = 1 2",
    "SET search_path TO a,",
    "SET app.x = 'unclosed",
    "SET app.x = 'x' /* unclosed",
    "SET app.x = $$unclosed",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL NONE",
    "SET TIME ZONE 'Nowhere'",
    "SET ROLE no_such",
    "SET SESSION AUTHORIZATION no_such",
    "RESET no_such",
    "SELECT set_config('no_such', '1', false)",
    "SELECT set_config('app.x', '1', false), no_such",
    "SELECT no_such, set_config('app.x', '1', false)",
    "SELECT 1; SELECT no_such",
    "SET app.x = 1; SELECT no_such",
    "SELECT no_such; SET app.x = 1",
    "SELECT 1; SET work_mem = 'much'",
    "BEGIN; SELECT no_such",
    "BEGIN ISOLATION LEVEL no_such",
    "BEGIN; SET LOCAL app.x = 1; SELECT 1/0; COMMIT",
    "VACUUM no_such",
    "LOCK TABLE pg_class",
    "SELECT %s",
    "SELECT $1",
]


@pytest.mark.parametrize("text", ERRING)
def test_an_error_is_the_one_of_a_bare_connection(bare: Conn, carrying: Conn, text: str) -> None:
    try:
        assert seen(carrying, text) == seen(bare, text)
    finally:
        bare.rollback()
        carrying.rollback()
    assert carrying.execute("SHOW statement_timeout").fetchone() == ("20s",)


@pytest.mark.parametrize("text", ["SELECT %s, no_such", "SELECT %s::int / 0", "SELECT %s::int"])
def test_an_error_of_a_text_with_parameters(bare: Conn, carrying: Conn, text: str) -> None:
    assert seen(carrying, text, ("x",)) == seen(bare, text, ("x",))


@settings(max_examples=60, deadline=None)
@given(erring())
def test_an_error_in_any_text(bare: Conn, carrying: Conn, text: str) -> None:
    for whole in (text, f"SELECT 1; {text}", f"SET app.x = 'y'; {text}; SET app.x = 'z'"):
        assert seen(carrying, whole) == seen(bare, whole)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "RESET timezone",
        "SELECT 1; COPY (SELECT 1) TO STDOUT",
        "COPY (SELECT 1) TO STDOUT; SELECT 1",
        "COPY (SELECT 1) TO STDOUT; COPY (SELECT 1) TO STDOUT",
        "",
    ],
)
def test_what_is_no_copy_is_refused_as_on_a_bare_connection(postgres: Postgres, text: str) -> None:
    def refused(*, guarded: bool) -> Seen:
        conn = psycopg.connect(postgres.dsn(), autocommit=True)
        if guarded:
            pgpoolsafe.install(conn, pooler="pgbouncer")
        conn.execute("SET statement_timeout = '20s'")
        with pytest.raises(psycopg.Error) as caught, conn.cursor().copy(text) as copy:
            list(copy)
        status = conn.info.transaction_status.name
        conn.close()
        return type(caught.value), str(caught.value), (status,)

    assert refused(guarded=True) == refused(guarded=False)


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT 1; SELECT 2", "SET work_mem = 64"])
def test_so_is_what_follows_a_copy_that_is_half_read(postgres: Postgres, text: str) -> None:
    def refused(*, guarded: bool) -> str:
        conn = psycopg.connect(postgres.dsn(), autocommit=True)
        if guarded:
            pgpoolsafe.install(conn, pooler="pgbouncer")
        conn.execute("SET statement_timeout = '20s'")
        with conn.cursor().copy("COPY (SELECT generate_series(1, 1000)) TO STDOUT") as copy:
            next(iter(copy))
        with pytest.raises(psycopg.OperationalError) as caught:
            conn.execute(text)
        conn.close()
        return str(caught.value)

    assert refused(guarded=True) == refused(guarded=False)
