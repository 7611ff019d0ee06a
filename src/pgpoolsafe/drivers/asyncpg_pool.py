"""asyncpg's pool: the connections that it has, has lent, and makes.

New ones are guarded in the pool's `init` callback, before the user's own; it is an attribute
of this one pool and put back by detach().
"""

from __future__ import annotations

from typing import Any

from .asyncpg import FITTING
from .fitting import check_policy


class Pool:
    """The attachment of one asyncpg pool."""

    def __init__(self, pool: Any, installation: Any) -> None:
        self._installation = installation
        self._init: Any = None
        self._ours: Any = None

    def attach(self) -> None:
        """Guard the connections the pool has, in it and lent, and those it makes."""
        check_policy(self._installation.policy)
        pool = self._installation.target
        installation, users_own = self._installation, pool._init

        async def init(conn: Any) -> None:
            FITTING.attach(conn, installation)
            if users_own is not None:
                await users_own(conn)

        self._init, self._ours, pool._init = users_own, init, init
        for holder in pool._holders:
            if holder._con is not None:
                FITTING.attach(holder._con, installation)

    def detach(self) -> None:
        """Make the pool as it was."""
        pool = self._installation.target
        if pool._init is self._ours:
            pool._init = self._init
