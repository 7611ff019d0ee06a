"""The whole process: every connection that is opened from now on, by whomever.

Each driver has one place through which all its ways to connect lead (pools, SQLAlchemy, Django
included). That is replaced here, and put back by detach(). psycopg is guarded wherever it is
installed; the other drivers as soon as the program imports them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import ConfigurationError
from ..rules.policy import Mode
from .importing import Imports
from .kinds import GUARDED, fitting

logger = logging.getLogger("pgpoolsafe")


class Process:
    """The attachment of the process-wide installation."""

    def __init__(self, target: None, installation: Any) -> None:
        self._installation = installation
        self._seams: list[Seam] = []
        self._imports = Imports(tuple(_MAKERS), self._imported)
        self._active = False

    def attach(self) -> None:
        """Guard what is opened from now on."""
        self._seams = list(_seams(self))
        for seam in self._seams:
            seam.replace()
        self._imports.start()
        self._active = True
        names = ", ".join(seam.driver for seam in self._seams)
        logger.info("every connection that is opened from now on is guarded, by %s", names)

    def _imported(self, driver: str) -> None:
        """The program has imported one more driver."""
        if not self._active:
            return
        try:
            seam = _seam(self, driver)
            seam.replace()
        except Exception:
            if self._installation.policy.mode is Mode.STRICT:
                raise
            logger.exception(
                "connections of %s cannot be guarded; what they send is not seen", driver
            )
            return
        self._seams.append(seam)
        logger.info("connections of %s are guarded as well", driver)

    def detach(self) -> None:
        """Guard nothing new."""
        self._imports.stop()
        for seam in self._seams:
            seam.restore()
        self._active = False

    @property
    def owner(self) -> Any:
        """The installation while it guards; None after detach()."""
        return self._installation if self._active else None

    def guard(self, driver: str, conn: Any, **options: Any) -> None:
        """A connection that cannot be guarded is closed in strict mode, and told of otherwise."""
        if not self._active:  # after detach() somebody may still hold our function
            return
        try:
            fitting(driver).attach(conn, self._installation, **options)
        except ConfigurationError as error:
            if self._installation.policy.mode is Mode.STRICT:
                _CLOSE[driver](conn)
                raise
            logger.error("%s; its statements are not seen", error)


_CLOSE: dict[str, Callable[[Any], None]] = {
    "psycopg": lambda conn: conn.pgconn.finish(),
    "psycopg2": lambda conn: conn.close(),
    "pg8000": lambda conn: conn.close(),
    "asyncpg": lambda conn: conn.terminate(),
}


class Seam:
    """One attribute of a driver that is replaced; put back if nobody has replaced it since."""

    def __init__(self, driver: str, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self.driver = driver
        self._owner, self._name = owner, name
        self._original: Any = owner.__dict__[name]
        self._ours = make(self._original)

    def replace(self) -> None:
        """Put ours in its place."""
        setattr(self._owner, self._name, self._ours)

    def restore(self) -> None:
        """Put the original back."""
        if self._owner.__dict__[self._name] is self._ours:
            setattr(self._owner, self._name, self._original)


def _seams(process: Process) -> Iterator[Seam]:
    """The seams of the drivers at hand. Raises ModuleNotFoundError if none is installed."""
    at_hand = [name for name in GUARDED if sys.modules.get(name) is not None]
    if "psycopg" not in at_hand:
        try:
            import_module("psycopg")
            at_hand.insert(0, "psycopg")
        except ModuleNotFoundError:
            if not at_hand and not any(map(_is_installed, _MAKERS)):
                raise
    for name in at_hand:
        yield _seam(process, name)


def _is_installed(name: str) -> bool:
    return name not in sys.modules and find_spec(name) is not None


def _seam(process: Process, driver: str) -> Seam:
    if driver == "psycopg":
        return _psycopg(process)
    return _MAKERS[driver](process)


def _psycopg(process: Process) -> Seam:
    from psycopg._connection_base import BaseConnection

    from .psycopg_birth import class_at_birth, settle_class
    from .psycopg_classes import check_layout

    check_layout()

    def make(original: Any) -> Any:
        def _connect_gen(cls: Any, /, conninfo: str = "", **kwargs: Any) -> Any:
            owner = process.owner
            if owner is None:
                return (yield from original.__func__(cls, conninfo, **kwargs))
            born = class_at_birth(cls)

            def send(text: str) -> Any:
                return original.__func__(born, text, **kwargs)

            refused: dict[str, str] = {}
            if owner.policy.carries:
                from .psycopg_connecting import connect

                conn, refused = yield from connect(owner, send, conninfo)
            else:
                conn = yield from send(conninfo)
            process.guard("psycopg", conn, adopt=False, refused_options=refused)
            settle_class(conn)
            return conn

        return classmethod(_connect_gen)

    return Seam("psycopg", BaseConnection, "_connect_gen", make)


def _psycopg2(process: Process) -> Seam:
    import psycopg2

    from .psycopg2 import guardable
    from .psycopg2_connecting import connect

    def make(original: Any) -> Any:
        def _connect(dsn: Any, connection_factory: Any = None, **kwargs: Any) -> Any:
            owner = process.owner
            if owner is None:
                return original(dsn, connection_factory=connection_factory, **kwargs)
            if not any(kwargs.values()):  # asynchronous connections stay as they are
                connection_factory = guardable(connection_factory)

            def send(dsn: Any) -> Any:
                return original(dsn, connection_factory=connection_factory, **kwargs)

            conn, refused = connect(owner, send, dsn)
            process.guard("psycopg2", conn, refused_options=refused)
            return conn

        return _connect

    return Seam("psycopg2", psycopg2, "_connect", make)


def _pg8000(process: Process) -> Seam:
    from pg8000.core import CoreConnection

    from .pg8000_names import remember

    def make(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # pg8000's
            original(self, *args, **kwargs)
            remember(self, original, args, kwargs)
            process.guard("pg8000", self)

        return __init__

    return Seam("pg8000", CoreConnection, "__init__", make)


def _asyncpg(process: Process) -> Seam:
    from asyncpg.connection import Connection

    def make(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # asyncpg's
            original(self, *args, **kwargs)
            process.guard("asyncpg", self)

        return __init__

    return Seam("asyncpg", Connection, "__init__", make)


_MAKERS: dict[str, Callable[[Process], Seam]] = {
    "psycopg2": _psycopg2,
    "pg8000": _pg8000,
    "asyncpg": _asyncpg,
}
