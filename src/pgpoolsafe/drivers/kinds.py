"""Which driver a connection is of. Imports only what the connection already needed."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

_CONNECTIONS = {
    "psycopg": ("psycopg._connection_base", "BaseConnection"),
    "psycopg2": ("psycopg2.extensions", "connection"),
    "pg8000": ("pg8000.core", "CoreConnection"),
    "asyncpg": ("asyncpg.connection", "Connection"),
}
"""Where each driver has the class that all its connections are of."""

GUARDED = tuple(_CONNECTIONS)
"""The drivers, by the name of their package and of our module."""


def driver_name(target: Any) -> str | None:
    """The driver of a connection, of a user's own class too; None for anything else."""
    for name, (module, cls) in _CONNECTIONS.items():
        base = getattr(sys.modules.get(module), cls, None)
        # By type(): asyncpg calls what its pools lend a connection as well.
        if base is not None and base in type(target).__mro__:
            return name
    return None


def not_lent(target: Any) -> Any:
    """The connection itself, where it is what a pool of asyncpg's lends."""
    lent = getattr(sys.modules.get("asyncpg.pool"), "PoolConnectionProxy", None)
    return target._con if lent is not None and type(target) is lent else target


@cache
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
