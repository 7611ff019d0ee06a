"""psycopg2: connect by a connection string whose `options` the pooler refuses."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from ..poolers.startup import settings_in, without
from .connecting import Arguments, Asking, connect_by, with_encoding_apart


def connect(owner: Any, send: Callable[[Any], Any], dsn: Any) -> tuple[Any, dict[str, str]]:
    """A connection, and the settings that had to be taken out of its options to get it.

    `send` connects by a connection string. `owner` is the installation: it says whether
    settings are carried, and remembers what was refused.
    """
    refused = owner.refused_options.setdefault(_endpoint(dsn), set())
    return connect_by(send, {"dsn": dsn}, owner, refused, _BY_DSN)


def _asked(arguments: Arguments) -> Mapping[str, str]:
    return settings_in(_options(arguments["dsn"]))


def _fewer(arguments: Arguments, names: Collection[str]) -> dict[str, Any]:
    dsn = arguments["dsn"]
    # Not left out: then PGOPTIONS would count.
    return {"dsn": make_dsn(dsn, options=without(_options(dsn), names))}


def _moved(arguments: Arguments) -> Arguments:
    dsn = arguments["dsn"]
    moved = with_encoding_apart(_options(dsn), _parts(dsn).get("client_encoding"))
    return {"dsn": make_dsn(dsn, **moved)} if moved else arguments


_BY_DSN = Asking(_asked, _fewer, _moved)


def _options(dsn: Any) -> str:
    given = _parts(dsn).get("options")
    return str(given) if given is not None else os.environ.get("PGOPTIONS", "")


def _parts(dsn: Any) -> Mapping[str, str]:
    """What a connection string says; nothing, if psycopg2 will refuse it."""
    try:
        found: Mapping[str, str] = parse_dsn(dsn)
    except (psycopg2.Error, TypeError):
        return {}
    return found


def _endpoint(dsn: Any) -> tuple[str, ...]:
    parts = _parts(dsn)
    names = ("service", "host", "hostaddr", "port")
    return tuple(str(parts.get(name) or os.environ.get(f"PG{name.upper()}", "")) for name in names)
