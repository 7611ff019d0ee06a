"""A hazard fails its test, at its line, however the code under test goes about it."""

from __future__ import annotations

import pytest

from .conftest import Suite, found

WAYS = """
import asyncio

import psycopg
import psycopg_pool
import pytest
import sqlalchemy as sa

import shop

LOCK = "SELECT pg_advisory_lock(42)"


def test_connection():
    with shop.connect(autocommit=True) as conn:
        conn.execute(LOCK)


def test_commit():
    with shop.connect() as conn:
        conn.execute(LOCK)


def test_pool():
    with psycopg_pool.ConnectionPool(shop.DSN, min_size=1, max_size=1) as pool:
        with pool.connection() as conn:
            conn.execute("SET app.tenant = 'acme'")


def test_engine():
    engine = sa.create_engine("postgresql+psycopg://", creator=shop.connect)
    with engine.begin() as conn:
        conn.execute(sa.text("SET app.tenant = 'acme'"))


def test_async():
    async def work():
        async with await psycopg.AsyncConnection.connect(shop.DSN, autocommit=True) as conn:
            await conn.execute("LISTEN orders")

    asyncio.run(work())


def test_module():
    shop.claim()


def test_safe():
    shop.safe()
"""

IN_HAND = """
import pytest
from pgpoolsafe.testing import capture_findings

import shop


@pytest.fixture
def conn():
    with shop.connect() as conn:
        yield conn
        conn.rollback()


def test_in_hand(conn):
    with capture_findings(conn) as found:
        shop.tenant(conn)
    assert [finding.rule for finding in found] == ["session-set"]


def test_afterwards(conn):
    with capture_findings(conn) as found:
        shop.tenant(conn)
    conn.execute("SET app.other = 'x'")
"""


def test_what_a_test_has_in_hand_fails_it_no_more(suite: Suite) -> None:
    result = suite.strict(test=IN_HAND)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["session-set  1x  test_*:* in test_afterwards()"])


MESSAGE = """\
>   *conn.execute("SELECT pg_advisory_lock(42)")
E   *pgpoolsafe.errors.SessionStateError: advisory-lock: pg_advisory_lock(42) outlives *
E   *
E   *SELECT pg_advisory_lock(42)
E   *at shop.py:15 in claim()
E   *
E   *why:   behind PgBouncer 1.24 (transaction pooling) the lock stays with *
E   *fix:   pg_advisory_xact_lock(…), which the end of the transaction releases, *
E   *allow: with pgpoolsafe.allow("advisory-lock"): …
E   *docs:  docs/rules/advisory-lock.md

shop.py:15: SessionStateError"""


def test_every_way_to_connect_is_guarded(suite: Suite) -> None:
    suite.ini("pgpoolsafe = strict", "pgpoolsafe_pooler = pgbouncer>=1.24 transaction")
    result = suite.run("--pgpoolsafe-report=report.json", test=WAYS)
    result.assert_outcomes(passed=1, failed=6)
    result.stdout.fnmatch_lines(
        ["pgpoolsafe: strict, as if behind PgBouncer 1.24 (transaction pooling)"]
    )
    assert found(suite.report()) == [
        ("advisory-lock", "fails", "shop.py:15", 1),
        ("advisory-lock", "fails", "test_shop.py:15", 1),
        ("advisory-lock", "fails", "test_shop.py:20", 1),
        ("session-set", "fails", "test_shop.py:26", 1),
        ("session-set", "fails", "test_shop.py:32", 1),
        ("listen", "fails", "test_shop.py:38", 1),
    ]


def test_the_traceback_ends_at_the_line_with_the_message(suite: Suite) -> None:
    result = suite.strict(
        "--pgpoolsafe-pooler=pgbouncer>=1.24",
        test="import shop\ndef test_it(): shop.claim()",
    )
    result.stdout.fnmatch_lines(MESSAGE.splitlines(), consecutive=True)
    assert "psycopg/cursor.py" not in result.stdout.str()


def test_the_whole_traceback_is_there_for_who_asks(suite: Suite) -> None:
    result = suite.strict("--full-trace", test="import shop\ndef test_it(): shop.claim()")
    assert "psycopg/cursor.py" in result.stdout.str()


UNTOLD = """
import unittest

import pytest
import shop


def test_swallowed():
    shop.swallowing(shop.claim)


def test_thread():
    shop.in_thread(shop.claim)


def test_some_error_was_expected():
    with pytest.raises(Exception):
        shop.claim()


def test_skipped_afterwards():
    shop.swallowing(shop.claim)
    pytest.skip("late")


@pytest.fixture
def bad_start():
    shop.swallowing(shop.claim)


@pytest.fixture
def bad_end():
    yield
    shop.swallowing(shop.claim)


def test_start_of_a_fixture(bad_start):
    pass


def test_end_of_a_fixture(bad_end):
    pass


class Case(unittest.TestCase):
    def test_case(self):
        shop.swallowing(shop.claim)

    def test_raising_case(self):
        shop.claim()


class CaseWithEnd(unittest.TestCase):
    def test_end_of_a_case(self):
        pass

    def tearDown(self):
        shop.swallowing(shop.claim)


class ClassWithStart(unittest.TestCase):
    def test_start_of_a_class(self):
        pass

    @classmethod
    def setUpClass(cls):
        shop.swallowing(shop.claim)


class ClassWithEnd(unittest.TestCase):
    def test_end_of_a_class(self):
        pass

    @classmethod
    def tearDownClass(cls):
        shop.swallowing(shop.claim)
"""

PHASES = {
    "swallowed": "call",
    "thread": "call",
    "some_error_was_expected": "call",
    "skipped_afterwards": "call",
    "start_of_a_fixture": "setup",
    "end_of_a_fixture": "teardown",
    "case": "call",
    "raising_case": "call",
    "end_of_a_case": "call",
    "start_of_a_class": "setup",
    "end_of_a_class": "teardown",
}


def test_what_does_not_reach_the_test_fails_it_at_its_end(suite: Suite) -> None:
    result = suite.strict("--pgpoolsafe-report=report.json", test=UNTOLD)
    phases = list(PHASES.values())
    result.assert_outcomes(
        passed=phases.count("teardown"),
        failed=phases.count("call"),
        errors=phases.count("setup") + phases.count("teardown"),
    )
    (finding,) = suite.report()["findings"]
    met = {test["test"].rpartition("::test_")[2]: test["phase"] for test in finding["tests"]}
    assert met == PHASES
    text = "\n".join(
        [
            "pgpoolsafe refused this statement, and the error did not reach the test: the code"
            " under test has swallowed it, or it came in another thread.",
            "",
            "advisory-lock: pg_advisory_lock(42) outlives the transaction",
            "",
            "  SELECT pg_advisory_lock(42)",
            "  at shop.py:15 in claim()",
        ]
    )
    assert result.stdout.str().count(text) == len(PHASES) - 1  # one raised by itself


def test_what_was_swallowed_again_and_again_is_told_once(suite: Suite) -> None:
    result = suite.strict(
        test="import shop\ndef test_it():\n    for _ in range(3): shop.swallowing(shop.claim)"
    )
    result.assert_outcomes(failed=1)
    assert result.stdout.str().count("swallowed it, or it came in another thread") == 1
    result.stdout.fnmatch_lines(["advisory-lock  3x  shop.py:15 in claim()"])


def test_a_test_that_fails_otherwise_shows_what_was_swallowed(suite: Suite) -> None:
    result = suite.strict(
        test="import shop\ndef test_it():\n    shop.swallowing(shop.claim)\n    assert 1 == 2"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*assert 1 == 2", "*- pgpoolsafe -*", "*at shop.py:15 in claim()"]
    )


def test_an_expected_failure_is_one(suite: Suite) -> None:
    body = (
        "import pytest, shop, unittest\n"
        "class Case(unittest.TestCase):\n"
        "    @unittest.expectedFailure\n"
        "    def test_case(self): shop.claim()\n"
        "@pytest.mark.xfail\ndef test_it(): shop.claim()\n"
        "@pytest.mark.xfail(strict=True)\ndef test_that(): shop.swallowing(shop.claim)\n"
    )
    result = suite.strict("--pgpoolsafe-report=report.json", test=body)
    result.assert_outcomes(xfailed=3)
    result.stdout.fnmatch_lines(["3 expected to fail at 1 place"])
    assert found(suite.report()) == [("advisory-lock", "expected", "shop.py:15", 3)]


def test_a_marked_test_that_expects_something_else_fails(suite: Suite) -> None:
    body = (
        "import pytest, shop\n@pytest.mark.xfail(raises=ValueError)\ndef test_it(): shop.claim()\n"
    )
    result = suite.strict(test=body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["1 failed at 1 place"])


ROLLED_BACK = """
import pytest
import shop
import sqlalchemy as sa
import sqlalchemy.orm


@pytest.fixture
def conn():
    conn = shop.connect()
    conn.execute("SET app.own = 'of the harness'")
    yield conn
    conn.rollback()
    conn.close()


@pytest.fixture
def session():
    engine = sa.create_engine("postgresql+psycopg://", creator=shop.connect)
    with engine.connect() as connection:
        outer = connection.begin()
        yield sa.orm.Session(connection, join_transaction_mode="create_savepoint")
        outer.rollback()
    engine.dispose()


def test_rolled_back(conn):
    shop.tenant(conn)


def test_savepoint(session):
    session.execute(sa.text("CREATE TEMP TABLE basket (item text)"))
    session.commit()


def test_undone_by_the_code(conn):
    conn.execute("SAVEPOINT s")
    shop.tenant(conn)
    conn.execute("ROLLBACK TO s")


def test_taken_back_by_the_code(conn):
    shop.tenant(conn)
    conn.execute("RESET app.tenant")
"""


def test_what_the_harness_rolls_back_counts_as_committed(suite: Suite) -> None:
    result = suite.strict("--pgpoolsafe-report=report.json", test=ROLLED_BACK)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "The test has left this in a transaction *",
            "*at shop.py:24 in tenant()",
        ]
    )
    assert found(suite.report()) == [
        ("session-set", "fails", "shop.py:24", 1),
        ("temp-table", "fails", "test_shop.py:31", 1),
    ]


ATTRIBUTION = """
import pytest
import shop


@pytest.fixture(scope="session")
def warm():
    shop.swallowing(shop.claim)


@pytest.fixture(scope="session")
def conn():
    with shop.connect(autocommit=True) as conn:
        yield conn
        shop.swallowing(shop.listen)


def test_first(conn): pass


def test_second(conn):
    conn.execute("SELECT pg_advisory_lock(7)")


def test_third(warm): pass


def test_last(conn): pass
"""


def test_a_finding_belongs_to_the_test_and_the_fixture_that_made_it(suite: Suite) -> None:
    result = suite.strict("--pgpoolsafe-report=report.json", "-v", test=ATTRIBUTION)
    result.assert_outcomes(passed=2, failed=1, errors=2)
    tests = {f["rule"] + str(f["line"]): f["tests"] for f in suite.report()["findings"]}
    nobody = {"fixture": None, "count": 1}
    assert tests == {
        "advisory-lock21": [{"test": "test_shop.py::test_second", "phase": "call", **nobody}],
        "advisory-lock15": [
            {"test": "test_shop.py::test_third", "phase": "setup", "fixture": "warm", "count": 1}
        ],
        "listen20": [{"test": "test_shop.py::test_last", "phase": "teardown", **nobody}],
    }
    result.stdout.fnmatch_lines(["  fixture warm"])


SUBTESTS = """
import unittest

import shop


def test_parts(subtests):
    with subtests.test("raises"):
        shop.claim()
    with subtests.test("is fine"):
        shop.safe()


class TestParts(unittest.TestCase):
    def test_parts(self):
        with self.subTest("raises"):
            shop.claim()
        with self.subTest("swallows"):
            shop.swallowing(shop.listen)
"""


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests from 9.0 on")
def test_what_a_subtest_has_told_is_not_told_again(suite: Suite) -> None:
    result = suite.strict("--pgpoolsafe-report=report.json", test=SUBTESTS)
    assert str(result.stdout).count("pgpoolsafe refused this statement") == 1
    result.stdout.fnmatch_lines(["contains 1 failed subtest", "  LISTEN orders"])
    assert found(suite.report()) == [
        ("advisory-lock", "fails", "shop.py:15", 2),
        ("listen", "fails", "shop.py:20", 1),
    ]


OWN_GUARD = """
import pgpoolsafe
import pytest
import shop
import sqlalchemy as sa


@pytest.mark.parametrize("mode", ["warn", "observe", "off", "strict"])
def test_own_installation(mode):
    engine = sa.create_engine("postgresql+psycopg://", creator=shop.connect)
    pgpoolsafe.install(engine, mode=mode)
    with engine.begin() as conn:
        conn.execute(sa.text("SELECT pg_advisory_lock(42)"))


def test_own_repair():
    engine = sa.create_engine("postgresql+psycopg://", creator=shop.connect)
    pgpoolsafe.install(engine, settings="local")
    with engine.begin() as conn:
        conn.execute(sa.text("SET app.tenant = 'acme'"))


def test_process_wide():
    with pgpoolsafe.install(mode="warn"):
        shop.claim()


def test_uninstall():
    pgpoolsafe.uninstall()


def test_after_uninstall():
    shop.claim()
"""


def test_what_the_program_installs_does_not_weaken_the_guard(suite: Suite) -> None:
    result = suite.strict("--pgpoolsafe-report=report.json", test=OWN_GUARD)
    result.assert_outcomes(passed=2, failed=6)
    assert found(suite.report()) == [
        ("advisory-lock", "fails", "shop.py:15", 2),
        ("advisory-lock", "fails", "test_shop.py:12", 4),
        ("session-set", "repaired", "test_shop.py:19", 1),
    ]


SURVIVING = """
import pytest
import shop

HELD = (
    "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),"
    " (SELECT count(*) FROM pg_prepared_statements WHERE from_sql)"
)
closed = []


@pytest.fixture(scope="module")
def shared():
    with shop.connect() as conn:
        conn.execute("SELECT pg_advisory_xact_lock(1)")
        yield conn


@pytest.fixture
def conn(shared):
    yield shared
    shared.rollback()
    closed.append(shared)


@pytest.fixture
def locked(conn):
    conn.execute("SELECT pg_advisory_lock(5)")
    yield conn
    conn.execute("SELECT pg_advisory_unlock(5)")


@pytest.fixture
def committing():
    conn = shop.connect()
    yield conn
    try:
        conn.commit()
    finally:
        conn.close()


def test_lock(conn): conn.execute("SELECT pg_advisory_lock(2)")


def test_prepare(conn): conn.execute("PREPARE price AS SELECT 1")


def test_both(conn):
    conn.execute("SET app.tenant = 'acme'")
    conn.execute("SELECT pg_advisory_lock(3)")


def test_released(conn):
    conn.execute("SELECT pg_advisory_lock(4)")
    conn.execute("SELECT pg_advisory_unlock(4)")


def test_of_the_harness(locked): pass


def test_after(conn):
    assert len(closed) == 5
    assert conn.execute(HELD).fetchone() == (0, 0)


def test_committed(committing): committing.execute("SELECT pg_advisory_lock(6)")
"""


def test_what_survives_a_rollback_fails_the_test_and_is_released(suite: Suite) -> None:
    result = suite.strict("-rA", "--pgpoolsafe-report=report.json", test=SURVIVING)
    result.assert_outcomes(passed=3, failed=4, errors=1)
    for name in ("lock", "prepare", "both", "committed"):
        result.stdout.fnmatch_lines([f"FAILED *::test_{name} - *"])
    result.stdout.fnmatch_lines(["ERROR *::test_committed - *"])
    assert [(rule, count) for rule, _, _, count in found(suite.report())] == [
        ("advisory-lock", 1),
        ("sql-prepare", 1),
        ("session-set", 1),
        ("advisory-lock", 1),
        ("advisory-lock", 1),
    ]


OUTSIDE = "import shop\nshop.swallowing(shop.claim)\ndef test_it(): pass\n"


def test_what_comes_outside_of_all_tests_fails_the_run(suite: Suite) -> None:
    result = suite.strict("--pgpoolsafe-report=report.json", test=OUTSIDE)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["advisory-lock  1x  shop.py:15 in claim()", "*(collection, outside of the tests)"]
    )


def test_a_pool_that_a_conftest_opens_is_guarded(suite: Suite) -> None:
    suite.pytester.makeconftest(
        "import psycopg_pool, pytest, shop\n"
        "pool = psycopg_pool.ConnectionPool(shop.DSN, min_size=1, open=True)\n"
        "@pytest.fixture\ndef conn():\n    with pool.connection() as conn: yield conn\n"
        "def pytest_unconfigure(): pool.close()\n"
    )
    result = suite.strict(test="import shop\ndef test_it(conn): shop.tenant(conn)")
    result.assert_outcomes(failed=1)
