"""Where a program noticed that it was not alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .playing import Noticed
from .programs import Program
from .sides import Side


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that was not the same, and how it is on both sides."""

    program: Program
    number: int
    alone: Noticed
    pooled: Noticed
    told: Noticed = ()
    """The rules by which the guard had said so, on the pooled side."""

    def __str__(self) -> str:
        parts = [f"  {one!r} / {other!r}" for one, other in differing(self.alone, self.pooled)]
        told = f" (the guard told: {', '.join(self.told)})" if self.told else ""
        head = f"# differs after step {self.alone[0]!r}, alone / pooled{told}:"
        return "\n".join((str(self.program), head, *parts))


def differing(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """The smallest parts of two values in which they differ."""
    sequences = isinstance(one, list | tuple) and isinstance(other, list | tuple)
    if sequences and len(one) == len(other):
        for part, its_other in zip(one, other, strict=True):
            yield from differing(part, its_other)
    elif one != other:
        yield one, other


class Judge:
    """Plays programs on both sides."""

    def __init__(self, alone: Side, pooled: Side) -> None:
        self._alone, self._pooled = alone, pooled
        self.programs = self.steps = 0

    def difference(self, program: Program) -> Difference | None:
        """The first difference; None if the program could not tell the one from the other."""
        alone, pooled = self._alone.play(program), self._pooled.play(program)
        self.programs += 1
        self.steps += len(program.steps)
        # Only the pooled side has bystanders, who are to see nothing, and findings.
        alone += [(step, []) for step, _ in pooled[len(alone) :]]
        for number, (one, other) in enumerate(zip(alone, pooled, strict=True)):
            if one != other:
                self._pooled.renew()
                return Difference(program, number, one, other, told=tuple(pooled[-1][1]))
        return None
