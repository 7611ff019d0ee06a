"""The quick test: whether a text can be called plain without reading its tokens.

It looks at the first keyword and for a few words, in the text as it stands. It may only
err towards looking closer: a text that it calls plain has no effect in any spelling.
"""

from __future__ import annotations

import re

from ..effects import DRAWS, PLAIN, Reading
from .functions import DRAWING, NAMES

# What can have an effect only through a function it calls, pg_settings or SELECT INTO.
_CAN_CALL_WORDS = """
    select with values table insert update delete merge copy show notify
"""
_CAN_CALL = frozenset(_CAN_CALL_WORDS.split())
_DRAWS = frozenset({"insert", "merge", "copy"})
_INTO = frozenset({"select", "with"})

# White space, parentheses and comments without a comment inside them, then the keyword.
# What Python calls a space and PostgreSQL does not is an error on the server.
_FIRST = re.compile(
    r"[\s(]*(?:(?:--[^\n\r]*[\n\r]|/\*[^*/]*(?:(?:/(?!\*)|\*(?!/))[^*/]*){0,64}\*/)[\s(]*){0,8}"
    r"([A-Za-z]+)"
)

# A name in U&"…" can be spelled in any way.
_ANYWHERE = frozenset({'u&"', "pgpoolsafe", "pg_settings", *NAMES})


def _heads(words: frozenset[str]) -> tuple[str, ...]:
    """The beginnings of the words, up to the first underscore: fewer to look for."""
    heads = {word[: word.find("_") + 1] or word for word in words}
    return tuple(head for head in heads if not any(o in head for o in heads if o != head))


_HEADS = _heads(_ANYWHERE)


def plain_reading(text: str) -> Reading | None:
    """PLAIN or DRAWS for a text that has no effect; None: look closer."""
    command = first_word(text)
    if command not in _CAN_CALL:
        return None
    low = text.lower()
    for head in _HEADS:
        if head in low and any(word in low for word in _ANYWHERE):
            return None
    if has_more(low) or (command in _INTO and "into" in low):
        return None
    draws = command in _DRAWS or any(name in low for name in DRAWING)
    return DRAWS if draws or ("update" in low and "default" in low) else PLAIN


def first_word(text: str) -> str:
    """The first keyword in lower case; "" where it cannot be found this quickly."""
    found = _FIRST.match(text)
    return "" if found is None else found[1].lower()


_KINDS_WORDS = """
    concurrently database full index schema subscription system table tablespace unique
"""
_KINDS = frozenset(_KINDS_WORDS.split())
_MOST_KINDS = 3
_OF_KINDS = frozenset({"ALTER", "CREATE", "DROP", "REINDEX", "VACUUM"})


def called(text: str) -> str:
    """What a statement is called, in upper case: CREATE INDEX CONCURRENTLY, VACUUM FULL, CALL."""
    found = _FIRST.match(text)
    if found is None:
        return ""
    words = [found[1].upper()]
    if words[0] not in _OF_KINDS:
        return words[0]
    for word in text[found.end() :].split(maxsplit=_MOST_KINDS)[:_MOST_KINDS]:
        if word.lower() not in _KINDS:
            break
        words.append(word.upper())
    return " ".join(words)


def has_more(text: str) -> bool:
    """Whether anything follows a semicolon, be it inside a string."""
    at = text.find(";")
    return at >= 0 and text[at:].strip("; \t\n\r\f\v") != ""
