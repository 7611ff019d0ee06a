"""Where an engine or a pool of the program's leads, as a connection string for libpq.

What a driver is called with is not what libpq calls it: asyncpg and pg8000 have names of
their own (their documentation of `connect()`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil
from typing import Any

from .errors import ConfigurationError
from .targets import Kind, keywords, kind_of

_ASKS = "asks a function where to connect: hand over a DSN instead"


def conninfo_of(target: Any) -> str:
    """A connection string that leads where a SQLAlchemy engine or a psycopg pool does, with
    its password and with the settings in its options.

    Raises TypeError where that is no PostgreSQL, ConfigurationError where a function of the
    program's decides.
    """
    is_engine = kind_of(target) in (Kind.ENGINE, Kind.ASYNC_ENGINE)
    return conninfo_of_engine(target) if is_engine else _of_pool(target)


def conninfo_of_engine(engine: Any) -> str:
    """The same for an engine, or the one within an asynchronous one."""
    if engine.dialect.name != "postgresql":
        raise TypeError(f"an engine on {engine.dialect.name} is no way to PostgreSQL")
    return _joined(_arguments(engine))


def _of_pool(pool: Any) -> str:
    kwargs = pool.kwargs or {}
    if callable(pool.conninfo) or callable(kwargs):
        raise ConfigurationError(f"the pool {_ASKS}")
    return _joined({"dsn": pool.conninfo or "", **kwargs})


def _arguments(engine: Any) -> Mapping[str, Any]:
    """What the engine calls its driver's connect() with: its URL and its connect_args.

    SQLAlchemy (2.0 and 2.1) keeps them in the closure of its own creator only.
    """
    creator: Any = getattr(engine.pool, "_creator", None)
    if getattr(creator, "__module__", "") != "sqlalchemy.engine.create":
        raise ConfigurationError(f"the engine {_ASKS}")
    cells = dict(zip(creator.__code__.co_freevars, creator.__closure__ or (), strict=True))
    if "cparams" in cells:
        found: Mapping[str, Any] = cells["cparams"].cell_contents
        return found
    of_url: Mapping[str, Any] = engine.dialect.create_connect_args(engine.url)[1]
    return of_url


# in libpq's words

_RENAMED = {"database": "dbname", "timeout": "connect_timeout", "ssl": "sslmode"}
_MODES = {"True": "require", "False": "disable"}


def _joined(arguments: Mapping[str, Any]) -> str:
    """A connection string of a driver's arguments; those that libpq has not are left out."""
    from psycopg.conninfo import make_conninfo

    known: dict[str, Any] = {
        _RENAMED.get(name, name): value
        for name, value in arguments.items()
        if isinstance(value, (str, int, float, list, tuple))
    }
    known |= _socket(known.get("unix_sock")) | _settings(arguments, known.get("options"))
    dsn = known.get("dsn", "")
    return make_conninfo(dsn, **{n: _text(n, v) for n, v in known.items() if n in keywords()})


def _socket(path: str | None) -> dict[str, str]:
    """pg8000 names the file, libpq its folder."""
    if path is None:
        return {}
    folder, _, port = path.rpartition("/.s.PGSQL.")
    return {"host": folder, "port": port}


def _settings(arguments: Mapping[str, Any], options: str | None) -> dict[str, str]:
    """asyncpg's and pg8000's settings for the session; libpq has its options for them."""
    own = {**(arguments.get("server_settings") or {}), **(arguments.get("startup_params") or {})}
    name = own.pop("application_name", None)
    found = {"application_name": str(name)} if name is not None else {}
    if own:
        written = [f"-c {setting}={_escaped(str(value))}" for setting, value in own.items()]
        found["options"] = " ".join([*([options] if options else []), *written])
    return found


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)


def _text(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if name == "sslmode":
        return _MODES.get(str(value), str(value))
    return str(ceil(value) if isinstance(value, (bool, float)) else value)
