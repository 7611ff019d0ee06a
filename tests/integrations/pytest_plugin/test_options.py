"""Each option, on the command line and in the ini file; and nothing at all without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Suite, found

CLAIM = "import shop\ndef test_it(): shop.claim()"
TENANT = """
import shop


def test_it():
    with shop.connect() as conn:
        shop.tenant(conn)
        assert conn.execute("SHOW app.tenant").fetchone() == ("acme",)
"""


# inert


INERT = """
import sys


def test_nothing_is_imported_or_guarded():
    ours = {name for name in sys.modules if name.partition(".")[0] == "pgpoolsafe"}
    assert ours == set()
    assert "psycopg" not in sys.modules
    import psycopg
    import shop
    shop.claim()
    assert type(shop.connect()) is psycopg.Connection
"""


@pytest.mark.parametrize("words", [(), ("--pgpoolsafe=off",), ("--pgpoolsafe-residue=nonsense",)])
def test_without_being_asked_it_does_nothing(suite: Suite, words: tuple[str, ...]) -> None:
    result = suite.run("-Wignore::ResourceWarning", *words, test=INERT)
    result.assert_outcomes(passed=1)
    assert not any("PgBouncer" in line for line in result.outlines)


def test_a_baseline_is_not_written_by_a_run_that_guards_nothing(suite: Suite) -> None:
    words = ("--pgpoolsafe-baseline=known.txt", "--pgpoolsafe-update-baseline")
    result = suite.run(*words, test=CLAIM)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pgpoolsafe: update_baseline: without --pgpoolsafe=*"])
    suite.run(*words, "--pgpoolsafe=off").assert_outcomes(passed=1)  # said in so many words


def test_off_on_the_command_line_beats_the_ini_file(suite: Suite) -> None:
    suite.ini("pgpoolsafe = strict")
    suite.run("--pgpoolsafe=off", test=CLAIM).assert_outcomes(passed=1)
    suite.run().assert_outcomes(failed=1)


def test_the_mark_is_known_without_being_asked(suite: Suite) -> None:
    test = '@pytest.mark.pgpoolsafe(allow=["listen"], reason="x")\ndef test_it(): pass'
    suite.run("--strict-markers", test=f"import pytest\n{test}").assert_outcomes(passed=1)


def test_it_is_declared_as_a_plugin() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\npgpoolsafe = "pgpoolsafe_pytest.plugin"\n' in project


# modes


def test_warn_fails_nothing_and_sums_up(suite: Suite) -> None:
    body = """
        import logging
        import warnings
        import shop

        def test_it(caplog, recwarn):
            shop.claim()
            shop.listen()
            assert caplog.records == [] and not recwarn.list
    """
    result = suite.run(
        *("--pgpoolsafe=warn", "-Werror", "--log-level=INFO", "--pgpoolsafe-report=r.json"),
        test=body.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "advisory-lock  1x  shop.py:15 in claim()",
            "  pg_advisory_lock(42) outlives the transaction",
            "  SELECT pg_advisory_lock(42)",
            "    test_shop.py::test_it",
            "listen  1x  shop.py:20 in listen()",
            "*",
            "2 told at 2 places",
        ]
    )
    assert [finding[:2] for finding in found(suite.report("r.json"))] == [
        ("advisory-lock", "told"),
        ("listen", "told"),
    ]


def test_nothing_found_says_nothing(suite: Suite) -> None:
    result = suite.strict(test="import shop\ndef test_it(): shop.safe()")
    result.assert_outcomes(passed=1)
    assert sum("pgpoolsafe" in line for line in result.outlines) == 1  # the header


# the pooler


@pytest.mark.parametrize(
    "pooler, failed",
    [
        ("pgbouncer", 1),
        ("pgbouncer>=1.24 transaction", 1),
        ("rds-proxy", 0),  # pins the client
        ("pgcat", 1),
    ],
)
def test_it_is_judged_as_if_behind_that_pooler(suite: Suite, pooler: str, failed: int) -> None:
    body = "import shop\ndef test_it():\n    with shop.connect() as conn: shop.tenant(conn)"
    result = suite.strict(f"--pgpoolsafe-pooler={pooler}", test=body)
    result.assert_outcomes(passed=1 - failed, failed=failed)


PREPARING = """
import shop


def test_prepared():
    with shop.connect(autocommit=True, prepare_threshold=0) as conn:
        conn.execute("SELECT 1 WHERE 1 = %s", [1])
        conn.execute("SELECT 1 WHERE 1 = %s", [1])
        name, = conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        assert name > 0
"""


@pytest.mark.parametrize(
    "words, failed",
    [
        (("--pgpoolsafe-pooler=pgbouncer>=1.24",), 0),
        (("--pgpoolsafe-pooler=pgbouncer>=1.18",), 1),
        (("--pgpoolsafe-pooler=pgbouncer>=1.18", "--pgpoolsafe-prepared=auto"), 0),
        ((), 0),  # which PgBouncer was not said
    ],
)
def test_prepared_statements_are_judged_where_the_pooler_was_named(
    suite: Suite, words: tuple[str, ...], failed: int
) -> None:
    result = suite.strict(*words, test=PREPARING)
    result.assert_outcomes(passed=1 - failed, failed=failed)
    if failed:
        result.stdout.fnmatch_lines(["*SessionStateError: named-prepare: *"])


# settings and rules


def test_settings_are_judged_as_they_stand(suite: Suite) -> None:
    suite.strict(test=TENANT).assert_outcomes(failed=1)
    result = suite.strict("--pgpoolsafe-settings=local", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["session-set  1x  shop.py:24 in tenant()  (repaired)"])


def test_a_rule_has_a_level_of_its_own(suite: Suite) -> None:
    rules = ("  advisory-lock = ignore", "  listen=warn")
    suite.ini("pgpoolsafe = strict", "pgpoolsafe_rules =", *rules)
    body = "import shop\ndef test_lock(): shop.claim()\ndef test_listen(): shop.listen()"
    result = suite.run(test=body)
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*SessionStateWarning: listen: *", "1 told at 1 place"])


# residue


HIDDEN = '''
import shop


def test_first():
    with shop.connect(autocommit=True) as conn:
        conn.execute("""
            CREATE OR REPLACE FUNCTION hidden() RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_catalog.set_config('app.hidden', 'x', false); END $$
        """)


def test_second():
    with shop.connect(autocommit=True) as conn:
        conn.execute("SELECT hidden()")


def test_third():
    with shop.connect(autocommit=True) as conn:
        conn.execute("DROP FUNCTION hidden()")
'''


def test_what_a_function_leaves_is_blamed_on_test_and_statement(suite: Suite) -> None:
    result = suite.strict("--pgpoolsafe-residue=on", "--pgpoolsafe-report=r.json", test=HIDDEN)
    result.assert_outcomes(passed=2, failed=1)
    (finding,) = suite.report("r.json")["findings"]
    assert finding["rule"] == "residue"
    assert finding["statement"] == "SELECT hidden()"
    assert [test["test"] for test in finding["tests"]] == ["test_shop.py::test_second"]
    result.stdout.fnmatch_lines(["*residue: SET app.hidden is left in the session by code *"])


LAST = '''
import unittest

import pytest
import shop


@pytest.fixture(scope="module")
def shared():
    with shop.connect(autocommit=True) as conn:
        conn.execute("""
            CREATE OR REPLACE FUNCTION hidden(key int) RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_catalog.pg_advisory_lock(key); END $$
        """)
        yield conn
        conn.execute("DROP FUNCTION hidden(int)")


@pytest.fixture
def filled(shared):
    shared.cursor().executemany("SELECT hidden(%s)", [(1,)])


@pytest.fixture
def emptied(shared):
    yield
    shared.cursor().executemany("SELECT hidden(%s)", [(2,)])


def test_shared(shared):
    shared.cursor().executemany("SELECT hidden(%s)", [(3,)])


def test_closed(shared):
    with shop.connect(autocommit=True) as conn:
        list(conn.cursor().stream("SELECT hidden(5)"))


def test_filled(filled): pass


def test_emptied(emptied): pass


def test_innocent(shared): shared.execute("SELECT 1")


@pytest.mark.usefixtures("shared")
class Case(unittest.TestCase):
    def setUp(self):
        self.conn = shop.connect(autocommit=True)
        self.addCleanup(self.conn.close)

    def test_case(self):
        self.conn.cursor().executemany("SELECT hidden(%s)", [(4,)])

    def test_innocent_case(self):
        self.conn.cursor().executemany("SELECT %s", [("x",)])
'''


def test_what_is_left_last_is_blamed_on_the_test_that_did_it(suite: Suite) -> None:
    result = suite.strict("--pgpoolsafe-residue=on", "--pgpoolsafe-report=r.json", test=LAST)
    result.assert_outcomes(passed=3, failed=3, errors=2)
    told = [
        (test["test"].rpartition("::")[2], test["phase"])
        for finding in suite.report("r.json")["findings"]
        for test in finding["tests"]
    ]
    assert told == [
        ("test_filled", "setup"),
        ("test_emptied", "teardown"),
        ("test_shared", "call"),
        ("test_closed", "call"),
        ("test_case", "call"),
    ]
    result.stdout.fnmatch_lines(["This is left in a session, and no error of it has reached *"])


def test_without_residue_only_texts_are_read(suite: Suite) -> None:
    suite.strict(test=HIDDEN).assert_outcomes(passed=3)


# the report


def test_the_report_has_what_its_schema_says(suite: Suite) -> None:
    suite.strict("--pgpoolsafe-report=deep/down/r.json", test=CLAIM)
    assert suite.report("deep/down/r.json") == {
        "version": 1,
        "mode": "strict",
        "pooler": "PgBouncer (transaction pooling)",
        "findings": [
            {
                "rule": "advisory-lock",
                "verdict": "fails",
                "count": 1,
                "what": "pg_advisory_lock(42) outlives the transaction",
                "why": "behind PgBouncer (transaction pooling) the lock stays with the server"
                " connection, which other clients share: the unlock may reach another"
                " connection, and the lock then stays for ever, while whoever gets this"
                " connection can take it again",
                "fix": "pg_advisory_xact_lock(…), which the end of the transaction releases, or"
                " take the lock on a direct connection",
                "statement": "SELECT pg_advisory_lock(42)",
                "normalised": "SELECT pg_advisory_lock(?)",
                "pooler": "PgBouncer, transaction pooling",
                "file": "shop.py",
                "line": 15,
                "function": "claim",
                "tests": [
                    {
                        "test": "test_shop.py::test_it",
                        "phase": "call",
                        "fixture": None,
                        "count": 1,
                    }
                ],
            }
        ],
        "stale": [],
    }


def test_a_report_that_cannot_be_written_is_said(suite: Suite) -> None:
    (suite.pytester.path / "taken").write_text("")
    result = suite.strict("--pgpoolsafe-report=taken/r.json", test="def test_it(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["not written: *taken*"])


# wrong options


WRONG = {
    ("--pgpoolsafe-pooler=pgbuncer",): "pooler='pgbuncer' is not known: use auto, direct, *",
    ("--pgpoolsafe-pooler=direct",): "pooler='direct' hands no session to anybody else: *",
    ("--pgpoolsafe-pooler=pgbouncer session",): "pooler='pgbouncer session' hands no session *",
    ("--pgpoolsafe-residue=yes",): "residue='yes': expected one of off, on, statement",
    ("--pgpoolsafe-settings=all",): "settings='all': expected one of *",
    ("--pgpoolsafe-prepared=never",): "prepared='never': expected one of *",
    ("--pgpoolsafe-update-baseline",): "update_baseline: name the file of the baseline",
}


@pytest.mark.parametrize("words", WRONG, ids=lambda words: words[0])
def test_a_wrong_option_is_one_clear_error(suite: Suite, words: tuple[str, ...]) -> None:
    result = suite.strict(*words, test=CLAIM)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: pgpoolsafe: {WRONG[words]}"])
    assert len(result.errlines) <= 2  # and an empty one


@pytest.mark.parametrize(
    "line, error",
    [
        ("pgpoolsafe = loud", "mode='loud': expected one of 'off', 'warn', 'strict'"),
        ("pgpoolsafe_rules = lissen = ignore", "rules: unknown rule 'lissen'; known rules: *"),
        ("pgpoolsafe_rules = listen = loud", "rules: listen='loud': expected one of *"),
    ],
)
def test_a_wrong_line_of_the_ini_file_is_one_clear_error(
    suite: Suite, line: str, error: str
) -> None:
    suite.ini(*(["pgpoolsafe = strict"] * ("rules" in line)), line)
    result = suite.run(test=CLAIM)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: pgpoolsafe: {error}"])


def test_help_names_every_option(suite: Suite) -> None:
    suite.ini("pgpoolsafe = nonsense")
    result = suite.run("--help")
    text = " ".join(result.outlines)
    for name in ("pooler", "residue", "settings", "prepared", "baseline", "report", "dsn"):
        assert f"--pgpoolsafe-{name}=" in text
        assert f"pgpoolsafe_{name} (string):" in text


def test_the_environment_of_a_pooler_does_not_reach_the_guard(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPOOLSAFE_POOLER", "direct")
    monkeypatch.setenv("PGPOOLSAFE_MODE", "off")
    suite.strict(test=CLAIM).assert_outcomes(failed=1)


def test_values_are_in_no_output(suite: Suite) -> None:
    body = """
import shop


def test_it():
    with shop.connect(autocommit=True) as conn:
        conn.execute("SELECT set_config('app.tenant', %s, false)", ["secret-of-acme"])
"""
    result = suite.strict("-v", "--tb=line", "--pgpoolsafe-report=r.json", test=body)
    result.assert_outcomes(failed=1)
    assert "secret-of-acme" not in json.dumps(suite.report("r.json"))
    summary = result.stdout.str().partition("pgpoolsafe: strict, as if behind")[2]
    assert "secret-of-acme" not in summary
