"""The objects of a class that are alive: connections that are out of their pool."""

from __future__ import annotations

import gc
from typing import TypeVar

T = TypeVar("T")


def living(cls: type[T]) -> list[T]:
    """Every object of a class (and its subclasses) that the garbage collector tracks.

    One walk of the heap: for install(), where what is handed out is in nobody's list.
    """
    # By type(): an object's own __class__ may be a property that does work.
    return [found for found in gc.get_objects() if issubclass(type(found), cls)]
