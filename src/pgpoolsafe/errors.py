"""What pgpoolsafe raises and warns with.

None of these is a DB-API error: code that retries on `OperationalError` must not
swallow a programming mistake, and SQLAlchemy and Django must not wrap it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .poolers.answers import Pooler
    from .rules.findings import Finding, Location


class SessionStateError(Exception):
    """A statement was refused: its session state would be lost or leak.

    The parts of the message are attributes, so that nobody has to parse it.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding

    def __reduce__(self) -> tuple[type[SessionStateError], tuple[Finding]]:
        return type(self), (self.finding,)

    @property
    def rule(self) -> str:
        """Name of the rule, as `allow()` and `rules=` take it."""
        return self.finding.rule

    @property
    def statement(self) -> str:
        """The statement as the user wrote it; bound values are never in it."""
        return self.finding.statement

    @property
    def pooler(self) -> Pooler:
        """The pooler that the statement was judged for."""
        return self.finding.pooler

    @property
    def location(self) -> Location | None:
        """Where in the user's code the statement was sent; None if not known."""
        return self.finding.location

    @property
    def fix(self) -> str:
        """What to type instead."""
        return self.finding.fix


class SessionStateWarning(UserWarning):
    """A statement went through although its session state will be lost or leak."""

    def __init__(self, message: str, finding: Finding | None = None) -> None:
        super().__init__(message)
        self.finding = finding


class ConfigurationError(ValueError):
    """An option of pgpoolsafe is wrong; the message names it and lists the right ones."""


class WrongEndpointError(Exception):
    """The target is not the endpoint that was required.

    `pooler`: what stands there, with the evidence; `fix`: what to type instead.
    """

    def __init__(self, message: str, *, pooler: Pooler | None = None, fix: str = "") -> None:
        super().__init__(message)
        self.pooler = pooler
        self.fix = fix
