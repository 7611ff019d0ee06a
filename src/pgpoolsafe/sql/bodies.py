"""Code inside statements: the body of DO, of functions and procedures.

PL/pgSQL is cut at its semicolons; from the front of each piece the block structure
(BEGIN, DECLARE, IF … THEN, LOOP, labels) is taken away until a statement is left. A
statement of SQL is read as such, EXECUTE by what its string can be told to be, and
everything else for the functions that it calls. Nothing in a body can be edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..effects import Effect, EffectKind
from .dynamic import OPEN_GAP, spoken, without_gaps
from .phrases import Phrase, Source, Words, source, statements
from .queries import read_query
from .temporary import into_effects

if TYPE_CHECKING:
    from .functions import Callables

Read = Callable[[Phrase], tuple[Effect, ...]]

LANGUAGES = ("plpgsql", "sql")
"""The languages that are read; code in any other one is opaque."""

DEEPEST = 6
"""Code in code in code …: what lies deeper is not read and counts as opaque."""

OPAQUE = Effect(EffectKind.OPAQUE_CODE)
UNREADABLE = Effect(EffectKind.UNREADABLE)

# The words of SQL that mean in PL/pgSQL what they mean there; EXECUTE, CLOSE, DECLARE,
# BEGIN and some others do not.
_SQL_WORDS = """
    set reset select with values insert update delete merge copy call listen unlisten prepare
    deallocate load discard create drop alter explain do
"""
_SQL = frozenset(_SQL_WORDS.split())

_SELECTS = frozenset({"select", "with"})
_OPENERS = frozenset({"begin", "else", "loop", "exception"})
_HEADERS: Mapping[str, str] = {
    "if": "then",
    "elsif": "then",
    "elseif": "then",
    "when": "then",
    "while": "loop",
    "for": "loop",
    "foreach": "loop",
    "case": "when",
}
_ASSIGNMENT = frozenset({":=", "=", "[", "."})
_BEFORE_DYNAMIC = frozenset({"in", "for", "query"})


def body_effects(
    body: str, language: str, level: int, read: Read, callables: Callables | None = None
) -> tuple[Effect, ...]:
    """The effects of a piece of code, should it run to its end.

    `language` as in LANGUAGE; all but SQL and PL/pgSQL are opaque. `level`: how deep it
    lies in other code, 1 for the body of a DO. `read` reads one statement of SQL.
    `callables`: the functions that it is read for; None: PostgreSQL's own.
    """
    language = language.lower()
    if language not in LANGUAGES or level > DEEPEST:
        return (OPAQUE,)
    code = source(body, level=level, callables=callables)
    return tuple(effect for _, effect in code_effects(code, language, read))


def code_effects(code: Source, language: str, read: Read) -> Iterator[tuple[Phrase, Effect]]:
    """The effects of code in one of LANGUAGES, each with the statement that has it."""
    found = _statements(code, read) if language == "sql" else _Body(code, read).effects()
    for phrase, effect in found:
        yield phrase, replace(effect, edits=None)
    if not code.complete:
        yield Phrase(code, len(code.tokens) - 1, len(code.tokens)), UNREADABLE


def _statements(code: Source, read: Read) -> Iterator[tuple[Phrase, Effect]]:
    """Of SQL: a string of statements, BEGIN ATOMIC … END, or RETURN expression."""
    for statement in statements(code):
        words = statement.words()
        words.skip_all("begin", "atomic")
        rest = words.rest()
        found = read_query(rest) if words.code() == "return" else read(rest)
        # In SQL it makes a table, in PL/pgSQL it is an assignment, in EXECUTE an error.
        into = into_effects(rest) if words.code() in _SELECTS and code.level == 1 else ()
        for effect in (*into, *found):
            yield rest, effect


class _Body:
    """One PL/pgSQL body, piece by piece."""

    def __init__(self, code: Source, read: Read) -> None:
        self.code = code
        self.read = read
        self.declares = False

    def effects(self) -> Iterator[tuple[Phrase, Effect]]:
        for piece in statements(self.code):
            words = piece.words()
            yield from self._structure(words)
            rest = words.rest()
            for effect in self._statement(rest) if rest else ():
                yield rest, effect

    def _structure(self, words: Words) -> Iterator[tuple[Phrase, Effect]]:
        """Take what is not a statement yet from the front; the effects of conditions."""
        while True:
            word = words.code()
            if word == "<<":
                self._skip_label(words)
            elif word == "#":  # an option of the compiler: #variable_conflict use_column
                words.at += 3
            elif word in _OPENERS:
                words.take()
                self.declares = False
            elif word == "declare":
                words.take()
                self.declares = True
            elif word in _HEADERS and not self.declares:
                yield from self._header(words, _HEADERS[word])
            else:
                return

    def _skip_label(self, words: Words) -> None:
        while not words.done and words.take().code != ">>":
            pass

    def _header(self, words: Words, last: str) -> Iterator[tuple[Phrase, Effect]]:
        """`IF condition THEN`, `FOR x IN query LOOP`, `CASE value` (up to its first WHEN)."""
        begin = words.at
        words.take()
        depth = 0
        while not words.done and (depth or words.code() != last):
            depth += {"case": 1, "end": -1}.get(words.code(), 0)
            words.at = self.code.step(words.at)
        header = Phrase(self.code, begin, min(words.at, words.end))
        for effect in self._expressions(header):
            yield header, effect
        if last != "when":
            words.take()

    def _statement(self, phrase: Phrase) -> Iterator[Effect]:
        words = phrase.words()
        if self.declares or words.code(1) in _ASSIGNMENT:
            yield from self._expressions(phrase)
        elif words.code() == "execute":
            yield from self._dynamic(phrase.part(phrase.lo + 1))
        elif words.code() in _SQL:
            yield from self.read(phrase)
        else:
            yield from self._expressions(phrase)

    def _expressions(self, phrase: Phrase) -> Iterator[Effect]:
        """Functions called, and the string of FOR … IN EXECUTE and RETURN QUERY EXECUTE."""
        yield from read_query(phrase)
        at = phrase.find("execute")
        if at is not None and self.code.code(at - 1) in _BEFORE_DYNAMIC:
            yield from self._dynamic(phrase.part(at + 1))

    def _dynamic(self, phrase: Phrase) -> Iterator[Effect]:
        """EXECUTE string [INTO target] [USING expressions]."""
        end = phrase.find("into", "using", "loop")
        text = spoken(phrase.part(phrase.lo, end))
        if OPEN_GAP in text:
            yield OPAQUE
        level, callables = self.code.level + 1, self.code.callables
        yield from without_gaps(body_effects(text, "sql", level, self.read, callables))
        yield from read_query(phrase)
