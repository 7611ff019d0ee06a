"""Which guard a Django connection is under: one installation for each entry of DATABASES.

What was learnt of the pooler, and what was told already, is thereby shared by all threads
and all connections of an alias, however short-lived they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from django.core.exceptions import ImproperlyConfigured

import pgpoolsafe
from pgpoolsafe import Installation


class Connections:
    """The attachment of an alias: its connections are handed over as they are made."""

    def __init__(self, target: Alias, installation: Installation) -> None:
        """Nothing but the connections is changed, and these the installation puts back."""

    def attach(self) -> None:
        """Django says when it has made a connection."""

    def detach(self) -> None:
        """Nothing to undo."""


class Alias:
    """An entry of DATABASES (at its pooler, or at its direct endpoint) as a target."""

    pgpoolsafe_driver = Connections

    def __init__(self, name: str, *, is_direct: bool) -> None:
        self.name = name
        self.is_direct = is_direct

    def __repr__(self) -> str:
        return f"DATABASES[{self.name!r}]" + (", direct" if self.is_direct else "")


_aliases: dict[tuple[str, bool], Alias] = {}
_pools: WeakKeyDictionary[Any, Installation] = WeakKeyDictionary()


def installation(alias: str, options: Mapping[str, Any], *, is_direct: bool) -> Installation:
    """The installation for an alias, made at the first call and when the options change.

    Raises ImproperlyConfigured on an option that `install()` refuses.
    """
    target = _aliases.setdefault((alias, is_direct), Alias(alias, is_direct=is_direct))
    return _install(target, alias, options)


def pool_installation(pool: Any, alias: str, options: Mapping[str, Any]) -> Installation:
    """The installation for Django's pool: it must be there before the pool connects."""
    found = _pools.get(pool)
    if found is None:
        found = _pools[pool] = _install(pool, alias, options)
    return found


def connect(make: Callable[[dict[str, Any]], Any], params: dict[str, Any], guard: Any) -> Any:
    """A guarded psycopg connection; what its options set is in force though a pooler refuses it.

    `make` takes the parameters of `psycopg.connect`, and `guard` is the installation.
    """
    from pgpoolsafe.drivers import psycopg
    from pgpoolsafe.drivers.connecting import connect_by

    place = tuple(str(params.get(name, "")) for name in ("service", "host", "hostaddr", "port"))
    refused = guard.refused_options.setdefault(place, set())
    connection, taken = connect_by(lambda **fewer: make(fewer), params, guard, refused)
    if taken:
        psycopg.attach(connection, guard, refused_options=taken)
    else:
        guard.guard(connection)
    return connection


def _install(target: Any, alias: str, options: Mapping[str, Any]) -> Installation:
    try:
        return pgpoolsafe.install(target, **options)
    except pgpoolsafe.ConfigurationError as error:
        raise ImproperlyConfigured(f"DATABASES[{alias!r}]['OPTIONS']: {error}") from error
