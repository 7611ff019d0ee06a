"""The guard of one client connection: text in, plan out; told what came back.

It knows no driver and does no I/O. A driver asks `plan()` before it sends anything,
then says `done()` or `failed()`. All calls for one connection come one at a time (the
drivers hold their own lock), so a guard needs none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .carrying import Carrying
from .effects import PLAIN, ControlVerb, Edit, EffectKind, Reading, Statement, Verb
from .judge import Page, Trial
from .plan import Plan
from .poolers.answers import Pooler, PoolMode
from .poolers.products import pooler as known_pooler
from .rules.catalog import Level
from .rules.findings import Finding, Location, caller
from .rules.policy import Mode, Policy, Prepared
from .rules.reporting import Reporter
from .session.books import Books
from .session.settings import NOTHING, Carried
from .session.undoing import releases
from .sql.edits import apply
from .sql.manners import Manner, manner
from .sql.putting import lasting_statement
from .sql.reader import known, read

if TYPE_CHECKING:
    from .sql.routine_reader import RoutineReader  # most programs never audit

logger = logging.getLogger("pgpoolsafe")

_ENDS = (ControlVerb.COMMIT, ControlVerb.PREPARE_TRANSACTION, ControlVerb.ROLLBACK)

# lock_not_available, deadlock_detected
_LOCK_NOT_TAKEN = ("55P03", "40P01")

STAND_IN = known_pooler("pgbouncer", version=None, mode=PoolMode.TRANSACTION)
"""What strict mode judges by on a connection that no pooler shares."""


class Guard:
    """Decides for one client connection. `watching`: whether there is anything to decide.

    `pooler` is None until the driver has said what stands at the other end (`meet`).
    `block`: the settings of blocks on this connection; `around`: tells those of blocks on
    what it belongs to, as they are in the task at hand.
    `began`: what the connection was opened with that the pooler keeps for it, and RESET is
    to go back to. `routines` reads where the database's own functions are known (`audit=True`).
    """

    __slots__ = (
        "around",
        "began",
        "block",
        "books",
        "judged_as",
        "policy",
        "pooler",
        "reporter",
        "routines",
        "watching",
    )

    def __init__(self, policy: Policy, reporter: Reporter) -> None:
        self.policy = policy
        self.reporter = reporter
        self.books: Page = Books()
        self.pooler: Pooler | None = None
        self.judged_as = policy.stand_in or STAND_IN
        self.watching = policy.mode is not Mode.OFF
        self.routines: RoutineReader | None = None
        self.block = NOTHING
        self.began: Mapping[str, str] = {}
        self.around: Callable[[], Carried] | None = None

    def meet(self, pooler: Pooler) -> None:
        """Learn what the connection leads to; a direct connection is watched in strict only.

        A test suite's word for what production has counts for a proxy that says nothing, too.
        """
        self.pooler = pooler
        says = pooler.shares_sessions and not (pooler.product == "unknown" and self.policy.stand_in)
        self.judged_as = pooler if says else self.policy.stand_in or STAND_IN
        strict = self.policy.mode is Mode.STRICT
        needed = pooler.shares_sessions or bool(self.books.settled.given)
        self.watching = strict or (self.policy.mode is not Mode.OFF and needed)

    @property
    def carries(self) -> bool:
        """Whether the client's settings are emulated, be it only on the books (strict mode)."""
        takes = self.judged_as.begin_with_set.safe
        return self.watching and self.policy.carries and takes

    @property
    def carries_for_real(self) -> bool:
        """Whether there is a pooler that makes it necessary, and lets it be done."""
        pooler = self.pooler
        if not self.carries or pooler is None or not pooler.begin_with_set.safe:
            return False
        return pooler.shares_sessions or bool(self.books.settled.given)

    @property
    def frame(self) -> Carried:
        """The settings of the blocks around (`settings()`), the inner ones last."""
        if self.around is None:
            return self.block
        return self.block.over(self.around())

    @property
    def has_blocks(self) -> bool:
        """Whether there may be such a block around."""
        return self.around is not None or (self.block is not NOTHING and bool(self.block))

    @property
    def attends(self) -> bool:
        """Whether anything at all is to be done about statements."""
        return self.watching or self.policy.fuse_begin or self.has_blocks

    @property
    def looks_outside(self) -> bool:
        """Whether a statement outside a block takes something along."""
        return self.policy.fuse_begin or self.has_settings

    @property
    def refuses_begin(self) -> bool:
        """Whether the pooler ends a connection that opens a transaction block: statement mode."""
        return self.judged_as.mode is PoolMode.STATEMENT

    @property
    def has_settings(self) -> bool:
        """Whether there is anything to put in force, now or when the transaction ends."""
        books = self.books
        if books.settings is books.settled is NOTHING:
            return self.has_blocks or books.segment
        return bool(self.has_blocks or books.settings or books.settled or books.segment)

    @property
    def in_force(self) -> Carried:
        """What a transaction that begins now has to be given."""
        own = self.books.settings
        if self.carries_for_real:
            return own.over(self.frame) if self.has_blocks else own
        return self.frame.unless_set(own) if self.has_blocks else NOTHING

    def forget_noted(self) -> None:
        """No block is open, so what a session of the client's own has set need not be known."""
        if not self.carries:
            self.books.settings = self.books.settled = NOTHING

    def give(self, settings: Mapping[str, str]) -> None:
        """The settings of the start-up options that did not arrive: what RESET goes back to."""
        if settings and self.policy.carries:
            books = self.books
            books.settings = replace(books.settings, given=dict(settings))
            books.settled = replace(books.settled, given=dict(settings))

    @property
    def forbids_named_prepares(self) -> bool:
        """Whether the driver must not keep protocol-level prepared statements."""
        if self.policy.prepared is Prepared.OFF:
            return True
        changes = self.policy.mode in (Mode.WARN, Mode.STRICT)
        return changes and self.policy.prepared is Prepared.AUTO and self.loses_named_prepares

    @property
    def loses_named_prepares(self) -> bool:
        """Whether the pooler does not bring named prepared statements along.

        On a direct connection, whether the one that a test suite has named would not.
        """
        pooler = self.pooler
        if pooler and self.policy.stand_in and self.policy.prepared is Prepared.LEAVE:
            pooler = self.judged_as
        return bool(pooler and pooler.shares_sessions and not pooler.prepared)

    def is_wary_of(self, text: str) -> bool:
        """Whether a plain text may use a temporary relation of an earlier transaction."""
        if not self.books.kept:
            return False
        low = text.lower()
        return any(name.lower() in low for name in self.books.kept_relations)

    def counts_on_kept(self, reading: Reading) -> bool:
        """Whether the driver's own statement reads what an earlier transaction left."""
        effects = [effect for one in reading.statements for effect in one.effects]
        keys = {(e.kind, e.key, e.shared) for e in effects if e.verb is Verb.READ}
        return not keys.isdisjoint(self.books.kept)

    def drew(self, *, in_block: bool) -> None:
        """A plain text was sent that may have drawn a sequence value."""
        self.books.drawn = self.books.drawn or in_block

    def plan(
        self,
        text: str,
        reading: Reading,
        params: Any = None,
        *,
        in_block: bool,
        failed: bool = False,
        editable: bool = True,
        can_add: bool = True,
        can_ask: bool = True,
        can_follow: bool = False,
        takes_modes: bool = True,
        escapes: bool = False,
        batch: Sequence[Any] = (),
        segment: bool | None = None,
        unsaid: Sequence[str] = (),
        locate: Callable[[], Location | None] = caller,
    ) -> Plan:
        """Decide on a text before it is sent.

        `in_block`: it runs inside a transaction block (open, or opened for it); `failed`: that
        transaction is aborted; `editable`: the driver can send another text; `can_add`: it can
        send statements of ours along, `can_ask`: and read their results before the next text,
        `can_follow`: and hide those of what is written into it; `takes_modes`: they can come
        before the first query of the transaction; `escapes`: a backslash is one in its strings;
        `batch`: the parameters of all its executions, of which `params` are one; `segment`: the
        text shares an implicit transaction with others of its pipeline, and whether that has the
        settings already; `unsaid`: values that stand in the text, to be shown in no message.
        Raises SessionStateError in strict mode (or SessionStateWarning, where the user has
        made warnings errors); then nothing may be sent.
        """
        draft = self.books.copy()
        trial = Trial(text, reading, params, draft, self.policy, self.judged_as)
        trial.failed, trial.editable, trial.locate = failed, editable, locate
        trial.judges, trial.unsaid = self.watching, unsaid
        try:
            if draft.in_block and not in_block:
                trial.ended_unseen()
                self.books = Books(settings=draft.settled, settled=draft.settled)
            draft.in_block = in_block
            draft.segment = segment is not None
            carrying = trial.carrying = self._carrying(text, reading, draft)
            if carrying is not None:
                carrying.can_add, carrying.can_ask = can_add, can_ask
                carrying.can_follow, carrying.batch = can_follow, batch
                carrying.takes_modes, carrying.escapes = takes_modes, escapes
                carrying.in_force = in_block or bool(segment)
            trial.run()
            edits = [*trial.edits, *(carrying.insertions if carrying is not None else ())]
            edited = apply(text, edits) if edits else None
        except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
            self.own_failure()
            return Plan(None, reading, draft)
        self.reporter.report(trial.findings)
        asked, lasting = trial.question, tuple(trial.lasting)
        plan = Plan(edited, reading, draft, asked, lasting, trial.is_lone_lock, tuple(edits))
        return plan if carrying is None else self._with_settings(plan, carrying)

    def _with_settings(self, plan: Plan, carrying: Carrying) -> Plan:
        before = carrying.before
        # What a transaction begins with can come without BEGIN in a simple Query only.
        goes_as_query = self.refuses_begin and bool(before and before.modes)
        return plan._replace(
            before=before,
            after=carrying.after,
            ask=carrying.ask,
            as_query=carrying.way is Manner.QUERY or goes_as_query,
            hidden=tuple(carrying.hidden),
        )

    def plan_for_plain(self, text: str) -> Plan | None:
        """The plan for a plain text that is a transaction of its own and takes settings along.

        None: it needs a closer look.
        """
        way = manner(text)
        if self.is_wary_of(text) or way not in (Manner.PIPED, Manner.QUERY):
            return None
        settings = self.in_force
        if not settings or (settings.modes and self.refuses_begin):
            return None
        return Plan(None, PLAIN, self.books, before=settings, as_query=way is Manner.QUERY)

    def _carrying(self, text: str, reading: Reading, draft: Page) -> Carrying | None:
        frame = self.frame
        if not (self.carries or frame):
            return None
        carrying = Carrying(text, draft, len(reading.statements) < 2, frame)
        effects = (effect for one in reading.statements for effect in one.effects)
        carrying.is_readable = all(effect.kind is not EffectKind.UNREADABLE for effect in effects)
        carrying.only_books = not self.carries_for_real
        carrying.began = {} if carrying.only_books else self.began
        carrying.is_judged = self.watching
        return carrying

    def preview(self, text: str, reading: Reading, *, in_block: bool) -> tuple[Edit, ...]:
        """The edits that `plan` would make, whatever the parameters.

        For a driver that prepares a statement before it runs it. Nobody is told anything.
        """
        draft = self.books.copy()
        draft.in_block = in_block
        trial = Trial(text, reading, None, draft, self.policy, self.judged_as)
        carrying = trial.carrying = self._carrying(text, reading, draft)
        if carrying is not None:
            carrying.in_force = carrying.can_ask = in_block
        try:
            trial.run()
            return (*trial.edits, *(carrying.insertions if carrying is not None else ()))
        except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
            self.own_failure()
            return ()

    @property
    def known(self) -> Callable[[str], Reading | None]:
        """The reading of a text that was read before, or None: one dict look-up."""
        return known if self.routines is None else self.routines.known

    def read(self, text: str) -> Reading:
        """The reading of a text; a failure of ours breaks no statement in warn mode."""
        try:
            return read(text) if self.routines is None else self.routines.read(text)
        except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
            self.own_failure()
            return PLAIN

    def own_failure(self) -> None:
        """Called while our own error is handled: log it, and in strict mode raise it."""
        logger.exception("pgpoolsafe failed on a statement; it is a bug, please report it")
        if self.policy.mode is Mode.STRICT:
            raise

    def done(self, plan: Plan, *, in_block: bool | None = None) -> None:
        """The text succeeded. `in_block`: whether a block is open now; None: not known yet."""
        self.books = plan.draft.entered()
        if in_block is False and self.books.in_block:
            self.books.end()

    def told(self, plan: Plan, values: Sequence[str | None]) -> None:
        """The server's values for the settings that the plan asked for; to be said before done().

        None: there is no such setting (its set_config() was not reached).
        """
        draft = plan.draft
        for name, value in zip(plan.ask, values, strict=True):
            put = draft.settings.drop(name) if value is None else draft.settings.put(name, value)
            draft.settings = put
        if not draft.in_block:
            draft.settled = draft.settings

    def synced(self) -> None:
        """A Sync was queued: the implicit transaction of a pipeline ends there."""
        books = self.books
        books.segment = False
        if not books.in_block:
            books.settled = books.settings

    def answered_false(self, plan: Plan) -> None:
        """The plan's question was answered: no lock was got, or there was none to release."""
        if isinstance(plan.question, Finding):
            self.reporter.report([plan.question])
        elif plan.question is not None:
            self.books.release(plan.question)

    def internal(self, reading: Reading) -> None:
        """The driver itself sent this; what it releases is released, and nobody is told."""
        for effect in (effect for one in reading.statements for effect in one.effects):
            if effect.verb is Verb.RELEASE:
                key = tuple(part for part in effect.key if isinstance(part, str))
                self.books.release((effect.kind, key, effect.shared))
                if effect.kind is EffectKind.SETTING and not key:
                    self.books.reset_all()

    def after_reset_all(self, reading: Reading) -> str:
        """What is to follow the driver's own RESET ALL, so that it goes back to the beginning."""
        effects = [effect for one in reading.statements for effect in one.effects]
        resets = any(e.kind is EffectKind.SETTING and not e.key for e in effects)
        if not (resets and self.began and self.carries_for_real):
            return ""
        return "".join(f"{lasting_statement(*one)};" for one in self.began.items())

    def failed(self, plan: Plan, *, in_block: bool, sqlstate: str | None = None) -> None:
        """The text failed. What it had done that ROLLBACK does not undo may stay.

        A lock does not, where the failure was to get it (`sqlstate`: timeout, deadlock).
        """
        lasting = () if plan.is_lone_lock and sqlstate in _LOCK_NOT_TAKEN else plan.lasting
        if in_block:
            for key, memo in lasting:
                self.books.acquire(key, memo)
            return
        self.books.end()
        # In autocommit it was told before it was sent, unless the text was to undo it too.
        if len(plan.reading.statements) > 1:
            for _, memo in lasting:
                if memo is not None:  # in the log: the user's own error is on its way
                    logger.warning("%s; its text failed", memo.line)

    def stopped(
        self, text: str, done: Reading, params: Any, *, escapes: bool, begun: bool, in_block: bool
    ) -> None:
        """A text of several statements failed after those of `done`, its first ones.

        What they have committed stays, and so do their savepoints in the block that is open. To be
        said before `failed`; `begun`: the text began inside a block; `escapes`: as for `plan`.
        """
        if not in_block:  # what came after the last end is undone
            ends = [at for at, one in enumerate(done.statements, 1) if _is_end(one)]
            done = done._replace(statements=done.statements[: ends[-1] if ends else 0])
        if not done.statements:
            return
        draft = self.books.copy()
        draft.in_block = begun
        trial = Trial(text, done, params, draft, self.policy, self.judged_as)
        carrying = trial.carrying = self._carrying(text, done, draft)
        if carrying is not None:
            carrying.in_force, carrying.is_single, carrying.escapes = begun, False, escapes
        try:
            trial.run()
            draft.surviving = self.books.surviving  # which `failed` adds to
            self.books = draft
        except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
            self.own_failure()

    def would_outlive(self) -> list[Finding]:
        """What would be found if the open transaction were committed now; changes nothing."""
        memos = self.books.outlive(committed=True)
        return [memo for memo in memos if memo is not None and memo.level != Level.IGNORE.value]

    def undo_text(self) -> str:
        """What ends the transaction and releases what ROLLBACK would leave behind.

        One text for one message: behind a pooler, what comes after the ROLLBACK in a
        message of its own would reach another server connection.
        """
        return "; ".join(["ROLLBACK", *releases(self.books)])


def ends_transaction(reading: Reading) -> bool:
    """Whether a text is one statement that ends the transaction."""
    return len(reading.statements) == 1 and _is_end(reading.statements[0])


def _is_end(statement: Statement) -> bool:
    return statement.control is not None and statement.control.verb in _ENDS


def is_rollback(reading: Reading) -> bool:
    """Whether a text is one ROLLBACK."""
    control = reading.statements[0].control if len(reading.statements) == 1 else None
    return control is not None and control.verb is ControlVerb.ROLLBACK
