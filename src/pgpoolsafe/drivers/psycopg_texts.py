"""psycopg: the text of a query, in whatever type it comes."""

from __future__ import annotations

from typing import Any

from psycopg import sql
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

try:  # Python 3.14 and psycopg 3.3
    from psycopg._compat import Template as Template
except ImportError:  # psycopg 3.2 knows no template strings

    class Template:  # type: ignore[no-redef]
        """Stands for the class that this psycopg does not have; nothing is one."""


def text_of(conn: Any, query: Any) -> str | None:
    """The text as the user wrote it; None where psycopg will refuse it anyway."""
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode(conn.pgconn._encoding, "surrogateescape")
    if isinstance(query, sql.Composable):
        return query.as_string(conn)
    if isinstance(query, Template):
        converted = PostgresQuery(Transformer(conn))
        converted.convert(query, None)
        return bytes(converted.query).decode(conn.pgconn._encoding, "replace")
    return None


def like(conn: Any, query: Any, text: str) -> Any:
    """A text in the type of the user's query."""
    if isinstance(query, bytes):
        return text.encode(conn.pgconn._encoding, "surrogateescape")
    return text
