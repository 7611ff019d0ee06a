"""psycopg: what a guarded connection carries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor

from ..effects import PLAIN, Reading
from ..guard import Guard
from ..poolers.detect import is_console
from ..rules.policy import Mode, Policy
from ..rules.reporting import Reporter
from ..session.blocks import Former, around, inside, merged
from ..session.settings import Carried
from .psycopg_making import Source

if TYPE_CHECKING:
    from ..blame import Watch

ATTRIBUTE = "_pgpoolsafe"


class Seat:
    """What a guarded connection carries: its guard and the quick look-up of texts.

    `blocks`: the settings of `settings()` blocks on it, the outermost first, `formers`
    what was there before them.
    `known` answers PLAIN for a text that needs nothing. `owners` are the installations
    that guard the connection; the last one decides. `passes_begin`: BEGIN needs no look
    (it does in statement mode, and where it takes settings along). `threshold` is the user's
    prepare_threshold while named prepared statements are kept off. `refused`: an end of a
    transaction was refused, so that a cursor WITH HOLD may be gone. `streamed`: rows were
    streamed, and no executemany() has come since. `succeeded`: how many statements of a text of
    several have, in the Query that was last sent with settings; `lead`: how many characters of
    ours stood before that text. `watch`: set where strict mode is to find what hidden code leaves
    in the session. `refused_options`: the settings that were taken out of its options, because
    they were refused with them. `dress` gives the connection its guarded class, or its own where
    there is nothing to do; `dressed` says which it has, `redressed` that it had its own in
    between. `source` is what its cursors are made from; `maker` the thread that makes one of
    another kind, `made` what there is of it.
    """

    __slots__ = (
        "blocks",
        "dress",
        "dressed",
        "formers",
        "guard",
        "holds_threshold",
        "known",
        "lead",
        "made",
        "maker",
        "met",
        "owners",
        "passes_begin",
        "redressed",
        "refused",
        "refused_options",
        "source",
        "streamed",
        "succeeded",
        "threshold",
        "watch",
    )

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.owners: list[Any] = []
        self.blocks: list[Carried] = []
        self.formers: dict[int, Former] = {}
        self.threshold: int | None = None
        self.holds_threshold = False
        self.refused = self.streamed = False
        self.succeeded = self.lead = 0
        self.refused_options: dict[str, str] = {}
        self.met = False
        self.passes_begin = False
        self.maker: int | None = None
        self.made: list[BaseCursor[Any, Any]] = []
        self.source = Source()
        self.watch: Watch | None = None
        self.known: Callable[[str], Reading | None] = _ask
        self.dressed = self.redressed = False
        self.dress: Callable[[bool], None] = _as_it_is

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
        if not (self.met and self.guard.policy.checks_residue) or self._leads_elsewhere:
            self.watch = None
        elif self.watch is None:
            from ..blame import Watch  # few look for residue

            self.watch = Watch(self.guard)
        if not self.guard.attends:
            self.known = _nothing_to_do
        elif not self.met or self.watch is not None:
            self.known = _ask
        elif self.guard.looks_outside:
            # Outside a block, every text takes them along.
            self.known = self._in_block
        else:
            # The name of a temporary relation that was left makes any text worth a look.
            self.known = self._unless_named if self.guard.books.kept else self.guard.known
        self.passes_begin = self._passes_begin
        self._dress()

    @property
    def _passes_begin(self) -> bool:
        guard = self.guard
        looks = guard.refuses_begin or guard.has_settings
        return bool(guard.attends and self.met and self.watch is None and not looks)

    def _dress(self) -> None:
        # Once is enough: to find the cursors that it made meanwhile costs a walk of the heap.
        needed = self.redressed or self.known is not _nothing_to_do or self.holds_threshold
        if needed is not self.dressed:
            self.dressed = self.redressed = needed
            self.dress(needed)

    def _in_block(self, text: str) -> Reading | None:
        return self._unless_named(text) if self.guard.books.in_block else None

    @property
    def _leads_elsewhere(self) -> bool:
        """Whether there is no session to ask: a console, or a real pooler before a test suite
        that has named one.
        """
        pooler, policy = self.guard.pooler, self.guard.policy
        if pooler is None:
            return False
        return is_console(pooler) or bool(policy.stand_in and pooler.shares_sessions)

    def _unless_named(self, text: str) -> Reading | None:
        return None if self.guard.is_wary_of(text) else self.guard.known(text)

    def keep_prepares_off(self, conn: BaseConnection[Any]) -> None:
        """No protocol-level prepared statement from now on; forget those made before.

        `prepare_threshold=None` wins even over `execute(prepare=True)`; the names are
        forgotten so that psycopg does not send DEALLOCATE ALL for them at ROLLBACK.
        """
        if self.holds_threshold:
            return
        manager = conn._prepared
        self.threshold, self.holds_threshold = manager.prepare_threshold, True
        manager.prepare_threshold = None
        manager._names.clear()
        manager._counts.clear()
        manager._to_flush.clear()

    def give_threshold_back(self, conn: BaseConnection[Any]) -> None:
        """The user's prepare_threshold is in force again."""
        if self.holds_threshold:
            conn._prepared.prepare_threshold = self.threshold
            self.holds_threshold = False


def _ask(text: str) -> Reading | None:
    """Before the pooler is known, or for the watch, every text takes the long way."""
    return None


def _nothing_to_do(text: str) -> Reading | None:
    """Where nothing is watched, every text is plain."""
    return PLAIN


def _as_it_is(needed: bool) -> None:
    """Where no connection is to change its class."""


def _retired() -> Seat:
    seat = Seat(Guard(Policy(mode=Mode.OFF), Reporter()))
    seat.settle()
    return seat


RETIRED = _retired()
"""The seat of a connection whose guard was taken off while another thread uses it."""
