"""psycopg: connect where the pooler refuses the settings in `options`.

Most poolers refuse a connection whose `options` set something (`-c statement_timeout=2s`).
Where settings are carried that need not be: the connection is made without them, and they
travel with each transaction like any other. What was refused once by an endpoint is not
asked for again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator
from typing import Any

from psycopg import OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ..poolers.startup import settings_in, without
from .connecting import refused_settings, with_encoding_apart

logger = logging.getLogger("pgpoolsafe")

Gen = Generator[Any, Any, Any]


def connect(owner: Any, send: Callable[[str], Gen], conninfo: str) -> Gen:
    """Generator: the connection, and the settings that had to be taken out of its options.

    `send` makes psycopg's own generator for a connection string. `owner` is the
    installation: it says whether settings are carried, and remembers what was refused.
    """
    taken: dict[str, str] = {}
    if owner.policy.carries:
        conninfo = _with_encoding_apart(conninfo)
        conninfo, taken = _without_known(owner, conninfo)
    while True:
        try:
            return (yield from send(conninfo)), taken
        except OperationalError as error:
            fewer, refused = without_refused(conninfo, str(error))
            if not refused or not owner.policy.carries:
                raise
        logger.info("settings refused in options, carried instead: %s", ", ".join(refused))
        _remember(owner, conninfo, refused)
        conninfo, taken = fewer, {**taken, **refused}


def _with_encoding_apart(conninfo: str) -> str:
    own = conninfo_to_dict(conninfo).get("client_encoding")
    moved = with_encoding_apart(_options(conninfo), None if own is None else str(own))
    return make_conninfo(conninfo, **moved) if moved else conninfo


def without_refused(conninfo: str, error: str) -> tuple[str, dict[str, str]]:
    """The connection string without the settings that an error refuses, and their values.

    None are taken out where the error is about something else.
    """
    options = _options(conninfo)
    settings = refused_settings(settings_in(options), error)
    return _without(conninfo, options, settings), settings


def _without(conninfo: str, options: str, settings: dict[str, str]) -> str:
    if not settings:
        return conninfo
    # Not left out: then PGOPTIONS would count.
    return make_conninfo(conninfo, options=without(options, settings))


def _options(conninfo: str) -> str:
    given = conninfo_to_dict(conninfo).get("options")
    return str(given) if given is not None else os.environ.get("PGOPTIONS", "")


def _without_known(owner: Any, conninfo: str) -> tuple[str, dict[str, str]]:
    """The same for what its endpoint has refused before."""
    known = owner.refused_options.get(_endpoint(conninfo))
    if not known:
        return conninfo, {}
    options = _options(conninfo)
    settings = {name: value for name, value in settings_in(options).items() if name in known}
    return _without(conninfo, options, settings), settings


def _remember(owner: Any, conninfo: str, refused: dict[str, str]) -> None:
    known = owner.refused_options.setdefault(_endpoint(conninfo), set())
    known.update(refused)


def _endpoint(conninfo: str) -> tuple[str, ...]:
    parts = conninfo_to_dict(conninfo)
    names = ("service", "host", "hostaddr", "port")
    return tuple(str(parts.get(name) or os.environ.get(f"PG{name.upper()}", "")) for name in names)
