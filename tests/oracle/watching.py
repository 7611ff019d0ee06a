"""Running statements one by one and holding the reader's effects against what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pgpoolsafe.effects import ControlVerb, EffectKind, Reading, Statement, Verb
from pgpoolsafe.session.books import Books
from pgpoolsafe.sql.reader import read

from .claims import CANNOT_TELL, SETTINGS, Claim, claims
from .snapshots import snapshot
from .states import Change, State, Thing, difference, is_set
from .wire import Outcome, Wire

K = EffectKind
_SEQUENCE, _LIBRARY, _LOCK = K.SEQUENCE.value, K.LIBRARY.value, K.ADVISORY_LOCK.value
_ENDS = (ControlVerb.COMMIT, ControlVerb.ROLLBACK, ControlVerb.PREPARE_TRANSACTION)
_UNDOABLE = (*SETTINGS, K.CHANNEL.value, K.TEMP_OBJECT.value)


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
    """How much was seen and how much was said, by kind of state."""

    statements: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.statements += other.statements
        self.seen.update(other.seen)
        self.said.update(other.said)


@dataclass
class Watcher:
    """One connection under watch. `where()` says which statement runs.

    `libraries`: the snapshots show loaded modules. `custom`: settings to ask for by name.
    """

    wire: Wire
    custom: set[str] = field(default_factory=set)
    libraries: bool = False
    where: Callable[[], str] = str
    found: list[Disagreement] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    before: State = field(default_factory=dict)
    first: State = field(default_factory=dict)
    _transaction: _Transaction = field(default_factory=lambda: _Transaction({}))
    _stale: bool = False

    def __post_init__(self) -> None:
        self.renew()

    def _look(self) -> State | None:
        return snapshot(self.wire, self.custom)

    def look(self) -> State:
        """The state of the session, which can be asked now."""
        return self._look() or {}

    def renew(self) -> None:
        """Begin anew on a session that is as it should be at the start."""
        self.before = self.first = self._look() or {}

    def know(self, names: Iterable[str]) -> None:
        """Custom settings to look at from now on."""
        self.custom |= set(names)
        self.renew()

    def run(self, text: str, copy_data: Callable[[], str] = str, *, look: bool = True) -> Outcome:
        """Send a text and judge it. `look=False`: nothing may be asked before the next."""
        was_failed = self.wire.failed
        if not self.wire.in_block:
            self._transaction = _Transaction(self.before)
        outcome = self.wire.run(text, copy_data)
        self.tally.statements += 1
        if self.wire.alive:
            ran = Ran(text, read(text), outcome)
            self._transaction.enter(ran, failed=was_failed)
            self._judge(ran, look)
        return outcome

    def _judge(self, ran: Ran, look: bool) -> None:
        """Compare, unless nothing may be asked now: then the next comparison covers this."""
        can_look = not self.wire.failed and (look or not self.wire.in_block)
        after = self._look() if can_look else None
        if after is None:
            self._stale = True
            return
        if not self.wire.in_block:
            self._at_end(ran, after)
        elif not self._stale and not ran.controls:
            self._within(ran, after)
        self._stale = False
        self.before = after

    def _within(self, ran: Ran, after: State) -> None:
        """Inside a block: what the statement did there and then."""
        changes = [c for c in difference(self.before, after) if not _may_be_local(c, ran)]
        self._missed(changes, ran.claims, ran, unsure=ran.unsure)
        now = [claim for claim in ran.claims if not _takes_effect_at_commit(claim, ran)]
        self._false_alarms(now, after, changes, ran)

    def _at_end(self, ran: Ran, after: State) -> None:
        """Out of any block: what the whole transaction left."""
        transaction = self._transaction
        left = transaction.finish(committed=ran.outcome.error is None)
        at_end = transaction.texts > 1
        changes = difference(transaction.started, after)
        self._missed(changes, left, ran, unsure=transaction.unsure, at_end=at_end)
        self._false_alarms(left, after, changes, ran, at_end=at_end)

    def _missed(
        self,
        changes: list[Change],
        said: list[Claim],
        ran: Ran,
        *,
        unsure: bool,
        at_end: bool = False,
    ) -> None:
        for change in changes:
            kind = change.thing.kind
            if kind == _LIBRARY:
                continue  # every first use of a function in C loads one
            self.tally.seen[kind] += 1
            if kind == _SEQUENCE:
                known = ran.reading.draws_sequence or change.verb == "undone" or at_end
            else:
                known = any(claim.explains(change) for claim in said)
            if not known:
                self._disagree("missed", str(change), kind, ran, at_end, unsure)

    def _false_alarms(
        self,
        said: list[Claim],
        after: State,
        changes: list[Change],
        ran: Ran,
        *,
        at_end: bool = False,
    ) -> None:
        for claim in _last(said):
            if not claim.certain or (claim.kind == _LIBRARY and not self.libraries):
                continue
            if claim.kind == _LOCK and claim.verb is Verb.RELEASE:
                continue  # taken twice, or by the transaction as well, it is still held
            self.tally.said[claim.kind] += 1
            if not claim.holds(after, self.first) and not any(map(claim.explains, changes)):
                self._disagree("false alarm", str(claim), claim.kind, ran, at_end, ran.unsure)

    def _disagree(
        self, verdict: str, subject: str, kind: str, ran: Ran, at_end: bool, unsure: bool
    ) -> None:
        self.found.append(
            Disagreement(self.where(), ran.text, verdict, subject, kind, at_end, unsure)
        )


@dataclass
class Ran:
    """One text that was sent, what came back, and what the reader says about it."""

    text: str
    reading: Reading
    outcome: Outcome

    @property
    def controls(self) -> bool:
        """Whether it holds transaction control."""
        return any(statement.control for statement in self.reading.statements)

    @property
    def unsure(self) -> bool:
        """Whether the reader says that it cannot tell."""
        return any(
            effect.kind in CANNOT_TELL
            for statement in self.reading.statements
            for effect in statement.effects
        )

    @property
    def claims(self) -> list[Claim]:
        """What the reader says of the statements that ran."""
        return [claim for number, _ in self.ran() for claim in self.of(number)]

    def ran(self) -> list[tuple[int, Statement]]:
        """The statements that ran, and the one that failed, by number."""
        return list(enumerate(self.reading.statements))[: len(self.outcome.tags) + 1]

    def of(self, number: int) -> list[Claim]:
        """The claims of one statement; of one that failed each is only possible."""
        done = number < len(self.outcome.tags)
        said = claims(self.reading.statements[number].effects)
        return said if done else [replace(claim, certain=False) for claim in said]

    def tag(self, number: int) -> str:
        """The command tag of a statement; "" if it failed."""
        tags = self.outcome.tags
        return tags[number] if number < len(tags) else ""


@dataclass
class _Transaction:
    """What a transaction has made so far, on the same books as the guard's."""

    started: State
    texts: int = 0
    unsure: bool = False
    left: list[Claim] = field(default_factory=list)
    books: Books[Claim] = field(default_factory=Books)

    def enter(self, ran: Ran, *, failed: bool) -> None:
        self.texts += 1
        self.unsure = self.unsure or ran.unsure
        for number, statement in ran.ran():
            if statement.control is not None:
                self._control(statement, ran.tag(number))
                failed = False
            elif not failed:
                for claim in ran.of(number):
                    self._effect(claim)

    def _control(self, statement: Statement, tag: str) -> None:
        control, books = statement.control, self.books
        assert control is not None
        name = control.name or ""
        if not tag:
            return
        if control.verb in _ENDS:
            self.left += books.outlive(committed=tag != "ROLLBACK")
            books.end()
        elif control.verb is ControlVerb.SAVEPOINT:
            books.savepoint(name)
        elif control.verb is ControlVerb.RELEASE:
            books.release_savepoint(name)
        elif control.verb is ControlVerb.ROLLBACK_TO:
            books.rollback_to(name)

    def _effect(self, claim: Claim) -> None:
        key = (EffectKind(claim.kind), claim.key, claim.shared)
        if claim.local:
            return
        if claim.verb is Verb.ACQUIRE:
            self.books.acquire(key, claim)
        elif claim.kind in _UNDOABLE:
            self.books.release(key)
            self.books.undo(key, claim)
        elif not self.books.release(key):
            self.left.append(claim)

    def finish(self, *, committed: bool) -> list[Claim]:
        """What outlives the transaction."""
        return [*self.left, *self.books.outlive(committed=committed)]


def _may_be_local(change: Change, ran: Ran) -> bool:
    """Locks look the same whether they end with the transaction or not."""
    return change.thing.kind == _LOCK and "xact" in ran.text.lower()


def _takes_effect_at_commit(claim: Claim, ran: Ran) -> bool:
    """LISTEN and UNLISTEN; what the query of a cursor does that nobody has read from yet."""
    commands = {statement.command for statement in ran.reading.statements}
    query = "DECLARE" in commands and claim.kind != K.HELD_CURSOR.value
    return claim.kind == K.CHANNEL.value or query


def _last(said: list[Claim]) -> list[Claim]:
    """Of several claims about the same thing only the last can be seen."""
    last: dict[tuple[str, tuple[str, ...], bool], Claim] = {}
    for claim in said:
        if claim.verb is Verb.RELEASE and not claim.key:
            last = {key: one for key, one in last.items() if one.kind != claim.kind}
        last[claim.kind, claim.key, claim.shared] = claim
    return list(last.values())


def held(state: State, first: State) -> list[Thing]:
    """What a session carries beyond what it carried at the start."""
    kinds = (_SEQUENCE, _LIBRARY)
    return sorted(t for t in state if t.kind not in kinds and is_set(t, state, first))
