"""Function calls in a statement: which function, with which arguments.

A name with `(` behind it is not always a call: `INSERT INTO name (…)`, `AS name (…)` and
`WITH name (…) AS` look the same. What stands before the name tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from .lexer import Kind
from .phrases import Phrase, Source

# The keywords of SQL and PL/pgSQL that an expression can follow. After any other word
# the name is that of a table, an alias or a declaration.
_BEFORE_EXPRESSION_WORDS = """
    all and any array assert asymmetric between both by call case content default distinct
    document else elsif elseif escape execute for from groups having if ilike in join lateral
    leading like limit loop next not offset on or overlaps passing perform placing query range
    return returning reverse row rows select some symmetric then to trailing until using
    variadic value values when where while zone
"""
BEFORE_EXPRESSION = frozenset(_BEFORE_EXPRESSION_WORDS.split())
"""Before a parenthesis they make it one around an expression, not that of a call."""

QUERY = frozenset({"select", "values", "table", "with", "insert", "update", "delete", "merge", "("})
"""What a query can begin with."""


class Call(NamedTuple):
    """A call `path(positional…, name => …)`."""

    path: tuple[str, ...]
    positional: tuple[Phrase, ...]
    named: dict[str, Phrase]

    @property
    def name(self) -> str:
        """The function's name without its schema."""
        return self.path[-1]

    @property
    def arity(self) -> int:
        """How many arguments there are."""
        return len(self.positional) + len(self.named)

    def argument(self, position: int, name: str = "") -> Phrase | None:
        """An argument by its position (from 0) or its name; None if it is not given."""
        if position < len(self.positional):
            return self.positional[position]
        return self.named.get(name)


def calls(phrase: Phrase, names: AbstractSet[str]) -> Iterator[tuple[int, Call]]:
    """Every call of a function whose own or whose schema's name is one of `names`.

    With the index of its opening parenthesis, in the order of the text.
    """
    source, tokens = phrase.source, phrase.source.tokens
    for at in range(phrase.lo + 1, phrase.hi):
        if tokens[at].code != "(" or not tokens[at - 1].is_name:
            continue
        lo = _path_start(source, at - 1, phrase.lo)
        path = tuple(token.value for token in tokens[lo:at:2])
        if names.isdisjoint(path[-2:]):
            continue
        if _stands_for_a_value(source, lo, phrase.lo) and not _begins_cte(source, at):
            yield at, _call(phrase, path, at)


def _path_start(source: Source, at: int, lo: int) -> int:
    tokens = source.tokens
    while at - 2 >= lo and tokens[at - 1].code == "." and tokens[at - 2].is_name:
        at -= 2
    return at


def _stands_for_a_value(source: Source, at: int, lo: int) -> bool:
    if at <= lo:
        return True
    before = source.tokens[at - 1]
    if before.kind is Kind.WORD and before.code in BEFORE_EXPRESSION:
        return True
    if before.is_name and source.level:
        return _is_into_target(source, at - 1, lo)
    if before.code == ")":
        return _is_distinct_on(source, at - 1)
    return not before.is_name and before.code not in (".", "]", "::")


def _is_into_target(source: Source, at: int, lo: int) -> bool:
    """Whether a name ends `SELECT INTO [STRICT] a, b.c`, as PL/pgSQL has it."""
    while at > lo and source.tokens[at].is_name and source.code(at) not in ("into", "strict"):
        at -= 2 if source.code(at - 1) in (",", ".") else 1
    at -= source.code(at) == "strict"
    return source.code(at) == "into" and source.code(at - 1) == "select"


def _is_distinct_on(source: Source, at: int) -> bool:
    """Whether a `)` ends DISTINCT ON (…), the only one that an expression can follow."""
    begin = source.opening.get(at, 0)
    return source.code(begin - 1) == "on" and source.code(begin - 2) == "distinct"


def _begins_cte(source: Source, at: int) -> bool:
    """Whether it is `name (columns) AS (…)` in a WITH list."""
    end = source.step(at)
    if source.code(end) != "as":
        return False
    if source.code(end + 1) in ("not", "materialized"):
        return True
    return source.code(end + 1) == "(" and source.code(end + 2) in QUERY


def _call(phrase: Phrase, path: tuple[str, ...], at: int) -> Call:
    positional: list[Phrase] = []
    named: dict[str, Phrase] = {}
    inside = phrase.part(at + 1, min(phrase.source.step(at) - 1, phrase.hi))
    for argument in inside.split(","):
        words = argument.words()
        if words.token().is_name and words.code(1) in ("=>", ":="):
            named[words.take().value] = argument.part(argument.lo + 2)
        else:
            positional.append(argument)
    return Call(path, tuple(positional), named)
