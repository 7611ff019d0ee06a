"""How PostgreSQL decodes names and string constants (scan.l and parser.c).

Pure functions on the text between the quotes. What PostgreSQL would reject is left as
it stands: the server answers such a text with an error, so that nothing of it runs.
"""

from __future__ import annotations

import re

NAME_BYTES = 63
"""NAMEDATALEN - 1: longer names are cut, at a character boundary."""

# PostgreSQL folds A-Z only, whatever the locale, in every multi-byte encoding.
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

# Not compiled here: few programs come to it, and all of them import this.
_ESCAPE = r"(?:\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.)))|''"
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


SHORT_NAME = NAME_BYTES // 4
"""No name of so many characters is ever cut."""


def fold(text: str) -> str:
    """Names written without quotes: ASCII letters in lower case, nothing else changed."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def cut(name: str) -> str:
    """A name as PostgreSQL keeps it: at most 63 bytes of UTF-8."""
    if len(name) <= SHORT_NAME:
        return name
    raw = name.encode("utf-8", "surrogatepass")
    return name if len(raw) <= NAME_BYTES else raw[:NAME_BYTES].decode("utf-8", "ignore")


def decode_escapes(body: str) -> str:
    """The inside of E'…', where a quote is written \\' or doubled."""
    return _pair(re.sub(_ESCAPE, _escaped, body, flags=re.DOTALL))


def _escaped(match: re.Match[str]) -> str:
    octal, two, four, eight, plain = match.groups()
    if plain is not None:
        return _CONTROL.get(plain, plain)
    if octal is not None:
        return chr(int(octal, 8) & 0xFF)
    digits = two or four or eight
    return _character(digits, match[0]) if digits else "'"


def decode_unicode(body: str, escape: str = "\\") -> str:
    """The inside of U&'…' or U&"…" with its escape character (UESCAPE)."""
    if escape not in body:
        return body
    mark = re.escape(escape)
    pattern = rf"{mark}(?:({mark})|([0-9A-Fa-f]{{4}})|\+([0-9A-Fa-f]{{6}}))"
    return _pair(re.sub(pattern, _code_point, body))


def _code_point(match: re.Match[str]) -> str:
    doubled, four, six = match.groups()
    return str(doubled) if doubled else _character(four or six, match[0])


def _character(digits: str, otherwise: str) -> str:
    code = int(digits, 16)
    return chr(code) if code <= 0x10FFFF else otherwise


def _pair(text: str) -> str:
    """Two surrogates written one after the other are one character."""
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
