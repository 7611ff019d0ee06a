"""The value that a text gives to a setting: told where it can be told, else asked for."""

from __future__ import annotations

import pytest

from pgpoolsafe.effects import Part, Verb
from pgpoolsafe.sql.setting_values import is_part, listed_names, quoted_name
from tests.unit.effect_words import effects
from tests.unit.setting_texts import CUSTOM, NAME_LIST, PLACEHOLDERS, SPECIAL


@pytest.mark.parametrize("written, value", CUSTOM)
@pytest.mark.parametrize("prefix", ["SET app.x = ", "SET LOCAL app.x TO "])
def test_the_value_after_set(prefix: str, written: str, value: str | None) -> None:
    (effect,) = effects(prefix + written)
    assert (effect.key, effect.value) == (("app.x",), value)


@pytest.mark.parametrize("written, value", NAME_LIST)
def test_lists_of_names(written: str, value: str | None) -> None:
    (effect,) = effects(f"SET search_path TO {written}")
    assert effect.value == value


@pytest.mark.parametrize("text, name, value", SPECIAL)
def test_the_other_spellings(text: str, name: str, value: Part | None) -> None:
    effect = effects(text)[0]
    assert (effect.key, effect.value) == ((name,), value)


@pytest.mark.parametrize("text, value", PLACEHOLDERS)
def test_placeholders(text: str, value: Part | None) -> None:
    assert effects(text)[0].value == value


@pytest.mark.parametrize(
    "text",
    [
        "RESET app.x",
        "SET app.x TO DEFAULT",
        "SET TIME ZONE LOCAL",
        "SET ROLE NONE",
        "SELECT set_config('app.x', NULL, false)",
    ],
)
def test_what_goes_back_to_the_default_has_no_value(text: str) -> None:
    (effect,) = effects(text)
    assert (effect.verb, effect.value) == (Verb.RELEASE, None)


@pytest.mark.parametrize(
    "name, quoted",
    [
        ("a", "a"),
        ("_a_1", "_a_1"),
        ("A", '"A"'),
        ("1a", '"1a"'),
        ("", '""'),
        ("a b", '"a b"'),
        ("a$b", '"a$b"'),
        ("é", '"é"'),
        ('a"b', '"a""b"'),
        ("a\n", '"a\n"'),
        ("select", '"select"'),
        ("user", '"user"'),
        ("varchar", '"varchar"'),
        ("left", '"left"'),
        ("name", "name"),
        ("public", "public"),
    ],
)
def test_names_are_quoted_where_they_have_to_be(name: str, quoted: str) -> None:
    assert quoted_name(name) == quoted


@pytest.mark.parametrize(
    "value, names",
    [
        ("a", ["a"]),
        ("a, b,c ,  d", ["a", "b", "c", "d"]),
        ("A, B", ["a", "b"]),
        ('"A", "a b"', ["A", "a b"]),
        ('"a""b"', ['a"b']),
        ('"$user", public', ["$user", "public"]),
        ('""', [""]),
        ("", None),
        (" ", None),
        ("a,", None),
        (",a", None),
        ("a b", None),
        ('"a', None),
        ('"a" b', None),
        ('a"b"', None),
    ],
)
def test_the_names_of_a_list(value: str, names: list[str] | None) -> None:
    assert listed_names(value) == names


@pytest.mark.parametrize(
    "value, expected",
    [
        ("ISO", True),
        ("mdy", True),
        ("ISO, iso", True),
        ("iso, MDY", False),
        ("NonEuropean,Postgres", False),
        ("PostgreSQL , euro", False),
    ],
)
def test_a_part_of_a_datestyle(value: str, expected: bool) -> None:
    assert is_part("DateStyle", value) is expected
    assert not is_part("TimeZone", value)
