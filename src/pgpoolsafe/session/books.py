"""What a client holds in the transaction at hand, and what survives its end.

PostgreSQL undoes settings, temporary objects, held cursors and LISTEN on ROLLBACK and
ROLLBACK TO; it does not undo advisory locks, PREPARE and DEALLOCATE, LOAD, nor what a
session function did. A closed cursor stays closed, too. Observed on PostgreSQL 15 and 18.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..effects import Control, ControlVerb, EffectKind
from .settings import NOTHING, Carried

M = TypeVar("M")

SURVIVES_ROLLBACK = frozenset(
    {
        EffectKind.ADVISORY_LOCK,
        EffectKind.PREPARED_STATEMENT,
        EffectKind.LIBRARY,
        EffectKind.SESSION_FUNCTION,
        EffectKind.OPAQUE_CODE,
    }
)

Key = tuple[EffectKind, tuple[str, ...], bool]
"""Kind, name (lock arguments, cursor, …) and whether a lock is shared."""

Mark = tuple[Carried, Carried, Any, bool, bool]

# What a later transaction of the client may come back to by its name.
REMEMBERED = frozenset(
    {EffectKind.TEMP_OBJECT, EffectKind.HELD_CURSOR, EffectKind.SETTING, EffectKind.ROLE}
)


class Holding:
    """Whether any client of the process may hold what its transaction has made.

    A test suite asks after each phase of each test, and hardly ever is there anything.
    """

    __slots__ = ("is_possible",)

    def __init__(self) -> None:
        self.is_possible = False


HOLDING = Holding()

# Before the name of what was undone rather than made; no name in PostgreSQL is empty.
_UNDONE = ""


@dataclass(slots=True)
class Books(Generic[M]):
    """The state one transaction has made so far; `memo` is whatever the caller notes.

    A book is a stack per key, since a session advisory lock taken twice must be
    released twice. `savepoints` keep what ROLLBACK TO brings back. `kept`: what earlier
    transactions of this client left behind, as far as it can be asked for by name.
    `settings`: what a session of the client's own would have them be now; `settled`: what
    they were when the transaction began, and are again if it is rolled back. `segment`:
    statements outside a block are one transaction up to the Sync of their pipeline.
    `inherits`: the transaction began by AND CHAIN as the one before it was, which the server
    itself comes back to when it fails. `number`: tells one transaction from the next.
    """

    in_block: bool = False
    drawn: bool = False
    undoable: dict[Key, tuple[M, ...]] = field(default_factory=dict)
    surviving: dict[Key, tuple[M, ...]] = field(default_factory=dict)
    savepoints: tuple[tuple[str, dict[Key, tuple[M, ...]], Carried], ...] = ()
    kept: frozenset[Key] = frozenset()
    settings: Carried = NOTHING
    settled: Carried = NOTHING
    segment: bool = False
    inherits: bool = False
    number: int = field(default=0, compare=False)

    @property
    def blank(self) -> bool:
        """Nothing is held and nothing is remembered."""
        held = self.undoable or self.surviving or self.savepoints or self.drawn
        return not held and self.settings is self.settled

    @property
    def holds_anything(self) -> bool:
        """Whether the running transaction has made something that is still there."""
        return bool(self.undoable or self.surviving)

    @property
    def kept_relations(self) -> frozenset[str]:
        """The names of the temporary relations that earlier transactions left."""
        return frozenset(key[1][0] for key in self.kept if key[0] is EffectKind.TEMP_OBJECT)

    def copy(self) -> Books[M]:
        """A draft to try a text on; savepoints are never changed in place."""
        return Books(
            self.in_block,
            self.drawn,
            dict(self.undoable),
            dict(self.surviving),
            self.savepoints,
            self.kept,
            self.settings,
            self.settled,
            self.segment,
            self.inherits,
            self.number,
        )

    def entered(self) -> Books[M]:
        """These books, which count from now on."""
        if self.undoable or self.surviving:
            HOLDING.is_possible = True
        return self

    def acquire(self, key: Key, memo: M) -> None:
        """Enter state that the running transaction made."""
        page = self._page(key[0])
        stacks = key[0] in SURVIVES_ROLLBACK
        page[key] = (*page.get(key, ()), memo) if stacks else (memo,)
        if key in self.kept:
            self.forget(key)

    def release(self, key: Key) -> bool:
        """Strike out what was made; an empty name strikes out the whole kind.

        Returns whether this transaction held it.
        """
        page = self._page(key[0])
        if not key[1]:
            return self._release_kind(page, key[0])
        stack = page.pop(key, None)
        if stack and len(stack) > 1:
            page[key] = stack[:-1]
        return bool(stack)

    def reset_all(self) -> None:
        """RESET ALL, outside a transaction or in one that will not be rolled back."""
        self.settings = self.settled = self.settings.drop_all()

    def undo(self, key: Key, memo: M) -> None:
        """Enter that the transaction undid what it had not made: RESET, UNLISTEN."""
        self.undoable[key[0], (_UNDONE, *key[1]), key[2]] = (memo,)

    def holds(self, key: Key) -> bool:
        """Whether this transaction made it."""
        return key in self._page(key[0])

    def _page(self, kind: EffectKind) -> dict[Key, tuple[M, ...]]:
        return self.surviving if kind in SURVIVES_ROLLBACK else self.undoable

    @staticmethod
    def _release_kind(page: dict[Key, tuple[M, ...]], kind: EffectKind) -> bool:
        keys = [key for key in page if key[0] is kind and key[1][:1] != (_UNDONE,)]
        for key in keys:
            del page[key]
        return bool(keys)

    def end_with_nothing(self) -> bool:
        """The transaction ends, and committed or not it leaves nothing; whether that is so.

        If not, nothing is noted.
        """
        if self.undoable or self.surviving or self.settings is not self.settled:
            return False
        self.in_block = self.drawn = self.inherits = False
        self.savepoints = ()
        return True

    def move(self, control: Control) -> None:
        """SAVEPOINT, RELEASE or ROLLBACK TO has succeeded; any other control changes nothing."""
        name = control.name or ""
        if control.verb is ControlVerb.SAVEPOINT:
            self.savepoint(name)
        elif control.verb is ControlVerb.RELEASE:
            self.release_savepoint(name)
        elif control.verb is ControlVerb.ROLLBACK_TO:
            self.rollback_to(name)

    def savepoint(self, name: str) -> None:
        """SAVEPOINT name."""
        self.savepoints = (*self.savepoints, (name, dict(self.undoable), self.settings))

    def release_savepoint(self, name: str) -> None:
        """RELEASE name: it and the later ones are gone, what they made stays."""
        at = self._find(name)
        if at is not None:
            self.savepoints = self.savepoints[:at]

    def rollback_to(self, name: str) -> None:
        """ROLLBACK TO name: undo to there; the savepoint itself stays."""
        at = self._find(name)
        if at is not None:
            self.undoable = {
                key: stack
                for key, stack in self.savepoints[at][1].items()
                if key[0] is not EffectKind.HELD_CURSOR or key in self.undoable
            }
            self.settings = self.savepoints[at][2]
            self.savepoints = self.savepoints[: at + 1]

    def _find(self, name: str) -> int | None:
        positions = [i for i, (known, *_) in enumerate(self.savepoints) if known == name]
        return positions[-1] if positions else None

    def outlive(self, *, committed: bool) -> list[M]:
        """The memos of what outlives the end of the transaction, oldest kind first."""
        pages = [self.surviving, self.undoable] if committed else [self.surviving]
        return [memo for page in pages for stack in page.values() for memo in stack]

    def forget(self, key: Key) -> None:
        """What an earlier transaction left is gone now."""
        self.kept -= {key}

    def mark(self) -> Mark:
        """What they say of settings, to go back to if what is queued now fails."""
        return self.settings, self.settled, self.savepoints, self.in_block, self.inherits

    def go_back(self, mark: Mark, *, synced: bool, ended: bool) -> None:
        """Something queued then has failed.

        `synced`: the Sync after it has come, which ends a transaction that is no block;
        `ended`: it was to end the block, which is over all the same.
        """
        self.settings, self.settled, self.savepoints, self.in_block, self.inherits = mark
        if ended or (synced and not self.in_block):
            self.end()

    def end(self, *, in_block: bool = False, committed: bool = False) -> None:
        """The transaction is over; `in_block`: AND CHAIN opened the next one.

        `committed`: what it made and did not undo is kept.
        """
        if committed and self.undoable:
            named = (key for key in self.undoable if key[1][:1] != (_UNDONE,))
            self.kept |= {key for key in named if key[0] in REMEMBERED}
        if not committed:
            self.settings = self.settled
        elif self.in_block or not self.segment:
            self.settled = self.settings
        self.in_block = in_block
        self.drawn = False
        self.inherits = False
        self.undoable = {}
        self.surviving = {}
        self.savepoints = ()
