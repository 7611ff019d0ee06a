"""Known findings do not fail; new ones do; what is gone is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import SHOP, Suite

TESTS = """
import shop


def test_claim():
    shop.claim()


def test_listen():
    shop.listen()
"""
BASELINE = ("--pgpoolsafe-baseline=known.txt",)
UPDATE = (*BASELINE, "--pgpoolsafe-update-baseline")

HEAD = """\
# pgpoolsafe baseline 1: findings that were there already, and do not fail the tests.
# rule, file, function, statement; tabs between. Written by --pgpoolsafe-update-baseline.
"""
LOCK = "advisory-lock\tshop.py\tclaim\tSELECT pg_advisory_lock(?)\n"
LISTEN = "listen\tshop.py\tlisten\tLISTEN orders\n"


@pytest.fixture
def known(suite: Suite) -> Path:
    return suite.pytester.path / "known.txt"


def test_it_is_written_sorted_and_then_lets_through(suite: Suite, known: Path) -> None:
    result = suite.strict(*UPDATE, test=TESTS)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["2 told at 2 places", f"2 findings written to {known}"])
    assert known.read_text() == HEAD + LOCK + LISTEN
    again = suite.strict(*BASELINE)
    again.assert_outcomes(passed=2)
    again.stdout.fnmatch_lines(["2 known at 2 places"])


def test_only_what_is_new_fails(suite: Suite, known: Path) -> None:
    known.write_text(LOCK)
    suite.strict(*BASELINE, test=TESTS).assert_outcomes(passed=1, failed=1)


MISSING = (
    "the baseline known.txt is not there: everything is new"
    " (--pgpoolsafe-update-baseline writes it)"
)


def test_without_a_file_everything_is_new(suite: Suite) -> None:
    result = suite.strict(*BASELINE, test=TESTS)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([MISSING, "2 failed at 2 places"])


def test_a_missing_file_is_told_where_nothing_is_found_too(suite: Suite) -> None:
    result = suite.strict("-q", *BASELINE, test="def test_it(): pass")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([MISSING, "nothing found"])


def test_a_file_that_is_there_or_is_to_be_written_is_not_missed(suite: Suite, known: Path) -> None:
    assert "is not there" not in suite.strict(*UPDATE, test=TESTS).stdout.str()
    assert known.exists()
    assert "is not there" not in suite.strict(*BASELINE).stdout.str()


def test_an_entry_holds_while_lines_and_values_change(suite: Suite, known: Path) -> None:
    known.write_text(LOCK)
    suite.files(shop="\n\n# moved down\n" + SHOP.replace("lock(42)", "lock(  43 /* new */ )"))
    suite.strict(*BASELINE, "-k", "claim", test=TESTS).assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize(
    "old, new", [("def claim", "def take"), ("advisory_lock(42)", "try_advisory_lock(42)")]
)
def test_an_entry_ends_with_its_function_and_its_statement(
    suite: Suite, known: Path, old: str, new: str
) -> None:
    known.write_text(LOCK)
    suite.files(shop=SHOP.replace(old, new).replace("claim()", "take()"))
    name = "take" if "take" in new else "claim"
    suite.strict(*BASELINE, test=f"import shop\ndef test_it(): shop.{name}()").assert_outcomes(
        failed=1
    )


STALE = "temp-table\tshop.py\tbasket\tCREATE TEMP TABLE basket (item text)\n"


def test_what_is_gone_is_told_after_a_whole_run(suite: Suite, known: Path) -> None:
    known.write_text(LOCK + LISTEN + STALE)
    result = suite.strict(*BASELINE, test=TESTS)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "no longer found (known.txt; --pgpoolsafe-update-baseline removes them):",
            "  temp-table  shop.py basket()  CREATE TEMP TABLE basket (item text)",
        ]
    )


@pytest.mark.parametrize("words", [("-k", "claim"), ("test_shop.py::test_claim",), ("-x",)])
def test_after_part_of_a_run_nothing_is_called_gone(
    suite: Suite, known: Path, words: tuple[str, ...]
) -> None:
    known.write_text(STALE if words == ("-x",) else LOCK + STALE)
    result = suite.strict(*BASELINE, *words, test=TESTS)
    assert "no longer found" not in result.stdout.str()


def test_an_update_by_part_of_a_run_keeps_the_rest(suite: Suite, known: Path) -> None:
    known.write_text(STALE)
    suite.strict(*UPDATE, "-k", "claim", test=TESTS)
    assert known.read_text() == HEAD + LOCK + STALE


def test_an_update_by_a_whole_run_removes_what_is_gone(suite: Suite, known: Path) -> None:
    known.write_text(STALE + LOCK)
    suite.strict(*UPDATE, test=TESTS)
    assert known.read_text() == HEAD + LOCK + LISTEN


def test_an_update_finds_all_at_once(suite: Suite, known: Path) -> None:
    suite.strict(*UPDATE, test="import shop\ndef test_it():\n    shop.claim()\n    shop.listen()")
    assert known.read_text() == HEAD + LOCK + LISTEN


def test_the_ini_file_names_it_from_its_own_folder(suite: Suite, known: Path) -> None:
    known.write_text(LOCK + LISTEN)
    suite.ini("pgpoolsafe = strict", "pgpoolsafe_baseline = known.txt")
    below = suite.pytester.mkdir("below")
    (below / "test_below.py").write_text(TESTS)
    suite.pytester.chdir()
    suite.run(f"--rootdir={suite.pytester.path}", "below").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "text, error",
    [
        ("listen shop.py\n", "*known.txt:1: expected rule, file, function and statement with *"),
        ("# fine\nlissen\ta\tb\tc\n", "*known.txt:2: unknown rule 'lissen'; known rules: *"),
    ],
)
def test_a_wrong_line_is_one_clear_error(suite: Suite, known: Path, text: str, error: str) -> None:
    known.write_text(text)
    result = suite.strict(*BASELINE, test=TESTS)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: pgpoolsafe: {error}"])
