"""What the body of one function does, statement by statement, with its parameters open.

Where a parameter stands in an effect (the key of a lock, the name of a setting, whether
it is local) it is kept as a placeholder, `Bound(n)` for the n-th, so that a call can fill
it in: `lock_it(5)` and `pg_advisory_unlock(5)` are then about the same lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ..effects import Bound, Effect, EffectKind, Part, Scope, Verb
from .assignments import setting_effect
from .bodies import LANGUAGES, OPAQUE, code_effects
from .calls import Call
from .expressions import key_of, name_of, placeholder, truth
from .functions import Callables
from .lexer import Kind
from .phrases import Phrase, Source, source, statements
from .queries import draws_sequence
from .statements import effects_of
from .stored import Routine

_SETTINGS = (EffectKind.SETTING, EffectKind.ROLE)
_UNKNOWN_KEY = "?"

# Keys are for recognising the same state again; one that grows on its way is cut.
_LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """One effect, and the statement of the body that has it: `body[start:end]`."""

    effect: Effect
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Called(Effect):
    """Stands for what a call of one of these routines does, until that is known."""

    call: Call | None = None
    routines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """What one body does.

    `drawn_from`: where in the body the first statement begins that may draw a sequence
    value, None if none does; `allowed`: the rules named by its `pgpoolsafe: allow`
    comments; `is_wrapper`: it is one statement, so that its result can be that of the one
    function that it calls.
    """

    pieces: tuple[Piece, ...] = ()
    drawn_from: int | None = None
    allowed: frozenset[str] = frozenset()
    is_wrapper: bool = False


def read_code(routine: Routine, callables: Callables) -> Code:
    """The code of a routine; the calls of others are among the effects as `Called`."""
    if routine.language not in LANGUAGES or routine.body is None:
        return Code((Piece(OPAQUE),))
    code = source(routine.body, level=1, callables=callables)
    _bind(code, routine)
    found = code_effects(code, routine.language, effects_of)
    pieces = tuple(
        _piece(code, phrase, effect)
        for phrase, effect in found
        if effect.scope is not Scope.TRANSACTION and _can_run(effect, routine)
    )
    draws = (phrase for phrase in statements(code) if draws_sequence(phrase, ""))
    first = next(draws, None)
    drawn_from = None if first is None else code.tokens[first.lo].start
    return Code(pieces, drawn_from, code.allowed, _is_wrapper(code))


def _piece(code: Source, phrase: Phrase, effect: Effect) -> Piece:
    last = min(phrase.hi, len(code.tokens)) - 1
    return Piece(effect, code.tokens[phrase.lo].start, code.tokens[last].end)


def _can_run(effect: Effect, routine: Routine) -> bool:
    """In a function that is not VOLATILE the server refuses every command but a query.

    (PostgreSQL's manual, 38.7: Function Volatility Categories.)
    """
    is_query = effect.function is not None or isinstance(effect, Called)
    return routine.is_volatile or is_query or effect.kind is EffectKind.OPAQUE_CODE


def _is_wrapper(code: Source) -> bool:
    rest = islice(statements(code), 1, None)
    return all([token.code for token in phrase.tokens[:2]] == ["end"] for phrase in rest)


def _bind(code: Source, routine: Routine) -> None:
    """Mark the parameters that are never assigned to."""
    if not routine.parameters:
        return
    open_names = {name: at for at, name in enumerate(routine.parameters) if name}
    for name in _assigned(code, open_names.keys() & code.words):
        del open_names[name]
    for at, token in enumerate(code.tokens):
        number = None
        if token.kind is Kind.PARAM and token.value.startswith("$"):
            digits = token.value[1:]
            number = int(digits) - 1 if len(digits) < 4 else None
        elif token.is_name and token.value in open_names:
            is_alone = code.code(at - 1) != "." and code.code(at + 1) not in (".", "(")
            number = open_names[token.value] if is_alone else None
        if number is not None and 0 <= number < len(routine.parameters):
            code.tokens[at] = token._replace(bound=Bound(number))


def _assigned(code: Source, names: set[str]) -> Iterator[str]:
    """The names that stand before `:=`, after INTO, or where a statement `name = …` begins."""
    for name in names:
        for at, token in enumerate(code.tokens):
            if token.value == name and token.is_name:
                after, before = code.code(at + 1), code.code(at - 1)
                begins = after == "=" and before in (";", "begin", "then", "else", "loop")
                if after == ":=" or begins or before in ("into", "strict"):
                    yield name
                    break


# Filling in


def filled(effect: Effect, arguments: Sequence[Phrase | None]) -> tuple[Effect, ...]:
    """An effect with the arguments of a call in place of the parameters; none if it is
    only of the transaction then.

    `arguments` by the number of the parameter; None where nothing is known of it.
    """
    if effect.scope_param is not None:
        local = _argument(arguments, effect.scope_param)
        if local is not None and truth(local) is True:
            return ()
        bound = None if local is None or truth(local) is False else placeholder(local)
        scope = Scope.SESSION if bound is None else Scope.BOUND
        effect = replace(effect, scope=scope, scope_param=bound)
    if not any(isinstance(part, Bound) for part in effect.key):
        return (effect,)
    if effect.kind in _SETTINGS:
        return _named(effect, arguments)
    return (replace(effect, key=_key(effect.key, arguments)),)


def _argument(arguments: Sequence[Phrase | None], part: Bound) -> Phrase | None:
    at = part.param
    return arguments[at] if isinstance(at, int) and at < len(arguments) else None


def _named(effect: Effect, arguments: Sequence[Phrase | None]) -> tuple[Effect, ...]:
    part = effect.key[0]
    argument = _argument(arguments, part) if isinstance(part, Bound) else None
    if argument is None:
        return (replace(effect, key=()),)
    return setting_effect(effect, name_of(argument))


def _key(key: tuple[Part, ...], arguments: Sequence[Phrase | None]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for part in key:
        argument = _argument(arguments, part) if isinstance(part, Bound) else None
        if not isinstance(part, Bound):
            parts.append(part)
        else:
            parts += (_UNKNOWN_KEY,) if argument is None else key_of(argument)
    return tuple(parts[:_LONGEST_KEY])


# Netting


def net(pieces: Sequence[Piece], most: int) -> tuple[Piece, ...]:
    """What is left of them when everything is taken back that is taken back.

    The same thing twice counts once, except for locks, which are counted by the server
    too. At most `most` are kept.
    """
    held: dict[object, list[int]] = {}
    left: dict[int, Piece] = {}
    seen: set[object] = set()
    for number, piece in enumerate(pieces):
        effect = piece.effect
        key = (effect.kind, effect.key, effect.shared)
        is_made = effect.verb is Verb.ACQUIRE and not effect.lasting
        if effect.verb is Verb.RELEASE and held.get(key):
            left.pop(held[key].pop(), None)
        elif effect.verb is Verb.RELEASE and not effect.key and _drop_kind(held, left, effect):
            pass
        elif is_made and len(held.setdefault(key, [])) < _counted(effect):
            held[key].append(number)
            left[number] = piece
        elif not is_made and (effect.verb, key) not in seen and len(left) < most:
            seen.add((effect.verb, key))
            left[number] = piece
    return tuple(list(left.values())[:most])


def _counted(effect: Effect) -> int:
    return 4 if effect.kind is EffectKind.ADVISORY_LOCK else 1


def _drop_kind(held: dict[object, list[int]], left: dict[int, Piece], effect: Effect) -> bool:
    """RESET ALL, UNLISTEN *, pg_advisory_unlock_all(): whether there was anything of it."""
    keys = [key for key in held if isinstance(key, tuple) and key[0] is effect.kind]
    numbers = [number for key in keys for number in held.pop(key)]
    for number in numbers:
        left.pop(number, None)
    return bool(numbers)
