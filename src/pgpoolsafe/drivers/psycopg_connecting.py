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

from ..poolers.startup import refusal_in, settings_in, without
from .psycopg import attach

logger = logging.getLogger("pgpoolsafe")

Gen = Generator[Any, Any, Any]


def connect(owner: Any, send: Callable[[str], Gen], conninfo: str) -> Gen:
    """Generator: the connection, and the settings that had to be taken out of its options.

    `send` makes psycopg's own generator for a connection string. `owner` is the
    installation: it says whether settings are carried, and remembers what was refused.
    """
    taken: dict[str, str] = {}
    if owner.policy.carries:
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


def without_refused(conninfo: str, error: str) -> tuple[str, dict[str, str]]:
    """The connection string without the settings that an error refuses, and their values.

    None are taken out where the error is about something else.
    """
    options = _options(conninfo)
    settings = refused_settings(options, error)
    return _without(conninfo, options, settings), settings


def refused_settings(options: str, error: str) -> dict[str, str]:
    """The settings among these options that an error at connect refuses."""
    refusal = refusal_in(error)
    settings = dict(settings_in(options)) if refusal is not None else {}
    if refusal is not None and refusal.name in settings:
        return {refusal.name: settings[refusal.name]}
    return settings


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


def connect_by(
    send: Callable[..., Any], kwargs: dict[str, Any], owner: Any, refused: set[str]
) -> tuple[Any, dict[str, str]]:
    """A connection, and the settings that had to be taken out of its options to get it.

    `send` takes keywords as `psycopg.connect` does. `owner` is the installation, and `refused`
    remembers the names that this endpoint refuses.
    """
    options = str(kwargs.get("options") or os.environ.get("PGOPTIONS", ""))
    taken = {n: value for n, value in settings_in(options).items() if n in refused}
    while True:
        fewer = {**kwargs, "options": without(options, taken)} if taken else kwargs
        try:
            return send(**fewer), taken
        except OperationalError as error:
            more = refused_settings(without(options, taken), str(error))
            if not more or not owner.policy.carries:
                raise
        logger.info("settings refused in options, carried instead: %s", ", ".join(more))
        taken = {**taken, **more}
        refused.update(more)


class EngineConnect:
    """`dialect.connect` of one engine, which takes refused settings out of `options`."""

    def __init__(self, dialect: Any, owner: Any) -> None:
        self._connect = dialect.connect
        self._dialect = dialect
        self._owner = owner
        self._refused: set[str] = set()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        def send(**fewer: Any) -> Any:
            return self._connect(*args, **fewer)

        conn, taken = connect_by(send, kwargs, self._owner, self._refused)
        if taken:
            conn_of_driver = getattr(conn, "driver_connection", conn)
            attach(conn_of_driver, self._owner, adopt=False, refused_options=taken)
        return conn

    def put(self) -> None:
        """Take the place of the dialect's own."""
        self._dialect.connect = self

    def take_back(self) -> None:
        """The dialect's own is in its place again."""
        if vars(self._dialect).get("connect") is self:
            del self._dialect.connect
