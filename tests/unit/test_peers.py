"""The runner of the peers' suites: baselines, reasons, and the guard in every interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers.baselines import Known, load, no_longer, unexplained, with_failures
from tests.peers.comparing import Comparison, Runner, regressions
from tests.peers.reasons import REASONS, UNKNOWN, reason_for
from tests.peers.running import SITE, Endless, Outcome, Run
from tests.peers.stage import PLACES, Stage
from tests.peers.suites import SUITES

BASELINE = {
    "a": Known("class", frozenset({"untracked", "tracked"})),
    "b": Known("session-set", frozenset({"tracked"})),
}


@pytest.mark.parametrize("suite", SUITES)
def test_every_row_of_a_baseline_has_a_reason(suite: str) -> None:
    for test, known in load(suite).items():
        assert known.reason in REASONS, test
        assert known.places <= set(PLACES), test


def test_rows_come_and_go() -> None:
    now = with_failures(BASELINE, "tracked", {"c": "listen"})
    assert now == {
        "a": Known("class", frozenset({"untracked"})),  # passes now where it is tracked
        "b": BASELINE["b"],  # may pass and may fail
        "c": Known("listen", frozenset({"tracked"})),
    }
    assert with_failures(now, "untracked", {"c": "else"})["c"].reason == "listen"


def test_what_the_baseline_says_of_a_run() -> None:
    assert unexplained(BASELINE, "untracked", ["a", "b"]) == ["b"]
    assert no_longer(BASELINE, "tracked", []) == ["a"]
    assert no_longer(BASELINE, "tracked", ["a"]) == []


@pytest.mark.parametrize(
    "test,error,reason",
    [
        ("tests/test_cursor.py::test_default_cursor", "", "class"),
        ("tests/x.py::test_y", "InternalError_: cache lookup failed for type 1", "plan"),
        ("tests/x.py::test_y", "AssertionError: assert 1 == 2", UNKNOWN),
    ],
)
def test_reasons(test: str, error: str, reason: str) -> None:
    assert reason_for(test, error) == reason


def test_the_page_says_every_reason() -> None:
    page = (Path(__file__).parents[2] / "docs" / "peers.md").read_text()
    for reason in REASONS.values():
        assert f"| {reason.name} | {reason.why} |" in page


def test_what_only_the_library_breaks_is_counted() -> None:
    def run(**outcomes: str) -> Run:
        return Run({test: Outcome(o) for test, o in outcomes.items()}, 1, 0.0)

    without, guarded = run(a="failed", b="passed"), run(a="failed", b="failed")
    found = Comparison("tracked", without, guarded, failing={"a": "listen", "b": "class"})
    assert regressions(found) == ["b"]
    assert guarded.failing() == {"a", "b"}


def test_each_interpreter_is_guarded_when_it_has_psycopg(tmp_path: Path) -> None:
    """Those that a test starts, too; and no sooner than psycopg is imported."""
    code = (
        "import sys; before = 'pgpoolsafe' in sys.modules; import psycopg;"
        "from psycopg._connection_base import BaseConnection as B;"
        "print(before, B._connect_gen.__func__.__module__, psycopg.__spec__.loader.__class__)"
    )
    register = tmp_path / "register"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SITE), *sys.path]),
        "PGPOOLSAFE_PEERS_OPTIONS": json.dumps({"mode": "observe"}),
        "PGPOOLSAFE_PEERS_DRIVER": "psycopg",
        "PGPOOLSAFE_PEERS_REGISTER": str(register),
    }
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-s", "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [
            "False",
            "pgpoolsafe.drivers.process",
            "<class",
            "'_frozen_importlib_external.SourceFileLoader'>",
        ]
    assert len(register.read_text().splitlines()) == 2


def test_without_the_library_a_suite_need_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = Run({"a": Outcome("passed")}, 1, 0.0)

    def run(*asked: Any) -> Run:
        _, place, guarding = asked
        if place == "untracked" and guarding is None:
            raise Endless("still running")
        return passed

    monkeypatch.setattr(Runner, "run", run)
    found = Runner(SUITES["psycopg"], Path(), Stage()).pooled("untracked", {})
    assert not found.without.outcomes
    assert (found.guarded, found.failing, found.wrong) == (passed, {}, {})
