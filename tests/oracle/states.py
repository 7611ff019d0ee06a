"""The state of a session as values, and the difference of two states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgpoolsafe.effects import EffectKind


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """One piece of session state: its kind and the key that the reader would give it."""

    kind: str
    key: tuple[str, ...]
    shared: bool = False

    def __str__(self) -> str:
        return f"{'shared ' * self.shared}{self.kind} {', '.join(self.key)}"


State = Mapping[Thing, str]
"""Everything a session holds, with its value (a setting's, a role's; else nothing)."""

# Present in every session; of these only a change of the value counts.
_ALWAYS = frozenset({EffectKind.ROLE.value})
_UNSET = {"role": "none"}


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one thing: "made", "undone" or "changed"."""

    verb: str
    thing: Thing

    def __str__(self) -> str:
        return f"{self.verb} {self.thing}"


def difference(before: State, after: State) -> list[Change]:
    """What was made, undone and changed, in a stable order."""
    made = [Change("made", thing) for thing in after.keys() - before.keys()]
    undone = [Change("undone", thing) for thing in before.keys() - after.keys()]
    both = before.keys() & after.keys()
    changed = [Change("changed", thing) for thing in both if before[thing] != after[thing]]
    return sorted([*made, *undone, *changed], key=lambda change: (change.thing, change.verb))


def is_set(thing: Thing, state: State, at_start: State) -> bool:
    """Whether a session holds this now; a role counts if it is not the one of the start."""
    if thing.kind not in _ALWAYS:
        return thing in state
    usual = _UNSET.get(thing.key[0]) or at_start.get(thing)
    return state.get(thing) != usual
