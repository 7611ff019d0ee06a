"""The settings of `settings()` blocks: on one connection, or on what it belongs to.

A block on an engine, a pool or the whole process holds for the context it is entered in
(`contextvars`): a web request, a task, a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar

from .settings import NOTHING, Carried

_around: ContextVar[tuple[tuple[object, Carried], ...]] = ContextVar(
    "pgpoolsafe_settings", default=()
)


def block_of(values: Mapping[str, str]) -> Carried:
    """The settings of a block that begins now."""
    frame = NOTHING
    for name, value in values.items():
        frame = frame.put(name, value)
    return frame


def merged(blocks: Iterable[Carried]) -> Carried:
    """Blocks around one another, the outermost first."""
    frame = NOTHING
    for block in blocks:
        frame = frame.over(block)
    return frame


def enter(owner: object, block: Carried) -> None:
    """A block on `owner` begins in this context."""
    _around.set((*_around.get(), (owner, block)))


def leave(block: Carried) -> None:
    """A block ends; blocks may end in any order, and one of another context is let be."""
    _around.set(tuple(entry for entry in _around.get() if entry[1] is not block))


def around(owners: Collection[object]) -> Carried:
    """The settings of the blocks of this context on any of these owners."""
    entries = _around.get()
    if not entries:
        return NOTHING
    return merged(block for owner, block in entries if any(owner is one for one in owners))
