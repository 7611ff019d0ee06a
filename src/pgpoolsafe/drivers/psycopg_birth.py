"""psycopg: connections that are of their guarded class from the start.

An object that changes its class while it lives is slower for it (see `reclassing`), so those
that are opened under a guard are not to: `class_at_birth` says what to make them of. They take
their seat right after, by `psycopg.attach`.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

from psycopg._connection_base import BaseConnection

from ..errors import ConfigurationError
from .psycopg_classes import guarded_connection, own_class, release
from .psycopg_making import is_psycopgs
from .psycopg_seat import ATTRIBUTE


def class_at_birth(cls: Any) -> Any:
    """What to make a new connection of a class of: its guarded class, or `cls` itself.

    Itself where the user's code runs while it is made, to which `type(self)` would show ours,
    and where it cannot be guarded, which `attach` then says.
    """
    makers: tuple[Any, ...] = (type(cls), cls.__new__)
    constructors = (cls.__init__, BaseConnection.__init__)
    is_made_plainly = makers == (type, object.__new__) and all(map(is_psycopgs, constructors))
    if not is_made_plainly or own_class(cls) is not cls:
        return cls
    try:
        return guarded_connection(cls)
    except ConfigurationError:
        return cls


def connecting(cls: Any) -> Any:
    """`cls._connect_gen`, which makes connections that are born guarded; the user's own as is."""
    made, usual = cls._connect_gen, vars(BaseConnection)["_connect_gen"]
    is_usual = type(made) is MethodType and type(usual) is classmethod
    if not (is_usual and made.__func__ is usual.__func__):
        return made
    return made.__func__.__get__(class_at_birth(cls))


def settle_class(conn: Any) -> None:
    """Its own class for a connection that nobody guards after all."""
    try:
        object.__getattribute__(conn, ATTRIBUTE)
    except AttributeError:
        release(conn)
