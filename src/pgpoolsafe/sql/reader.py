"""Text → Reading: the one way in. Pure, cached, never raises for any str.

Cache → quick test → lexer → recognisers. The cache is an ordinary dict that stays the
same object for ever, so that a caller can look a text up without a function call of ours.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import TypeVar

from ..effects import (
    DRAWS,
    PLAIN,
    Bound,
    Effect,
    Reading,
    Scope,
    Statement,
)
from .bodies import UNREADABLE, body_effects
from .control import read_control
from .functions import Callables
from .lexer import Kind, scan
from .phrases import Phrase, Source, source, statements
from .queries import draws_sequence
from .quick import plain_reading
from .setting_values import runs_once
from .statements import command_of, effects_of

LONGEST_KEY = 4096
"""Longer texts (in characters) are read every time."""

MOST_KEYS = 4096
"""A full cache forgets its older half."""

Read = TypeVar("Read")

_cache: dict[str, Reading] = {}
_writing = Lock()

known = _cache.get
"""The reading of a text that was read before, or None: one dict look-up."""


def read(text: str) -> Reading:
    """What a text does to the session.

    `text` as the user wrote it, with the placeholders of its driver. PLAIN or DRAWS when
    there is nothing to say about it; offsets in the result are indices into `text`.
    """
    reading = known(text)
    if reading is None:
        reading = plain_reading(text) or _read(text)
        remember(_cache, text, reading)
    return reading


def read_for(text: str, callables: Callables) -> Reading:
    """What a text does, where these functions are known; neither tested first nor cached."""
    return _read(text, callables)


def read_body(body: str, language: str) -> tuple[Effect, ...]:
    """The effects of a function's or procedure's body (pg_proc.prosrc) when it runs."""
    return body_effects(body, language, 1, effects_of)


def remember(cache: dict[str, Read], text: str, reading: Read) -> None:
    """Keep what was read of a text, unless the text is long."""
    if len(text) > LONGEST_KEY:
        return
    with _writing:
        if len(cache) >= MOST_KEYS:
            for key in list(islice(cache, MOST_KEYS // 2)):
                del cache[key]
        cache[text] = reading


def _read(text: str, callables: Callables | None = None) -> Reading:
    code = source(text, callables=callables)
    found = [(_statement(phrase), phrase) for phrase in statements(code)]
    read_statements = tuple(statement for statement, _ in found)
    draws = any(draws_sequence(phrase, statement.command.lower()) for statement, phrase in found)
    allowed = code.allowed | _allowed_inside(code)
    plain = not any(statement.effects or statement.control for statement in read_statements)
    if plain and not allowed:
        return DRAWS if draws else PLAIN
    bound = any(_is_bound(effect) for one in read_statements for effect in one.effects)
    return Reading(read_statements, plain, draws, allowed, bound)


def _statement(phrase: Phrase) -> Statement:
    tokens = phrase.source.tokens
    start, last = tokens[phrase.lo].start, tokens[phrase.hi - 1]
    control = read_control(phrase)
    effects = () if control is not None else _certain(phrase, effects_of(phrase))
    if last.kind is Kind.UNFINISHED:
        effects = (*effects, UNREADABLE)
    return Statement(start, last.end, command_of(phrase).upper(), effects, control)


def _certain(phrase: Phrase, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """The effects; what a call sets is only known where the call is sure to be made."""
    if not any(effect.function and effect.value for effect in effects) or runs_once(phrase):
        return effects
    return tuple(replace(e, value=None) if e.function else e for e in effects)


def _is_bound(effect: Effect) -> bool:
    parts = (*effect.key, effect.value)
    return effect.scope is Scope.BOUND or any(isinstance(part, Bound) for part in parts)


def _allowed_inside(code: Source) -> frozenset[str]:
    """The rules allowed by comments in the code that a DO runs."""
    if not any(token.code == "do" for token in code.tokens):
        return frozenset()
    bodies = (token.value for token in code.tokens if token.kind is Kind.STRING)
    inside = (
        scan(body, placeholders=False).allowed for body in bodies if "pgpoolsafe" in body.lower()
    )
    return frozenset().union(*inside)
