"""Workers of xdist guard; what they find is told, and written, in one place."""

from __future__ import annotations

import pytest

from .conftest import Suite, found

TESTS = """
import pytest
import shop


@pytest.mark.parametrize("number", range(4))
def test_claim(number):
    shop.claim()


def test_listen():
    shop.swallowing(shop.listen)


@pytest.mark.pgpoolsafe(allow=["advisory-lock"], reason="x")
def test_allowed():
    shop.claim()


def test_safe():
    shop.safe()
"""
OPTIONS = ("-n", "2", "--pgpoolsafe-baseline=known.txt", "--pgpoolsafe-report=r.json")


def test_findings_of_all_workers_are_one_summary(suite: Suite) -> None:
    result = suite.strict(*OPTIONS, test=TESTS, plugins=("xdist",))
    result.assert_outcomes(passed=2, failed=5)
    result.stdout.fnmatch_lines(["advisory-lock  4x  shop.py:15 in claim()", "    and 1 more"])
    assert found(suite.report("r.json")) == [
        ("advisory-lock", "fails", "shop.py:15", 4),
        ("listen", "fails", "shop.py:20", 1),
    ]


def test_the_baseline_is_written_once_and_read_by_all(suite: Suite) -> None:
    update = suite.strict(*OPTIONS, "--pgpoolsafe-update-baseline", test=TESTS, plugins=("xdist",))
    update.assert_outcomes(passed=7)
    assert (suite.pytester.path / "known.txt").read_text().splitlines()[2:] == [
        "advisory-lock\tshop.py\tclaim\tSELECT pg_advisory_lock(?)",
        "listen\tshop.py\tlisten\tLISTEN orders",
    ]
    suite.strict(*OPTIONS, plugins=("xdist",)).assert_outcomes(passed=7)


def test_what_came_in_no_test_of_a_worker_fails_the_run(suite: Suite) -> None:
    body = "import shop\nshop.swallowing(shop.claim)\ndef test_it(): pass"
    result = suite.strict(*OPTIONS, test=body, plugins=("xdist",))
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["    (collection, outside of the tests)"])
