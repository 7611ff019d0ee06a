"""What a server session carries: one question, its answer as a value, and what is left of it.

The question is one SELECT with one JSON value. It writes nothing, needs no privilege and
leaves nothing behind. What a role may not see, or what is not installed, is left out. Where
PostgreSQL has the facts: chapter 54 (pg_settings, pg_locks, pg_cursors, …) and 9.28 of its
documentation. What SQL cannot see at all stands in docs/residue.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..effects import EffectKind
from .question import TEXT

K = EffectKind

_CONDITIONS = (
    # The flag that a custom setting has and hardly another: those that a role may not read
    # are never asked for.
    (
        "custom_only",
        150000,
        "'NO_SHOW_ALL' = any (pg_catalog.pg_settings_get_flags(named.name))",
        (
            "named.name not in (select pg_catalog.lower(s.name) from pg_catalog.pg_settings s)"
            " and pg_catalog.split_part(named.name, '.', 1)"
            " not in (select extname from pg_catalog.pg_extension)"
        ),
    ),
    (
        "modules",
        180000,
        "select file_name from pg_catalog.pg_get_loaded_modules()",
        "select null::pg_catalog.text where false",
    ),
)
"""What stands in the question from a server version on, and before it."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that a session carries.

    `name`: the setting, relation, channel, …; for a lock its key or its two keys, for a role
    `role` or `session_authorization`. `shared` is for advisory locks, `by_protocol` for
    prepared statements that a driver made.
    """

    kind: EffectKind
    name: str
    shared: bool = False
    by_protocol: bool = False

    def __str__(self) -> str:
        """`setting work_mem`, `session advisory lock 42 (shared)`, `role`, …"""
        name = " ".join(self.name.split())
        if self.kind in (K.ROLE, K.SESSION_FUNCTION):
            return name.replace("_", " ") if self.kind is K.ROLE else name
        session = "session " if self.kind is K.ADVISORY_LOCK else ""
        return f"{session}{self.kind.value} {name}{' (shared)' if self.shared else ''}"


@dataclass(frozen=True, slots=True)
class Found:
    """The names of custom settings that the database's functions set, while `stamp` holds.

    Nothing lists custom settings (`app.tenant`), so they are asked for by name.
    """

    stamp: str = ""
    names: tuple[str, ...] = ()


def _never(name: str) -> bool:  # noqa: ARG001  # every name has the same answer
    return False


@dataclass(frozen=True, slots=True)
class Origin:
    """What the client knows of how its session began, so that it counts as no residue.

    `login`: the role it logged in as, where the server cannot be asked; `options`: settings
    in its connection options, by lower-case name; `given`: settings that a pooler gives to
    each client anew; `is_own`: whether a protocol-level prepared statement of this name is
    the driver's or the pooler's.
    """

    login: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    given: frozenset[str] = frozenset()
    is_own: Callable[[str], bool] = _never


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a session carries beyond what it began with, as far as the server tells.

    `things`: each with its value (a setting's, a role's), which is for comparing and for
    nobody's eyes. `drawn`: whether currval() and lastval() answer; None: this role may not
    see it. `loads_known`: whether libraries that were loaded at the start can be told from
    later ones. `found`: to be handed to the next question.
    """

    pid: int
    things: Mapping[Thing, str] = field(repr=False)
    drawn: bool | None = None
    loads_known: bool = True
    found: Found = Found()


@dataclass(frozen=True, slots=True)
class Residue:
    """What a session carries that it did not carry at its start; empty (false) if nothing.

    `things` in a stable order; `pid` is the server process. `drawn`: whether a sequence value
    was drawn, so that currval() and lastval() answer; that harms nobody and counts for
    nothing; None: this role may not see it.
    """

    things: tuple[Thing, ...]
    pid: int
    drawn: bool | None = None

    def __bool__(self) -> bool:
        return bool(self.things)

    def __len__(self) -> int:
        return len(self.things)

    def __iter__(self) -> Iterator[Thing]:
        return iter(self.things)

    def __str__(self) -> str:
        """One line: `setting work_mem, temporary object cart`, or `nothing`."""
        return ", ".join(map(str, self.things)) or "nothing"


# asking


def question(server_version: int) -> str:
    """The text for a server, which takes one parameter (`parameter()`).

    `server_version` as libpq has it: 150004. Written for PostgreSQL 10 and later.
    """
    words = {
        name: since if server_version >= version else before
        for name, version, since, before in _CONDITIONS
    }
    return TEXT.format(**words)


def parameter(found: Found, *, names: Iterable[str] = (), in_block: bool = False) -> str:
    """The parameter of the question, as JSON.

    `found`: of an earlier answer; `names`: more custom settings; `in_block`: a transaction is
    open, where one thing is not asked since it would hold statistics back until its end.
    """
    more = sorted({name.lower() for name in names})
    asked = {"stamp": found.stamp, "names": found.names, "more": more, "in_block": in_block}
    return json.dumps(asked)


# the answer


def snapshot_in(answer: Mapping[str, Any], origin: Origin) -> Snapshot:
    """What an answer to the question says, less what the session began with."""
    things = (
        *_settings(answer, origin),
        *_roles(answer, origin),
        *_locks(answer),
        *_prepared(answer, origin),
        *_named(answer),
    )
    return Snapshot(
        pid=answer["pid"],
        things=dict(things),
        drawn=_drawn(answer),
        loads_known=answer["preloads"] is not None,
        found=Found(answer["stamp"], tuple(answer["names"] or ())),
    )


def left(now: Snapshot, before: Snapshot | None = None) -> Residue:
    """What the session carries now and did not before; `before` None: when it began."""
    if before is None:
        new = [t for t in now.things if t.kind is not K.LIBRARY or now.loads_known]
    else:
        new = [t for t, value in now.things.items() if before.things.get(t) != value]
    return Residue(tuple(sorted(new, key=_order)), now.pid, now.drawn)


_RANK = {kind: rank for rank, kind in enumerate(EffectKind)}


def _order(thing: Thing) -> tuple[int, str, bool]:
    return _RANK[thing.kind], thing.name, thing.shared


_Things = Iterator[tuple[Thing, str]]


def _settings(answer: Mapping[str, Any], origin: Origin) -> _Things:
    """Those that differ from their reset value; custom ones, from what was configured.

    After SET LOCAL a custom setting is empty rather than unknown: that is no residue.
    """
    configured = {**(answer["configured"] or {}), **origin.options}
    for name, value in (answer["settings"] or {}).items():
        if name.lower() not in origin.given:
            yield Thing(K.SETTING, name.lower()), value
    for name, value in (answer["custom"] or {}).items():
        if value not in ("", configured.get(name)):
            yield Thing(K.SETTING, name), value


def _roles(answer: Mapping[str, Any], origin: Origin) -> _Things:
    login = answer["login"] or origin.login
    given = "session_authorization" in origin.given
    if login is not None and answer["session_user"] != login and not given:
        yield Thing(K.ROLE, "session_authorization"), answer["session_user"]
    began = {**(answer["configured"] or {}), **origin.options}.get("role", "none")
    if answer["role"] != began:
        yield Thing(K.ROLE, "role"), answer["role"]


def _locks(answer: Mapping[str, Any]) -> _Things:
    for high, low, form, mode in answer["locks"] or ():
        # pg_locks: a bigint key in two halves (1), or two integer keys (2), both as oids.
        key = (
            str(_signed(high << 32 | low, 64))
            if form == 1
            else f"{_signed(high, 32)}, {_signed(low, 32)}"
        )
        yield Thing(K.ADVISORY_LOCK, key, shared=mode == "ShareLock"), ""


def _signed(key: int, bits: int) -> int:
    return key - (1 << bits) if key >> (bits - 1) else key


def _prepared(answer: Mapping[str, Any], origin: Origin) -> _Things:
    for name, from_sql in answer["statements"] or ():
        if from_sql or not origin.is_own(name):
            yield Thing(K.PREPARED_STATEMENT, name, by_protocol=not from_sql), ""


_LISTS = (
    ("cursors", K.HELD_CURSOR, ""),
    ("channels", K.CHANNEL, ""),
    ("libraries", K.LIBRARY, ""),
    ("slots", K.SESSION_FUNCTION, "temporary replication slot "),
    ("dblink", K.SESSION_FUNCTION, "dblink connection "),
    ("origin", K.SESSION_FUNCTION, ""),
)
"""Key of the answer, kind, and what stands before the name."""

_TEMPORARY = re.compile(r'pg_temp(?:_\d+)?\.(?:"((?:[^"]|"")*)"$)?')


def _named(answer: Mapping[str, Any]) -> _Things:
    for key, kind, title in _LISTS:
        for name in answer[key] or ():
            yield Thing(kind, title + name), ""
    for name in answer["temporary"] or ():
        yield Thing(K.TEMP_OBJECT, _bare(name)), ""


def _bare(identity: str) -> str:
    """`pg_temp_3.f(integer)` and `pg_temp."Cart"` without schema and quotes."""
    schema = _TEMPORARY.match(identity)
    if schema is None:
        return identity
    return schema[1].replace('""', '"') if schema[1] is not None else identity[schema.end() :]


def _drawn(answer: Mapping[str, Any]) -> bool | None:
    words = answer["drawn"]
    return None if words is None else bool(words)
