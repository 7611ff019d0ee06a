"""Django's test runner, guarded: `TEST_RUNNER = "pgpoolsafe.testing.django.StrictRunner"`."""

from __future__ import annotations

import multiprocessing
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import Any

from django.test.runner import DiscoverRunner

from ..errors import ConfigurationError
from .arguments import add_arguments, finished, strict_run
from .ending import Ending
from .options import OFF
from .supervision import Supervision

_SPAWN = (
    "StrictRunner with --parallel needs processes that are forked, not spawned: the guard would"
    " be missing in them"
)
_FILES = (
    "the report and the baseline are written by one process: leave --parallel out for"
    " --pgpoolsafe-report and --pgpoolsafe-update-baseline"
)


class StrictRunner(DiscoverRunner):  # type: ignore[misc]  # Django has no types
    """Every connection that the tests open is judged as if behind a pooler.

    Guards from before the test databases are made until they are gone. Options as those of
    the pytest plugin: `manage.py test --pgpoolsafe-pooler "pgbouncer>=1.24 transaction"`.
    Raises ConfigurationError for wrong ones.
    """

    def __init__(self, **options: Any) -> None:
        self._arguments = {n: v for n, v in options.items() if n.startswith("pgpoolsafe")}
        super().__init__(**{n: v for n, v in options.items() if n not in self._arguments})
        self._stack = ExitStack()
        self._run: tuple[Supervision, Ending] | None = None

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Django's, and pgpoolsafe's."""
        super().add_arguments(parser)
        add_arguments(parser)

    def setup_test_environment(self, **kwargs: Any) -> None:
        """The guard comes first: the connections that make the test database stay open."""
        if self._arguments["pgpoolsafe"] != OFF:
            if self.parallel > 1:
                _check_parallel(self._arguments)
            self._run = self._stack.enter_context(strict_run(self._arguments))
        super().setup_test_environment(**kwargs)

    def suite_result(self, suite: Any, result: Any, **kwargs: Any) -> int:
        """Django's count of failures, and one more for what came outside of all tests."""
        failures: int = super().suite_result(suite, result, **kwargs)
        if self._run is None:
            return failures
        lines, fails = finished(*self._run)
        for line in lines:
            self.log(line)
        return failures + fails

    def teardown_test_environment(self, **kwargs: Any) -> None:
        """The guard goes last."""
        super().teardown_test_environment(**kwargs)
        self._stack.close()


def _check_parallel(arguments: dict[str, Any]) -> None:
    if multiprocessing.get_start_method() != "fork":
        raise ConfigurationError(_SPAWN)
    if arguments["pgpoolsafe_report"] or arguments["pgpoolsafe_update_baseline"]:
        raise ConfigurationError(_FILES)
