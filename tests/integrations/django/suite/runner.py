"""The TEST_RUNNER of a run: Django's own, which also writes down how each test came out."""

from __future__ import annotations

import json
import os
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from django.test.runner import DiscoverRunner

RESULTS = "PGPOOLSAFE_SUITE_RESULTS"
"""Where the outcomes go, one JSON line each."""
WARM = "PGPOOLSAFE_SUITE_WARM"
"""How many server connections the pooler is to have ready, for the rotation to show."""


class Recorder(unittest.TextTestResult):
    """Writes each outcome as it comes: a run that is broken off has a record all the same."""

    def _note(self, test: Any, outcome: str, detail: str = "") -> None:
        line = json.dumps([test.id(), outcome, detail])
        with Path(os.environ[RESULTS]).open("a", encoding="utf-8") as results:
            results.write(f"{line}\n")

    def addSuccess(self, test: Any) -> None:  # noqa: N802  # unittest's name
        super().addSuccess(test)
        self._note(test, "passed")

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        self._note(test, "failed", _last_line(err))

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        self._note(test, "error", _last_line(err))

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addExpectedFailure(test, err)
        self._note(test, "xfailed")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failed", _last_line(err))


class Runner(DiscoverRunner):
    """Django's runner on warm pools."""

    def setup_databases(self, **kwargs: Any) -> Any:
        made = super().setup_databases(**kwargs)
        for connection, _, _ in made:
            warm(connection.settings_dict)
        return made

    def get_resultclass(self) -> Any:
        return Recorder


def warm(settings: Any) -> None:
    """Hold several transactions at once, so that the pooler opens that many server connections."""
    with ExitStack() as stack:
        for _ in range(int(os.environ.get(WARM, "0"))):
            conn = stack.enter_context(
                psycopg.connect(
                    host=settings["HOST"],
                    port=settings["PORT"],
                    user=settings["USER"],
                    dbname=settings["NAME"],
                )
            )
            conn.execute("SELECT 1")


def _last_line(err: Any) -> str:
    lines = str(err[1]).strip().splitlines()
    return f"{err[0].__name__}: {lines[0] if lines else ''}"
