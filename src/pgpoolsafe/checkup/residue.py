"""What other clients have left on a server connection: what is there, less what belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from ..effects import EffectKind
from ..poolers.answers import Pooler
from ..poolers.detect import is_poolers_name
from ..poolers.startup import Reception
from ..session.residue import Origin, Residue, Snapshot, Thing, left
from .facts import Facts

K = EffectKind

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


def origin_behind(pooler: Pooler) -> Origin:
    """What a connection begins with that looks: it states no settings in its options."""
    return Origin(given=_GIVEN | pooler.tracked, is_own=is_poolers_name)


def left_by_others(found: Snapshot, facts: Facts) -> Residue:
    """What a server connection carries that is not told of elsewhere."""
    residue, leaked = left(found), leaked_options(facts)
    things = (t for t in residue if t.kind is not K.SETTING or t.name not in leaked)
    return replace(residue, things=tuple(things))


def leaked_options(facts: Facts) -> frozenset[str]:
    """Settings in this target's options that other clients meet: those who looked stated
    none, and yet found them.
    """
    applied = {name for name, what in facts.startup.items() if what is Reception.APPLIED}
    met = {t.name for found in facts.leftovers for t in found.things if t.kind is K.SETTING}
    return frozenset(applied & met)


# in words

_TITLES = {
    K.ADVISORY_LOCK: "session advisory lock",
    K.PREPARED_STATEMENT: "prepared",
    K.HELD_CURSOR: "open cursor",
    K.CHANNEL: "listening on",
    K.TEMP_OBJECT: "temporary",
    K.LIBRARY: "loaded",
}


def described(residue: Residue, found: Snapshot) -> list[str]:
    """Each thing that is left, in words; empty if nothing is. `found` has the values."""
    return [
        words
        for kind, things in groupby(residue, key=lambda thing: thing.kind)
        for words in _described(kind, list(things), found)
    ]


def _described(kind: EffectKind, things: list[Thing], found: Snapshot) -> Iterator[str]:
    if kind is K.SETTING:
        yield from (_setting(thing, found.things[thing]) for thing in things)
    elif kind is K.ROLE:
        yield from (f"{thing} {_line(found.things[thing])}" for thing in things)
    elif kind in _TITLES:
        yield f"{_TITLES[kind]} {_some(things)}"
    else:
        yield from map(str, things)


# Of a setting that PostgreSQL has itself; others may be somebody's data.
_HARMLESS = re.compile(r"-?[\d.]+( ?(us|ms|s|min|h|d|B|kB|MB|GB|TB))?|on|off")


def _setting(thing: Thing, value: str) -> str:
    if "." not in thing.name and _HARMLESS.fullmatch(value):
        return f"{thing.name} = {value}"
    return f"{_line(thing.name)} is changed"


def _some(things: list[Thing]) -> str:
    lines = (_line(thing.name) for thing in things[:_MOST])
    names = ", ".join(f"({line})" if ", " in line else line for line in lines)  # a lock's two keys
    return names + (f" and {len(things) - _MOST} more" if len(things) > _MOST else "")


def _line(name: str) -> str:
    return " ".join(name.split())
