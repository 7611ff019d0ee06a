"""The way past the pooler: a Django connection that leads to the direct endpoint for a while.

The alias stays what it is: routers, `using=` and data migrations notice nothing, and
everything that the thread does with the alias goes the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connections

from .options import ENDPOINT, KEY, guard_options, wishes

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
    if stated is None or wrapper.in_atomic_block:
        yield wrapper.is_direct
        return
    pooled = wrapper.settings_dict
    wrapper.close()
    wrapper.settings_dict = {**pooled, **_endpoint(wrapper, stated)}
    before = wrapper.settings_dict["NAME"]
    wrapper.is_direct = True
    try:
        yield True
    finally:
        wrapper.close()
        wrapper.is_direct = False
        after = wrapper.settings_dict["NAME"]
        wrapper.settings_dict = pooled
        if after != before:  # a test database was made, or is gone
            pooled["NAME"] = after


def _endpoint(wrapper: Any, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the direct connection.

    A test database is the same one there, and its NAME is this very wrapper's. Whoever opens
    few connections needs no pool of them.
    """
    pooled = wrapper.settings_dict
    options = {**stated.get("OPTIONS", pooled["OPTIONS"])}
    options.pop("pool", None)
    options[KEY] = _guard_there(wrapper, stated.get("OPTIONS", {}).get(KEY, {}))
    endpoint = {**stated, "OPTIONS": options}
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
