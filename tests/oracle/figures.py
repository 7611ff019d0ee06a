"""Recall and precision per rule, of one server's run over the suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from pgpoolsafe.effects import Effect, EffectKind, Verb
from pgpoolsafe.rules.catalog import rule_for

from .excuses import MORE, Excuses
from .regress import Script
from .watching import Disagreement, Tally

_HEADER = ("rule", "seen", "said", "beyond text", "missed", "false", "recall", "precision")
_LINE = "{:20}{:>7}{:>7}{:>13}{:>8}{:>7}{:>9}{:>11}"


@dataclass
class Figures:
    """What was seen and said; what is `disputed`; what is `excused` by the list, and why."""

    excuses: Excuses
    tally: Tally = field(default_factory=Tally)
    disputed: list[Disagreement] = field(default_factory=list)
    excused: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    beyond: set[str] = field(default_factory=set)
    """The statements that do more than their text shows."""

    def add(self, script: Script) -> None:
        """Count one script."""
        self.tally.add(script.tally)
        for found in script.found:
            excuse = self.excuses.find(script.name, found)
            if excuse is None:
                self.disputed.append(found)
                continue
            self.excused[found.kind, found.verdict, excuse.sort] += 1
            if excuse.sort == MORE:
                self.beyond.add(found.where)

    def lines(self) -> Iterator[str]:
        """The disputes, the table, and the excuses."""
        for found in self.disputed:
            text = " ".join(found.text.split())[:120]
            yield f"{found.where} {found.verdict}: {found.subject} :: {text}"
        yield _LINE.format(*_HEADER)
        for kind in sorted({*self.tally.seen, *self.tally.said}, key=rule_name):
            yield self._line(kind)
        for (kind, verdict, sort), count in sorted(self.excused.items()):
            yield f"excused: {count:3} {verdict} ({rule_name(kind)}): {sort}"
        yield f"statements that need more than their text: {len(self.beyond)}"

    def _line(self, kind: str) -> str:
        seen, said = self.tally.seen[kind], self.tally.said[kind]
        wrong = Counter(found.verdict for found in self.disputed if found.kind == kind)
        beyond = self.excused[kind, "missed", MORE]
        shown = seen - beyond
        recall = _share(shown - wrong["missed"], shown)
        precision = _share(said - wrong["false alarm"], said)
        return _LINE.format(
            rule_name(kind), seen, said, beyond, wrong["missed"], wrong["false alarm"],
            recall, precision,
        )  # fmt: skip


def rule_name(kind: str) -> str:
    """The rule that a kind of state falls under."""
    verb = Verb.READ if kind == EffectKind.SEQUENCE.value else Verb.ACQUIRE
    rule = rule_for(Effect(EffectKind(kind), verb))
    return kind if rule is None else rule.name


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"
