"""The settings of `settings()` blocks: on one connection, or on what it belongs to.

A block on an engine, a pool or the whole process holds for the context it is entered in
(`contextvars`): a web request, a task, a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar

from ..errors import ConfigurationError
from .settings import AUTHORIZATION, NO_ROLE, NOTHING, ROLE, Carried


class Held:
    """A block on an engine, a pool or the process; `is_over` also for contexts that copied it."""

    __slots__ = ("block", "is_over", "owner")

    def __init__(self, owner: object, block: Carried) -> None:
        self.owner = owner
        self.block = block
        self.is_over = False


_around: ContextVar[tuple[Held, ...]] = ContextVar("pgpoolsafe_settings", default=())

_IDENTITY = (AUTHORIZATION, ROLE)

Former = tuple[int, dict[str, "str | None"]]
"""The number of a transaction, and the values that it had before a block on its connection."""

_entered: ContextVar[tuple[Carried, ...]] = ContextVar("pgpoolsafe_entered", default=())


class Entered:
    """The blocks of one `settings()` object, which threads and tasks may share."""

    def __init__(self) -> None:
        self._open: dict[int, Carried] = {}

    def add(self, block: Carried) -> None:
        """A block has begun in this context."""
        self._open[id(block)] = block
        _entered.set((*_entered.get(), block))

    def take(self) -> Carried:
        """The block that ends now: the last one of this context.

        One that was entered in another context (a fixture, a streamed response) is the last.
        """
        here = [block for block in _entered.get() if id(block) in self._open]
        if not self._open:
            raise ConfigurationError("settings(): a block ends that was not entered")
        block = (here or list(self._open.values()))[-1]
        del self._open[id(block)]
        _entered.set(tuple(other for other in _entered.get() if other is not block))
        return block


def block_of(values: Mapping[str, str]) -> Carried:
    """The settings of a block that begins now.

    Who one is comes last: by then what only this client may set is set.
    """
    frame = NOTHING
    for name in sorted(values, key=_order):
        frame = frame.put(name, values[name])
    return frame.without_role() if values.get(ROLE) == NO_ROLE else frame


def _order(name: str) -> int:
    return _IDENTITY.index(name) if name in _IDENTITY else -1


def inside(blocks: Sequence[Carried], block: Carried) -> list[Carried] | None:
    """Of the blocks on a connection those that came later than this one; None: it is not there."""
    places = [at for at, other in enumerate(blocks) if other is block]
    return list(blocks[places[0] + 1 :]) if places else None


def merged(blocks: Iterable[Carried]) -> Carried:
    """Blocks around one another, the outermost first."""
    frame = NOTHING
    for block in blocks:
        frame = frame.over(block)
    return frame


def enter(owner: object, block: Carried) -> Held:
    """A block on `owner` begins in this context."""
    held = Held(owner, block)
    _around.set((*_around.get(), held))
    return held


def leave(held: Held) -> None:
    """A block ends; blocks may end in any order, and in another context."""
    held.is_over = True
    _around.set(tuple(other for other in _around.get() if not other.is_over))


def around(owners: Collection[object]) -> Carried:
    """The settings of the blocks of this context on any of these owners."""
    entries = _around.get()
    if not entries:
        return NOTHING
    return merged(
        held.block
        for held in entries
        if not held.is_over and any(held.owner is one for one in owners)
    )
