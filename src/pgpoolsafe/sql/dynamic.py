"""The string that PL/pgSQL's EXECUTE runs, as far as it stands in the code.

Constants, `||`, concat(), format() and the quoting functions are followed. What is
computed leaves a gap. A gap that is quoted (%I, %L, quote_ident, …) is one name or one
literal whatever its value, so that the statement around it is known; any other gap can
hold anything and leaves the string open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..effects import Effect, EffectKind, Verb
from .expressions import bare, text_of
from .phrases import Phrase

GAP, OPEN_GAP = "\x01", "\x02"
"""A computed name or literal; computed text. No characters that SQL has a use for."""

_SHOWN = {ord(GAP): "?", ord(OPEN_GAP): "?"}
_QUOTING = frozenset({"quote_ident", "quote_literal", "quote_nullable"})
# The text of such a value is one number or one name, properly quoted.
_CLOSED_TYPES_WORDS = """
    regclass regproc regprocedure regtype regrole regnamespace oid int integer bigint smallint
"""
_CLOSED_TYPES = frozenset(_CLOSED_TYPES_WORDS.split())
# Not compiled here: few programs come to it, and all of them import this.
_SPECIFIER = r"%(?:(\d{1,3})\$)?-?(?:\d*|\*)([sIL%])"
_QUOTE = {"I": '"', "L": "'"}


def spoken(phrase: Phrase) -> str:
    """The string that the expression after EXECUTE makes, with gaps."""
    return "".join(_pieces(phrase))


def without_gaps(found: Sequence[Effect]) -> Iterator[Effect]:
    """The effects read from a text with gaps: what stands in a gap is not known.

    A release of something that is not known is not one of everything, so it is left out.
    """
    for effect in found:
        key = tuple(part for part in effect.key if isinstance(part, str))
        if any(char in part for part in key for char in (GAP, OPEN_GAP)):
            is_lock = effect.kind is EffectKind.ADVISORY_LOCK
            key = tuple(part.translate(_SHOWN) for part in key) if is_lock else ()
            if effect.verb is Verb.RELEASE and not key:
                continue
        yield replace(effect, key=key)


def _pieces(phrase: Phrase) -> Iterator[str]:
    """The operands of || from left to right; a stack, since nesting has no bound."""
    stack = [phrase]
    while stack:
        part = stack.pop()
        operands = part.split("||")
        inner = bare(part)
        name, arguments = _called(inner)
        text = text_of(inner)
        if len(operands) > 1:
            stack.extend(reversed(operands))
        elif inner.find("||") is not None:
            stack.append(inner)
        elif name == "concat":
            stack.extend(reversed(arguments))
        elif text is not None:
            yield text
        elif name == "format" and arguments:
            yield from _formatted(arguments)
        else:
            yield GAP if name in _QUOTING or _is_closed(part) else OPEN_GAP


def _called(phrase: Phrase) -> tuple[str, list[Phrase]]:
    """The function that an expression is a call of, and its arguments; ("", []) if none."""
    words = phrase.words()
    path = words.path()
    inside = words.at
    if not path or words.code() != "(" or phrase.source.step(inside) != phrase.hi:
        return "", []
    name = path[-1]
    return str(name), phrase.part(inside + 1, phrase.hi - 1).split(",")


def _is_closed(phrase: Phrase) -> bool:
    """Whether the text of a value can only be one number or one name."""
    code = phrase.source.code
    return code(phrase.hi - 1) in _CLOSED_TYPES and code(phrase.hi - 2) == "::"


def _formatted(arguments: list[Phrase]) -> Iterator[str]:
    """format(template, …) with its constant arguments filled in."""
    template = text_of(arguments[0])
    if template is None:
        yield OPEN_GAP
        return
    number = pos = 0
    for found in re.finditer(_SPECIFIER, template):
        yield template[pos : found.start()]
        pos = found.end()
        if found[2] == "%":
            yield "%"
        else:
            number = int(found[1] or number + 1)
            argument = arguments[number] if number < len(arguments) else None
            yield _argument(argument, found[2])
    yield template[pos:]


def _argument(argument: Phrase | None, specifier: str) -> str:
    if argument is None:
        return OPEN_GAP
    text = text_of(argument)
    quote = _QUOTE.get(specifier, "")
    if text is not None:
        return quote + text.replace(quote, quote * 2) + quote if quote else text
    return GAP if quote or _is_closed(argument) else OPEN_GAP
