"""Giving an object another class while it lives, so that it is no slower for it."""

from __future__ import annotations

from typing import Any

_LAST = "_pgpoolsafe_last"


def give_class(thing: Any, cls: type) -> None:
    """Set `thing.__class__`; `thing` has a `__dict__`, and `cls` the same layout.

    Raises TypeError where Python allows no such change.

    CPython keeps the attributes of such an object in a table that it shares with others of
    its first class, and there its specialised look-ups miss, every time. popitem() gives the
    object a table of its own.
    """
    thing.__class__ = cls
    attributes = thing.__dict__
    attributes[_LAST] = None
    name, value = attributes.popitem()
    if name != _LAST:  # another thread has set one just now
        attributes[name] = value
        del attributes[_LAST]
