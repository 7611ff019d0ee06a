"""Pickling and copying what has been given a class made on the fly: as if it had its own."""

from __future__ import annotations

import copyreg
import sys
from typing import Any

from .seat import ATTRIBUTE

_NEW_OBJECT = vars(copyreg)["__newobj__"]


def reduce_override(cls: Any) -> Any:
    """The `__reduce_ex__` of a guarded subclass of a class."""
    reduce = cls.__reduce_ex__

    def reduce_ex(self: Any, protocol: Any) -> Any:
        parts = reduce(self, protocol)
        # A copy is guarded as its original is; pickle writes names, and ours has none.
        if sys._getframe(1).f_globals.get("__name__") == "copy" or not isinstance(parts, tuple):
            return parts
        function, arguments, *rest = parts
        if function is _NEW_OBJECT:  # which pickle holds to the object's class
            function = cls.__new__
        named = tuple(cls if argument is type(self) else argument for argument in arguments)
        return (function, named, *map(_without_seat, rest))

    return reduce_ex


def _without_seat(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: value for name, value in state.items() if name != ATTRIBUTE}
    return state
