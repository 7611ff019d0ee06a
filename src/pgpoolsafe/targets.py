"""What a target is: a DSN, a URL, a service, an engine, a connection or a pool.

Texts are brought into the one form that libpq takes. Whatever goes wrong with a text, no
message repeats it: libpq's own would print the piece that it could not read, which may be
the password.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import unquote

from .errors import ConfigurationError
from .poolers.startup import settings_in, without

CONNECT_SECONDS = 10
"""The connect timeout of a text that states none."""

SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
"""What is never shown, by its libpq keyword."""

_SCHEMES = ("postgresql", "postgres", "pgsql", "postgis")
_APPLICATION_NAME = "pgpoolsafe"


class Kind(Enum):
    """What a target is; the asynchronous ones are awaited."""

    TEXT = "text"
    ENGINE = "engine"
    ASYNC_ENGINE = "async engine"
    CONNECTION = "connection"
    ASYNC_CONNECTION = "async connection"
    POOL = "pool"
    ASYNC_POOL = "async pool"
    SQLALCHEMY = "SQLAlchemy connection"
    ASYNC_SQLALCHEMY = "async SQLAlchemy connection"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a text leads. `parameters`: by libpq keyword, with the password; never shown.

    `left_out`: parameters of the URL that libpq does not know (they are for another driver).
    `stated`: the keywords that the text or the environment stated itself.
    """

    parameters: Mapping[str, str] = field(repr=False)
    left_out: tuple[str, ...] = ()
    stated: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """Host and port, the socket, or the service, for people."""
        service = self.parameters.get("service")
        host = self.parameters.get("host") or self.parameters.get("hostaddr")
        if service and not host:
            return f"service {service}"
        return f"{host or 'the default host'}:{self.parameters.get('port') or 5432}"

    @property
    def timeout(self) -> float:
        """The connect timeout in seconds; one of 0 (wait for ever) counts as none."""
        stated = self.parameters.get("connect_timeout", "")
        seconds = int(stated) if re.fullmatch(r"\s*\d+\s*", stated) else 0
        return float(seconds or CONNECT_SECONDS)

    @property
    def without_settings(self) -> Mapping[str, str]:
        """The parameters without settings for the session, whoever stated them; what a
        provider reads in the options for its routing stays.
        """
        options = self.parameters.get("options", "")
        return {**self.parameters, "options": without(options, settings_in(options))}

    def scrubbed(self, text: str) -> str:
        """The text without the secrets of this address, where one stands as a word."""
        for name in SECRETS:
            secret = self.parameters.get(name)
            if secret:
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
        return text


def kind_of(target: Any) -> Kind:
    """What a target is. Raises TypeError for anything else."""
    if isinstance(target, str):
        return Kind.TEXT
    for find in (_sqlalchemy_kind, _psycopg_kind, _pool_kind):
        kind = find(target)
        if kind is not None:
            return kind
    raise TypeError(
        f"cannot look at a {type(target).__module__}.{type(target).__qualname__}; expected a DSN,"
        " a URL, an Engine, AsyncEngine or connection of SQLAlchemy, a psycopg connection, or a"
        " psycopg_pool pool"
    )


def _sqlalchemy_kind(target: Any) -> Kind | None:
    """Imports only what the target already needed, as the two below."""
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.engine import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    if isinstance(target, Engine) and target.dialect.is_async:
        raise TypeError("the sync_engine of an AsyncEngine cannot be asked: hand over the latter")
    kinds = (
        (URL, Kind.TEXT),
        (Engine, Kind.ENGINE),
        (AsyncEngine, Kind.ASYNC_ENGINE),
        (Connection, Kind.SQLALCHEMY),
        (AsyncConnection, Kind.ASYNC_SQLALCHEMY),
    )
    return next((kind for of, kind in kinds if isinstance(target, of)), None)


def _psycopg_kind(target: Any) -> Kind | None:
    if "psycopg" not in sys.modules:
        return None
    from psycopg import AsyncConnection, Connection

    if isinstance(target, AsyncConnection):
        return Kind.ASYNC_CONNECTION
    return Kind.CONNECTION if isinstance(target, Connection) else None


def _pool_kind(target: Any) -> Kind | None:
    if "psycopg_pool" not in sys.modules:
        return None
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

    if isinstance(target, AsyncConnectionPool):
        return Kind.ASYNC_POOL
    return Kind.POOL if isinstance(target, ConnectionPool) else None


# texts


def text_in(target: Any) -> str:
    """A target of kind TEXT as a text; SQLAlchemy's URL hides its password otherwise."""
    if isinstance(target, str):
        return target
    text: str = target.render_as_string(hide_password=False)
    return text


def address_of(text: str, *, connect_timeout: int | None = None) -> Address:
    """Where a text leads: `host=… dbname=…`, `postgresql://…` (also as SQLAlchemy and Django
    write it, with a driver's name), `service=…`, or the name of a service alone.

    `connect_timeout` in seconds overrides the text's. Raises ConfigurationError, which never
    repeats the text.
    """
    conninfo, left_out = _as_conninfo(text.strip())
    stated = _parsed(conninfo)
    if not re.fullmatch(r"[\d,]*", stated.get("port", "")):
        raise ConfigurationError(_NO_PORT)
    if connect_timeout is not None:
        stated["connect_timeout"] = str(connect_timeout)
    return _completed(stated, left_out)


def _completed(stated: Mapping[str, str], left_out: tuple[str, ...]) -> Address:
    """With a connect timeout, and a name for the server's log, where there is none."""
    parameters = dict(stated)
    for keyword, variable in (("connect_timeout", "PGCONNECT_TIMEOUT"), ("options", "PGOPTIONS")):
        value = os.environ.get(variable)
        if value:
            parameters.setdefault(keyword, value)
    known = frozenset(parameters)
    if parameters.get("connect_timeout", "").strip() in ("", "0", "-1"):
        parameters["connect_timeout"] = str(CONNECT_SECONDS)
    if not os.environ.get("PGAPPNAME"):
        parameters.setdefault("application_name", _APPLICATION_NAME)
    return Address(parameters, left_out, known)


def _as_conninfo(text: str) -> tuple[str, tuple[str, ...]]:
    scheme, separator, rest = text.partition("://")
    if separator and "=" not in scheme:  # not in the password of host=… password=…
        return _url(scheme, rest)
    if "=" not in text and text:
        if not re.fullmatch(r"[\w.-]+", text):
            raise ConfigurationError(_NEITHER)
        return f"service={text}", ()
    return text, ()


_NEITHER = (
    "this is no connection string: expected host=… dbname=… user=…, postgresql://user@host/dbname,"
    " or the name of a service"
)


def _url(scheme: str, rest: str) -> tuple[str, tuple[str, ...]]:
    """A URL as libpq takes it, and the parameters it does not take."""
    dialect, _, driver = scheme.partition("+")
    if dialect.lower() not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise ConfigurationError(
            f"not a PostgreSQL URL: it must start with {known} (a driver may follow, as in"
            " postgresql+psycopg://)"
        )
    base, _, query = rest.partition("?")
    # A password with @ or / in it, not encoded: libpq would take a piece of it for the host.
    if base.count("@") > 1 or "@" in base.partition("/")[2] + query:
        raise ConfigurationError(_NOT_ENCODED)
    pairs = [pair for pair in query.split("&") if pair]
    taken = [pair for pair in pairs if unquote(pair.partition("=")[0]) in keywords()]
    left_out = [unquote(pair.partition("=")[0]) for pair in pairs if pair not in taken]
    if "ssl" in left_out and driver == "asyncpg":
        taken += [f"sslmode={p.partition('=')[2]}" for p in pairs if p.startswith("ssl=")]
    shown = tuple(name if re.fullmatch(r"\w{1,63}", name) else "…" for name in left_out)
    return f"postgresql://{base}" + (f"?{'&'.join(taken)}" if taken else ""), shown


def keywords() -> frozenset[str]:
    """libpq's connection parameters."""
    from psycopg import pq

    return frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())


def _parsed(conninfo: str) -> dict[str, str]:
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        parameters = conninfo_to_dict(conninfo)
    except Error as error:
        # Without the cause: its text repeats a piece of the connection string.
        raise ConfigurationError(_what_is_wrong(str(error), conninfo)) from None
    except UnicodeError:
        raise ConfigurationError("the connection string has characters that UTF-8 lacks") from None
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _what_is_wrong(said: str, conninfo: str) -> str:
    """libpq's complaint in words that repeat nothing of the text."""
    if "invalid connection option" in said:
        return "the connection string has an option that libpq does not know" + _meant(conninfo)
    for sign, words in _COMPLAINTS:
        if sign in said:
            return words
    return _NEITHER


_NO_PORT = (
    "the port in the connection string is not a number (in the password of a URL, @ : / ? are"
    " written %40 %3A %2F %3F)"
)
_NOT_ENCODED = (
    "the URL cannot be read: in a name or a password, @ : / ? are written %40 %3A %2F %3F"
)
_COMPLAINTS = (
    ("port", _NO_PORT),
    ("unterminated quoted string", "the connection string has a quote that is not closed"),
    ("percent-encoded", "the URL has a % that is not followed by two hexadecimal digits"),
    ("IPv6", "the URL has an IPv6 address without its closing bracket"),
    (
        "unexpected character",
        _NOT_ENCODED,
    ),
)


def _meant(conninfo: str) -> str:
    """A known option that is all but written there."""
    known = keywords()
    for word in re.findall(r"(?:^|\s)(\w+)\s*=", conninfo):
        close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.8)
        if word not in known and close:
            return f"; did you mean {close[0]}?"
    return ""
