"""The mark on a test, a class, a module."""

from __future__ import annotations

from .conftest import Suite

ALLOWED = """
import asyncio
import unittest

import psycopg
import pytest
import shop

LOCK = pytest.mark.pgpoolsafe(allow=["advisory-lock"], reason="one worker only")


@LOCK
def test_marked():
    shop.claim()


@LOCK
def test_marked_in_a_thread():
    shop.in_thread(shop.claim)


@LOCK
def test_marked_in_a_task():
    async def work():
        async with await psycopg.AsyncConnection.connect(shop.DSN, autocommit=True) as conn:
            await conn.execute("SELECT pg_advisory_lock(42)")

    asyncio.run(work())


@LOCK
def test_another_rule():
    shop.listen()


@LOCK
@pytest.mark.pgpoolsafe(allow=("listen",), reason="and this")
def test_two_marks():
    shop.claim()
    shop.listen()


@LOCK
class TestMarked:
    def test_in_class(self):
        shop.claim()


@LOCK
class Case(unittest.TestCase):
    def test_in_case(self):
        shop.claim()


@pytest.fixture
def holding():
    shop.claim()


@LOCK
def test_fixture(holding):
    pass


def test_afterwards():
    shop.claim()
"""


def test_a_mark_lets_its_rules_through_and_no_other(suite: Suite) -> None:
    result = suite.strict("-rf", test=ALLOWED)
    result.assert_outcomes(passed=7, failed=2)
    result.stdout.fnmatch_lines_random(
        ["FAILED test_shop.py::test_another_rule *", "FAILED test_shop.py::test_afterwards *"]
    )


def test_a_module_is_marked(suite: Suite) -> None:
    mark = 'pytestmark = pytest.mark.pgpoolsafe(allow=["advisory-lock"], reason="x")'
    suite.files(
        test_marked=f"import pytest, shop\n{mark}\ndef test_it(): shop.claim()",
        test_plain="import shop\ndef test_it(): shop.claim()",
    )
    suite.strict().assert_outcomes(passed=1, failed=1)


WRONG = """
import pytest


@pytest.mark.pgpoolsafe(allow=["lissen"], reason="x")
def test_unknown_rule(): pass


@pytest.mark.pgpoolsafe(allow=["listen"])
def test_no_reason(): pass


@pytest.mark.pgpoolsafe("listen", reason="x")
def test_position(): pass


@pytest.mark.pgpoolsafe(allow="listen", reason="x")
def test_one_word(): pass


@pytest.mark.pgpoolsafe(alow=["listen"], reason="x")
def test_misspelt(): pass
"""


def test_a_wrong_mark_fails_the_test_that_has_it(suite: Suite) -> None:
    result = suite.strict(test=WRONG)
    result.assert_outcomes(errors=5)
    shape = '@pytest.mark.pgpoolsafe(allow=["listen"], reason="why this test may")'
    result.stdout.fnmatch_lines(
        [
            "mark pgpoolsafe: unknown rule 'lissen'; known rules: session-set, *",
            f"mark pgpoolsafe: say why, in reason=: {shape}".replace("[", "[[]"),
            *[f"mark pgpoolsafe: expected {shape}".replace("[", "[[]")] * 1,
        ]
    )
    assert result.stdout.str().count(f"mark pgpoolsafe: expected {shape}") >= 3


def test_a_block_in_a_fixture_lets_it_through(suite: Suite) -> None:
    body = """
import pgpoolsafe
import pytest
import shop


@pytest.fixture(scope="session")
def holding():
    with pgpoolsafe.allow("advisory-lock"):
        shop.claim()


def test_it(holding):
    pass
"""
    suite.strict(test=body).assert_outcomes(passed=1)
