"""Common table expressions that never run.

PostgreSQL does not execute a SELECT in WITH that nothing refers to ("WITH Queries", 7.8);
a data-modifying one runs in any case. The references are looked for by name, so that
doubt counts as a reference.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from typing import NamedTuple

from .phrases import Phrase

_READING = frozenset({"select", "values", "table", "with", "("})

# A name that is used more often than this is not followed any further: it counts as used.
_MANY = 200


class Cte(NamedTuple):
    """`name AS ( body )`: the indices of the name and of the body's parentheses."""

    name: str
    at: int
    begin: int
    end: int


def idle_bodies(phrase: Phrase) -> list[tuple[int, int]]:
    """The bodies in a statement that are not executed, as index ranges in their order."""
    tokens = phrase.source.tokens
    ctes = list(declared(phrase))
    uses = _uses(phrase, {cte.name for cte in ctes})
    idle: list[tuple[int, int]] = []
    # A later one may be the only user of an earlier one, so the last comes first.
    for cte in reversed(ctes):
        reads = tokens[cte.begin + 1].code in _READING
        if reads and not _is_used(cte, uses[cte.name], idle[-_MANY:]):
            idle.append((cte.begin, cte.end))
    return _outermost(sorted(idle))


def _outermost(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without those that lie within another one: then they are all apart."""
    outer: list[tuple[int, int]] = []
    for one in ranges:
        if not outer or one[0] > outer[-1][1]:
            outer.append(one)
    return outer


def is_idle(at: int, idle: list[tuple[int, int]]) -> bool:
    """Whether an index lies in one of these ranges, which are apart and in order."""
    before = bisect(idle, (at, at)) - 1
    return before >= 0 and at < idle[before][1]


def _uses(phrase: Phrase, names: set[str]) -> dict[str, list[int]]:
    uses: dict[str, list[int]] = {name: [] for name in names}
    if names:
        for at in range(phrase.lo, phrase.hi):
            token = phrase.source.tokens[at]
            if token.is_name and token.value in names:
                uses[token.value].append(at)
    return uses


def _is_used(cte: Cte, uses: list[int], idle: list[tuple[int, int]]) -> bool:
    outside = [at for at in uses[:_MANY] if not cte.at <= at <= cte.end]
    if len(uses) > _MANY:
        return True
    return any(not any(begin < at < end for begin, end in idle) for at in outside)


def declared(phrase: Phrase) -> Iterator[Cte]:
    """Every element of every WITH list of a statement."""
    source = phrase.source
    for at in range(phrase.lo, phrase.hi):
        if source.tokens[at].code == "with":
            at += 1 + (source.code(at + 1) == "recursive")
            cte = _element(phrase, at)
            while cte is not None:
                yield cte
                more = source.code(cte.end + 1) == ","
                cte = _element(phrase, cte.end + 2) if more else None


def _element(phrase: Phrase, at: int) -> Cte | None:
    """`name [(columns)] AS [[NOT] MATERIALIZED] (…)` at an index, if it is one."""
    words = phrase.part(at).words()
    name = words.token()
    if not name.is_name:
        return None
    words.take()
    if words.code() == "(":
        words.at = phrase.source.step(words.at)
    if not words.skip("as"):
        return None
    words.skip("not")
    words.skip("materialized")
    if words.code() != "(" or words.at + 1 >= phrase.hi:
        return None
    return Cte(name.value, at, words.at, phrase.source.step(words.at) - 1)
