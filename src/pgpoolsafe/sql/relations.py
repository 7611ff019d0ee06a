"""The relations that a statement uses, out of a few that matter.

A statement on a temporary table looks like any other, so it is told by the name, as
PostgreSQL resolves it: a temporary table hides a permanent one of its name, a WITH query
of that name or a schema in front hides the temporary one (manual, 5.10.3 and 7.8).
"""

from __future__ import annotations

from .ctes import declared
from .phrases import Source, source, statements
from .statements import command_of

_BEFORE_WORDS = """
    analyze cluster copy exists from into join lock merge on only reindex sequence table
    truncate update using vacuum view
"""
_BEFORE = frozenset(_BEFORE_WORDS.split())
_LISTS = frozenset({"from", "table", "truncate", "lock", "vacuum", "analyze", "using", "only"})
_OTHER_CLAUSES = """
    as by except group having intersect into join limit on order returning select set union
    values where window with
"""
_CLAUSES = _LISTS | frozenset(_OTHER_CLAUSES.split())
_NAMES_A_NEW_ONE = frozenset({"table", "exists", "view", "sequence"})


def relations(text: str, names: frozenset[str]) -> frozenset[str]:
    """Which of these relation names (as PostgreSQL folds them) the text uses."""
    code = source(text)
    wanted = names & code.words
    if not wanted:
        return wanted
    found: set[str] = set()
    for phrase in statements(code):
        hidden = {cte.name for cte in declared(phrase)}
        creates = command_of(phrase) == "create"
        for at in range(phrase.lo, phrase.hi):
            token = code.tokens[at]
            if token.is_name and token.value in wanted - hidden and _is_used(code, at, creates):
                found.add(token.value)
    return frozenset(found)


def _is_used(code: Source, at: int, creates: bool) -> bool:
    before = code.code(at - 1)
    if before == ".":
        return _names_pg_temp(code, at - 2)
    if before == ",":
        return _clause(code, at - 1) in _LISTS
    if creates and before in _NAMES_A_NEW_ONE:
        return False
    # Before a dot stands a schema, or the relation of a column.
    return before in _BEFORE and code.code(at + 1) != "."


def _names_pg_temp(code: Source, at: int) -> bool:
    return at >= 0 and code.tokens[at].value.startswith("pg_temp")


def _clause(code: Source, at: int) -> str:
    """The keyword whose list this comma is in, outside parentheses that are closed."""
    while at >= 0:
        if code.code(at) in _CLAUSES:
            return code.code(at)
        if code.code(at) == "(":
            return ""
        at = code.opening.get(at, at) - 1
    return ""
