"""Where a program noticed that it was not alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .playing import Noticed
from .programs import Program
from .sides import FINDINGS, Side
from .values import COMPUTED

PSYCOPGS_OWN = "unexpected result status from query: SINGLE_TUPLE"
"""psycopg stumbles when executemany() follows a stream(); guarded it does not."""

PG8000S_OWN = "InterfaceError', 'in failed transaction block"
"""pg8000 raises this of a text that begins with COMMIT, all of which the server has carried out."""


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
        self.programs = self.steps = self.told = 0

    def difference(self, program: Program) -> Difference | None:
        """The first difference; None if the program could not tell the one from the other."""
        alone, pooled = self._alone.play(program), self._pooled.play(program)
        if PSYCOPGS_OWN in repr(alone):
            self._pooled.renew()
            return None
        self.programs += 1
        self.steps += len(program.steps)
        # Only the pooled side has bystanders, who are to see nothing, and findings.
        alone += [(step, []) for step, _ in pooled[len(alone) :]]
        found = _first(program, alone, pooled)
        if found is None:
            return None
        self._pooled.renew()
        if lacks_rights(found) or comes_too_late(found) or PG8000S_OWN in repr(alone):
            return None
        if found.told and not pooled[-2][1] and may_be_told(program):
            self.told += 1
            return None
        return found


def _first(program: Program, alone: list[Noticed], pooled: list[Noticed]) -> Difference | None:
    told = tuple(pooled[-1][1]) if pooled[-1][0] == FINDINGS else ()
    for number, (one, other) in enumerate(zip(alone, pooled, strict=True)):
        if one != other:
            return Difference(program, number, one, other, told)
    return None


def may_be_told(program: Program) -> bool:
    """Whether it sets something in a way that the guard may tell of rather than carry on.

    What a statement sets to the result of an expression has to be read from its answer, and
    among others in one message there is none yet.
    """
    many = any(step[0] == "many" and "set_config" in step[1] for step in program.steps)
    # An engine's "bound" statement: in autocommit most drivers can ask for nothing afterwards.
    cannot_ask = any(step == ("enter", "pipeline") or step[0] == "bound" for step in program.steps)
    return many or (cannot_ask and any(COMPUTED in repr(step) for step in program.steps))


def comes_too_late(found: Difference) -> bool:
    """Whether a mode was refused because a list of names had to be put back by a query.

    A list that set_config() spelled as SET does not; `docs/settings.md` has it among the limits.
    """
    spelled = any(
        "set_config" in repr(step) and "path" in repr(step) for step in found.program.steps
    )
    return spelled and "must be called before any query" in repr(found.pooled)


def lacks_rights(found: Difference) -> bool:
    """Whether a superuser's setting was refused to a role that the program had taken.

    Outside a transaction RESET and SET LOCAL, which have nothing to leave there, are sent as
    they are, without the role. Nor has the end of a prepared transaction it, and the guard says so.
    """
    if "permission denied to finish prepared transaction" in repr(found.pooled):
        return True
    return "InsufficientPrivilege" in repr(found.alone) and "SET" in repr(found.pooled)
