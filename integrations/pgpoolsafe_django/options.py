"""What the user wrote in Django's settings, read and checked.

`DATABASES[alias]["OPTIONS"]["pgpoolsafe"]` takes the options of `pgpoolsafe.install()`, and
`DATABASES[alias]["TEST"]["PGPOOLSAFE"]` those that differ in tests. `PGPOOLSAFE[alias]` says
where session work goes. Whatever is wrong becomes one ImproperlyConfigured that names it.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

import pgpoolsafe

KEY = "pgpoolsafe"
"""Under OPTIONS."""
TEST_KEY = "PGPOOLSAFE"
"""Under TEST."""

ENDPOINT = ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
"""What of DATABASES says where a connection leads."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """`PGPOOLSAFE[alias]`. `direct`: an alias, or what differs from this one in DATABASES.

    `statement_timeout`: of each statement of a request; what PostgreSQL takes, "5s" or a
    number of milliseconds.
    """

    direct: str | Mapping[str, Any] | None = None
    statement_timeout: str | int | None = None


def guard_options(alias: str, settings_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for `install()`. Raises ImproperlyConfigured that names the known ones."""
    where = f"DATABASES[{alias!r}]['OPTIONS'][{KEY!r}]"
    return _known(settings_dict.get("OPTIONS", {}).get(KEY, {}), _install_options(), where)


def test_options(alias: str, settings_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for `install()` that differ in tests."""
    where = f"DATABASES[{alias!r}]['TEST'][{TEST_KEY!r}]"
    return _known(settings_dict.get("TEST", {}).get(TEST_KEY, {}), _install_options(), where)


def wishes(alias: str) -> Wishes:
    """What is wished for an alias. Raises ImproperlyConfigured that names what is wrong."""
    everything = getattr(settings, "PGPOOLSAFE", {})
    if not isinstance(everything, Mapping):
        raise ImproperlyConfigured("PGPOOLSAFE: expected a dictionary by alias of DATABASES")
    found = Wishes(**_known(everything.get(alias, {}), Wishes.__slots__, f"PGPOOLSAFE[{alias!r}]"))
    _check_direct(alias, found.direct)
    return found


def unknown_aliases() -> list[str]:
    """The keys of PGPOOLSAFE that DATABASES does not have."""
    return [repr(alias) for alias in getattr(settings, "PGPOOLSAFE", {}) if not _is_alias(alias)]


def _check_direct(alias: str, direct: object) -> None:
    where = f"PGPOOLSAFE[{alias!r}]['direct']"
    if isinstance(direct, Mapping):
        _known(direct, ENDPOINT, where)
    elif direct is not None and (direct == alias or not _is_alias(direct)):
        known = ", ".join(repr(other) for other in connections if other != alias) or "there is none"
        raise ImproperlyConfigured(
            f"{where} = {direct!r}: expected another alias of DATABASES ({known})"
            f" or a dictionary with some of {', '.join(ENDPOINT)}"
        )


def _is_alias(name: object) -> bool:
    return isinstance(name, str) and name in connections.settings


def _known(found: object, names: Collection[str], where: str) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        raise ImproperlyConfigured(f"{where}: expected a dictionary with some of {_list(names)}")
    unknown = [str(name) for name in found if name not in names]
    if unknown:
        raise ImproperlyConfigured(
            f"{where}: unknown {', '.join(map(repr, unknown))}; known are {_list(names)}"
        )
    return dict(found)


def _list(names: Collection[str]) -> str:
    return ", ".join(names)


@cache
def _install_options() -> list[str]:
    return [name for name in inspect.signature(pgpoolsafe.install).parameters if name != "target"]
