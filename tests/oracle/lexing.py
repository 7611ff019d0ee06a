"""The lexer beside PostgreSQL's own scanner: the same tokens at the same places."""

from __future__ import annotations

from typing import NamedTuple

from pglast.parser import scan as postgres_scan
from pglast.parser import split as postgres_split

from pgpoolsafe.sql.lexer import Kind, Token, scan
from pgpoolsafe.sql.phrases import source, statements


class Place(NamedTuple):
    """Where a token stands and what sort it is."""

    start: int
    end: int
    sort: str


_COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
_SORTS = {
    "IDENT": "name",
    "UIDENT": "name",
    "SCONST": "string",
    "USCONST": "string",
    "BCONST": "bits",
    "XCONST": "bits",
    "ICONST": "number",
    "FCONST": "number",
    "PARAM": "parameter",
}
_OURS = {
    Kind.WORD: "name",
    Kind.QUOTED: "name",
    Kind.STRING: "string",
    Kind.BITS: "bits",
    Kind.NUMBER: "number",
    Kind.PARAM: "parameter",
}


def places_by_postgres(text: str) -> list[Place]:
    """PostgreSQL's tokens. Raises pglast's ParseError for what its scanner refuses."""
    places: list[Place] = []
    for token in postgres_scan(text):
        if token.name in _COMMENTS:
            continue
        sort = _SORTS.get(token.name) or ("name" if token.kind != "NO_KEYWORD" else "symbol")
        start = token.start
        if sort == "string" and _is_national(text, places, start):  # N'…' is one token of ours
            start = places.pop().start
        places.append(Place(start, token.end + 1, sort))
        if token.name == "UESCAPE" or (len(places) > 2 and _is_clause(text, places)):
            _join(text, places)
    return places


def _is_national(text: str, places: list[Place], start: int) -> bool:
    if not places or places[-1].end != start or text[start] != "'":
        return False
    return text[places[-1].start : start].lower() == "n"


def _is_clause(text: str, places: list[Place]) -> bool:
    return text[places[-2].start : places[-2].end].lower() == "uescape"


def _join(text: str, places: list[Place]) -> None:
    """U&'…' UESCAPE '!' is one token of ours."""
    if len(places) < 3 or not _is_clause(text, places) or places[-1].sort != "string":
        return
    before = places[-3]
    if text[before.start : before.start + 2].lower() == "u&":
        places[-3:] = [Place(before.start, places[-1].end, before.sort)]


def places_by_us(text: str) -> list[Place]:
    """Our tokens, in the same words."""
    return [_place(token) for token in scan(text, placeholders=False).tokens]


def _place(token: Token) -> Place:
    return Place(token.start, token.end, _OURS.get(token.kind, "symbol"))


def cuts_by_postgres(text: str) -> list[tuple[int, int]]:
    """Where PostgreSQL's statements begin and end, without white space and comments."""
    cuts = [(cut.start, cut.stop) for cut in postgres_split(text, only_slices=True)]
    return [_trimmed(text, *cut) for cut in cuts]


def cuts_by_us(text: str) -> list[tuple[int, int]]:
    """Where our statements begin and end."""
    read = source(text)
    return [
        (read.tokens[phrase.lo].start, read.tokens[phrase.hi - 1].end)
        for phrase in statements(read)
    ]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    places = places_by_postgres(text[start:end])
    return (start + places[0].start, start + places[-1].end) if places else (start, start)
