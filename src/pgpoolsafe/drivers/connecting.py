"""Connect where the pooler refuses the settings that a connection is opened with.

Most poolers refuse a connection that asks for settings when it is opened (`options=-c
statement_timeout=2s`, asyncpg's `server_settings`). Where settings are carried that need not
be: the connection is made without them, and they travel with each transaction like any other.
What was refused once is not asked for again.

`client_encoding` is moved from libpq's `options` to the parameter that libpq has for it, which
every pooler lets through: what the driver encodes and decodes by cannot come along later.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping
from typing import Any, NamedTuple

from ..effects import ENCODING
from ..poolers.startup import refusal_in, settings_in, without

logger = logging.getLogger("pgpoolsafe")

Arguments = Mapping[str, Any]


class Asking(NamedTuple):
    """How a driver is asked for settings: in which of the arguments that it connects with.

    `asked`: the settings in them, by name in lower case; `fewer`: the arguments without some;
    `moved`: the arguments with what has a parameter of its own in that.
    """

    asked: Callable[[Arguments], Mapping[str, str]]
    fewer: Callable[[Arguments, Collection[str]], dict[str, Any]]
    moved: Callable[[Arguments], Arguments] = lambda arguments: arguments


def with_encoding_apart(options: str, own: str | None) -> dict[str, str]:
    """libpq's parameters that say the same with `client_encoding` not in `options`.

    `own`: that parameter itself, None if it is not given; the server lets it count over
    `options`. Empty: nothing is to be changed.
    """
    asked = settings_in(options).get(ENCODING)
    if asked is None:
        return {}
    own = os.environ.get("PGCLIENTENCODING") if own is None else own
    return {"options": without(options, (ENCODING,)), ENCODING: own or asked}


def named_by_libpq(application_name: str | None, encoding: str | None) -> dict[str, str]:
    """The settings that libpq asks for by parameters of their own, in lower case.

    What is given in the connection string, and its EnvironmentOptions (fe-connect.c).
    """
    named = {
        "application_name": application_name,
        ENCODING: encoding if encoding != "auto" else None,
        "datestyle": os.environ.get("PGDATESTYLE"),
        "timezone": os.environ.get("PGTZ"),
    }
    return {name: value for name, value in named.items() if value and value.lower() != "default"}


def _options(arguments: Arguments) -> str:
    return str(arguments.get("options") or os.environ.get("PGOPTIONS", ""))


def _moved(arguments: Arguments) -> Arguments:
    moved = with_encoding_apart(_options(arguments), arguments.get(ENCODING))
    return {**arguments, **moved}


# What is left is stated even if it is nothing: else PGOPTIONS would count.
BY_OPTIONS = Asking(
    lambda arguments: settings_in(_options(arguments)),
    lambda arguments, names: {**arguments, "options": without(_options(arguments), names)},
    _moved,
)
"""libpq's: `options="-c statement_timeout=2s"`."""


def by_mapping(argument: str) -> Asking:
    """A mapping of settings, such as asyncpg's `server_settings`."""

    def asked(arguments: Arguments) -> Mapping[str, str]:
        return {_text(name).lower(): _text(value) for name, value in _items(arguments)}

    def fewer(arguments: Arguments, names: Collection[str]) -> dict[str, Any]:
        kept = {n: value for n, value in _items(arguments) if _text(n).lower() not in names}
        return {**arguments, argument: kept}

    def _items(arguments: Arguments) -> Collection[tuple[Any, Any]]:
        return (arguments.get(argument) or {}).items()

    return Asking(asked, fewer)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


ASKING: Mapping[str, Asking] = {
    "psycopg": BY_OPTIONS,
    "psycopg2": BY_OPTIONS,
    "pg8000": by_mapping("startup_params"),
    "asyncpg": by_mapping("server_settings"),
}
"""By the name of the driver."""


def refused_settings(asked: Mapping[str, str], error: str) -> dict[str, str]:
    """Those of the settings asked for that an error at connect refuses.

    All of them, where it refuses settings and names none of these.
    """
    refusal = refusal_in(error)
    if refusal is None:
        return {}
    name = (refusal.name or "").lower()
    return {name: asked[name]} if name in asked else dict(asked)


Attempts = Generator[Arguments, Any, tuple[Any, dict[str, str]]]
"""Yields the arguments to connect by; is sent the connection, or thrown why there is none."""


def connect_by(
    send: Callable[..., Any],
    arguments: Arguments,
    owner: Any,
    refused: set[str],
    asking: Asking = BY_OPTIONS,
) -> tuple[Any, dict[str, str]]:
    """A connection, and the settings that had to be taken out of its arguments to get it.

    `send` connects by keywords. `owner` is the installation: it says whether settings are
    carried. `refused` remembers the names that this endpoint refuses.
    """
    attempts = _attempts(arguments, owner, refused, asking)
    wanted = next(attempts)
    while True:
        try:
            conn = send(**wanted)
        except Exception as error:  # noqa: BLE001  # raised again, unless it is a refusal
            wanted = attempts.throw(error)
        else:
            return _made(attempts, conn)


async def connect_by_async(
    send: Callable[..., Awaitable[Any]],
    arguments: Arguments,
    owner: Any,
    refused: set[str],
    asking: Asking,
) -> tuple[Any, dict[str, str]]:
    """The same, where to connect is awaited."""
    attempts = _attempts(arguments, owner, refused, asking)
    wanted = next(attempts)
    while True:
        try:
            conn = await send(**wanted)
        except Exception as error:  # noqa: BLE001  # raised again, unless it is a refusal
            wanted = attempts.throw(error)
        else:
            return _made(attempts, conn)


def _made(attempts: Attempts, conn: Any) -> tuple[Any, dict[str, str]]:
    try:
        attempts.send(conn)
    except StopIteration as end:
        made: tuple[Any, dict[str, str]] = end.value
        return made
    raise AssertionError("one connection is enough")


def _attempts(arguments: Arguments, owner: Any, refused: set[str], asking: Asking) -> Attempts:
    if owner.policy.carries:
        arguments = asking.moved(arguments)
    asked = asking.asked(arguments)
    taken = {name: value for name, value in asked.items() if name in refused}
    while True:
        try:
            conn = yield asking.fewer(arguments, taken) if taken else arguments
        except Exception as error:
            left = {name: value for name, value in asked.items() if name not in taken}
            more = refused_settings(left, str(error))
            if not more or not owner.policy.carries:
                raise
        else:
            return conn, taken
        logger.info("settings refused at connect, carried instead: %s", ", ".join(more))
        taken = {**taken, **more}
        refused.update(more)


class EngineConnect:
    """`dialect.connect` of one engine, without the settings that its pooler refuses.

    `guard` is given a connection that was made without some, and these.
    """

    def __init__(
        self,
        dialect: Any,
        owner: Any,
        asking: Asking,
        guard: Callable[[Any, dict[str, str]], None],
    ) -> None:
        self._connect = dialect.connect
        self._dialect = dialect
        self._owner = owner
        self._asking = asking
        self._guard = guard
        self._refused: set[str] = set()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        def send(**fewer: Any) -> Any:
            return self._connect(*args, **fewer)

        conn, taken = connect_by(send, kwargs, self._owner, self._refused, self._asking)
        if taken:
            self._guard(conn, taken)
        return conn

    def put(self) -> None:
        """Take the place of the dialect's own."""
        self._dialect.connect = self

    def take_back(self) -> None:
        """The dialect's own is in its place again."""
        if vars(self._dialect).get("connect") is self:
            del self._dialect.connect
