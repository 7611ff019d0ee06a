"""check(): what a text would leave in the session, without a connection."""

from __future__ import annotations

from typing import Any

import pytest

import pgpoolsafe
from pgpoolsafe import ConfigurationError, allow, check
from pgpoolsafe.poolers.products import DIRECT, named

# text, the rules that find something
TEXTS: list[tuple[str, list[str]]] = [
    ("", []),
    (";", []),
    ("SELECT 1", []),
    ("SET work_mem = '1MB'", ["session-set"]),
    ("SET LOCAL work_mem = '1MB'", []),
    ("BEGIN; SET work_mem = '1MB'; ROLLBACK", []),
    ("BEGIN; SET work_mem = '1MB'; COMMIT", ["session-set"]),
    ("BEGIN; SET work_mem = '1MB'; RESET work_mem; COMMIT", []),
    ("SET work_mem = '1MB'; SELECT 1; RESET work_mem", []),
    ("BEGIN; SAVEPOINT s; LISTEN jobs; ROLLBACK TO s; COMMIT", []),
    ("BEGIN; SAVEPOINT s; LISTEN jobs; RELEASE s; COMMIT", ["listen"]),
    ("BEGIN; CREATE TEMP TABLE t (i int); DROP TABLE t; COMMIT", []),
    ("BEGIN; CREATE TEMP TABLE t (i int); COMMIT", ["temp-table"]),
    ("CREATE TEMP TABLE t (i int); DROP TABLE t", []),
    ("BEGIN; SELECT pg_advisory_lock(1); ROLLBACK", ["advisory-lock"]),
    ("BEGIN; SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1); ROLLBACK", []),
    ("BEGIN; LISTEN a; COMMIT; BEGIN; LISTEN b; ROLLBACK; LISTEN c", ["listen", "listen"]),
    ("BEGIN; LISTEN a; COMMIT AND CHAIN; LISTEN b; ROLLBACK AND CHAIN; COMMIT", ["listen"]),
    ("BEGIN; PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p; COMMIT", []),
    ("BEGIN; PREPARE p AS SELECT 1; ROLLBACK", ["sql-prepare"]),
    ("LISTEN a; SET work_mem = '1MB'; LOAD 'lib'", ["load-library", "listen", "session-set"]),
    ("SELECT set_config('work_mem', %s, %s)", ["session-set"]),
    # Left open: judged as if it were committed.
    ("BEGIN; LISTEN a", ["listen"]),
    ("/* pgpoolsafe: allow listen */ LISTEN a", []),
    ("/* pgpoolsafe: allow listen */ LISTEN a; LOAD 'lib'", ["load-library"]),
    ("LISTEN a -- pgpoolsafe: allow discard", ["listen"]),
]


@pytest.mark.parametrize("text, rules", TEXTS)
def test_a_text_as_it_is_sent(text: str, rules: list[str]) -> None:
    assert sorted(finding.rule for finding in check(text)) == sorted(rules)


def test_a_finding_is_whole() -> None:
    [finding] = check("SELECT 1;\n  LISTEN jobs;\nSELECT 2")
    assert finding.rule == "listen"
    assert finding.statement == "LISTEN jobs"
    assert finding.level == "warn"
    assert finding.location is None
    assert str(finding) == (
        "listen: LISTEN jobs needs a session of its own\n"
        "\n"
        "  LISTEN jobs\n"
        "\n"
        "  why:   behind PgBouncer (transaction pooling) the server connection that listens goes"
        " back to the pool: notifications reach another client or nobody\n"
        "  fix:   listen on a direct connection (NOTIFY works through the pooler)\n"
        '  allow: with pgpoolsafe.allow("listen"): …\n'
        "  docs:  docs/rules/listen.md"
    )


@pytest.mark.parametrize(
    "pooler, rules",
    [
        (None, ["session-set"]),
        ("pgbouncer", ["session-set"]),
        ("pgbouncer>=1.24", ["session-set"]),
        ("odyssey", ["session-set"]),
        ("unknown", ["session-set"]),
        ("rds-proxy", []),
        ("direct", []),
        (DIRECT, []),
        (named("pgbouncer", "session"), []),
        (named("pgbouncer", "statement"), ["session-set"]),
    ],
)
def test_the_pooler_decides(pooler: Any, rules: list[str]) -> None:
    findings = check("SET work_mem = '1MB'", pooler=pooler)
    assert [finding.rule for finding in findings] == rules


def test_tracked_settings_depend_on_the_version() -> None:
    text = "SET intervalstyle = 'iso_8601'"
    assert [f.rule for f in check(text, pooler="pgbouncer 1.18")] == ["session-set"]
    assert check(text, pooler="pgbouncer 1.24") == []


def test_statement_mode() -> None:
    [finding] = check("BEGIN; SELECT 1; COMMIT", pooler=named("pgbouncer", "statement"))
    assert finding.rule == "statement-mode-transaction"


def test_allow_is_heard() -> None:
    with allow("listen"):
        assert check("LISTEN jobs") == []
    assert check("LISTEN jobs") != []


def test_it_depends_on_nothing_but_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPOOLSAFE_MODE", "off")
    monkeypatch.setenv("PGPOOLSAFE_RULES", "listen=ignore")
    assert [finding.rule for finding in check("LISTEN jobs")] == ["listen"]
    assert check("LISTEN jobs") == check("LISTEN jobs")


def test_an_unknown_pooler() -> None:
    with pytest.raises(ConfigurationError, match=r"^pooler='bouncer' is not known: use auto, "):
        check("SELECT 1", pooler="bouncer")


@pytest.mark.parametrize("sql, name", [(b"SELECT 1", "bytes"), (None, "NoneType"), (1, "int")])
def test_what_is_no_text(sql: Any, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        check(sql)
    assert str(caught.value) == f"check(): expected a string, not {name}"


def test_it_is_public() -> None:
    assert pgpoolsafe.check is check
