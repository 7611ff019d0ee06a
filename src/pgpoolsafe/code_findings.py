"""What the code that a database keeps would leave behind a pooler, as findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .drivers.known_code import lets_by
from .effects import Bound, Effect, Reading, Statement
from .judge import Trial
from .poolers.answers import Answer, Pooler
from .rules.catalog import RULES, Level, Rule
from .rules.findings import Finding, Location, shorten
from .rules.policy import Policy, Settings
from .session.books import Books
from .sql.empty_casts import EmptyCast, allowed_in, empty_casts
from .sql.routine_code import Piece
from .sql.routines import Analysis, Summary
from .sql.stored import Routine, StoredCode


@dataclass(frozen=True)
class CodeLocation(Location):
    """A line of a function's body; `file` is the function with its argument types."""

    @property
    def place(self) -> str:
        """`app.set_tenant(text), line 3`; the body's first line is 1."""
        return f"{self.file}, line {self.line}"

    def __str__(self) -> str:
        return self.place


@dataclass(frozen=True)
class ObjectLocation(Location):
    """A policy, view, default or check; `file` says which."""

    @property
    def place(self) -> str:
        """`policy mine on public.orders`."""
        return self.file

    def __str__(self) -> str:
        return self.place


def judged_code(stored: StoredCode, policy: Policy, pooler: Pooler) -> list[Finding]:
    """What the code that a database keeps would leave behind a pooler.

    `policy`: levels, and whether comments in the code count; its mode does not.
    """
    # What is looked for on purpose is told in every mode.
    policy = Policy(
        rules=policy.rules, settings=Settings.LEAVE, trust_comments=policy.trust_comments
    )
    return findings_in(Analysis(stored, lets_by(policy)), policy, pooler)


def findings_in(analysis: Analysis, policy: Policy, pooler: Pooler) -> list[Finding]:
    """What the routines of a database would leave behind a pooler, and what in it would fail."""
    summaries = zip(analysis.stored.routines, analysis.summaries, strict=True)
    left = [
        finding
        for routine, summary in summaries
        if summary.pieces and (routine.triggers or not routine.is_trigger)
        for finding in _of_routine(routine, summary, policy, pooler)
    ]
    return [*left, *_failing(analysis.stored, policy, pooler)]


def _of_routine(
    routine: Routine, summary: Summary, policy: Policy, pooler: Pooler
) -> Iterator[Finding]:
    statements = tuple(_statement(piece, routine) for piece in summary.pieces)
    reading = Reading(statements, plain=False)
    text = routine.body or ""
    books: Books[Finding | None] = Books(in_block=True)
    trial = _BodyTrial(text, reading, None, books, policy, pooler, locate=lambda: None)
    trial.run().ended_unseen()
    told = {(f.rule, f.what, f.location): f for f in trial.findings}
    for finding in sorted(told.values(), key=lambda f: f.location.line if f.location else 0):
        place = finding.location
        yield replace(
            finding,
            what=finding.what + _run_by(routine.triggers),
            statement=finding.statement or f"LANGUAGE {routine.language}",
            location=None if place is None else CodeLocation(routine.title, place.line, ""),
        )


class _BodyTrial(Trial):
    """A body, tried like a text; each finding stands at the line of its statement."""

    def _finding(
        self, rule: Rule, effect: Effect | None, statement: Statement, level: Level
    ) -> Finding:
        found = super()._finding(rule, effect, statement, level)
        line = self.text.count("\n", 0, statement.start) + 1
        return replace(found, location=Location("", line, ""))


def _failing(stored: StoredCode, policy: Policy, pooler: Pooler) -> Iterator[Finding]:
    """Casts of settings that are '' on a server connection which others have used."""
    rule = RULES["empty-custom-setting"]
    level = policy.level(rule)
    if level is Level.IGNORE:
        return
    for routine in stored.routines:
        body = routine.body or ""
        if not (policy.trust_comments and rule.name in allowed_in(body)):
            for cast in empty_casts(body):
                line = body.count("\n", 0, cast.start) + 1
                place = CodeLocation(routine.title, line, "")
                yield _cast_finding(rule, cast, body, place, level, pooler)
    for shown, text in stored.expressions:
        for cast in empty_casts(text):
            yield _cast_finding(rule, cast, text, ObjectLocation(shown, 1, ""), level, pooler)


def _cast_finding(
    rule: Rule, cast: EmptyCast, text: str, place: Location, level: Level, pooler: Pooler
) -> Finding:
    words = {"subject": place.file, "name": cast.setting, "type": cast.type, "pooler": str(pooler)}
    return Finding(
        rule=rule.name,
        what=rule.what.format(**words),
        statement=shorten(text[cast.start : cast.end]),
        why=rule.reason(Answer.LEAKS).format(**words),
        fix=rule.fix.format(**words),
        pooler=pooler,
        level=level.value,
        location=place,
    )


def _statement(piece: Piece, routine: Routine) -> Statement:
    """The statement of the body, its parameters by their names."""
    effect = piece.effect
    key = tuple(
        _parameter(part, routine) if isinstance(part, Bound) else part for part in effect.key
    )
    return Statement(piece.start, piece.end, "", (replace(effect, key=key),))


def _parameter(part: Bound, routine: Routine) -> str:
    at = part.param if isinstance(part.param, int) else 0
    return routine.parameters[at] or f"${at + 1}"


def _run_by(triggers: tuple[str, ...]) -> str:
    if not triggers:
        return ""
    more = f" and {len(triggers) - 1} more" if len(triggers) > 1 else ""
    return f" ({triggers[0]}{more})"
