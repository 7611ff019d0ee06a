"""The options of install(): words, environment, precedence, and the level of each rule."""

from __future__ import annotations

from typing import Any

import pytest

from pgpoolsafe.errors import ConfigurationError
from pgpoolsafe.rules.catalog import EVERY_LEVEL, RULES, Level
from pgpoolsafe.rules.policy import Mode, Policy, Prepared, Settings, make_policy

KNOWN_RULES = ", ".join(RULES)

VARIABLES = ("MODE", "RULES", "POOLER", "POOL_MODE", "PREPARED", "SETTINGS", "TRUST_COMMENTS")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"PGPOOLSAFE_{name}", raising=False)


def test_the_defaults() -> None:
    policy = make_policy()
    assert policy == Policy(
        mode=Mode.WARN,
        rules={},
        pooler="auto",
        pool_mode=None,
        prepared=Prepared.AUTO,
        settings=Settings.CARRY,
        trust_comments=True,
    )
    assert policy == Policy()


# option, word, what the policy then has
WORDS: list[tuple[str, Any, Any]] = [
    ("mode", "off", Mode.OFF),
    ("mode", "observe", Mode.OBSERVE),
    ("mode", "warn", Mode.WARN),
    ("mode", "strict", Mode.STRICT),
    ("prepared", "auto", Prepared.AUTO),
    ("prepared", "off", Prepared.OFF),
    ("prepared", "leave", Prepared.LEAVE),
    ("settings", "carry", Settings.CARRY),
    ("settings", "local", Settings.LOCAL),
    ("settings", "leave", Settings.LEAVE),
    ("trust_comments", True, True),
    ("trust_comments", False, False),
    ("pooler", "pgbouncer>=1.24", "pgbouncer>=1.24"),
    ("pool_mode", "session", "session"),
    ("rules", {"listen": "ignore"}, {"listen": Level.IGNORE}),
    ("rules", {"listen": "observe"}, {"listen": Level.OBSERVE}),
    ("rules", {"listen": "warn"}, {"listen": Level.WARN}),
    ("rules", {"listen": "raise"}, {"listen": Level.RAISE}),
    ("rules", {"session-set": "rewrite"}, {"session-set": Level.REWRITE}),
    ("rules", {"session-role": "carry"}, {"session-role": Level.CARRY}),
    ("rules", {}, {}),
]


@pytest.mark.parametrize("option, word, expected", WORDS)
def test_each_word(option: str, word: Any, expected: Any) -> None:
    assert getattr(make_policy(**{option: word}), option) == expected


# option, as the environment spells it, what the policy then has
ENVIRONMENT: list[tuple[str, str, Any]] = [
    ("mode", "strict", Mode.STRICT),
    ("mode", " strict ", Mode.STRICT),
    ("mode", "", Mode.WARN),
    ("prepared", "off", Prepared.OFF),
    ("settings", "leave", Settings.LEAVE),
    ("pooler", "odyssey", "odyssey"),
    ("pooler", "", "auto"),
    ("pool_mode", "statement", "statement"),
    ("pool_mode", "  ", None),
    ("trust_comments", "", True),
    ("trust_comments", "1", True),
    ("trust_comments", "true", True),
    ("trust_comments", "ON", True),
    ("trust_comments", "0", False),
    ("trust_comments", "False", False),
    ("trust_comments", "off", False),
    ("rules", "", {}),
    ("rules", "listen=ignore", {"listen": Level.IGNORE}),
    ("rules", " listen = ignore , temp-table=raise,",
     {"listen": Level.IGNORE, "temp-table": Level.RAISE}),
]  # fmt: skip


@pytest.mark.parametrize("option, text, expected", ENVIRONMENT)
def test_the_environment(
    monkeypatch: pytest.MonkeyPatch, option: str, text: str, expected: Any
) -> None:
    monkeypatch.setenv(f"PGPOOLSAFE_{option.upper()}", text)
    assert getattr(make_policy(), option) == expected


@pytest.mark.parametrize(
    "option, in_environment, given, expected",
    [
        ("mode", "strict", "observe", Mode.OBSERVE),
        ("mode", "no such word", "observe", Mode.OBSERVE),
        ("prepared", "off", "auto", Prepared.AUTO),
        ("settings", "leave", "local", Settings.LOCAL),
        ("pooler", "odyssey", "auto", "auto"),
        ("pool_mode", "statement", "session", "session"),
        ("trust_comments", "0", True, True),
        ("rules", "listen=ignore", {"temp-table": "raise"}, {"temp-table": Level.RAISE}),
        ("rules", "listen=ignore", {}, {}),
    ],
)
def test_what_is_given_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, option: str, in_environment: str, given: Any, expected: Any
) -> None:
    monkeypatch.setenv(f"PGPOOLSAFE_{option.upper()}", in_environment)
    assert getattr(make_policy(**{option: given}), option) == expected


# options, the whole message
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"mode": "loud"}, "mode='loud': expected one of 'off', 'observe', 'warn', 'strict'"),
    ({"mode": "WARN"}, "mode='WARN': expected one of 'off', 'observe', 'warn', 'strict'"),
    ({"mode": ""}, "mode='': expected one of 'off', 'observe', 'warn', 'strict'"),
    ({"mode": True}, "mode=True: expected one of 'off', 'observe', 'warn', 'strict'"),
    ({"mode": ["warn"]}, "mode=['warn']: expected one of 'off', 'observe', 'warn', 'strict'"),
    ({"prepared": "on"}, "prepared='on': expected one of 'auto', 'off', 'leave'"),
    ({"settings": "keep"}, "settings='keep': expected one of 'carry', 'local', 'leave'"),
    ({"pooler": 6432}, "pooler=6432: expected a string"),
    ({"pool_mode": 1}, "pool_mode=1: expected a string"),
    ({"trust_comments": "false"}, "trust_comments='false': expected True or False"),
    ({"trust_comments": 0}, "trust_comments=0: expected True or False"),
    ({"rules": {"lissen": "warn"}}, f"rules: unknown rule 'lissen'; known rules: {KNOWN_RULES}"),
    (
        {"rules": {"b": "warn", "a": "warn"}},
        f"rules: unknown rule 'a', 'b'; known rules: {KNOWN_RULES}",
    ),
    (
        {"rules": {"listen": "error"}},
        "rules: listen='error': expected one of 'ignore', 'observe', 'warn', 'raise'",
    ),
    (
        {"rules": {"listen": "rewrite"}},
        "rules: listen='rewrite': expected one of 'ignore', 'observe', 'warn', 'raise'",
    ),
    (
        {"rules": {"session-set": "route"}},
        (
            "rules: session-set='route': expected one of 'ignore', 'observe', 'warn', 'raise',"
            " 'rewrite', 'carry'"
        ),
    ),
    (
        {"rules": {"named-prepare": "carry"}},
        (
            "rules: named-prepare='carry': expected one of 'ignore', 'observe', 'warn', 'raise',"
            " 'rewrite'"
        ),
    ),
    (
        {"rules": ["listen"]},
        "rules=['listen']: expected a mapping of rule names to levels",
    ),
    ({"rules": "listen"}, "rules='listen': expected a mapping of rule names to levels"),
]


@pytest.mark.parametrize("options, message", WRONG)
def test_a_wrong_option_names_itself_and_the_right_words(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_policy(**options)
    assert str(caught.value) == message


# variable, its text, the whole message
WRONG_ENVIRONMENT: list[tuple[str, str, str]] = [
    (
        "PGPOOLSAFE_MODE",
        "loud",
        "PGPOOLSAFE_MODE='loud': expected one of 'off', 'observe', 'warn', 'strict'",
    ),
    (
        "PGPOOLSAFE_PREPARED",
        "on",
        "PGPOOLSAFE_PREPARED='on': expected one of 'auto', 'off', 'leave'",
    ),
    (
        "PGPOOLSAFE_SETTINGS",
        "x",
        "PGPOOLSAFE_SETTINGS='x': expected one of 'carry', 'local', 'leave'",
    ),
    (
        "PGPOOLSAFE_TRUST_COMMENTS",
        "perhaps",
        "PGPOOLSAFE_TRUST_COMMENTS='perhaps': expected true or false",
    ),
    (
        "PGPOOLSAFE_RULES",
        "lissen=warn",
        f"PGPOOLSAFE_RULES: unknown rule 'lissen'; known rules: {KNOWN_RULES}",
    ),
    (
        "PGPOOLSAFE_RULES",
        "listen",
        "PGPOOLSAFE_RULES: listen='': expected one of 'ignore', 'observe', 'warn', 'raise'",
    ),
    (
        "PGPOOLSAFE_RULES",
        "listen=loud",
        "PGPOOLSAFE_RULES: listen='loud': expected one of 'ignore', 'observe', 'warn', 'raise'",
    ),
]


@pytest.mark.parametrize("variable, text, message", WRONG_ENVIRONMENT)
def test_a_wrong_variable_names_itself(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, message: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigurationError) as caught:
        make_policy()
    assert str(caught.value) == message


MODE_LEVELS = {
    "off": Level.IGNORE,
    "observe": Level.OBSERVE,
    "warn": Level.WARN,
    "strict": Level.RAISE,
}


@pytest.mark.parametrize("mode, level", MODE_LEVELS.items())
def test_a_rule_without_a_level_of_its_own_follows_the_mode(mode: str, level: Level) -> None:
    policy = make_policy(mode=mode)
    plain = [rule for rule in RULES.values() if rule.default is None]
    assert len(plain) > 10
    assert {policy.level(rule) for rule in plain} == {level}
    assert {policy.fallback(rule) for rule in plain} == {level}


@pytest.mark.parametrize("mode", MODE_LEVELS)
def test_a_rule_that_is_ignored_by_default_is_ignored_in_every_mode(mode: str) -> None:
    assert make_policy(mode=mode).level(RULES["opaque-code"]) is Level.IGNORE


@pytest.mark.parametrize("mode", MODE_LEVELS)
@pytest.mark.parametrize("rule", RULES)
def test_the_word_of_the_user_comes_first(mode: str, rule: str) -> None:
    for level in RULES[rule].levels:
        policy = make_policy(mode=mode, rules={rule: level.value})
        assert policy.level(RULES[rule]) is level


def test_one_rule_leaves_the_others_alone() -> None:
    policy = make_policy(rules={"listen": "raise"})
    assert policy.level(RULES["temp-table"]) is Level.WARN


I, O, W, R, E, C = (  # noqa: E741  # a table of letters
    *EVERY_LEVEL[:3],
    Level.RAISE,
    Level.REWRITE,
    Level.CARRY,
)

# rule, options, the level, and where the statement cannot be changed so
CHANGES: list[tuple[str, dict[str, Any], Level, Level]] = [
    ("session-set", {}, C, W),
    ("session-set", {"mode": "strict"}, C, R),
    ("session-set", {"mode": "observe"}, O, O),
    ("session-set", {"mode": "off"}, I, I),
    ("session-set", {"settings": "local"}, E, W),
    ("session-set", {"settings": "local", "mode": "strict"}, E, R),
    ("session-set", {"settings": "local", "mode": "observe"}, O, O),
    ("session-set", {"settings": "leave"}, W, W),
    ("session-set", {"settings": "leave", "mode": "strict"}, R, R),
    ("session-set", {"prepared": "leave"}, C, W),
    ("session-set", {"prepared": "leave", "settings": "local"}, E, W),
    ("session-set", {"rules": {"session-set": "warn"}}, W, W),
    ("session-set", {"rules": {"session-set": "ignore"}}, I, I),
    ("session-set", {"rules": {"session-set": "rewrite"}}, E, W),
    ("session-set", {"settings": "leave", "rules": {"session-set": "rewrite"}}, E, W),
    ("session-set", {"mode": "observe", "rules": {"session-set": "rewrite"}}, E, O),
    ("session-set", {"settings": "leave", "rules": {"session-set": "carry"}}, C, W),
    ("session-set", {"mode": "observe", "rules": {"session-set": "carry"}}, C, O),
    ("session-role", {}, C, W),
    ("session-role", {"settings": "local"}, E, W),
    ("session-role", {"settings": "leave"}, W, W),
    ("session-role", {"rules": {"session-set": "warn"}}, C, W),
    ("named-prepare", {}, E, W),
    ("named-prepare", {"mode": "strict"}, E, R),
    ("named-prepare", {"mode": "observe"}, O, O),
    ("named-prepare", {"prepared": "leave"}, W, W),
    ("named-prepare", {"prepared": "leave", "mode": "strict"}, R, R),
    ("named-prepare", {"settings": "leave"}, E, W),
]


@pytest.mark.parametrize("rule, options, level, fallback", CHANGES)
def test_what_is_changed(rule: str, options: dict[str, Any], level: Level, fallback: Level) -> None:
    policy = make_policy(**options)
    assert policy.level(RULES[rule]) is level
    assert policy.fallback(RULES[rule]) is fallback


# options, whether any setting of the session is carried
CARRIES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"mode": "strict"}, True),
    ({"mode": "observe"}, False),
    ({"mode": "off"}, False),
    ({"settings": "local"}, False),
    ({"settings": "leave"}, False),
    ({"rules": {"session-set": "warn"}}, True),
    ({"rules": {"session-set": "warn", "session-role": "ignore"}}, False),
    ({"settings": "leave", "rules": {"session-role": "carry"}}, True),
]


@pytest.mark.parametrize("options, carries", CARRIES, ids=str)
def test_whether_settings_are_carried(options: dict[str, Any], carries: bool) -> None:
    assert make_policy(**options).carries is carries
