"""The way past the pooler: a Django connection that leads to the direct endpoint for a while.

The alias stays what it is: routers, `using=` and data migrations notice nothing, and
everything that the thread does with the alias goes the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connections

from pgpoolsafe.session import blocks
from pgpoolsafe.session.settings import Carried

from .options import ENDPOINT, KEY, guard_options, wishes

IS_DIRECT = "PGPOOLSAFE_IS_DIRECT"
"""In the settings of a connection; Django makes further connections from them."""

_names: dict[str, Any] = {}
"""The NAME that DATABASES stated at first, by alias: test databases have another."""


def note_name(alias: str, settings_dict: Mapping[str, Any]) -> None:
    """Remember an alias' database before a test database takes its place."""
    _names.setdefault(alias, settings_dict.get("NAME"))


def directly_stated(wrapper: Any) -> dict[str, Any] | None:
    """What differs in DATABASES on the direct endpoint of a wrapper's alias; None without one."""
    wanted = wishes(wrapper.alias).direct
    if wanted is None:
        return None
    stated = connections.settings[wanted] if isinstance(wanted, str) else wanted
    return {name: stated[name] for name in ENDPOINT if name in stated}


@contextmanager
def directly(wrapper: Any) -> Iterator[bool]:
    """Within the block the wrapper's connection is a direct one; yields whether it is."""
    stated = None if wrapper.is_direct else directly_stated(wrapper)
    if stated is None or _is_in_a_transaction(wrapper):
        yield wrapper.is_direct
        return
    around = blocks.around((wrapper.pgpoolsafe,))
    with _switched(wrapper, stated), _blocks_too(wrapper, around):
        yield True


def _is_in_a_transaction(wrapper: Any) -> bool:
    """Whether closing the connection would undo something, or end `set_autocommit(False)`."""
    connection = wrapper.connection
    if wrapper.in_atomic_block or connection is None:
        return bool(wrapper.in_atomic_block)
    is_open = connection.info.transaction_status in _IN_TRANSACTION
    return is_open or wrapper.autocommit is not wrapper.settings_dict["AUTOCOMMIT"]


_IN_TRANSACTION = (1, 2, 3)
"""libpq's PQTRANS_ACTIVE, PQTRANS_INTRANS, PQTRANS_INERROR, in psycopg 3 and psycopg2 alike."""


@contextmanager
def _switched(wrapper: Any, stated: Mapping[str, Any]) -> Iterator[None]:
    pooled = wrapper.settings_dict
    wrapper.close()
    wrapper.settings_dict = {**pooled, **_endpoint(wrapper, stated)}
    before = wrapper.settings_dict["NAME"]
    wrapper.is_direct = True
    try:
        yield
    finally:
        wrapper.close()
        wrapper.is_direct = False
        after = wrapper.settings_dict["NAME"]
        wrapper.settings_dict = pooled
        if after != before:  # a test database was made, or is gone
            pooled["NAME"] = after


@contextmanager
def _blocks_too(wrapper: Any, block: Carried) -> Iterator[None]:
    """The settings of the `settings()` blocks around hold on the direct connection as well."""
    if not block:
        yield
        return
    guard = wrapper.pgpoolsafe
    guard.open_block()
    held = blocks.enter(guard, block)
    try:
        yield
    finally:
        blocks.leave(held)
        guard.close_block()


def _endpoint(wrapper: Any, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the direct connection.

    A test database is the same one there, and its NAME is this very wrapper's. Whoever opens
    few connections needs no pool of them.
    """
    pooled = wrapper.settings_dict
    options = {**stated.get("OPTIONS", pooled["OPTIONS"])}
    options.pop("pool", None)
    options[KEY] = _guard_there(wrapper, stated.get("OPTIONS", {}).get(KEY, {}))
    endpoint = {**stated, "OPTIONS": options, IS_DIRECT: True}
    if pooled["NAME"] != _names.get(wrapper.alias):
        endpoint["NAME"] = pooled["NAME"]
    return endpoint


def _guard_there(wrapper: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """The guard on the direct endpoint: it stands aside, unless a pooler is found there.

    Strict would judge it as if behind a pooler. What the user says of the pooler is not true
    of this endpoint. `own`: the options that the direct endpoint states itself.
    """
    ours = guard_options(wrapper.alias, wrapper.settings_dict)
    for name in _OF_THE_POOLER:
        ours.pop(name, None)
    if ours.get("mode", "strict") == "strict":
        ours["mode"] = "warn"
    return {**ours, **own}


_OF_THE_POOLER = ("pooler", "pool_mode", "direct")
