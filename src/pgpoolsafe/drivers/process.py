"""The whole process: every psycopg connection that is opened from now on, by whomever.

All of psycopg's ways to connect (`psycopg.connect`, a connection class, a pool,
SQLAlchemy, Django) make the connection in one class method. It is replaced here, and
put back by detach().
"""

from __future__ import annotations

import logging
from typing import Any

from psycopg._connection_base import BaseConnection

from ..errors import ConfigurationError
from ..rules.policy import Mode
from . import psycopg as driver
from .psycopg_classes import check_layout

logger = logging.getLogger("pgpoolsafe")

_NAME = "_connect_gen"


class Process:
    """The attachment of the process-wide installation."""

    def __init__(self, target: None, installation: Any) -> None:
        self._installation = installation
        self._original: Any = None
        self._ours: Any = None
        self._active = False

    def attach(self) -> None:
        """Guard what is opened from now on."""
        check_layout()
        self._original = BaseConnection.__dict__[_NAME]
        self._ours = classmethod(self._guarding(self._original.__func__))
        self._active = True
        setattr(BaseConnection, _NAME, self._ours)

    def detach(self) -> None:
        """Guard nothing new."""
        if BaseConnection.__dict__[_NAME] is self._ours:
            setattr(BaseConnection, _NAME, self._original)
        self._active = False

    def _guarding(self, connect: Any) -> Any:
        def _connect_gen(cls: Any, *args: Any, **kwargs: Any) -> Any:
            conn = yield from connect(cls, *args, **kwargs)
            if self._active:  # after detach() somebody may still hold this function
                self._guard(conn)
            return conn

        return _connect_gen

    def _guard(self, conn: Any) -> None:
        """A connection that cannot be guarded is closed in strict mode, and told of otherwise."""
        try:
            driver.attach(conn, self._installation, adopt=False)
        except ConfigurationError as error:
            if self._installation.policy.mode is Mode.STRICT:
                conn.pgconn.finish()
                raise
            logger.error("%s; its statements are not seen", error)
