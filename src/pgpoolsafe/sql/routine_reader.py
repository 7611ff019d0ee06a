"""Reading texts where the functions of a database are known.

It stands before the common reader and has a cache of its own, so that what one database
keeps is never believed of another, and a known text still costs one look-up.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..effects import Effect, Reading
from .calls import Call
from .functions import BUILT_IN, Callables, built_in_effects
from .reader import read, read_for, remember
from .routine_triage import Words
from .routines import Analysis, Summary
from .stored import Routine


class RoutineReader:
    """`read()` and `known()` for one database, as of the moment it was looked at."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        telling = frozenset(_telling(analysis))
        drawing = frozenset(_drawing(analysis))
        self._callables = Callables(
            telling | BUILT_IN.names, drawing | BUILT_IN.drawing, self._effects
        )
        self._names = Words(telling | drawing)
        self._cache: dict[str, Reading] = {}
        self.known = self._cache.get
        self.is_empty = not self._names

    def read(self, text: str) -> Reading:
        """What a text does to the session; see `reader.read`."""
        reading = self.known(text)
        if reading is None:
            reading = read_for(text, self._callables) if self._may_call(text) else read(text)
            remember(self._cache, text, reading)
        return reading

    def _may_call(self, text: str) -> bool:
        low = text.lower()
        return 'u&"' in low or self._names.are_in(low)

    def _effects(self, call: Call) -> tuple[Effect, ...]:
        analysis = self._analysis
        found = analysis.directory.find(call, analysis.stored.path)
        if not found:
            return built_in_effects(call)
        effects = (effect for at in found for effect in analysis.effects_of(at, call))
        return tuple(dict.fromkeys(effects))


def _callable(analysis: Analysis) -> Iterator[tuple[Routine, Summary]]:
    for routine, summary in zip(analysis.stored.routines, analysis.summaries, strict=True):
        if not routine.is_trigger:
            yield routine, summary


def _telling(analysis: Analysis) -> Iterator[str]:
    """The functions that do something, and those that only share the name of one of
    PostgreSQL's or of an extension's that does.
    """
    for routine, summary in _callable(analysis):
        if summary.pieces or routine.name in BUILT_IN.names:
            yield routine.name


def _drawing(analysis: Analysis) -> Iterator[str]:
    """The functions that may draw a sequence value."""
    for routine, summary in _callable(analysis):
        if summary.draws:
            yield routine.name
