"""Objects that are given another class while they live."""

from __future__ import annotations

from typing import Any

import pytest

from pgpoolsafe.drivers.reclassing import give_class


class Plain:
    def __init__(self) -> None:
        self.first = 1


class Dressed(Plain):
    pass


class Slotted:
    __slots__ = ("x",)


class Busy(dict[str, Any]):
    """The attributes of an object on which another thread sets one at the worst moment."""

    def popitem(self) -> tuple[str, Any]:
        self["late"] = 2
        return super().popitem()


class Contested:
    def __init__(self) -> None:
        self.attributes = Busy(first=1)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        return self.attributes


class StillContested(Contested):
    pass


def test_the_attributes_stay() -> None:
    thing = Plain()
    give_class(thing, Dressed)
    thing.second = 2  # type: ignore[attr-defined]
    assert (type(thing), vars(thing)) == (Dressed, {"first": 1, "second": 2})
    give_class(thing, Plain)
    assert (type(thing), vars(thing)) == (Plain, {"first": 1, "second": 2})


def test_so_does_one_that_another_thread_sets_meanwhile() -> None:
    thing = Contested()
    give_class(thing, StillContested)
    assert thing.attributes == {"first": 1, "late": 2}


def test_a_class_of_another_layout_is_refused() -> None:
    with pytest.raises(TypeError):
        give_class(Plain(), Slotted)
