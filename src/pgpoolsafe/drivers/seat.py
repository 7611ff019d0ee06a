"""What a guarded connection carries, on whatever driver."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

from ..effects import PLAIN, Reading
from ..guard import Guard
from ..rules.policy import Mode, Policy
from ..rules.reporting import Reporter
from ..session.blocks import Former, around, inside, merged
from ..session.settings import Carried

ATTRIBUTE = "_pgpoolsafe"


class Seat:
    """A connection's guard and the quick look-up of texts.

    `known` answers PLAIN for a text that needs nothing. `owners` are the installations that
    guard the connection; the last one decides. `blocks`: the settings of `settings()` blocks
    on it, the outermost first, `formers` what was there before them. `lock` is for
    drivers that let threads share a connection.
    `sending`: the text that is on its way, so that a driver's method that is made of another
    one is judged once. `own`: what the driver's module keeps here. `refused_options`: the
    settings that the connection had to be opened without.
    """

    __slots__ = (
        "blocks",
        "formers",
        "guard",
        "known",
        "lock",
        "met",
        "own",
        "owners",
        "refused_options",
        "sending",
    )

    def __init__(self, guard: Guard, own: Any = None) -> None:
        self.guard = guard
        self.own = own
        self.owners: list[Any] = []
        self.blocks: list[Carried] = []
        self.formers: dict[int, Former] = {}
        self.met = False
        self.sending: Any = None
        self.refused_options: dict[str, str] = {}
        self.lock = RLock()
        self.known: Callable[[str], Reading | None] = _ask

    def enter(self, block: Carried) -> None:
        """A `settings()` block on the connection begins."""
        self.blocks.append(block)
        self.settle()

    def inside(self, block: Carried) -> list[Carried] | None:
        """The blocks that were entered after this one; None where it is none of the connection."""
        return inside(self.blocks, block)

    def leave(self, block: Carried) -> None:
        """It ends; blocks may end in any order."""
        self.blocks[:] = [other for other in self.blocks if other is not block]
        self.settle()

    def _around(self) -> Carried:
        return around(self.owners)

    def settle(self) -> None:
        """Choose the look-up that fits what the guard has learnt."""
        self.guard.block = merged(self.blocks)
        has_blocks = any(owner.open_blocks for owner in self.owners)
        self.guard.around = self._around if has_blocks else None
        if not self.guard.has_blocks:
            self.guard.forget_noted()
        if not self.guard.attends:
            self.known = _nothing_to_do
        elif not self.met or self.judges_begin:
            self.known = _ask
        elif self.guard.looks_outside:
            # Outside a block, every text takes them along.
            self.known = self._in_block
        else:
            # The name of a temporary relation that was left makes any text worth a look.
            self.known = self._unless_named if self.guard.books.kept else self.guard.known

    @property
    def judges_begin(self) -> bool:
        """Whether a BEGIN is worth a word: in statement mode a transaction cannot be had."""
        return self.guard.refuses_begin

    @property
    def begins_plainly(self) -> bool:
        """Whether a BEGIN needs no look."""
        guard = self.guard
        is_of_interest = self.judges_begin or guard.has_settings or not self.met
        return not (guard.attends and is_of_interest)

    @property
    def rests(self) -> bool:
        """Whether the end of a transaction needs no look."""
        guard = self.guard
        return not guard.attends or (self.met and guard.books.blank)

    def _in_block(self, text: str) -> Reading | None:
        return self._unless_named(text) if self.guard.books.in_block else None

    def _unless_named(self, text: str) -> Reading | None:
        return None if self.guard.is_wary_of(text) else self.guard.known(text)


def _ask(text: str) -> Reading | None:
    """Before the pooler is known every text takes the long way."""
    return None


def _nothing_to_do(text: str) -> Reading | None:
    """Where nothing is watched, every text is plain."""
    return PLAIN


def _retired() -> Seat:
    seat = Seat(Guard(Policy(mode=Mode.OFF), Reporter()))
    seat.settle()
    return seat


RETIRED = _retired()
"""The seat of a connection whose guard was taken off while something of it is in use."""
