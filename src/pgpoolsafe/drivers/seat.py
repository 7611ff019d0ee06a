"""What a guarded connection carries, on every driver but psycopg."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

from ..effects import PLAIN, Reading
from ..guard import Guard
from ..poolers.answers import PoolMode
from ..rules.policy import Mode, Policy
from ..rules.reporting import Reporter

ATTRIBUTE = "_pgpoolsafe"


class Seat:
    """A connection's guard and the quick look-up of texts.

    `known` answers PLAIN for a text that needs nothing. `owners` are the installations that
    guard the connection; the last one decides. `lock` is for drivers that let threads share
    a connection. `sending`: the text that is on its way, so that a driver's method that is
    made of another one is judged once. `own`: what the driver's module keeps here.
    """

    __slots__ = ("guard", "known", "lock", "met", "own", "owners", "sending")

    def __init__(self, guard: Guard, own: Any = None) -> None:
        self.guard = guard
        self.own = own
        self.owners: list[Any] = []
        self.met = False
        self.sending: Any = None
        self.lock = RLock()
        self.known: Callable[[str], Reading | None] = _ask

    def settle(self) -> None:
        """Choose the look-up that fits what the guard has learnt."""
        if not self.guard.watching:
            self.known = _nothing_to_do
        elif not self.met or self.judges_begin:
            self.known = _ask
        else:
            # The name of a temporary relation that was left makes any text worth a look.
            self.known = self._unless_named if self.guard.books.kept else self.guard.known

    @property
    def judges_begin(self) -> bool:
        """Whether a BEGIN is worth a word: in statement mode a transaction cannot be had."""
        return self.guard.judged_as.mode is PoolMode.STATEMENT

    @property
    def rests(self) -> bool:
        """Whether the end of a transaction needs no look."""
        guard = self.guard
        return not guard.watching or (self.met and guard.books.blank)

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
