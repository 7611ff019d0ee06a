"""What can be told about an expression without evaluating it: constants, placeholders, keys."""

from __future__ import annotations

from collections.abc import Iterator

from ..effects import Bound, Part
from .lexer import Kind, Token
from .phrases import UNKNOWN, Phrase

# boolin and parse_bool accept every unambiguous beginning of these words.
_TRUE = frozenset({"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"})
_FALSE = frozenset({"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"})

# Type names of more than one word, after their first.
TYPE_TAIL = frozenset({"varying", "precision", "with", "without", "time", "zone"})

# Keys are for recognising the same expression again, not for reading: long ones are cut.
_KEY_TOKENS = 64


def bare(phrase: Phrase) -> Phrase:
    """The expression without parentheses around it and casts upon it."""
    before = None
    while phrase and phrase != before:
        before = phrase
        phrase = _uncast(_unwrapped(phrase))
    return phrase


def as_text(phrase: Phrase) -> Phrase:
    """The expression without parentheses, and without casts that leave a string as it is."""
    inner = _unwrapped(phrase)
    while _last_type(inner) in _TEXTS:
        inner = _unwrapped(_uncast(inner))
    return inner


_TEXTS = frozenset(
    {"text", "varchar", "character varying", "pg_catalog.text", "pg_catalog.varchar"}
)


def _last_type(phrase: Phrase) -> str:
    """The type that the whole expression is cast to; empty if it is to none."""
    source, lo, hi = phrase.source, phrase.lo, phrase.hi
    if source.code(lo) == "cast" and source.closing.get(lo + 1) == hi - 1:
        inside = phrase.part(lo + 2, hi - 1)
        at = inside.find("as")
        named = inside.part(inside.hi if at is None else at + 1)
    else:
        named = phrase.part(min(_before_cast(phrase) + 1, hi))
    return " ".join(token.code for token in named.tokens).replace(" . ", ".")


def _unwrapped(phrase: Phrase) -> Phrase:
    source, lo, hi = phrase.source, phrase.lo, phrase.hi
    while hi - lo > 1 and source.code(lo) == "(" and source.closing.get(lo) == hi - 1:
        lo, hi = lo + 1, hi - 1
    return phrase.part(lo, hi)


def _uncast(phrase: Phrase) -> Phrase:
    source, lo, hi = phrase.source, phrase.lo, phrase.hi
    if source.code(lo) == "cast" and source.closing.get(lo + 1) == hi - 1:
        inside = phrase.part(lo + 2, hi - 1)
        return inside.part(inside.lo, inside.find("as"))
    if hi - lo == 2 and source.tokens[lo].is_name and source.tokens[lo + 1].kind is Kind.STRING:
        return phrase.part(lo + 1)
    return phrase.part(lo, _before_cast(phrase))


def _before_cast(phrase: Phrase) -> int:
    """Where `:: type` at the end begins; the end if there is no such cast."""
    source, tokens, at = phrase.source, phrase.source.tokens, phrase.hi - 1
    while at > phrase.lo and tokens[at].code in (")", "]"):
        at = source.opening.get(at, at) - 1
    while at > phrase.lo + 1 and tokens[at].code in TYPE_TAIL and tokens[at - 1].is_name:
        at -= 1
    while at > phrase.lo + 1 and tokens[at].is_name and tokens[at - 1].code == ".":
        at -= 2
    is_cast = at > phrase.lo and tokens[at].is_name and tokens[at - 1].code == "::"
    return at - 1 if is_cast else phrase.hi


def single(phrase: Phrase) -> Token | None:
    """The one token that a bare expression consists of; None if there are more."""
    inner = bare(phrase)
    return inner.source.tokens[inner.lo] if inner.hi - inner.lo == 1 else None


def text_of(phrase: Phrase) -> str | None:
    """The value of a string constant."""
    token = single(phrase)
    return token.value if token is not None and token.kind is Kind.STRING else None


def is_null(phrase: Phrase) -> bool:
    """Whether it is the constant NULL."""
    token = single(phrase)
    return token is not None and token.code == "null"


def placeholder(phrase: Phrase) -> Bound | None:
    """The parameter that the whole expression is."""
    token = single(phrase)
    return None if token is None else token.bound


def truth(phrase: Phrase) -> bool | None:
    """The value of a boolean constant (NULL counts as false); None if it is none.

    `… OR true` is true whatever stands before it.
    """
    inner = bare(phrase)
    if inner.source.code(inner.hi - 1) == "true" and inner.source.code(inner.hi - 2) == "or":
        return True
    token = single(inner)
    if token is None or token.kind not in (Kind.WORD, Kind.STRING, Kind.NUMBER):
        return None
    if token.kind is Kind.WORD:
        return {"true": True, "false": False, "null": False}.get(token.code)
    word = token.value.strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def name_of(phrase: Phrase) -> Part:
    """A constant, or the placeholder for it; UNKNOWN for any other expression."""
    text = text_of(phrase)
    return text if text is not None else placeholder(phrase) or UNKNOWN


def key_of(phrase: Phrase) -> tuple[Part, ...]:
    """The expression as a key: equal for equal expressions, however they are spaced or cast.

    An integer is its digits; a placeholder is a part of its own.
    """
    inner = bare(phrase)
    if inner.hi - inner.lo <= 3:
        number = _integer(inner.tokens)
        if number is not None:
            return (number,)
    return tuple(_joined(list(_spelled(inner))))


def _integer(tokens: list[Token]) -> str | None:
    *signs, last = tokens or [Token(Kind.OTHER, "", 0, 0)]
    is_number = last.kind is Kind.NUMBER or (last.kind is Kind.STRING and not signs)
    digits = last.value.strip().replace("_", "")
    if not is_number or any(sign.code not in ("-", "+") for sign in signs):
        return None
    if not digits.lstrip("+-").isdecimal() or len(digits) > 20 or not digits.isascii():
        return None
    negative = sum(sign.code == "-" for sign in signs) % 2
    return str(-int(digits) if negative else int(digits))


def _spelled(phrase: Phrase) -> Iterator[Part]:
    """One part per token, casts left out."""
    tokens, at = phrase.source.tokens, phrase.lo
    end = min(phrase.hi, phrase.lo + _KEY_TOKENS)
    while at < end:
        token = tokens[at]
        if token.code == "::":
            at = _after_type(phrase, at + 1)
            continue
        yield token.bound or _spelling(token)
        at += 1
    if end < phrase.hi:
        yield "…"


def _after_type(phrase: Phrase, at: int) -> int:
    source, tokens, at = phrase.source, phrase.source.tokens, at + 1
    while at < phrase.hi and tokens[at].code == ".":
        at += 2
    while at < phrase.hi and (tokens[at].code in TYPE_TAIL or tokens[at].code in ("(", "[")):
        at = source.step(at)
    return at


def _spelling(token: Token) -> str:
    return f"'{token.value}'" if token.kind is Kind.STRING else token.value


def _joined(parts: list[Part]) -> Iterator[Part]:
    """Neighbouring texts as one, words apart."""
    text = ""
    for part in parts:
        if isinstance(part, Bound):
            if text:
                yield text
            yield part
            text = ""
        else:
            apart = text and text[-1].isalnum() and part[:1].isalnum()
            text += f" {part}" if apart else part
    if text:
        yield text
