"""Who left it: what a session carries after a transaction, and the statements that were sent.

Knows no driver and does no I/O. A driver notes what it sends, looks at the session when a
transaction is over, and hands the snapshot in. Only then can it be told: while a transaction
is open, a SET LOCAL looks like a SET, a lock for the transaction like one for the session, and
a temporary table with ON COMMIT DROP like any other (pg_settings, pg_locks, pg_class).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .effects import Effect, EffectKind, Statement, Verb
from .guard import Guard
from .poolers.answers import Answer
from .rules.allowing import allowed_now
from .rules.catalog import RULES, Level, Rule, rule_for
from .rules.findings import Finding, Location, shorten
from .rules.policy import ResidueCheck
from .rules.subjects import setting_name, subject
from .sent import Sent
from .session.residue import Found, Snapshot, Thing, left

K = EffectKind

RULE = "residue"

_MOST_SHOWN = 5

# What is remembered of one transaction is bounded.
_MOST_SUSPECTS = 1000
_MOST_VALUES = 10_000
_LONGEST_VALUE = 200


class Watch:
    """Watches one session from transaction to transaction.

    `before`: what it carried when the last transaction was over; None: not known yet.
    `inside`: a statement is under way, so that what the driver sends for it is its own;
    `thread`: where the last one was.
    """

    def __init__(self, guard: Guard) -> None:
        self.policy = guard.policy
        self.judged_as = guard.judged_as
        self.reporter = guard.reporter
        self.before: Snapshot | None = None
        self.inside = False
        self.thread: int | None = None
        self._sent: dict[tuple[str, Location | None], Sent] = {}
        self._values: set[str] = set()
        self._hides_names = False
        self._recent: list[Sent] = []
        self._first_seen: dict[Thing, tuple[str, tuple[Sent, ...]]] = {}

    @property
    def pending(self) -> bool:
        """Whether something was sent that may have changed what the session carries."""
        return any(note.suspect or note.touches for note in self._sent.values())

    @property
    def wants_each(self) -> bool:
        """Whether to look after each statement of an open transaction as well."""
        return any(note.suspect for note in self._recent)

    @property
    def found(self) -> Found:
        """To be handed to the next question."""
        return self.before.found if self.before is not None else Found()

    def note(self, note: Sent, params: Any) -> None:
        """A statement is about to be sent; its parameters appear in no message."""
        if len(self._sent) < _MOST_SUSPECTS or note.touches or note.allowed:
            self._sent[note.text, note.location] = note
        self._remember(params)
        if self.policy.residue is ResidueCheck.STATEMENT:
            self._recent.append(note)

    def _remember(self, params: Any) -> None:
        if self._hides_names:
            return
        for value in _values(params):
            self._values.add(value)
            if len(self._values) > _MOST_VALUES:
                self._hides_names = True  # any name may be one of them
                self._values.clear()
                return

    def begin(self, now: Snapshot) -> list[Finding]:
        """What the session carries to begin with; nobody is blamed for it."""
        self.forget()
        self.before = now
        return []

    def forget(self) -> None:
        """What is known is out of date: begin anew."""
        self.before = None
        self.rest()

    def during(self, now: Snapshot) -> list[Finding]:
        """What an open transaction carries: whatever is new, the last statement made. What
        will be left of it shows when the transaction is over.
        """
        makers = tuple(note for note in self._recent if note.suspect)
        seen = self._first_seen
        self._first_seen = {
            thing: seen[thing] if thing in seen and seen[thing][0] == value else (value, makers)
            for thing in left(now, self.before).things
            for value in (now.things[thing],)
        }
        self._recent = []
        return []

    def after(self, now: Snapshot) -> list[Finding]:
        """The transaction is over: a finding for each thing that no text has shown."""
        found = [
            self._finding(thing, self._makers(thing))
            for thing in left(now, self.before).things
            if not self._is_fine(thing)
        ]
        self.rest()
        self.before = now
        return found

    def rest(self) -> None:
        """The transaction is over, and nothing in it is worth a look."""
        self._sent.clear()
        self._values.clear()
        self._hides_names = False
        self._recent = []
        self._first_seen = {}

    def _makers(self, thing: Thing) -> tuple[Sent, ...]:
        if thing in self._first_seen:
            return self._first_seen[thing][1]
        return tuple(note for note in self._sent.values() if note.suspect)

    # what is no finding

    def _is_fine(self, thing: Thing) -> bool:
        if thing.by_protocol:  # the driver's, and the rule named-prepare's business
            return True
        if self.judged_as.answer(thing.kind, thing.name).safe:
            return True
        return self._is_shown(thing) or self._is_allowed(thing)

    def _is_shown(self, thing: Thing) -> bool:
        names = {(thing.kind, thing.name), (thing.kind, "")}
        return any(names & note.shown for note in self._sent.values())

    def _is_allowed(self, thing: Thing) -> bool:
        rule = _rule_of(thing)
        names = {RULE, rule.name}
        if Level.IGNORE in (self.policy.level(RULES[RULE]), self.policy.level(rule)):
            return True
        return bool(names & allowed_now()) or any(
            names & note.allowed for note in self._sent.values()
        )

    # the finding

    def _finding(self, thing: Thing, makers: tuple[Sent, ...]) -> Finding:
        rule = RULES[RULE]
        words = {"pooler": str(self.judged_as), "subject": self._subject(thing)}
        words["remedy"] = _remedy(thing, self._effect(thing))
        return Finding(
            rule=rule.name,
            what=rule.what.format(**words),
            statement=_listed(makers),
            why=rule.reason(Answer.LEAKS).format(**words),
            fix=rule.fix.format(**words),
            pooler=self.judged_as,
            level=self.policy.level(rule).value,
            location=makers[0].location if len(makers) == 1 else None,
        )

    def _subject(self, thing: Thing) -> str:
        effect = self._effect(thing)
        if thing.kind is K.SESSION_FUNCTION:
            return f"the {effect.name}"
        return subject(effect, Statement(0, 0, ""))

    def _effect(self, thing: Thing) -> Effect:
        """The effect that a text would have had, without the values of parameters."""
        key = tuple(self._without_values(part, thing.kind) for part in thing.name.split(", "))
        return Effect(thing.kind, key=key, shared=thing.shared)

    def _without_values(self, part: str, kind: EffectKind) -> str:
        title, space, name = part.rpartition(" ") if kind is K.SESSION_FUNCTION else ("", "", part)
        is_hidden = self._hides_names or name in self._values
        return shorten(f"{title}{space}{'?' if is_hidden else name}")


def _values(params: Any) -> Iterator[str]:
    """The values in a statement's parameters that might be a name."""
    if isinstance(params, (str, int)):
        if len(text := str(params)) <= _LONGEST_VALUE:
            yield text
    elif isinstance(params, Mapping):
        yield from _values(list(params.values()))
    elif isinstance(params, (list, tuple, set, frozenset)):
        for value in params:
            yield from _values(value)


def _rule_of(thing: Thing) -> Rule:
    rule = rule_for(Effect(thing.kind, Verb.ACQUIRE))
    return rule if rule is not None else RULES[RULE]


def _remedy(thing: Thing, effect: Effect) -> str:
    local = f"SET LOCAL {'ROLE' if effect.name == 'role' else effect.name} TO …"
    words = {"local": local, "name": setting_name(effect), "subject": str(thing)}
    return _rule_of(thing).fix.format(**words)


def _listed(makers: tuple[Sent, ...]) -> str:
    """The statement, or all that it may have been."""
    if len(makers) == 1:
        return makers[0].text
    if not makers:
        return "(no statement that this connection has sent)"
    lines = [f"one of {len(makers)} statements of the transaction:"]
    lines += [f"    {note.place}" for note in makers[:_MOST_SHOWN]]
    if len(makers) > _MOST_SHOWN:
        lines.append(f"    and {len(makers) - _MOST_SHOWN} more")
    return "\n".join(lines)
