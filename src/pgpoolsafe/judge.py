"""One text, tried on the books: what would outlive the transaction, and what to do about it.

Pure: reads no clock and no wire. The guard gives it the reading of a text, the books
and the state of the transaction; it gives back a draft of the books, the findings that
are due now, and the edits that make session-wide settings local.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .carrying import Carrying
from .effects import (
    Bound,
    Control,
    ControlVerb,
    Edit,
    Effect,
    EffectKind,
    Reading,
    Scope,
    Statement,
    Verb,
)
from .poolers.answers import Answer, Pooler, PoolMode
from .rules.allowing import allowed_now
from .rules.catalog import RULES, Level, Rule, rule_for
from .rules.findings import Finding, Location, caller, shorten
from .rules.policy import Policy
from .rules.subjects import setting_name, subject
from .session.books import SURVIVES_ROLLBACK, Books, Key
from .session.keys import first_of, is_true, key_of, param, text_of
from .sql.assignments import OF_LATER_TRANSACTIONS, TRANSACTION_ONLY
from .sql.drawing import draws_for_itself, may_draw
from .sql.edits import apply
from .sql.quick import called, first_word
from .sql.relations import relations

_SETTINGS = (EffectKind.SETTING, EffectKind.ROLE)
_LOCKS = (EffectKind.ADVISORY_LOCK,)
# Nothing undoes these, so a finding at the end of the transaction would come too late.
_AT_ONCE = (EffectKind.LIBRARY, EffectKind.OPAQUE_CODE, EffectKind.UNREADABLE)
# A RESET or UNLISTEN that is rolled back has not happened.
_UNDOABLE_RELEASES = (EffectKind.SETTING, EffectKind.ROLE, EffectKind.CHANNEL)
_COMMITS = (ControlVerb.COMMIT, ControlVerb.PREPARE_TRANSACTION)

Page = Books[Finding | None]
"""Books whose memos are the finding that is due if the entry outlives the transaction."""


@dataclass(eq=False, repr=False)  # as Carrying
class Trial:
    """One text on its way to the server.

    `failed`: its transaction is aborted already; `editable`: another text can be sent;
    `judges`: what it leaves behind is of interest; `carrying`: the settings that travel
    with it, where they do; `unsaid`: the values in the text that no message may show.
    """

    text: str
    reading: Reading
    params: Any
    draft: Page
    policy: Policy
    pooler: Pooler
    failed: bool = False
    editable: bool = True
    judges: bool = True
    carrying: Carrying | None = None
    unsaid: Sequence[str] = ()
    locate: Callable[[], Location | None] = caller
    findings: list[Finding] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    attempts: list[Key] = field(default_factory=list)
    unlocks: list[Finding] = field(default_factory=list)
    lasting: list[tuple[Key, Finding | None]] = field(default_factory=list)
    _allowed: frozenset[str] | None = None
    _location: list[Location | None] = field(default_factory=list)

    def run(self) -> Trial:
        """Try every statement in turn; a text outside a block ends its transaction itself."""
        statements = self.reading.statements
        if not statements:  # a plain text is read as one statement
            statements = (Statement(0, len(self.text), ""),)
        for number, statement in enumerate(statements, 1):
            self._statement(statement, is_last=number == len(statements))
        if not self.draft.in_block:
            self._end(committed=True)
        return self

    def ended_unseen(self) -> None:
        """The block on the books ended behind our back, on the raw libpq connection.

        Whether it was committed is not known, so what it held is taken to have leaked.
        """
        self._end(committed=True)

    def _statement(self, statement: Statement, *, is_last: bool) -> None:
        if statement.control:
            self._control(statement, statement.control)
            return
        if self.failed:  # the server refuses everything but the end of the transaction
            return
        if self.carrying is not None and not self.carrying.statement(statement):
            self._not_carried(statement)
        if not self.judges:
            self._note(statement)
            return
        in_transaction = self.draft.in_block or not is_last
        for effect in statement.effects:
            self._effect(effect, statement, in_transaction)
        if self.draft.kept:
            self._relations(statement)
        if self.reading.draws_sequence and self._draws(statement):
            self.draft.drawn = True

    def _draws(self, statement: Statement) -> bool:
        """Whether the statement may have drawn a value: all do that could, in doubt."""
        if len(self.reading.statements) < 2:
            return True
        return may_draw(self.text[statement.start : statement.end], statement.command)

    def _relations(self, statement: Statement) -> None:
        """The use of a temporary relation that an earlier transaction made."""
        names = self.draft.kept_relations
        for name in sorted(relations(self.text[statement.start : statement.end], names)):
            effect = Effect(EffectKind.TEMP_OBJECT, Verb.READ, (name,))
            if not self.draft.holds((effect.kind, (name,), False)):
                self._now(rule_for(effect), effect, statement)

    # transaction control

    def _control(self, statement: Statement, control: Control) -> None:
        verb = control.verb
        if verb is ControlVerb.BEGIN:
            self._begin(statement, control)
        elif verb in _COMMITS:
            self._end_by(statement, control, committed=not self.failed)
        elif verb is ControlVerb.ROLLBACK:
            self._end_by(statement, control, committed=False)
        else:
            self._within(statement, control)

    def _within(self, statement: Statement, control: Control) -> None:
        """Savepoints, and the end of prepared transactions."""
        if self.carrying is not None and not self.carrying.passes(control) and self.judges:
            self._not_carried(statement._replace(command=control.verb.value))
        self.draft.move(control)
        if control.verb is ControlVerb.ROLLBACK_TO:
            self.failed = False

    def _end_by(self, statement: Statement, control: Control, *, committed: bool) -> None:
        has_failed, inherits = self.failed, self.draft.inherits
        self._end(committed=committed, chain=control.chain)
        self.draft.inherits = control.chain and (inherits or not has_failed)
        if committed:  # be it the implicit transaction of a pipeline
            self.draft.settled = self.draft.settings
        if self.carrying is not None:
            anew = has_failed and not inherits
            self.carrying.ends(statement, chain=control.chain, anew=anew)

    def _begin(self, statement: Statement, control: Control) -> None:
        self.draft.number += not self.draft.in_block  # within one, it changes nothing
        self.draft.in_block = True
        if self.carrying is not None:
            self.carrying.begins(statement, control)
        if self.judges and self.pooler.mode is PoolMode.STATEMENT:
            rule = RULES["statement-mode-transaction"]
            level = Level.IGNORE if self._is_allowed(rule) else self.policy.level(rule)
            # A plain text is read as one statement, without a look at its command.
            command = statement.command or first_word(self.text).upper()
            self._due(self._finding(rule, None, statement._replace(command=command), level))

    def _end(self, *, committed: bool, chain: bool = False) -> None:
        for finding in self.draft.outlive(committed=committed):
            self._due(finding)
        self.draft.end(in_block=chain, committed=committed)
        self.failed = False

    # effects

    def _note(self, statement: Statement) -> None:
        """What a session of the client's own sets counts over a block around it."""
        if self.carrying is None:
            return
        for effect in statement.effects:
            if effect.kind is EffectKind.EVERYTHING and not effect.key:
                self.carrying.discards()
            elif effect.kind in _SETTINGS and not self._is_transactional(effect):
                name = first_of(key_of(effect, self.params))
                self.carrying.takes(effect, name, self.params, editable=False)

    def _effect(self, effect: Effect, statement: Statement, in_transaction: bool) -> None:
        if self._is_transactional(effect):
            self._local(effect, statement, in_transaction)
            return
        key = key_of(effect, self.params)
        resets = effect.verb is Verb.RELEASE and not self._is_allowed(RULES["session-set"])
        if resets and self.carrying is not None and self.editable:
            self.carrying.goes_back(effect, first_of(key), statement)
        is_safe = self.pooler.answer(effect.kind, first_of(key)).safe
        if is_safe and not self._is_ours(first_of(key), effect, statement):
            return
        if self._carries(effect, key):
            return
        if is_safe:
            self._note_kept(effect, key)
            return
        is_own = effect.kind in _SETTINGS and not self._is_touched(key)
        if is_own and self._rewrite(effect, statement, in_transaction):
            return
        if effect.verb is Verb.ACQUIRE:
            self._acquire(key, effect, statement)
        elif effect.verb is Verb.RELEASE:
            self._release(key, effect, statement)
        elif not self._is_readable(key, effect, statement):
            self._now(rule_for(effect), effect, statement)

    def _note_kept(self, effect: Effect, key: Key) -> None:
        """What the pooler keeps counts over a block around it, though it is not carried."""
        if self.carrying is not None and effect.kind in _SETTINGS:
            self.carrying.leaves(effect, first_of(key), self.params)

    def _local(self, effect: Effect, statement: Statement, in_transaction: bool) -> None:
        """What ends with the transaction anyway."""
        if effect.kind not in _SETTINGS:
            return
        if effect.function is None and not in_transaction:
            self._now(RULES["set-local-outside-transaction"], effect, statement)
        if self.carrying is not None and effect.verb is Verb.RELEASE:
            self.carrying.resets_locally(first_of(key_of(effect, self.params)))

    def _is_ours(self, name: str | None, effect: Effect, statement: Statement) -> bool:
        """Whether a setting that the pooler keeps for its client is carried all the same.

        SET SESSION CHARACTERISTICS of several modes, of which it may keep one, is edited whole.
        """
        put = self.carrying is not None and name in self.carrying.put_in_force
        is_one_of_several = effect.function is None and len(statement.effects) > 1
        return put or is_one_of_several or name in self.pooler.shown

    def _carries(self, effect: Effect, key: Key) -> bool:
        """Whether the setting is carried from now on, so that nothing outlives anything."""
        carrying, rule = self.carrying, rule_for(effect)
        if carrying is None or rule is None:
            return False
        if effect.kind is EffectKind.EVERYTHING and not effect.key:
            carrying.discards()
        if effect.kind not in _SETTINGS or self.policy.level(rule) is not Level.CARRY:
            return False
        if self._is_allowed(rule):
            return False
        taken = carrying.takes(effect, first_of(key), self.params, editable=self.editable)
        if taken and effect.verb is Verb.RELEASE:
            self.draft.release(key)  # what could not be carried before is undone as well
        return taken

    def _not_carried(self, statement: Statement) -> None:
        """A statement that has to do without the client's settings."""
        rule = RULES["settings-not-carried"]
        level = Level.IGNORE if self._is_allowed(rule) else self.policy.level(rule)
        if level is not Level.IGNORE:
            words = called(self.text[statement.start : statement.end])
            command = statement.command if statement.control else words or statement.command
            self._due(self._finding(rule, None, statement._replace(command=command), level))

    def _is_touched(self, key: Key) -> bool:
        """Whether the session's own value was changed: a local one would only hide that."""
        anything: Key = (key[0], (), False)
        return self.draft.holds(key) or self.draft.holds(anything) or key in self.draft.kept

    def _is_transactional(self, effect: Effect) -> bool:
        if effect.scope_param is not None and is_true(param(effect.scope_param, self.params)):
            return True
        if effect.kind is EffectKind.SETTING and effect.key and isinstance(effect.key[0], Bound):
            return text_of(effect.key[0], self.params).lower() in TRANSACTION_ONLY
        return effect.scope is Scope.TRANSACTION

    def _rewrite(self, effect: Effect, statement: Statement, in_transaction: bool) -> bool:
        """Make a session-wide setting local; whether that is done."""
        rule = rule_for(effect)
        if rule is None or effect.edits is None or not self.editable:
            return False
        level = self._level_of_rewriting(rule)
        if level is None or self._is_allowed(rule):
            return False
        # Outside a transaction a local form does nothing; of a set_config() that should be
        # carried that is the lesser evil.
        lasts = in_transaction or (self.draft.segment and level is not Level.REWRITE)
        if not lasts and (level is Level.REWRITE or not effect.function):
            return False
        # In this transaction a local form would do nothing; a bound name is known only here.
        if first_of(key_of(effect, self.params)) in OF_LATER_TRANSACTIONS:
            return False
        self.edits.extend(effect.edits)
        found = self._finding(rule, effect, statement, level)
        self._due(replace(found, sent=self._local_form(effect, statement)))
        return True

    def _level_of_rewriting(self, rule: Rule) -> Level | None:
        """How loudly it is told; None: it is not done.

        What should be carried and cannot be is made local all the same, for the sake of the
        other clients; but it is told, because this one will miss it.
        """
        level = self.policy.level(rule)
        if level is not Level.CARRY:
            return level if level is Level.REWRITE else None
        told = self.policy.fallback(rule)
        return told if told in (Level.OBSERVE, Level.WARN) else None

    def _acquire(self, key: Key, effect: Effect, statement: Statement) -> None:
        if effect.kind in _AT_ONCE or effect.lasting:
            self._now(rule_for(effect), effect, statement)
        else:
            found = self._judged(rule_for(effect), effect, statement)
            self.draft.acquire(key, found)
            if effect.by_attempt:
                self.attempts.append(key)
            if key[0] in SURVIVES_ROLLBACK and (effect.function or self._has_several):
                self.lasting.append((key, found))

    @property
    def _has_several(self) -> bool:
        return len(self.reading.statements) > 1

    @property
    def is_lone_lock(self) -> bool:
        """Whether the text takes one lock and does nothing else: if it fails, it has none."""
        effects = [effect for one in self.reading.statements for effect in one.effects]
        is_one = len(effects) == 1 and not self._has_several
        return is_one and effects[0].kind in _LOCKS and "from" not in self.text.lower()

    @property
    def question(self) -> Key | Finding | None:
        """What the server's one true or false decides, if the text has that one effect.

        The lock that it tries for, or what is to be said if there was nothing to unlock.
        """
        effects = [effect for one in self.reading.statements for effect in one.effects]
        asked: list[Key | Finding] = [*self.attempts, *self.unlocks]
        if not asked or len(effects) != 1:
            return None
        # What a function of the database returns need not be what the lock said.
        is_told = effects[0].by_attempt or not effects[0].via
        return asked[0] if is_told else None

    def _release(self, key: Key, effect: Effect, statement: Statement) -> None:
        if self.draft.release(key):
            if effect.kind is EffectKind.ADVISORY_LOCK and key[1]:
                self._unlock(effect, statement)
            return
        if key in self.draft.kept and effect.kind not in _SETTINGS:
            self.draft.forget(key)
            used = replace(effect, verb=Verb.READ)
            self._now(rule_for(used), used, statement)
            return
        found = self._judged(rule_for(effect), effect, statement)
        if effect.kind not in _UNDOABLE_RELEASES:
            self._due(found)
        elif found is not None:
            self.draft.undo(key, found)

    def _unlock(self, effect: Effect, statement: Statement) -> None:
        """Keep a finding ready for the case that the server finds nothing to unlock."""
        found = self._judged(RULES["unlock-not-held"], effect, statement)
        if found is not None:
            what = f"{subject(effect, statement)} found no such lock"
            self.unlocks.append(replace(found, what=what))

    def _is_readable(self, key: Key, effect: Effect, statement: Statement) -> bool:
        """Whether this very transaction made what the statement counts on."""
        if effect.kind is EffectKind.SEQUENCE:
            text = self.text[statement.start : statement.end]
            return self.draft.drawn or draws_for_itself(text, effect.function or "", first_of(key))
        if effect.kind is EffectKind.HELD_CURSOR:  # the others end with their transaction
            return key not in self.draft.kept
        return self.draft.holds(key)

    # findings

    def _now(self, rule: Rule | None, effect: Effect, statement: Statement) -> None:
        self._due(self._judged(rule, effect, statement))

    def _due(self, finding: Finding | None) -> None:
        if finding is not None and finding.level != Level.IGNORE.value:
            self.findings.append(finding)

    def _judged(self, rule: Rule | None, effect: Effect, statement: Statement) -> Finding | None:
        """The finding at the level of the policy; None where there is nothing to find."""
        if rule is None or self._is_allowed(rule):
            return None
        level = self.policy.fallback(rule)
        return None if level is Level.IGNORE else self._finding(rule, effect, statement, level)

    def _is_allowed(self, rule: Rule) -> bool:
        if self._allowed is None:
            comments = self.reading.allowed if self.policy.trust_comments else frozenset()
            self._allowed = allowed_now() | comments
        return rule.name in self._allowed or rule.under in self._allowed

    def _finding(
        self, rule: Rule, effect: Effect | None, statement: Statement, level: Level
    ) -> Finding:
        excerpt = self._shown(self.text[statement.start : statement.end])
        words = {"pooler": str(self.pooler), "statement": excerpt, "subject": statement.command}
        words["name"] = ", ".join(self.carrying.missing) if self.carrying is not None else ""
        answer = Answer.LEAKS
        if effect is not None:
            words["subject"] = self._shown(subject(effect, statement))
            words["name"] = setting_name(effect)
            words["local"] = self._local_form(effect, statement)
            answer = self.pooler.answer(effect.kind, effect.name)
        return Finding(
            rule=rule.name,
            what=_what(rule, effect).format(**words),
            statement=excerpt,
            why=rule.reason(answer).format(**words),
            fix=rule.fix.format(**words),
            pooler=self.pooler,
            level=level.value,
            location=self._locate(),
        )

    def _local_form(self, effect: Effect, statement: Statement) -> str:
        if effect.edits is None or effect.name in OF_LATER_TRANSACTIONS:
            known = effect.name not in ("", "?")
            return f"SET LOCAL {effect.name} TO …" if known else "SET LOCAL …"
        start, end = statement.start, statement.end
        moved = [Edit(e.start - start, e.end - start, e.replacement) for e in effect.edits]
        return self._shown(apply(self.text[start:end], moved))

    def _shown(self, text: str) -> str:
        """A text as messages have it: short, and without the values to be hidden."""
        for value in self.unsaid:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", text)
        return shorten(text)

    def _locate(self) -> Location | None:
        if not self._location:
            self._location.append(self.locate())
        return self._location[0]


def _what(rule: Rule, effect: Effect | None) -> str:
    is_read = effect is not None and effect.verb is Verb.READ
    return rule.what_read if is_read and rule.what_read else rule.what
