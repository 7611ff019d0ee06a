"""psycopg: the text of a query, in whatever type it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from psycopg import sql
from psycopg._queries import PostgresClientQuery, PostgresQuery
from psycopg.adapt import Transformer

from ..effects import Edit
from ..sql.edits import apply

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


def converted(
    cursor: Any, text: str, params: Any, edits: Iterable[Edit], *, merges: bool
) -> tuple[str, tuple[Edit, ...]]:
    """What psycopg makes of the user's text and its parameters, and the edits in that.

    `merges`: the parameters are written into the text, as COPY has it and client-side cursors.
    """
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    marks = [Edit(at, at, _MARK) for edit in ordered for at in (edit.start, edit.end)]
    made = (PostgresClientQuery if merges else cursor._query_cls)(Transformer(cursor))
    made.convert(apply(text, marks), params)
    pieces = bytes(made.query).decode(cursor._conn.pgconn._encoding, "replace").split(_MARK)
    ends = list(accumulate(map(len, pieces)))
    moved = [
        Edit(start, end, edit.replacement)
        for edit, start, end in zip(ordered, ends[::2], ends[1::2], strict=False)
    ]
    return "".join(pieces), tuple(moved)


_MARK = "\x01"
"""Stands where an edit begins or ends; a text with this character fails in its first place."""


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
