"""The end of a guarded pytest run: files, exit status, summary."""

from __future__ import annotations

import pytest

from pgpoolsafe.testing.ending import Ending

PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


class PytestEnding(Ending):
    """Gathers the records of a run, from xdist's workers as well."""

    _said: tuple[str, ...] = ()

    def finish(self, session: pytest.Session) -> None:
        """Write the report and the baseline; the exit status tells what no test could."""
        self.is_whole = self.is_whole and _ran_all(session)
        if not self.is_empty and self.outcome().fails_outside and session.exitstatus in PASSED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        try:
            self._said = tuple(self.write())
        except OSError as error:
            self._said = (f"not written: {error}",)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def show(self, terminal: pytest.TerminalReporter) -> None:
        """The summary, at the end of pytest's own words."""
        if self.is_empty and not self._said:
            return
        outcome = self.outcome()
        if not (outcome.records or outcome.stale or outcome.lacks_baseline or self._said):
            return
        terminal.section(f"pgpoolsafe: {outcome.mode}, as if behind {outcome.pooler}")
        for line in [*outcome.lines(verbose=terminal.verbosity > 0), *self._said]:
            terminal.line(line)


def _ran_all(session: pytest.Session) -> bool:
    """Whether the run was of the whole suite, and came to its end."""
    config = session.config
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    ended = session.exitstatus in (*PASSED, pytest.ExitCode.TESTS_FAILED)
    return ended and not named and not session.shouldstop and not session.shouldfail
