"""What is done with findings: counted, logged, warned about once per place, or raised."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..errors import SessionStateError, SessionStateWarning
from .catalog import Level
from .findings import Finding

logger = logging.getLogger("pgpoolsafe")

_MOST_PLACES = 10_000

_Place = tuple[str, str, object]

Review = Callable[[Finding], Finding]
"""Sees a finding before anybody is told; gives it back, with another level if it likes."""

_reviews: tuple[Review, ...] = ()

_LOG_LEVELS = {
    Level.OBSERVE.value: logging.WARNING,
    Level.WARN.value: logging.INFO,
    Level.REWRITE.value: logging.INFO,
}


class Reporter:
    """The findings of one installation: how often each, and who was told.

    A place is told once for each rule. Counting is not exact under threads (two may
    count at once), since it must not cost a lock.
    """

    def __init__(self) -> None:
        self._counts: dict[_Place, tuple[Finding, int]] = {}
        self._told: set[_Place] = set()

    def findings(self) -> list[tuple[Finding, int]]:
        """Each finding once per rule and place, with the number of times it came."""
        return list(self._counts.values())

    def report(self, findings: Iterable[Finding]) -> None:
        """Count, log and warn; raise SessionStateError for the first that is to be raised.

        Where the user has made warnings errors, the first to be told comes out as one; it
        then counts as not told, so that the same place is stopped the next time as well.
        """
        findings = [f for f in map(_reviewed, findings) if f.level != Level.IGNORE.value]
        for finding in findings:
            self._count(finding)
        refused = next((f for f in findings if f.level == Level.RAISE.value), None)
        try:
            for finding in findings:
                self._tell(finding)
        finally:
            if refused:
                logger.info("%s", refused.line)
                raise SessionStateError(refused)

    def _count(self, finding: Finding) -> None:
        place = _place(finding)
        known, count = self._counts.get(place, (finding, 0))
        if count or len(self._counts) < _MOST_PLACES:
            self._counts[place] = (known, count + 1)

    def _tell(self, finding: Finding) -> None:
        """Log and warn, unless this rule was told at this place before."""
        place = _place(finding)
        if finding.level == Level.RAISE.value or place in self._told:
            return
        logger.log(_LOG_LEVELS[finding.level], "%s", finding.line)
        if finding.level == Level.WARN.value:
            warn(finding)
        if len(self._told) < _MOST_PLACES:
            self._told.add(place)


@contextmanager
def reviewing(review: Review) -> Iterator[None]:
    """Within the block every finding of the process goes past `review`, in whatever thread.

    The newest review comes first; those before it are not asked about what it ignores. For
    test suites, which must know of all findings, whatever installation they belong to.
    """
    global _reviews
    _reviews = (review, *_reviews)
    try:
        yield
    finally:
        _reviews = tuple(other for other in _reviews if other is not review)


def _reviewed(finding: Finding) -> Finding:
    for review in _reviews:
        finding = review(finding)
        if finding.level == Level.IGNORE.value:
            break
    return finding


def ignored(finding: Finding) -> Finding:
    """The finding at the level at which nobody is told."""
    return replace(finding, level=Level.IGNORE.value)


def _place(finding: Finding) -> _Place:
    """What is told once; findings of code that could not be located, once per statement.

    The options of one connection may hold several settings, each with a fix of its own.
    """
    place: object = finding.statement
    if finding.location:
        setting = finding.statement if finding.rule == "startup-options" else ""
        place = (finding.location.file, finding.location.line, setting)
    return finding.rule, finding.level, place


def warn(finding: Finding) -> None:
    """Warn at the user's own line, under whatever filters the user has set."""
    file, line = "<unknown>", 1
    if finding.location:
        file, line = finding.location.file, finding.location.line
    warnings.warn_explicit(SessionStateWarning(str(finding), finding), None, file, line)
