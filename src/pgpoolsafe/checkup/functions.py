"""What the database's own functions would leave in a session: code that no text shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..rules.findings import Finding
from .check import Check, Grade
from .facts import Facts

_MOST = 5


def functions(facts: Facts) -> Iterable[Check]:
    """The check `functions`; none where the database could not be asked."""
    found = facts.functions
    if found is None:
        return
    if not found:
        why = "as far as their code can be read"
        yield Check("functions", Grade.OK, "no function of the database leaves session state", why)
        return
    shared = facts.pooler.shares_sessions
    titles = list(dict.fromkeys(title_of(one) for one in found))
    yield Check(
        "functions",
        Grade.FINDING if shared else Grade.NOTE,
        f"functions of the database that leave session state: {len(titles)}",
        f"{_some(titles)}; a statement that calls one does not show it"
        + ("" if shared else "; this is no harm here, and would be one behind a shared pool"),
        (
            "change the functions, as listed under them",
            "or have calls of them judged: pgpoolsafe.install(engine, audit=True)",
        ),
    )


def title_of(finding: Finding) -> str:
    """The function with its argument types, on one line."""
    return " ".join(finding.location.file.split()) if finding.location else "a function"


def _some(titles: Sequence[str]) -> str:
    more = f" and {len(titles) - _MOST} more" if len(titles) > _MOST else ""
    return ", ".join(titles[:_MOST]) + more
