"""Statements that evaluate expressions: the functions they call, and what else they do."""

from __future__ import annotations

from collections.abc import Iterator

from ..effects import Effect, EffectKind, Part
from .assignments import setting_effect
from .calls import calls
from .ctes import idle_bodies, is_idle
from .expressions import name_of
from .functions import BUILT_IN, Callables
from .phrases import UNKNOWN, Phrase, Words
from .temporary import into_effects

_DRAWING_COMMANDS = frozenset({"copy", "call", "do", "execute"})
# A default that is evaluated: UPDATE … SET i = DEFAULT, ALTER TABLE … ADD i serial, …
_FILLING = frozenset(
    "default identity serial serial4 bigserial serial8 smallserial serial2".split()
)
_DRAWING_WORDS = frozenset({"insert", "merge", "execute"})


def read_query(phrase: Phrase) -> tuple[Effect, ...]:
    """SELECT, WITH, VALUES, INSERT, UPDATE, DELETE, MERGE, COPY, CALL, … as they run."""
    words = phrase.source.words
    callables = phrase.source.callables or BUILT_IN
    called = _called(phrase, callables) if not callables.names.isdisjoint(words) else ()
    updated = _pg_settings(phrase) if "pg_settings" in words else ()
    return (*called, *updated)


def read_select(phrase: Phrase) -> tuple[Effect, ...]:
    """The same for what can also be SELECT … INTO; inside PL/pgSQL that is an assignment."""
    source = phrase.source
    into = into_effects(phrase) if source.level == 0 and "into" in source.words else ()
    return (*into, *read_query(phrase))


def _called(phrase: Phrase, callables: Callables) -> Iterator[Effect]:
    found = list(calls(phrase, callables.names))
    idle = idle_bodies(phrase) if found and "with" in phrase.source.words else []
    for at, call in found:
        if not is_idle(at, idle):
            yield from callables.effects(call)


def _pg_settings(phrase: Phrase) -> Iterator[Effect]:
    """UPDATE pg_settings, whose rule calls set_config(…, false)."""
    tokens = phrase.source.tokens
    updates = [at for at in range(phrase.lo, phrase.hi) if tokens[at].code == "update"]
    for at, end in zip(updates, [*updates[1:], phrase.hi], strict=False):
        words = phrase.part(at + 1, end).words()
        words.skip("only")
        if words.path()[-2:] in (("pg_settings",), ("pg_catalog", "pg_settings")):
            yield from _updated(words.rest())


def _updated(rest: Phrase) -> Iterator[Effect]:
    effect = Effect(EffectKind.SETTING)
    where = rest.find("where")
    names: list[Part] = []
    # With OR in it, a condition says little about the name.
    if where is not None and "or" not in rest.source.words:
        names = list(_settings_named(rest.part(where)))
    for name in names or [UNKNOWN]:
        yield from setting_effect(effect, name)


def _settings_named(where: Phrase) -> Iterator[Part]:
    """The names in `name = 'x'` and `name IN ('x', …)`."""
    for at in range(where.lo, where.hi):
        token = where.source.tokens[at]
        words = where.part(at + 1).words()
        if token.is_name and token.value == "name" and words.skip("=", "in"):
            yield from _operands(words)


def _operands(words: Words) -> Iterator[Part]:
    rest = words.rest()
    step = rest.part(rest.lo, min(rest.source.step(rest.lo), rest.hi))
    if step.hi < rest.hi and rest.source.code(step.hi) not in _AFTER_OPERAND:
        return
    inside = step.part(step.lo + 1, step.hi - 1) if words.code() == "(" else step
    for operand in inside.split(","):
        name = name_of(operand)
        if name != UNKNOWN:
            yield name


# What can follow a constant that is compared as it stands.
_AFTER_OPERAND = frozenset({"and", "returning", ")", "::"})


def draws_sequence(phrase: Phrase, command: str) -> bool:
    """Whether a statement may call nextval: by itself, by a default or by code it runs."""
    if command in _DRAWING_COMMANDS:
        return True
    source = phrase.source
    if (command == "alter" or "update" in source.words) and not _FILLING.isdisjoint(source.words):
        return True
    drawing = (source.callables or BUILT_IN).drawing
    if _DRAWING_WORDS.isdisjoint(source.words) and drawing.isdisjoint(source.words):
        return False
    for at in range(phrase.lo, phrase.hi):
        token = source.tokens[at]
        if token.code in ("insert", "merge") and source.code(at + 1) == "into":
            return True
        if token.code == "execute" or (token.value in drawing and source.code(at + 1) == "("):
            return True
    return False
