"""Hazards under Django's TestCase, whose transaction is never committed.

The code under test believes that it commits, where it leaves its last `atomic` or runs in
autocommit. At the end of each test the guard is asked what a COMMIT would have left behind;
in strict mode that fails the test.
"""

from __future__ import annotations

from typing import Any

from pgpoolsafe import Finding, SessionStateError
from pgpoolsafe.rules.policy import Mode


class TestCaseEnds:
    """Goes before a DatabaseWrapper: sees a TestCase roll its transaction back."""

    atomic_blocks: list[Any]
    connection: Any
    pgpoolsafe: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left: list[Finding] = []
        self._told: list[Finding] = []

    def set_rollback(self, rollback: bool) -> None:
        """TestCase calls this just before it leaves its block."""
        super().set_rollback(rollback)  # type: ignore[misc]
        if rollback and self._is_at_the_end_of_a_test():
            left = self.pgpoolsafe.would_outlive(self.connection)
            self._left = [finding for finding in left if finding not in self._told]

    def savepoint_commit(self, sid: str) -> None:
        """The last thing at the end of one test."""
        super().savepoint_commit(sid)  # type: ignore[misc]
        self._tell()

    def rollback(self) -> None:
        """The last thing at the end of the class."""
        super().rollback()  # type: ignore[misc]
        self._tell()

    def _rollback(self) -> None:
        """The guard releases here what a ROLLBACK does not, and refuses once more what failed
        the test that it stands for.
        """
        try:
            super()._rollback()  # type: ignore[misc]
        except SessionStateError as error:
            if error.finding not in self._told:
                raise

    def _is_at_the_end_of_a_test(self) -> bool:
        blocks = self.atomic_blocks
        if not blocks or self.connection is None:
            return False
        is_strict = self.pgpoolsafe.policy.mode is Mode.STRICT
        return is_strict and all(block._from_testcase for block in blocks)

    def _tell(self) -> None:
        """Raises SessionStateError; once for each finding, since locks stay till the last test."""
        if self._left:
            left, self._left = self._left, []
            self._told += left
            self.pgpoolsafe.reporter.report(left)
