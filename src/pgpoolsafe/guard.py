"""The guard of one client connection: text in, plan out; told what came back.

It knows no driver and does no I/O. A driver asks `plan()` before it sends anything,
then says `done()` or `failed()`. All calls for one connection come one at a time (the
drivers hold their own lock), so a guard needs none.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from .effects import PLAIN, ControlVerb, EffectKind, Reading, Verb
from .judge import Page, Trial, temporary_relations
from .plan import Plan
from .poolers.answers import Pooler, PoolMode
from .poolers.products import pooler as known_pooler
from .rules.findings import Finding, Location, caller
from .rules.policy import Mode, Policy, Prepared
from .rules.reporting import Reporter
from .session.books import Books, Key
from .sql.edits import apply
from .sql.reader import known, read
from .sql.routine_reader import RoutineReader

logger = logging.getLogger("pgpoolsafe")

_ENDS = (ControlVerb.COMMIT, ControlVerb.PREPARE_TRANSACTION, ControlVerb.ROLLBACK)

_UNDONE_BY = {
    "replication origin": "SELECT pg_catalog.pg_replication_origin_session_reset()",
    "set_user": "SELECT reset_user()",
    "hypopg": "SELECT hypopg_reset()",
}
"""What takes back the session state of which there is one in a session (its key)."""

_UNLOCK_ALL = "SELECT pg_catalog.pg_advisory_unlock_all()"
_INTEGER = re.compile(r"-?[0-9]+")

# lock_not_available, deadlock_detected
_LOCK_NOT_TAKEN = ("55P03", "40P01")

STAND_IN = known_pooler("pgbouncer", version=None, mode=PoolMode.TRANSACTION)
"""What strict mode judges by on a connection that no pooler shares."""


class Guard:
    """Decides for one client connection. `watching`: whether there is anything to decide.

    `pooler` is None until the driver has said what stands at the other end (`meet`).
    `routines` reads where the database's own functions are known (`audit=True`).
    """

    __slots__ = ("books", "judged_as", "policy", "pooler", "reporter", "routines", "watching")

    def __init__(self, policy: Policy, reporter: Reporter) -> None:
        self.policy = policy
        self.reporter = reporter
        self.books: Page = Books()
        self.pooler: Pooler | None = None
        self.judged_as = STAND_IN
        self.watching = policy.mode is not Mode.OFF
        self.routines: RoutineReader | None = None

    def meet(self, pooler: Pooler) -> None:
        """Learn what the connection leads to; a direct connection is watched in strict only."""
        self.pooler = pooler
        self.judged_as = pooler if pooler.shares_sessions else STAND_IN
        strict = self.policy.mode is Mode.STRICT
        self.watching = strict or (self.policy.mode is not Mode.OFF and pooler.shares_sessions)

    @property
    def forbids_named_prepares(self) -> bool:
        """Whether the driver must not keep protocol-level prepared statements."""
        if self.policy.prepared is Prepared.OFF:
            return True
        changes = self.policy.mode in (Mode.WARN, Mode.STRICT)
        return changes and self.policy.prepared is Prepared.AUTO and self.loses_named_prepares

    @property
    def loses_named_prepares(self) -> bool:
        """Whether the pooler does not bring named prepared statements along."""
        return bool(self.pooler and self.pooler.shares_sessions and not self.pooler.prepared)

    def is_wary_of(self, text: str) -> bool:
        """Whether a plain text may use a temporary relation of an earlier transaction."""
        if not self.books.kept:
            return False
        low = text.lower()
        return any(name.lower() in low for name in temporary_relations(self.books))

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
        locate: Callable[[], Location | None] = caller,
    ) -> Plan:
        """Decide on a text before it is sent.

        `in_block`: it runs inside a transaction block (open, or opened for it);
        `failed`: that transaction is aborted; `editable`: the driver can send another
        text. Raises SessionStateError in strict mode
        (or SessionStateWarning, where the user has made warnings errors); then nothing
        may be sent.
        """
        draft = self.books.copy()
        trial = Trial(text, reading, params, draft, self.policy, self.judged_as)
        trial.failed, trial.editable, trial.locate = failed, editable, locate
        try:
            if draft.in_block and not in_block:
                trial.ended_unseen()
                self.books = Books()
            draft.in_block = in_block
            trial.run()
            edited = apply(text, trial.edits) if trial.edits else None
        except Exception:  # noqa: BLE001  # logged, and raised again in strict mode
            self.own_failure()
            return Plan(None, reading, draft)
        self.reporter.report(trial.findings)
        return Plan(
            edited, reading, draft, trial.question, tuple(trial.lasting), trial.is_lone_lock
        )

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
        self.books = plan.draft
        if in_block is False and self.books.in_block:
            self.books.end()

    def answered_false(self, plan: Plan) -> None:
        """The plan's question was answered: no lock was got, or there was none to release."""
        if isinstance(plan.question, Finding):
            self.reporter.report([plan.question])
        elif plan.question is not None:
            self.books.release(plan.question)

    def internal(self, reading: Reading) -> None:
        """The driver itself sent this; what it releases is released, and nobody is told."""
        for statement in reading.statements:
            for effect in statement.effects:
                if effect.verb is Verb.RELEASE:
                    key = tuple(part for part in effect.key if isinstance(part, str))
                    self.books.release((effect.kind, key, effect.shared))

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

    def undo_text(self) -> str:
        """What ends the transaction and releases what ROLLBACK would leave behind.

        One text for one message: behind a pooler, what comes after the ROLLBACK in a
        message of its own would reach another server connection.
        """
        return "; ".join(["ROLLBACK", *self._releases()])

    def _releases(self) -> list[str]:
        """What releases what is held and not allowed: locks first, for they never fail."""
        texts: list[str] = []
        for key, memos in sorted(self.books.surviving.items(), key=_locks_first):
            texts += [text for memo in memos if memo is not None for text in _release(key)]
        return list(dict.fromkeys(texts)) if _UNLOCK_ALL in texts else texts


def _locks_first(item: tuple[Key, object]) -> bool:
    return item[0][0] is not EffectKind.ADVISORY_LOCK


def _release(key: Key) -> list[str]:
    kind, name, shared = key
    if kind is EffectKind.ADVISORY_LOCK:
        return [_unlock(name, "_shared" if shared else "")]
    if kind is EffectKind.PREPARED_STATEMENT and name:
        return [f'DEALLOCATE "{name[0].replace(chr(34), chr(34) * 2)}"']
    if kind is EffectKind.SESSION_FUNCTION and name[:1] and name[0] in _UNDONE_BY:
        return [_UNDONE_BY[name[0]]]
    return []


def _unlock(key: tuple[str, ...], shared: str) -> str:
    """The very lock; where its key is an expression, all there are on the connection."""
    if key and all(_INTEGER.fullmatch(part) for part in key):
        return f"SELECT pg_catalog.pg_advisory_unlock{shared}({', '.join(key)})"
    return _UNLOCK_ALL


def ends_transaction(reading: Reading) -> bool:
    """Whether a text is one statement that ends the transaction."""
    if len(reading.statements) != 1:
        return False
    control = reading.statements[0].control
    return control is not None and control.verb in _ENDS


def is_rollback(reading: Reading) -> bool:
    """Whether a text is one ROLLBACK."""
    control = reading.statements[0].control if len(reading.statements) == 1 else None
    return control is not None and control.verb is ControlVerb.ROLLBACK
