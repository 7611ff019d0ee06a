"""The connections that have sent something whose outcome their session is still to be asked.

A test suite asks after each phase of each test, and hardly ever is there one.
"""

from __future__ import annotations

import os
import weakref
from threading import Lock
from typing import Any


class Owing:
    """Connections, by identity; keeps none of them alive. A forked process begins with none,
    since the sessions are its parent's.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        self._connections: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def note(self, conn: Any, *, owes: bool) -> None:
        """Whether a connection has something to be asked."""
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            if owes:
                self._connections[id(conn)] = conn
            else:
                self._connections.pop(id(conn), None)

    def connections(self) -> list[Any]:
        """Those that have, in whatever thread they are used."""
        if not self._connections or self._process != os.getpid():
            return []
        with self._lock:
            return list(self._connections.values())


OWING = Owing()
