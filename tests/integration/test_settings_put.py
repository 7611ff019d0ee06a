"""What the reader says of values, and the texts that put them in force, before the server.

Measured by the plain statement: after it, SHOW says what a session of one's own has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from pgpoolsafe.session.settings import _PRIVILEGED, _PRIVILEGED_PREFIXES
from pgpoolsafe.sql.putting import (
    Steps,
    asking_query,
    literal,
    local_query,
    local_statements,
)
from pgpoolsafe.sql.setting_values import _KEYWORDS, listed_names, quoted_name
from tests.conftest import without
from tests.oracle.at_hand import servers
from tests.servers import Postgres, ServerMissing
from tests.unit.setting_texts import CUSTOM, NAME_LIST, SPECIAL

Conn = psycopg.Connection[Any]

FEW = settings(max_examples=100, deadline=None)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80)


def places() -> dict[int, Path]:
    try:
        return servers()
    except ServerMissing:
        return {}


@pytest.fixture(scope="module", params=sorted(places()) or [None])
def conn(request: pytest.FixtureRequest) -> Iterator[Conn]:
    """A superuser's own session on the oldest and on the newest PostgreSQL at hand."""
    if request.param is None:
        without(ServerMissing("no PostgreSQL to judge by"))
    with Postgres(places()[request.param], log_statement="none") as server:
        with server.connect("postgres", autocommit=True, prepare_threshold=None) as conn:
            yield conn


@pytest.fixture(autouse=True)
def _fresh(conn: Conn) -> None:
    conn.execute("DISCARD ALL")


def shown(conn: Conn, name: str) -> str:
    row = conn.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def put(conn: Conn, texts: list[str], name: str) -> str:
    """What the setting is after these texts, in one transaction."""
    with conn.transaction():
        for text in texts:
            conn.execute(text)
        return shown(conn, name)


def as_set(conn: Conn, name: str, *values: str) -> str:
    """What the setting is after a plain SET; it is undone."""
    written = sql.SQL(", ").join(map(sql.Literal, values))
    conn.execute(sql.SQL("SET {} TO {}").format(sql.SQL(name), written))
    plain = shown(conn, name)
    conn.execute("DISCARD ALL")
    return plain


def ways(steps: Steps) -> list[list[str]]:
    """The ways to put settings in force."""
    return [list(local_statements(steps)), [local_query(steps)]]


# values that the reader tells


def _texts() -> Iterator[tuple[str, str, str]]:
    for written, value in CUSTOM:
        if value is not None:
            yield f"SET app.x = {written}", "app.x", value
    for written, value in NAME_LIST:
        if value is not None:
            yield f"SET search_path TO {written}", "search_path", value
    for text, name, told in SPECIAL:
        if isinstance(told, str):
            yield text, name, told


@pytest.mark.parametrize("text, name, value", list(_texts()))
def test_what_is_told_is_what_a_session_of_ones_own_has(
    conn: Conn, text: str, name: str, value: str
) -> None:
    conn.execute(text)
    plain = shown(conn, name)
    if name in ("app.x", "search_path"):  # the others are shown in words of their own
        assert plain == value
    conn.execute("DISCARD ALL")
    for way in ways(((name, value),)):
        assert put(conn, way, name) == plain


@pytest.mark.parametrize("text", [text for text, _, value in SPECIAL if value is None])
def test_what_is_not_told_can_be_set(conn: Conn, text: str) -> None:
    """None of these is a typing error of the table's."""
    conn.execute(text)


# any value


@FEW
@given(TEXTS)
def test_any_value_of_a_string(conn: Conn, value: str) -> None:
    for name in ("app.x", "application_name"):
        plain = as_set(conn, name, value)
        assert [put(conn, way, name) for way in ways(((name, value),))] == [plain, plain]


@FEW
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_any_list_of_names(conn: Conn, names: list[str]) -> None:
    value = ", ".join(map(quoted_name, names))
    assert listed_names(value) == names
    plain = as_set(conn, "search_path", *names)
    assert value == plain
    steps = (("search_path", value),)
    assert [put(conn, way, "search_path") for way in ways(steps)] == [plain, plain]


LISTS = ["", " ", '"$user", public', "A, B", 'pg_temp, "$user"', "a,b"]


@pytest.mark.parametrize("value", LISTS)
def test_a_list_as_the_server_has_it(conn: Conn, value: str) -> None:
    conn.execute("SELECT set_config('search_path', %s, false)", [value])
    schemas = conn.execute("SELECT current_schemas(true)").fetchone()
    conn.execute("DISCARD ALL")
    for way in ways((("search_path", value),)):
        with conn.transaction():
            put(conn, way, "search_path")
            assert conn.execute("SELECT current_schemas(true)").fetchone() == schemas


@FEW
@given(value=TEXTS, conforming=st.booleans())
def test_a_literal_means_the_same_in_any_session(conn: Conn, value: str, conforming: bool) -> None:
    conn.execute("SET escape_string_warning = off")
    conn.execute(f"SET standard_conforming_strings = {conforming}")
    assert conn.execute(f"SELECT {literal(value)}").fetchone() == (value,)


@pytest.mark.parametrize(
    "name", ["app.x", "app.select", "select.x", "a.b.c", "app.été", "app.x$1", "_a._b", "timezone"]
)
def test_any_name(conn: Conn, name: str) -> None:
    value = "Asia/Tokyo"
    for way in ways(((name, value),)):
        assert put(conn, way, name) == value
    assert conn.execute(asking_query([name, "app.nowhere"])).fetchall()[0][1] is None


def test_several_in_their_order(conn: Conn) -> None:
    steps = (("app.x", "1"), ("search_path", 'a, "B"'), ("work_mem", "8MB"), ("role", "reporting"))
    asked = asking_query([name for name, _ in steps])
    for way in ways(steps):
        with conn.transaction():
            for text in way:
                conn.execute(text)
            assert conn.execute(asked).fetchone() == ("1", 'a, "B"', "8MB", "reporting")
        assert conn.execute("SELECT current_user::text").fetchone() == ("postgres",)


def test_back_to_what_the_login_has(conn: Conn) -> None:
    conn.execute("SET SESSION AUTHORIZATION app; SET work_mem = '9MB'")
    before = (("session_authorization", None), ("work_mem", None))
    for way in ways(before):
        with conn.transaction():
            for text in way:
                conn.execute(text)
            asked = conn.execute("SELECT session_user::text, current_setting('work_mem')")
            assert asked.fetchone() == ("postgres", "4MB")
        assert conn.execute("SELECT session_user::text").fetchone() == ("app",)


# what stands in tables here, and comes from the server


@FEW
@given(TEXTS)
def test_names_are_quoted_as_by_the_server(conn: Conn, name: str) -> None:
    assert conn.execute("SELECT quote_ident(%s)", [name]).fetchone() == (quoted_name(name),)


def test_every_keyword_is_quoted_as_by_the_server(conn: Conn) -> None:
    words = conn.execute(
        "SELECT word, quote_ident(word), catcode FROM pg_get_keywords()"
    ).fetchall()
    wrong = [word for word, quoted, _ in words if quoted_name(word) != quoted]
    assert len(words) > 400
    assert wrong == []
    assert {word for word, _, code in words if code != "U"} <= _KEYWORDS


def test_the_settings_of_superusers_are_known(conn: Conn) -> None:
    rows = conn.execute("SELECT name, context FROM pg_settings").fetchall()
    contexts = dict(rows)
    privileged = {name for name, context in rows if context == "superuser"}
    assert {name for name in privileged if not name.startswith(_PRIVILEGED_PREFIXES)} <= _PRIVILEGED
    assert {contexts[name] for name in _PRIVILEGED & set(contexts)} == {"superuser"}
