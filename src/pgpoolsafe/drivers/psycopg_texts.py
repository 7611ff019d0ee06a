"""psycopg: the text of a query, in whatever type it comes."""

from __future__ import annotations

from collections.abc import Iterator
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


def values_in(conn: Any, query: Any) -> tuple[str, ...]:
    """The values that psycopg writes into the text of a query, as they stand in it.

    `sql.Literal` and `{value:l}` in a template string are the user's data as much as a bound
    parameter is, and are not to be repeated. Most queries have none.
    """
    if query.__class__ is str or not isinstance(query, (sql.Composable, Template)):
        return ()
    return tuple(literal.as_string(conn) for literal in _literals(query))


def _literals(part: Any) -> Iterator[sql.Literal]:
    if isinstance(part, sql.Literal):
        yield part
    elif isinstance(part, sql.Composed):
        for inner in part:
            yield from _literals(inner)
    elif isinstance(part, Template):
        for piece in part:
            if not isinstance(piece, str):
                yield from _of_braces(piece)


def _of_braces(interpolation: Any) -> Iterator[sql.Literal]:
    """What stands in the braces of a template: a value only with the format `l`."""
    if interpolation.format_spec == "l":
        yield sql.Literal(interpolation.value)
    else:
        yield from _literals(interpolation.value)
