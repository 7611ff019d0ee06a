"""SET, RESET and set_config: names, scopes, and the edits that make them local."""

from __future__ import annotations

from typing import Any

import pytest

from pgpoolsafe.effects import Bound, Effect, EffectKind, Scope, Verb
from pgpoolsafe.sql.edits import apply
from pgpoolsafe.sql.reader import read
from tests.unit.effect_words import effects, tell
from tests.unit.rewrites import BOUND_REWRITES, REWRITES

SETTINGS = [
    ("SET work_mem = 1", "acquire setting work_mem"),
    ("SET SESSION work_mem TO 1", "acquire setting work_mem"),
    ("SET LOCAL work_mem TO 1", "acquire setting work_mem (transaction)"),
    ("SET WORK_MEM = 1", "acquire setting work_mem"),
    ('SET "Work_Mem" = 1', "acquire setting work_mem"),
    ('SET U&"work\\005Fmem" = 1', "acquire setting work_mem"),
    ("SET U&\"work!005Fmem\" UESCAPE '!' = 1", "acquire setting work_mem"),
    ("SET sort_mem = 1", "acquire setting work_mem"),
    ("SET App.Tenant = 1", "acquire setting app.tenant"),
    ('SET a."B".c = 1', "acquire setting a.b.c"),
    ("SET session.x = 1", "acquire setting session.x"),
    ("SET local.x = 1", "acquire setting local.x"),
    ("SET LOCAL local.x = 1", "acquire setting local.x (transaction)"),
    ("SET transaction.x = 1", "acquire setting transaction.x"),
    ("SET constraints.x = 1", "acquire setting constraints.x"),
    ("SET transaction_timeout = 1", "acquire setting transaction_timeout"),
    ("SET work_mem FROM CURRENT", "acquire setting work_mem"),
    ("SET x = %s", "acquire setting x"),
    ("SET %s = %s", "acquire setting ?"),
    ("SET search_path TO %s, public", "acquire setting search_path"),
    ("SET TIME ZONE 'UTC'", "acquire setting timezone"),
    ("SET LOCAL TIME ZONE 'UTC'", "acquire setting timezone (transaction)"),
    ("SET TimeZone = 'UTC'", "acquire setting timezone"),
    ("SET NAMES 'utf8'", "acquire setting client_encoding"),
    ("SET SCHEMA 'a'", "acquire setting search_path"),
    ("SET XML OPTION DOCUMENT", "acquire setting xmloption"),
    ("SET SEED TO 0.5", "acquire setting seed"),
    ("SET ROLE a", "acquire role role"),
    ('SET ROLE "A"', "acquire role role"),
    ("SET ROLE %s", "acquire role role"),
    ("SET role = 'a'", "acquire role role"),
    ("SET SESSION ROLE a", "acquire role role"),
    ("SET LOCAL ROLE a", "acquire role role (transaction)"),
    ("SET SESSION AUTHORIZATION a", "acquire role session_authorization"),
    ("SET SESSION SESSION AUTHORIZATION a", "acquire role session_authorization"),
    ("SET LOCAL SESSION AUTHORIZATION a", "acquire role session_authorization (transaction)"),
    ("SET session_authorization = a", "acquire role session_authorization"),
    # Back to the default
    ("SET work_mem TO DEFAULT", "release setting work_mem"),
    ("SET work_mem = DEFAULT", "release setting work_mem"),
    ("SET work_mem = 'default'", "acquire setting work_mem"),
    ("SET TIME ZONE LOCAL", "release setting timezone"),
    ("SET TIME ZONE DEFAULT", "release setting timezone"),
    ("SET NAMES", "release setting client_encoding"),
    ("SET NAMES DEFAULT", "release setting client_encoding"),
    ("SET ROLE NONE", "release role role"),
    ("SET ROLE 'none'", "release role role"),
    ("SET role = none", "release role role"),
    ("SET SESSION AUTHORIZATION DEFAULT", "release role session_authorization"),
    ("RESET work_mem", "release setting work_mem"),
    ('RESET "Work_Mem"', "release setting work_mem"),
    ("RESET app.tenant", "release setting app.tenant"),
    ("RESET TIME ZONE", "release setting timezone"),
    ("RESET ROLE", "release role role"),
    ("RESET SESSION AUTHORIZATION", "release role session_authorization"),
    ("RESET session_authorization", "release role session_authorization"),
    ("RESET ALL", "release setting"),
]


@pytest.mark.parametrize("text, expected", SETTINGS)
def test_set_and_reset(text: str, expected: str) -> None:
    assert tell(text) == [expected]


CHARACTERISTICS: list[tuple[str, dict[str, str]]] = [
    ("ISOLATION LEVEL SERIALIZABLE", {"isolation": "serializable"}),
    ("READ ONLY", {"read_only": "on"}),
    ("READ WRITE, NOT DEFERRABLE", {"read_only": "off", "deferrable": "off"}),
    ("ISOLATION LEVEL READ COMMITTED READ ONLY",
     {"isolation": "read committed", "read_only": "on"}),
    ("ISOLATION LEVEL READ COMMITTED", {"isolation": "read committed"}),
    ("isolation level Repeatable Read", {"isolation": "repeatable read"}),
    ("DEFERRABLE, ISOLATION LEVEL READ UNCOMMITTED",
     {"deferrable": "on", "isolation": "read uncommitted"}),
    ("READ ONLY READ WRITE", {"read_only": "off"}),
]  # fmt: skip


@pytest.mark.parametrize("text, defaults", CHARACTERISTICS)
def test_session_characteristics_set_the_defaults(text: str, defaults: dict[str, str]) -> None:
    named = {f"default_transaction_{name}": value for name, value in defaults.items()}
    found = effects(f"SET SESSION CHARACTERISTICS AS TRANSACTION {text}")
    assert [(effect.name, effect.value) for effect in found] == list(named.items())
    # Of several the first one: the others follow, where they are carried.
    local = next(f"SET LOCAL {name} TO '{value}'" for name, value in named.items())
    assert rewritten(f"/**/ SET SESSION CHARACTERISTICS AS TRANSACTION {text} --") == (
        f"/**/ {local} --"
    )


@pytest.mark.parametrize("text", ["RESET ALL", "SELECT set_limit(0.5)"])
def test_some_have_no_local_form(text: str) -> None:
    (effect,) = effects(text)
    assert effect.edits is None


@pytest.mark.parametrize(
    "is_local, scope, param",
    [
        ("true", Scope.TRANSACTION, None),
        ("TRUE", Scope.TRANSACTION, None),
        ("'t'", Scope.TRANSACTION, None),
        ("'yes'", Scope.TRANSACTION, None),
        ("' ON '", Scope.TRANSACTION, None),
        ("'1'::bool", Scope.TRANSACTION, None),
        ("1::boolean", Scope.TRANSACTION, None),
        ("CAST('tru' AS pg_catalog.bool)", Scope.TRANSACTION, None),
        ("bool 'true'", Scope.TRANSACTION, None),
        ("((true))", Scope.TRANSACTION, None),
        ("false", Scope.SESSION, None),
        ("'f'", Scope.SESSION, None),
        ("'0'", Scope.SESSION, None),
        ("'of'", Scope.SESSION, None),
        ("NULL", Scope.SESSION, None),
        ("NULL::bool", Scope.SESSION, None),
        ("NOT true", Scope.SESSION, None),
        ("true AND false", Scope.SESSION, None),
        ("1 = 1", Scope.SESSION, None),
        ("$$true$$", Scope.TRANSACTION, None),
        ("%s", Scope.BOUND, Bound(0)),
        ("%(local)s", Scope.BOUND, Bound("local")),
        ("$3", Scope.BOUND, Bound(2)),
        ("%s::bool", Scope.BOUND, Bound(0)),
        ("CAST(%s AS boolean)", Scope.BOUND, Bound(0)),
        ("(%s)", Scope.BOUND, Bound(0)),
        ("NOT %s", Scope.SESSION, None),
    ],
)
def test_the_third_argument_of_set_config(is_local: str, scope: Scope, param: Bound | None) -> None:
    reading = read(f"SELECT set_config('a', 'b', {is_local})")
    (effect,) = reading.statements[0].effects
    assert (effect.scope, effect.scope_param, effect.key) == (scope, param, ("a",))
    assert reading.bound is (scope is Scope.BOUND)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("'TimeZone'", "acquire setting timezone"),
        ("'App.Tenant'", "acquire setting app.tenant"),
        ("E'work\\x5fmem'", "acquire setting work_mem"),
        ("U&'work\\005fmem'", "acquire setting work_mem"),
        ("'work_mem'::text", "acquire setting work_mem"),
        ("%s", "acquire setting ?"),
        ("lower('A')", "acquire setting"),
        ("'role'", "acquire role role"),
        ("'session_authorization'", "acquire role session_authorization"),
    ],
)
def test_the_name_given_to_set_config(name: str, expected: str) -> None:
    assert tell(f"SELECT set_config({name}, 'b', false)") == [expected]


@pytest.mark.parametrize(
    "call, verb",
    [
        ("set_config('a', NULL, false)", Verb.RELEASE),
        ("set_config('a', NULL::text, false)", Verb.RELEASE),
        ("set_config('role', 'none', false)", Verb.RELEASE),
        ("set_config('a', '', false)", Verb.ACQUIRE),
        ("set_config('a', 'none', false)", Verb.ACQUIRE),
        ("set_config('a', %s, false)", Verb.ACQUIRE),
    ],
)
def test_null_resets(call: str, verb: Verb) -> None:
    (effect,) = effects(f"SELECT {call}")
    assert effect.verb is verb


def test_arguments_by_name() -> None:
    text = "SELECT set_config(is_local => %s, new_value := 'b', setting_name => 'a')"
    (effect,) = effects(text)
    assert (effect.key, effect.scope, effect.scope_param) == (("a",), Scope.BOUND, Bound(0))
    assert apply(text, effect.edits or ()) == text.replace("%s", "((%s) OR true)")


def test_positions_are_counted_over_the_whole_text() -> None:
    text = "SELECT %s, '%s', set_config(%s, %s, %s); SELECT set_config('a', %s, %s)"
    first, second = effects(text)
    assert (first.key, first.scope_param) == ((Bound(2),), Bound(4))
    assert (second.key, second.scope_param) == (("a",), Bound(6))


def test_a_local_setting_needs_no_edit() -> None:
    assert effects("SET LOCAL x = 1") == [
        Effect(EffectKind.SETTING, key=("x",), scope=Scope.TRANSACTION, edits=(), value="1")
    ]


def rewritten(text: str) -> str:
    edits = [effect.edits for effect in effects(text)]
    assert None not in edits
    return apply(text, [edit for group in edits for edit in group or ()])


@pytest.mark.parametrize("text, expected", REWRITES)
def test_edits(text: str, expected: str) -> None:
    assert rewritten(text) == expected
    assert all(effect.scope is Scope.TRANSACTION for effect in effects(expected) if effect.edits)


@pytest.mark.parametrize("text, expected, _params", BOUND_REWRITES)
def test_edits_with_parameters(text: str, expected: str, _params: Any) -> None:
    assert rewritten(text) == expected


@pytest.mark.parametrize("text, expected", REWRITES)
def test_offsets_are_those_of_the_whole_text(text: str, expected: str) -> None:
    before = "SELECT 'é😀', 1; /* x */ "
    assert rewritten(before + text) == before + expected
