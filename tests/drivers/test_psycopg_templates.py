"""psycopg: template strings (Python 3.14) are judged by the text that they make.

The templates are made by hand: t"…" is no syntax for the older Pythons that read this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.servers import PgBouncer, Postgres

templatelib = pytest.importorskip("string.templatelib", reason="Python 3.14 has templates")


def template(*parts: Any) -> Any:
    """What t"…" makes: texts, and (value, format) for what stands in braces."""
    return templatelib.Template(
        *(
            part
            if isinstance(part, str)
            else templatelib.Interpolation(part[0], "x", None, part[1])
            for part in parts
        )
    )


HAZARD = template("SELECT set_config('app.way', ", ("x", ""), ", false)")

WAYS = {
    "parameter": HAZARD,
    "client-side literal": template("SELECT set_config('app.way', ", ("x", "l"), ", false)"),
    "identifier": template("SELECT ", ("set_config", "i"), "('app.way', 'x', false)"),
    "sql object": template("SELECT ", (sql.SQL("set_config('app.way', 'x', false)"), "q")),
    "nested": template("SELECT ", (template("set_config('app.way', ", ("x", ""), ", false)"), "q")),
}


@pytest.fixture
def conn(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        yield conn


@pytest.mark.parametrize("query", WAYS.values(), ids=WAYS.keys())
def test_seen_once_and_sent(conn: psycopg.Connection[Any], query: Any) -> None:
    options: dict[str, Any] = {"rules": {"session-set": "warn"}, "pooler": "pgbouncer"}
    with pgpoolsafe.install(conn, **options) as installation:
        with pytest.warns(SessionStateWarning, match=r"^session-set: "):
            assert conn.execute(query).fetchall() == [("x",)]
        assert [(f.rule, n) for f, n in installation.findings()] == [("session-set", 1)]


@pytest.mark.parametrize("query", WAYS.values(), ids=WAYS.keys())
def test_refused(conn: psycopg.Connection[Any], query: Any) -> None:
    refused = {"rules": {"session-set": "raise"}, "pooler": "pgbouncer"}
    with pgpoolsafe.install(conn, **refused):  # type: ignore[arg-type]
        for send in (conn.execute, lambda query: list(conn.cursor().stream(query))):
            with pytest.raises(SessionStateError):
                send(query)
        with pytest.raises(SessionStateError):
            psycopg.ClientCursor(conn).execute(query)
    assert conn.execute("SELECT current_setting('app.way', true)").fetchone() in [("",), (None,)]


@pytest.mark.parametrize("form", ["", "s", "l"])
def test_a_value_in_braces_never_appears(conn: psycopg.Connection[Any], form: str) -> None:
    query = template("SELECT set_config('app.way', ", ("hush-hush", form), ", false)")
    with pgpoolsafe.install(conn, mode="strict"), pytest.raises(SessionStateError) as caught:
        conn.execute(query)
    assert "hush" not in str(caught.value)


def test_plain_templates_pass(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn()) as conn, pgpoolsafe.install(conn, mode="strict"):
        assert conn.execute(template("SELECT ", (7, ""), "::int")).fetchone() == (7,)
        conn.execute(template("SET LOCAL app.way = ", ("x", "l")))
        assert conn.execute("SHOW app.way").fetchone() == ("x",)


def test_with_a_transaction_around_it(pgbouncer: PgBouncer) -> None:
    """A template is sent as it is: what would be made local in a text is told of."""
    with psycopg.connect(pgbouncer.dsn()) as conn, pgpoolsafe.install(conn, mode="strict"):
        with pytest.raises(SessionStateError):
            conn.execute(HAZARD)
            conn.commit()
        conn.rollback()
