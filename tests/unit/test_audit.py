"""What `audit()` makes of the catalog's answer, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from pgpoolsafe import ConfigurationError
from pgpoolsafe.code_findings import CodeLocation, findings_in
from pgpoolsafe.drivers.known_code import lets_by
from pgpoolsafe.guard import STAND_IN
from pgpoolsafe.poolers.answers import Pooler
from pgpoolsafe.poolers.products import named
from pgpoolsafe.rules.catalog import Level
from pgpoolsafe.rules.findings import Finding
from pgpoolsafe.rules.policy import Policy, Settings, make_policy
from pgpoolsafe.sql.routines import Analysis
from pgpoolsafe.sql.stored import Routine, StoredCode, question, stored_code


def row(**more: Any) -> dict[str, Any]:
    """One function as the server describes it."""
    return {
        "oid": "1",
        "schema": "app",
        "name": "f",
        "shown": "app.f",
        "types": "",
        "kind": "f",
        "language": "plpgsql",
        "is_trigger": False,
        "body": "BEGIN END",
        "config": None,
        "volatile": True,
        "definer": False,
        "names": None,
        "modes": None,
        "count": 0,
        "defaults": None,
        "variadic": False,
        **more,
    }


def answer(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "path": ["pg_catalog", "public"],
        "routines": list(rows) or None,
        "triggers": None,
        "built_in": None,
        **more,
    }


# the answer

PARAMETERS = [
    ({}, (), ()),
    ({"count": 2}, ("", ""), (None, None)),
    ({"count": 1, "names": ["a"]}, ("a",), (None,)),
    (
        {"count": 2, "names": ["a", "b"], "defaults": [None, "7"]},
        ("a", "b"),
        (None, "7"),
    ),
    (
        {"count": 2, "names": ["a", "x", "b", "c"], "modes": ["i", "o", "b", "t"]},
        ("a", "b"),
        (None, None),
    ),
    (
        {"kind": "p", "count": 1, "names": ["a", "x"], "modes": ["i", "o"]},
        ("a", "x"),
        (None, None),
    ),
    (
        {"count": 1, "names": ["x", "rest"], "modes": ["o", "v"], "variadic": True},
        ("rest",),
        (None,),
    ),
]


@pytest.mark.parametrize("more, names, defaults", PARAMETERS)
def test_parameters(more: dict[str, Any], names: tuple[str], defaults: tuple[Any]) -> None:
    [routine] = stored_code(answer(row(**more))).routines
    assert (routine.parameters, routine.defaults) == (names, defaults)


PATHS = [
    (None, None),
    (["work_mem=8MB"], None),
    (["work_mem=8MB", "search_path=app"], ("pg_catalog", "app")),
    (['search_path=app, "My Schema", pg_temp'], ("pg_catalog", "app", "My Schema", "pg_temp")),
    (["search_path=app, pg_catalog"], ("app", "pg_catalog")),
    (['search_path=""'], ("pg_catalog",)),
]


@pytest.mark.parametrize("config, path", PATHS)
def test_the_path_of_a_set_clause(config: list[str] | None, path: tuple[str, ...] | None) -> None:
    assert stored_code(answer(row(config=config))).routines[0].path == path


def test_an_empty_database() -> None:
    stored = stored_code(answer())
    assert stored == StoredCode((), ("pg_catalog", "public"), {})
    assert Analysis(stored).summaries == []


def test_triggers_and_built_in_names() -> None:
    stored = stored_code(
        answer(
            row(oid="7", is_trigger=True),
            triggers=[["7", "trigger a on app.t"], ["8", "trigger b on app.t"]],
            built_in={"lower": [1]},
        )
    )
    assert stored.routines[0].triggers == ("trigger a on app.t",)
    assert stored.built_in == {"lower": frozenset({1})}


def test_bodies_that_are_trees_are_asked_for_since_14() -> None:
    assert "pg_get_function_sqlbody" in question(140000)
    assert "pg_get_function_sqlbody" not in question(130022)
    assert "null::text" in question(130022)


def test_expressions_are_asked_for_by_the_audit_alone() -> None:
    assert "pg_policy" not in question(180000)
    assert "pg_policy" in question(180000, expressions=True)
    said = [["policy p on app.t", "(current_setting('a.b'::text))::integer"]]
    assert stored_code(answer()).expressions == ()
    assert stored_code(answer(expressions=None)).expressions == ()
    assert stored_code(answer(expressions=said)).expressions == (tuple(said[0]),)


def test_casts_come_after_what_is_left() -> None:
    caster = routine("BEGIN\n RETURN current_setting('a.b')::int; END")
    stored = StoredCode(
        (caster, routine("BEGIN LISTEN a; END", "g")),
        expressions=(("policy p on app.t", "(current_setting('a.b'::text))::integer"),),
    )
    found = findings_in(Analysis(stored), Policy(settings=Settings.LEAVE), STAND_IN)
    assert places(found) == [
        ("listen", "app.g(), line 1"),
        ("empty-custom-setting", "app.f(), line 2"),
        ("empty-custom-setting", "policy p on app.t"),
    ]


# the judgement


def routine(body: str, name: str = "f", **more: Any) -> Routine:
    return Routine("app", name, f"app.{name}", body=body, **more)


def judged(
    *routines: Routine, policy: Policy | None = None, pooler: Pooler = STAND_IN
) -> list[Finding]:
    policy = policy or Policy(settings=Settings.LEAVE)
    return findings_in(Analysis(StoredCode(routines), lets_by(policy)), policy, pooler)


def places(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.rule, str(finding.location)) for finding in findings]


def test_lines() -> None:
    body = "\nBEGIN\n  LISTEN a; SET b = 1;\n  PERFORM\n    pg_advisory_lock(1);\nEND"
    assert places(judged(routine(body))) == [
        ("listen", "app.f(), line 3"),
        ("session-set", "app.f(), line 3"),
        ("advisory-lock", "app.f(), line 4"),
    ]


def test_a_statement_is_shown_in_full_and_alone() -> None:
    body = "BEGIN IF a THEN SET  work_mem\n = '1MB'; END IF; END"
    [finding] = judged(routine(body))
    assert finding.statement == "SET work_mem = '1MB'"
    assert finding.level == "warn"
    assert finding.sent is None


def test_parameters_by_their_names() -> None:
    body = "BEGIN PERFORM pg_advisory_lock(k, $2), set_config(n, 'x', false); END"
    found = judged(routine(body, parameters=("k", "", "n")))
    assert [f.what.partition(" in ")[0] for f in found] == [
        "pg_advisory_lock(k, $2)",
        "set_config(n)",
    ]


def test_a_trigger_function_that_nothing_runs_is_harmless() -> None:
    body = "BEGIN LISTEN a; RETURN new; END"
    assert judged(routine(body, is_trigger=True)) == []
    [finding] = judged(routine(body, is_trigger=True, triggers=("trigger t on app.x",)))
    assert finding.what.endswith("(trigger t on app.x)")
    three = ("trigger t on app.x", "trigger t on app.y", "trigger u on app.x")
    [finding] = judged(routine(body, is_trigger=True, triggers=three))
    assert finding.what.endswith("(trigger t on app.x and 2 more)")


def test_the_pooler_decides() -> None:
    body = "BEGIN SET timezone = 'UTC'; SET work_mem = 1; END"
    tracks = named("pgbouncer>=1.26", None)
    assert [f.statement for f in judged(routine(body), pooler=tracks)] == ["SET work_mem = 1"]


def test_levels() -> None:
    body = "BEGIN LISTEN a; EXECUTE b; END"
    rules = {"listen": Level.RAISE, "opaque-code": Level.OBSERVE}
    found = judged(routine(body), policy=Policy(rules=rules, settings=Settings.LEAVE))
    assert [(f.rule, f.level) for f in found] == [("opaque-code", "observe"), ("listen", "raise")]
    rules = {"listen": Level.IGNORE}
    assert judged(routine(body), policy=Policy(rules=rules, settings=Settings.LEAVE)) == []


def test_lastval_after_an_insert_of_its_own() -> None:
    assert judged(routine("BEGIN INSERT INTO t DEFAULT VALUES; RETURN lastval(); END")) == []
    assert places(judged(routine("BEGIN RETURN lastval(); END"))) == [
        ("sequence-state", "app.f(), line 1")
    ]


def test_an_allowed_lock_is_allowed_in_its_callers_too() -> None:
    helper = routine("BEGIN /* pgpoolsafe: allow advisory-lock */ PERFORM pg_advisory_lock(1); END")
    caller = routine("BEGIN PERFORM app.f(); END", "g")
    assert judged(helper, caller) == []
    distrustful = Policy(settings=Settings.LEAVE, trust_comments=False)
    assert len(judged(helper, caller, policy=distrustful)) == 2


def test_a_place_in_code() -> None:
    place = CodeLocation("app.f(integer)", 3, "")
    assert str(place) == place.place == "app.f(integer), line 3"


# the option

WORDS = [(True, True), (False, False), (None, False)]


@pytest.mark.parametrize("word, expected", WORDS)
def test_the_option(word: bool | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPOOLSAFE_AUDIT", raising=False)
    assert make_policy(audit=word).audit is expected


@pytest.mark.parametrize("text, expected", [("1", True), ("on", True), ("off", False), ("", False)])
def test_the_variable(text: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPOOLSAFE_AUDIT", text)
    assert make_policy().audit is expected
    assert make_policy(audit=not expected).audit is not expected


def test_wrong_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="audit='yes': expected True or False"):
        make_policy(audit="yes")  # type: ignore[arg-type]
    monkeypatch.setenv("PGPOOLSAFE_AUDIT", "maybe")
    with pytest.raises(ConfigurationError, match="PGPOOLSAFE_AUDIT='maybe'"):
        make_policy()
