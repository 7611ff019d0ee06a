"""psycopg: connections that are of their guarded class from the start.

An object that changes its class while it lives is slower for it (see `reclassing`), so those
that are opened under a guard are not to: `class_at_birth` says what to make them of. They take
their seat right after, by `psycopg.attach`.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg._connection_base import BaseConnection

from ..errors import ConfigurationError
from .psycopg_classes import guarded_connection, own_class, release
from .psycopg_seat import ATTRIBUTE

_CONSTRUCTORS = (psycopg.Connection.__init__, psycopg.AsyncConnection.__init__)


def class_at_birth(cls: Any) -> Any:
    """What to make a new connection of a class of: its guarded class, or `cls` itself.

    Itself where the user's code runs while it is made, to which `type(self)` would show ours,
    and where it cannot be guarded, which `attach` then says.
    """
    makers: tuple[Any, ...] = (type(cls), cls.__new__)
    is_made_plainly = makers == (type, object.__new__) and cls.__init__ in _CONSTRUCTORS
    if not is_made_plainly or own_class(cls) is not cls:
        return cls
    try:
        return guarded_connection(cls)
    except ConfigurationError:
        return cls


def connecting(cls: Any) -> Any:
    """`cls._connect_gen`, which makes connections that are born guarded; the user's own as is."""
    made = cls._connect_gen
    if getattr(made, "__func__", None) is not vars(BaseConnection)["_connect_gen"].__func__:
        return made
    return made.__func__.__get__(class_at_birth(cls))


def settle_class(conn: Any) -> None:
    """Its own class for a connection that nobody guards after all."""
    try:
        object.__getattribute__(conn, ATTRIBUTE)
    except AttributeError:
        release(conn)
