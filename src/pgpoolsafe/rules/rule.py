"""What a rule is: its name, its words, the effects it is about, its levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..effects import EffectKind, Verb
from ..poolers.answers import Answer


class Level(Enum):
    """What happens when a rule finds something."""

    IGNORE = "ignore"
    OBSERVE = "observe"
    WARN = "warn"
    RAISE = "raise"
    REWRITE = "rewrite"
    CARRY = "carry"


EVERY_LEVEL = (Level.IGNORE, Level.OBSERVE, Level.WARN, Level.RAISE)


@dataclass(frozen=True)
class Rule:
    """One rule. `default` None: the level follows the mode (warn, or raise in strict).

    `matches`: the effects the rule is about. `why`: the reason for each answer of the
    pooler; LEAKS serves for every answer that is not named. `under`: an `allow()` of
    that rule covers this one too. `what_read`: what it says of a statement that counts on
    what an earlier one made. `bad` and `good`: texts that, sent in autocommit,
    the rule finds and does not find.
    """

    name: str
    title: str
    what: str
    why: Mapping[Answer, str]
    fix: str
    matches: tuple[tuple[EffectKind, Verb], ...] = ()
    levels: tuple[Level, ...] = EVERY_LEVEL
    default: Level | None = None
    under: str | None = None
    what_read: str = ""
    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    references: tuple[str, ...] = field(default=())

    def reason(self, answer: Answer) -> str:
        """The template that says why it breaks behind a pooler with this answer."""
        return self.why.get(answer) or self.why[Answer.LEAKS]
