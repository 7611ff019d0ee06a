"""Which bodies of a database have to be read at all, by the words in them.

Reading takes its time, and a database can keep thousands of functions. A body is worth
reading if it holds a word that an effect needs, or the name of a function whose body is.
It may only err towards reading more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .bodies import LANGUAGES
from .functions import DRAWING, NAMES
from .literals import cut
from .stored import Routine

_WORD = re.compile(r"[^\W\d]\w*")

# EXECUTE and DO hold other code; the rest is what RECOGNISERS know of more than a query.
_TELLING_WORDS = """
    execute do reset listen unlisten prepare deallocate load discard pg_temp temp temporary
    pg_settings hold
"""
_TELLING = frozenset(_TELLING_WORDS.split()) | NAMES
_DRAWING_WORDS = """
    insert merge execute copy call default identity serial serial4 serial8 bigserial
    smallserial serial2
"""
_DRAWS = frozenset(_DRAWING_WORDS.split()) | DRAWING

_SET = re.compile(r"\bset\b")
# What a statement can begin after: no UPDATE has it before its SET.
_BOUNDARY = re.compile(r"(?:;|\*/|>>|\b(?:begin|atomic|then|else|loop))$")
_LOOK_BACK = 400
# In other schemas than pg_temp itself, and names in any spelling.
_ANYWHERE = ("pg_temp_", 'u&"')


# So many names are looked for one by one, which is quicker than to cut a text into words.
_FEW = 64


class Words:
    """Finds names in texts: those that are words by their words, any other as it is written."""

    def __init__(self, names: frozenset[str]) -> None:
        self._by_word: dict[str, list[str]] = {}
        self._others: dict[str, str] = {}
        for name in names:
            low = name.lower()
            if _WORD.fullmatch(low):
                self._by_word.setdefault(low, []).append(name)
            else:
                self._others[low.replace('"', '""')] = name
        self._few = (*self._by_word, *self._others) if len(names) < _FEW else ()

    def found_in(self, low: str, words: frozenset[str]) -> frozenset[str]:
        """The names that a text in lower case, of these words, may hold."""
        found = {name for word in self._by_word.keys() & words for name in self._by_word[word]}
        found.update(name for spelled, name in self._others.items() if spelled in low)
        return frozenset(found)

    def are_in(self, low: str) -> bool:
        """Whether a text in lower case may hold any of them."""
        if self._few and not any(name in low for name in self._few):
            return False
        return bool(self.found_in(low, words_of(low)))

    def __bool__(self) -> bool:
        return bool(self._by_word or self._others)


def words_of(low: str) -> frozenset[str]:
    """The words of a text in lower case, long ones as PostgreSQL cuts them."""
    return frozenset(map(cut, _WORD.findall(low)))


def worth_reading(routines: Sequence[Routine]) -> tuple[frozenset[int], frozenset[int]]:
    """The routines whose body must be read, and those that may draw a sequence value."""
    names = Words(frozenset(r.name for r in routines if not r.is_trigger))
    telling: set[int] = set()
    drawing: set[int] = set()
    mentions: list[frozenset[str]] = []
    for index, routine in enumerate(routines):
        low = (routine.body or "").lower()
        words = words_of(low)
        mentions.append(names.found_in(low, words))
        unknown = routine.language not in LANGUAGES or routine.body is None
        if unknown or _tells(low, words):
            telling.add(index)
        if not _DRAWS.isdisjoint(words):
            drawing.add(index)
    callers = _callers(mentions)

    def name_of(index: int) -> str:
        return routines[index].name

    return _spread(telling, callers, name_of), _spread(drawing, callers, name_of)


def _tells(low: str, words: frozenset[str]) -> bool:
    if not _TELLING.isdisjoint(words) or any(sign in low for sign in _ANYWHERE):
        return True
    if "set" not in words:
        return False
    return any(_may_begin_statement(low, found.start()) for found in _SET.finditer(low))


def _may_begin_statement(low: str, at: int) -> bool:
    """Whether the word at an index can be a statement's first; also after a comment."""
    before = low[max(0, at - _LOOK_BACK) : at].rstrip()
    line = re.split(r"[\n\r]", before)[-1]
    is_cut = at > _LOOK_BACK and len(line) == len(before)
    return not before or is_cut or "--" in line or _BOUNDARY.search(before) is not None


def _callers(mentions: Sequence[frozenset[str]]) -> dict[str, list[int]]:
    callers: dict[str, list[int]] = {}
    for index, names in enumerate(mentions):
        for name in names:
            callers.setdefault(name, []).append(index)
    return callers


def _spread(
    first: set[int], callers: dict[str, list[int]], name_of: Callable[[int], str]
) -> frozenset[int]:
    """With all that mention the name of one of them, and so on."""
    found, waiting = set(first), list(first)
    while waiting:
        for caller in callers.get(name_of(waiting.pop()), ()):
            if caller not in found:
                found.add(caller)
                waiting.append(caller)
    return frozenset(found)
