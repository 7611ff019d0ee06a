"""Which driver a connection is of. Imports only what the connection already needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

GUARDED = ("psycopg", "psycopg2", "pg8000", "asyncpg")
"""The drivers, by the name of their package and of our module."""


def driver_name(conn: Any) -> str | None:
    """The driver of a connection, of a user's own class too; None for anything else."""
    for cls in type(conn).__mro__:
        name = cls.__module__.partition(".")[0]
        if name in GUARDED:
            return name
    return None


def fitting(name: str) -> Any:
    """What puts the guard on the connections of a driver: `attach`, `detach`, `check`."""
    module = import_module(f".{name}", __package__)
    return getattr(module, "FITTING", module)


def fitting_of(conn: Any) -> Any:
    """The fitting for a connection that is, or was, guarded."""
    name = driver_name(conn)
    if name is None:
        raise TypeError(f"no connection of a driver that pgpoolsafe knows: {type(conn).__name__}")
    return fitting(name)
