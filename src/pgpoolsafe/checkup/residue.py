"""What other clients have left on a server connection: what is there, less what belongs."""

from __future__ import annotations

from dataclasses import replace

from ..poolers.detect import is_poolers_name
from ..poolers.startup import Reception
from .facts import Facts, Leftovers

# PgBouncer and others give these to each client anew, with SET.
_GIVEN = frozenset(
    {
        "application_name",
        "client_encoding",
        "datestyle",
        "intervalstyle",
        "standard_conforming_strings",
        "timezone",
    }
)
_MOST = 5


def after_us(found: Leftovers, facts: Facts) -> Leftovers:
    """What is left when what the pooler gives to each client is taken away.

    The connections that look state no settings in their options.
    """
    given = _GIVEN | facts.pooler.tracked | leaked_options(facts)
    settings = {name: value for name, value in found.settings.items() if name not in given}
    statements = tuple(name for name in found.statements if not is_poolers_name(name))
    return replace(found, settings=settings, statements=statements)


def leaked_options(facts: Facts) -> frozenset[str]:
    """Settings in this target's options that other clients meet: those who looked stated
    none, and yet found them.
    """
    applied = {name for name, what in facts.startup.items() if what is Reception.APPLIED}
    met = {name for left in facts.leftovers for name in left.settings}
    return frozenset(applied & met - _GIVEN - facts.pooler.tracked)


def described(left: Leftovers) -> list[str]:
    """Each kind of thing that is left, in words; empty if nothing is."""
    said = [
        f"{name} = {value}" if value is not None else f"{name} is changed"
        for name, value in left.settings.items()
    ]
    if left.role is not None:
        said.append(f"role {left.role}")
    if left.locks:
        said.append(f"{left.locks} session advisory lock{'s' if left.locks > 1 else ''}")
    lists = (
        ("prepared", left.statements),
        ("listening on", left.channels),
        ("temporary", left.temporary),
        ("open cursor", left.cursors),
    )
    return said + [f"{title} {_some(names)}" for title, names in lists if names]


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return " ".join(names[:_MOST]) + more
