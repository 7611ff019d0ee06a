"""The end of a guarded run: what was found in all its tests, and what is to be written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .journal import Record
from .supervision import Supervision

if TYPE_CHECKING:
    from .report import Outcome


class Ending:
    """Gathers the records of a run. `report`: where they go as JSON.

    `is_whole`: all the tests there are ran, so that what the baseline has and nobody met is
    gone from the code.
    """

    def __init__(self, supervision: Supervision, report: Path | None, *, is_whole: bool) -> None:
        self._supervision = supervision
        self._report = report
        self._records: list[Record] = []
        self.is_whole = is_whole

    def gather(self, records: Iterable[Record]) -> None:
        """What was found in a phase, a process, or between tests."""
        self._records += records

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell of: nothing was found, and nothing was known."""
        supervision = self._supervision
        return not (self._records or supervision.known or supervision.lacks_baseline)

    def outcome(self) -> Outcome:
        """What was found so far."""
        from .report import Outcome, stale

        options = self._supervision.options
        is_read = self.is_whole and not options.update_baseline
        return Outcome(
            mode=options.mode,
            pooler=self._supervision.pooler,
            records=self._records,
            stale=stale(self._supervision.known if is_read else (), self._records),
            baseline=options.baseline.name if options.baseline else "",
            lacks_baseline=self._supervision.lacks_baseline,
        )

    def write(self) -> list[str]:
        """Write the baseline and the report, and say so, a line each. Raises OSError."""
        options, said = self._supervision.options, []
        if options.update_baseline and options.baseline is not None:
            from .report import update

            known = self._supervision.known
            count = update(options.baseline, known, self._records, whole=self.is_whole)
            said.append(f"{count} findings written to {options.baseline}")
        if self._report is not None:
            self.outcome().write_report(self._report)
            said.append(f"report written to {self._report}")
        return said
