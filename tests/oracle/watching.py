"""Running statements one by one and holding the reader's effects against what they did."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pgpoolsafe.effects import ControlVerb, EffectKind, Statement, Verb
from pgpoolsafe.session.books import Books
from pgpoolsafe.sql.reader import read

from .claims import CANNOT_TELL, Claim, claims
from .snapshots import snapshot
from .states import Change, State, Thing, difference, is_set
from .wire import Outcome, Wire

K = EffectKind
_SEQUENCE, _LIBRARY = K.SEQUENCE.value, K.LIBRARY.value
_ENDS = (ControlVerb.COMMIT, ControlVerb.ROLLBACK, ControlVerb.PREPARE_TRANSACTION)
_ROLLBACK_TAG = "ROLLBACK"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A statement of which the reader says something else than the server.

    `verdict`: "missed" (an effect the reader does not know) or "false alarm".
    `at_end`: found at the end of the transaction, of which the statement is the last.
    `unsure`: the reader says of the statement that it cannot tell (opaque code).
    """

    where: str
    text: str
    verdict: str
    subject: str
    kind: str
    at_end: bool = False
    unsure: bool = False


@dataclass
class Tally:
    """How often what was said and what was seen agree, by kind of state."""

    seen: dict[str, int] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)

    def count(self, table: dict[str, int], kind: str) -> None:
        table[kind] = table.get(kind, 0) + 1


@dataclass
class Watcher:
    """One connection under watch. `where()` says which statement runs."""

    wire: Wire
    custom: set[str] = field(default_factory=set)
    libraries: bool = False
    where: Callable[[], str] = str
    found: list[Disagreement] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    statements: int = 0
    _books: Books[Claim] = field(default_factory=Books)
    _released: list[Claim] = field(default_factory=list)
    _started: State = field(default_factory=dict)
    _unsure: bool = False
    _stale: bool = False

    def __post_init__(self) -> None:
        self.renew()

    def _look(self) -> State | None:
        return snapshot(self.wire, self.custom)

    def renew(self) -> None:
        """Begin anew on a session that was cleaned."""
        self.before = self.first = self._look() or {}

    def know(self, names: Iterable[str]) -> None:
        """Custom settings to look at from now on."""
        new = set(names) - self.custom
        if new and not self.wire.in_block:
            self.custom |= new
            self.before = self._look() or self.before

    def run(self, text: str, copy_data: Callable[[], str] = str, *, look: bool = True) -> Outcome:
        """Send a text and judge it. `look=False`: nothing may be asked before the next."""
        was_in_block = self.wire.in_block
        was_failed = self.wire.failed
        outcome = self.wire.run(text, copy_data)
        self.statements += 1
        if not self.wire.alive:
            return outcome
        judged = _Judged(self, text, outcome)
        if not was_in_block:
            self._started, self._books, self._released = self.before, Books(), []
            self._unsure = False
        judged.enter(failed=was_failed)
        self._unsure = self._unsure or judged.unsure
        self._judge(judged, outcome, look, was_in_block)
        return outcome

    def _judge(self, judged: _Judged, outcome: Outcome, look: bool, was_in_block: bool) -> None:
        if self.wire.failed:
            return
        if self.wire.in_block and not look:
            self._stale = True
            return
        after = self._look()
        if after is None:
            self._stale = True
            return
        if self.wire.in_block and not self._stale and not judged.control:
            judged.within(self.before, after)
        elif not self.wire.in_block:
            self._end(judged, after, was_in_block, outcome)
        self._stale = False
        self.before = after

    def _end(
        self, judged: _Judged, after: State, was_in_block: bool, outcome: Outcome
    ) -> None:
        committed = outcome.error is None and outcome.tags[-1:] != (_ROLLBACK_TAG,)
        left = [*self._books.outlive(committed=committed), *self._released]
        judged.compare(self._started, after, left, at_end=was_in_block, succeeded=committed)

    @property
    def books(self) -> Books[Claim]:
        return self._books

    def release(self, claim: Claim) -> None:
        self._released.append(claim)

    def block_unsure(self) -> bool:
        return self._unsure


class _Judged:
    """One text that ran, with what the reader says about it."""

    def __init__(self, watcher: Watcher, text: str, outcome: Outcome) -> None:
        self.watcher = watcher
        self.text = text
        self.outcome = outcome
        self.reading = read(text)
        self.control = any(statement.control for statement in self.reading.statements)
        effects = [effect for one in self.reading.statements for effect in one.effects]
        self.unsure = any(effect.kind in CANNOT_TELL for effect in effects)
        self.claims = claims(effects)

    def enter(self, *, failed: bool) -> None:
        """Enter on the books what the text does, as the judge of the guard does."""
        for statement in self.reading.statements:
            if statement.control is not None:
                self._control(statement)
                failed = failed and statement.control.verb is not ControlVerb.ROLLBACK_TO
            elif not failed:
                self._effects(statement)

    def _control(self, statement: Statement) -> None:
        control, books = statement.control, self.watcher.books
        assert control is not None
        if self.outcome.error is not None:
            return
        if control.verb is ControlVerb.SAVEPOINT:
            books.savepoint(control.name or "")
        elif control.verb is ControlVerb.RELEASE:
            books.release_savepoint(control.name or "")
        elif control.verb is ControlVerb.ROLLBACK_TO:
            books.rollback_to(control.name or "")

    def _effects(self, statement: Statement) -> None:
        books = self.watcher.books
        for claim in claims(statement.effects):
            key = (EffectKind(claim.kind), claim.key, claim.shared)
            if claim.local:
                continue
            if claim.verb is Verb.ACQUIRE:
                books.acquire(key, claim)
            elif claim.kind in (K.SETTING.value, K.ROLE.value, K.CHANNEL.value):
                books.release(key)
                books.undo(key, claim)
            elif not books.release(key):
                self.watcher.release(claim)

    def within(self, before: State, after: State) -> None:
        """Judge a statement inside a block by what it did there and then."""
        changes = [c for c in difference(before, after) if not self._ends_with_it(c)]
        self._missed(changes, self.claims, at_end=False)
        if self.outcome.error is None:
            self._false_alarms(self.claims, after, changes, at_end=False)

    def _ends_with_it(self, change: Change) -> bool:
        """Locks look the same whether they end with the transaction or not."""
        return change.thing.kind == K.ADVISORY_LOCK.value and "xact" in self.text.lower()

    def compare(
        self, before: State, after: State, left: list[Claim], *, at_end: bool, succeeded: bool
    ) -> None:
        """Judge a transaction that is over by what it left."""
        changes = difference(before, after)
        self._missed(changes, left, at_end=at_end)
        if succeeded:
            self._false_alarms(left, after, changes, at_end=at_end)

    def _missed(self, changes: list[Change], said: list[Claim], *, at_end: bool) -> None:
        tally = self.watcher.tally
        for change in changes:
            if change.thing.kind == _LIBRARY:
                continue  # every first use of a function in C loads one
            tally.count(tally.seen, change.thing.kind)
            if change.thing.kind == _SEQUENCE:
                known = self.reading.draws_sequence or change.verb == "undone" or at_end
            else:
                known = any(claim.explains(change) for claim in said)
            if not known:
                self._disagree("missed", str(change), change.thing.kind, at_end)

    def _false_alarms(
        self, said: list[Claim], after: State, changes: list[Change], *, at_end: bool
    ) -> None:
        tally, first = self.watcher.tally, self.watcher.first
        for claim in _last(said):
            if claim.kind == _LIBRARY and not self.watcher.libraries:
                continue
            if claim.kind == K.CHANNEL.value and self.watcher.wire.in_block:
                continue  # LISTEN takes effect at COMMIT
            if claim.kind == K.ADVISORY_LOCK.value and claim.verb is Verb.RELEASE:
                continue  # taken twice, or by the transaction as well, it is still held
            tally.count(tally.said, claim.kind)
            if not claim.holds(after, first) and not any(map(claim.explains, changes)):
                self._disagree("false alarm", str(claim), claim.kind, at_end)

    def _disagree(self, verdict: str, subject: str, kind: str, at_end: bool) -> None:
        unsure = self.watcher.block_unsure() if at_end else self.unsure
        where = self.watcher.where()
        self.watcher.found.append(
            Disagreement(where, self.text, verdict, subject, kind, at_end, unsure)
        )


def _last(said: list[Claim]) -> list[Claim]:
    """Of several claims about the same thing only the last can be seen."""
    return list({(c.kind, c.key, c.shared): c for c in said}.values())


def held(state: State, first: State) -> list[Thing]:
    """What a session carries beyond what it carried at the start."""
    kinds = (_SEQUENCE, _LIBRARY)
    return sorted(t for t in state if t.kind not in kinds and is_set(t, state, first))
