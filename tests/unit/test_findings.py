"""Findings as text, where they come from, and how they are told."""

from __future__ import annotations

import logging
import pickle
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgpoolsafe.errors import SessionStateError, SessionStateWarning
from pgpoolsafe.guard import STAND_IN
from pgpoolsafe.judge import Trial
from pgpoolsafe.poolers.products import DIRECT, named
from pgpoolsafe.rules.catalog import Level
from pgpoolsafe.rules.findings import Finding, Location, caller, shorten
from pgpoolsafe.rules.policy import make_policy
from pgpoolsafe.rules.reporting import Reporter, warn
from pgpoolsafe.session.books import Books
from tests.unit.phrases import reading

FINDING = Finding(
    rule="session-set",
    what="SET search_path outlives the transaction",
    statement="SET search_path TO tenant_42",
    why="the next client inherits it",
    fix="SET LOCAL search_path TO tenant_42",
    pooler=named("pgbouncer", "transaction"),
    level="warn",
    location=Location("shop/tenancy.py", 31, "activate"),
)


# text


def test_the_whole_text() -> None:
    assert (
        str(FINDING)
        == """\
session-set: SET search_path outlives the transaction

  SET search_path TO tenant_42
  at shop/tenancy.py:31 in activate()

  why:   the next client inherits it
  fix:   SET LOCAL search_path TO tenant_42
  allow: with pgpoolsafe.allow("session-set"): …
  docs:  docs/rules/session-set.md"""
    )


def test_the_text_without_a_place() -> None:
    assert (
        str(replace(FINDING, location=None))
        == """\
session-set: SET search_path outlives the transaction

  SET search_path TO tenant_42

  why:   the next client inherits it
  fix:   SET LOCAL search_path TO tenant_42
  allow: with pgpoolsafe.allow("session-set"): …
  docs:  docs/rules/session-set.md"""
    )


@pytest.mark.parametrize(
    "change, line",
    [
        (
            {},
            (
                "session-set: SET search_path outlives the transaction"
                " (PgBouncer, transaction pooling) at shop/tenancy.py:31"
            ),
        ),
        (
            {"location": None, "pooler": named("pgbouncer>=1.24", "statement")},
            (
                "session-set: SET search_path outlives the transaction"
                " (PgBouncer 1.24, statement pooling)"
            ),
        ),
        (
            {"location": None, "pooler": DIRECT},
            "session-set: SET search_path outlives the transaction (a direct connection)",
        ),
        (
            {"level": "rewrite", "sent": "SET LOCAL search_path TO tenant_42"},
            (
                "session-set: SET search_path outlives the transaction (PgBouncer, transaction"
                " pooling) at shop/tenancy.py:31; sent as SET LOCAL search_path TO tenant_42"
            ),
        ),
    ],
)
def test_one_line_for_logs(change: dict[str, Any], line: str) -> None:
    assert replace(FINDING, **change).line == line


def test_the_error_carries_the_parts() -> None:
    error = SessionStateError(FINDING)
    assert str(error) == str(FINDING)
    assert error.finding is FINDING
    assert error.rule == "session-set"
    assert error.statement == "SET search_path TO tenant_42"
    assert error.pooler is FINDING.pooler
    assert error.location == Location("shop/tenancy.py", 31, "activate")
    assert error.fix == "SET LOCAL search_path TO tenant_42"


def test_the_error_survives_pickling() -> None:
    finding = replace(FINDING, pooler=replace(FINDING.pooler, answers={}))
    copy = pickle.loads(pickle.dumps(SessionStateError(finding)))
    assert isinstance(copy, SessionStateError)
    assert copy.finding == finding
    assert str(copy) == str(finding)


@pytest.mark.parametrize(
    "statement, short",
    [
        ("", ""),
        ("SELECT 1", "SELECT 1"),
        ("  SELECT\n\t1  \r\n", "SELECT 1"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("x" * 10_000_000, "x" * 299 + "…"),
        ("x " * 150 + "\n", " ".join("x" * 150)),
        ("x " * 151, " ".join("x" * 150) + "…"),
    ],
)
def test_statements_are_shortened(statement: str, short: str) -> None:
    assert shorten(statement) == short
    assert len(short) <= 300


# where it comes from


def in_module(name: str) -> Callable[..., Any]:
    """A function of a module of that name, which calls what it is given."""
    module = types.ModuleType(name)
    code = "def call(function):\n    return function()\n"
    exec(compile(code, f"/site-packages/{name}.py", "exec"), module.__dict__)
    call: Callable[..., Any] = module.call
    return call


def here() -> tuple[str, int]:
    """This file, and the line from which it is called."""
    return __file__, sys._getframe(1).f_lineno


PLUMBING = (
    "sqlalchemy.engine.default",
    "sqlalchemy",
    "psycopg.cursor",
    "psycopg_pool.pool",
    "django.db.backends.utils",
    "pgpoolsafe.drivers.psycopg",
    "pgpoolsafe_django.apps",
    "contextlib",
    "asgiref.sync",
    "asyncio.runners",
    "concurrent.futures.thread",
)


@pytest.mark.parametrize("name", PLUMBING)
def test_plumbing_is_not_the_caller(name: str) -> None:
    location, (file, line) = in_module(name)(caller), here()
    assert location == Location(file, line, "test_plumbing_is_not_the_caller")


def test_plumbing_on_plumbing_is_not_the_caller() -> None:
    outer, inner = map(in_module, PLUMBING[:2])
    location, (file, line) = outer(lambda: inner(caller)), here()
    assert location == Location(file, line, "<lambda>")


@pytest.mark.parametrize(
    "name", ["shop", "sqlalchemy_utils", "django_shop.models", "my.sqlalchemy"]
)
def test_what_only_sounds_like_plumbing_is_the_caller(name: str) -> None:
    assert in_module(name)(caller) == Location(f"/site-packages/{name}.py", 2, "call")


def test_the_caller_itself() -> None:
    location, (file, line) = caller(), here()
    assert location == Location(file, line, "test_the_caller_itself")


def test_a_place_is_shown_as_seen_from_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inside, outside = (
        Location(str(folder / "shop" / "tenancy.py"), 31, "activate")
        for folder in (tmp_path, tmp_path.with_name(f"{tmp_path.name}2"))
    )
    monkeypatch.chdir(tmp_path)
    assert inside.place == "shop/tenancy.py:31"
    assert str(inside) == "shop/tenancy.py:31 in activate()"
    assert outside.place == f"{outside.file}:31"
    monkeypatch.chdir(tmp_path / "..")
    assert inside.place == f"{tmp_path.name}/shop/tenancy.py:31"


def test_a_working_directory_that_is_gone_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert FINDING.line.endswith("at shop/tenancy.py:31")


def test_the_caller_beyond_a_greenlet() -> None:
    """SQLAlchemy's asyncio layer runs psycopg in a greenlet whose frames end at its start."""
    greenlet = pytest.importorskip("greenlet", reason="comes with sqlalchemy[asyncio]")
    run = in_module("sqlalchemy.util.concurrency")
    child = greenlet.greenlet(lambda: run(caller))
    # The lambda is this file's; only a function of the plumbing has no user above it.
    assert child.switch().function == "<lambda>"
    child = greenlet.greenlet(run)
    location, (file, line) = child.switch(caller), here()
    assert location == Location(file, line, "test_the_caller_beyond_a_greenlet")


# bound values


SECRET = st.text(alphabet="qxzj", min_size=12, max_size=20)

# A text, and the parameters it takes, made of one secret.
TAKES_SECRETS: list[tuple[str, Callable[[str], Any]]] = [
    ("SELECT set_config(%s, %s, false)", lambda s: (s, s)),
    ("SELECT set_config('work_mem', %s, %s)", lambda s: (s, s)),
    ("SELECT set_config('work_mem', %(value)s, %(local)s)", lambda s: {"value": s, "local": s}),
    ("SELECT pg_advisory_lock(%s)", lambda s: [s]),
    ("SELECT pg_advisory_unlock(%s)", lambda s: [s]),
    ("SELECT pg_advisory_unlock(%s); SELECT pg_advisory_lock(%s)", lambda s: [s, s]),
]


@pytest.mark.parametrize("text, params", TAKES_SECRETS)
@pytest.mark.parametrize("options", [{}, {"settings": "leave"}], ids=str)
@given(secret=SECRET)
@settings(deadline=None, max_examples=50)
def test_a_bound_value_is_in_no_message(
    options: dict[str, Any], text: str, params: Callable[[str], Any], secret: str
) -> None:
    trial = Trial(text, reading(text), params(secret), Books(), make_policy(**options), STAND_IN)
    trial.run()
    assert trial.findings
    for finding in trial.findings:
        for said in (str(finding), finding.line, repr(finding), str(SessionStateError(finding))):
            assert secret not in said


# telling


def elsewhere(number: int) -> Finding:
    return replace(FINDING, location=Location("shop/tenancy.py", number, "activate"))


def told(findings: list[Finding], reporter: Reporter) -> list[str]:
    """The warnings that come out, as `file:line rule`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reporter.report(findings)
    assert all(w.category is SessionStateWarning for w in caught)
    return [f"{w.filename}:{w.lineno} {w.message.finding.rule}" for w in caught]  # type: ignore[union-attr]


def test_a_place_is_warned_about_once_per_rule() -> None:
    reporter = Reporter()
    other_rule = replace(FINDING, rule="listen")
    assert told([FINDING], reporter) == ["shop/tenancy.py:31 session-set"]
    assert told([FINDING], reporter) == []
    assert told([elsewhere(32), FINDING], reporter) == ["shop/tenancy.py:32 session-set"]
    assert told([other_rule, other_rule], reporter) == ["shop/tenancy.py:31 listen"]
    assert told([FINDING], Reporter()) == ["shop/tenancy.py:31 session-set"]


def test_findings_are_counted() -> None:
    reporter = Reporter()
    told([FINDING, elsewhere(32)], reporter)
    told([FINDING], reporter)
    assert reporter.findings() == [(FINDING, 2), (elsewhere(32), 1)]


def test_the_same_place_counts_once_for_each_level() -> None:
    reporter = Reporter()
    told([FINDING, replace(FINDING, level="observe")], reporter)
    assert [count for _, count in reporter.findings()] == [1, 1]


def test_without_a_place_the_statement_stands_for_it() -> None:
    reporter = Reporter()
    nowhere = replace(FINDING, location=None)
    assert told([nowhere, nowhere], reporter) == ["<unknown>:1 session-set"]
    assert told([replace(nowhere, statement="SET x = 1")], reporter) == ["<unknown>:1 session-set"]


def test_the_warning_says_everything_and_points_at_the_line() -> None:
    with pytest.warns(SessionStateWarning) as caught:
        warn(FINDING)
    [warning] = caught.list
    assert str(warning.message) == str(FINDING)
    assert isinstance(warning.message, SessionStateWarning)
    assert warning.message.finding is FINDING
    assert (warning.filename, warning.lineno) == ("shop/tenancy.py", 31)


def test_the_filters_of_the_user_decide() -> None:
    reporter = Reporter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=SessionStateWarning)
        reporter.report([FINDING])
    assert reporter.findings() == [(FINDING, 1)]


def test_a_warning_that_is_an_error_comes_every_time() -> None:
    reporter = Reporter()
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(SessionStateWarning, match="session-set"):
                reporter.report([FINDING])
    assert reporter.findings() == [(FINDING, 3)]


def test_what_is_raised_comes_every_time() -> None:
    reporter, raising = Reporter(), replace(FINDING, level="raise")
    for _ in range(3):
        with pytest.raises(SessionStateError) as caught:
            reporter.report([raising])
        assert caught.value.finding is raising
    assert reporter.findings() == [(raising, 3)]


@pytest.mark.parametrize("as_error", [False, True])
def test_raise_wins_over_warn(as_error: bool) -> None:
    reporter, raising = Reporter(), replace(FINDING, rule="listen", level="raise")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error" if as_error else "always")
        with pytest.raises(SessionStateError) as raised:
            reporter.report([FINDING, raising])
    assert raised.value.rule == "listen"
    assert len(caught) == (0 if as_error else 1)
    assert reporter.findings() == [(FINDING, 1), (raising, 1)]


def test_the_first_that_is_to_be_raised_is() -> None:
    first, second = (replace(FINDING, rule=rule, level="raise") for rule in ("listen", "discard"))
    with pytest.raises(SessionStateError) as caught:
        Reporter().report([first, second])
    assert caught.value.rule == "listen"


@pytest.mark.parametrize(
    "level, log_level, warned",
    [
        (Level.OBSERVE, logging.WARNING, []),
        (Level.WARN, logging.INFO, ["shop/tenancy.py:31 session-set"]),
        (Level.REWRITE, logging.INFO, []),
    ],
)
def test_each_level_is_logged_once(
    caplog: pytest.LogCaptureFixture, level: Level, log_level: int, warned: list[str]
) -> None:
    caplog.set_level(logging.DEBUG, logger="pgpoolsafe")
    reporter, finding = Reporter(), replace(FINDING, level=level.value)
    assert told([finding, finding], reporter) == warned
    assert caplog.record_tuples == [("pgpoolsafe", log_level, FINDING.line)]


def test_what_is_raised_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="pgpoolsafe")
    with pytest.raises(SessionStateError):
        Reporter().report([replace(FINDING, level="raise")])
    assert caplog.record_tuples == [("pgpoolsafe", logging.INFO, FINDING.line)]


def test_nothing_is_told_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="pgpoolsafe")
    reporter = Reporter()
    assert told([], reporter) == []
    assert reporter.findings() == []
    assert not caplog.records
