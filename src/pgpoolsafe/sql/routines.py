"""What the functions of a database do to the session, those that they call included.

A call is resolved as PostgreSQL does it (manual, 10.3), by name, schema or search_path and
the number and names of the arguments. The types of arguments are not known here: where
several functions remain, a call counts as one of each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..effects import Effect, EffectKind
from .calls import Call
from .functions import BUILT_IN, Callables, built_in_effects
from .phrases import Phrase, source
from .routine_code import Called, Code, Piece, filled, net, read_code
from .routine_triage import worth_reading
from .stored import SYSTEM, Routine, StoredCode

Lets = Callable[[Effect, frozenset[str]], bool]
"""Whether comments that allow these rules let an effect pass."""

MOST_EFFECTS = 64
"""Of what one function does, more is not kept: it is told of often enough."""

_LONGEST_CHAIN = 5
# Functions that call each other in circles are gone through until nothing changes; what
# grows for ever (a lock on k, then on k + 1, …) is left at that.
_MOST_ROUNDS = 12


def lets_nothing(_effect: Effect, _allowed: frozenset[str]) -> bool:
    """Comments count for nothing."""
    return False


@dataclass(frozen=True, slots=True)
class Summary:
    """What a call of one routine does. `pieces` point into its own body.

    `draws`: it may draw a sequence value.
    """

    pieces: tuple[Piece, ...] = ()
    draws: bool = False


class Directory:
    """Finds the routines that a call can mean."""

    def __init__(self, stored: StoredCode) -> None:
        self.stored = stored
        self._by_name: dict[str, list[int]] = {}
        for index, routine in enumerate(stored.routines):
            if not routine.is_trigger:
                self._by_name.setdefault(routine.name, []).append(index)

    def names_of(self, indices: Iterable[int]) -> frozenset[str]:
        """The names of those of these routines that can be called."""
        names = {self.stored.routines[index].name for index in indices}
        return frozenset(names & self._by_name.keys())

    def find(self, call: Call, path: Sequence[str]) -> tuple[int, ...]:
        """The routines that it may be, by index; () for one of PostgreSQL or an extension.

        `path`: where a name without a schema is looked for.
        """
        *qualifiers, name = call.path
        named = tuple(call.named)
        fitting = [
            index
            for index in self._by_name.get(name, ())
            if self.stored.routines[index].accepts(len(call.positional), named)
        ]
        if qualifiers:
            return tuple(at for at in fitting if self._schema(at) == qualifiers[-1])
        return tuple(self._in_path(fitting, path, is_built_in=self._is_built_in(name, call)))

    def _schema(self, index: int) -> str:
        return self.stored.routines[index].schema

    def _is_built_in(self, name: str, call: Call) -> bool:
        return call.arity in self.stored.built_in.get(name, ())

    def _in_path(
        self, fitting: list[int], path: Sequence[str], *, is_built_in: bool
    ) -> Iterator[int]:
        """Schema by schema; a function hides those of the same argument types after it.

        What is in no schema of the path can be called only while another path is in
        force, so that without any other candidate it is meant.
        """
        seen: set[str] = set()
        for schema in path:
            if schema == SYSTEM and is_built_in:
                return
            for index in fitting:
                types = self.stored.routines[index].types
                if self._schema(index) == schema and types not in seen:
                    seen.add(types)
                    yield index
        if not seen and not is_built_in:
            yield from fitting


class Analysis:
    """What every routine of a database does; `summaries` stand in their order."""

    def __init__(self, stored: StoredCode, lets: Lets = lets_nothing) -> None:
        self.stored = stored
        self.directory = Directory(stored)
        self._lets = lets
        read, drawing = worth_reading(stored.routines)
        self._names = self.directory.names_of(read) | BUILT_IN.names
        self._drawing = self.directory.names_of(drawing) | BUILT_IN.drawing
        self._codes = [
            self._code(routine) if at in read else Code(drawn_from=0 if at in drawing else None)
            for at, routine in enumerate(stored.routines)
        ]
        self.summaries = [Summary() for _ in self._codes]
        self._close()
        self._codes = []

    def forget_bodies(self) -> None:
        """Keep the conclusions only: bodies can be megabytes."""
        bare = tuple(replace(routine, body=None) for routine in self.stored.routines)
        self.stored = self.directory.stored = replace(self.stored, routines=bare)

    def _code(self, routine: Routine) -> Code:
        path = routine.path or self.stored.path

        def called(call: Call) -> tuple[Effect, ...]:
            found = self.directory.find(call, path)
            if not found:
                return built_in_effects(call)
            return (Called(EffectKind.OPAQUE_CODE, call=call, routines=found),)

        return read_code(routine, Callables(self._names, self._drawing, called))

    def _close(self) -> None:
        """Give every routine what those do that it calls; callees come before callers."""
        edges = [_callees(code) for code in self._codes]
        order = _callees_first(edges)
        ranks = {index: rank for rank, index in enumerate(order)}
        has_circles = any(ranks[to] >= ranks[at] for at in order for to in edges[at])
        for _ in range(_MOST_ROUNDS):
            before = list(self.summaries)
            for index in order:
                self.summaries[index] = self._summary(index, ranks)
            if not has_circles or before == self.summaries:
                return

    def _summary(self, index: int, ranks: dict[int, int]) -> Summary:
        code, routine = self._codes[index], self.stored.routines[index]
        pieces = [
            replace(piece, effect=effect)
            for piece in code.pieces
            for effect in self._effects(piece.effect, index, ranks)
            if not (
                self._lets(effect, code.allowed)
                or _is_refused(effect, routine)
                or _is_drawn_before(piece, effect, code)
            )
        ]
        if not code.is_wrapper:
            pieces = [replace(p, effect=replace(p.effect, by_attempt=False)) for p in pieces]
        return Summary(net(pieces, MOST_EFFECTS), code.drawn_from is not None)

    def _effects(self, effect: Effect, index: int, ranks: dict[int, int]) -> Iterator[Effect]:
        title = self.stored.routines[index].title
        if not isinstance(effect, Called) or effect.call is None:
            yield replace(effect, via=(title,))
            return
        for callee in effect.routines:
            # In a circle the arguments of one round are not those of the next.
            goes_back = ranks[callee] >= ranks[index]
            call = None if goes_back else effect.call
            for inner in self.effects_of(callee, call):
                if title not in inner.via:
                    yield replace(inner, via=_chain(title, inner.via))

    def effects_of(self, index: int, call: Call | None) -> Iterator[Effect]:
        """What one routine does when it is called so; `call` None: with whatever arguments."""
        pieces = self.summaries[index].pieces
        arguments = _arguments(self.stored.routines[index], call) if pieces and call else []
        for piece in pieces:
            yield from filled(piece.effect, arguments)


def _callees(code: Code) -> list[int]:
    called = [piece.effect for piece in code.pieces if isinstance(piece.effect, Called)]
    return [index for effect in called for index in effect.routines]


def _callees_first(edges: list[list[int]]) -> list[int]:
    """Every index once, after those that it leads to (but for circles); no recursion."""
    order: list[int] = []
    seen: set[int] = set()
    for root in range(len(edges)):
        stack = [] if root in seen else [(root, iter(edges[root]))]
        seen.add(root)
        while stack:
            at, following = stack[-1]
            to = next((one for one in following if one not in seen), None)
            if to is None:
                order.append(at)
                stack.pop()
            else:
                seen.add(to)
                stack.append((to, iter(edges[to])))
    return order


def _is_refused(effect: Effect, routine: Routine) -> bool:
    """The server lets no SECURITY DEFINER function change the role, nor what it calls.

    (PostgreSQL's manual, SET ROLE and SET SESSION AUTHORIZATION.)
    """
    return routine.is_definer and effect.kind is EffectKind.ROLE


def _is_drawn_before(piece: Piece, effect: Effect, code: Code) -> bool:
    """Whether currval or lastval reads what the same code has drawn."""
    if effect.kind is not EffectKind.SEQUENCE or code.drawn_from is None:
        return False
    return code.drawn_from <= piece.start


def _chain(title: str, via: tuple[str, ...]) -> tuple[str, ...]:
    chain = (title, *via)
    return chain if len(chain) <= _LONGEST_CHAIN else (*chain[:3], "…", chain[-1])


def _arguments(routine: Routine, call: Call) -> list[Phrase | None]:
    found: list[Phrase | None] = []
    for at, name in enumerate(routine.parameters):
        argument = call.argument(at, name)
        default = routine.defaults[at] if at < len(routine.defaults) else None
        if argument is None and default is not None:
            code = source(default, level=1)
            argument = Phrase(code, 0, len(code.tokens))
        found.append(argument)
    return found
