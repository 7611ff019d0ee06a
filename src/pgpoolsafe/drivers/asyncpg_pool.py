"""asyncpg's pool: the connections that it has, has lent, and makes.

New ones are guarded in the pool's `init` callback, before the user's own, and made by its
`connect` callback (which pools have from asyncpg 0.30 on), so that what the pooler refuses of
`server_settings` is left out and carried. Both are attributes of this one pool and put back by
detach().
"""

from __future__ import annotations

import logging
from typing import Any

from .asyncpg import FITTING
from .connecting import ASKING, connect_by_async
from .fitting import check_policy

logger = logging.getLogger("pgpoolsafe")


class Pool:
    """The attachment of one asyncpg pool."""

    def __init__(self, pool: Any, installation: Any) -> None:
        self._installation = installation
        self._init: Any = None
        self._ours: Any = None
        self._connect: Any = None
        self._our_connect: Any = None

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
        if hasattr(pool, "_connect"):
            self._connect, self._our_connect = pool._connect, _connecting(pool, installation)
            pool._connect = self._our_connect
        elif installation.policy.carries and pool._connect_kwargs.get("server_settings"):
            logger.warning(
                "server_settings that the pooler refuses cannot be carried on a pool of this"
                " asyncpg; from 0.30 on they can"
            )
        for holder in pool._holders:
            if holder._con is not None:
                FITTING.attach(holder._con, installation)

    def detach(self) -> None:
        """Make the pool as it was."""
        pool = self._installation.target
        if pool._init is self._ours:
            pool._init = self._init
        if self._our_connect is not None and pool._connect is self._our_connect:
            pool._connect = self._connect


def _connecting(pool: Any, installation: Any) -> Any:
    """The pool's `connect`, or the user's own, by fewer settings where some are refused."""
    own, refused = pool._connect, set[str]()

    async def connect(*args: Any, **kwargs: Any) -> Any:
        async def send(**fewer: Any) -> Any:
            return await own(*args, **fewer)

        conn, taken = await connect_by_async(send, kwargs, installation, refused, ASKING["asyncpg"])
        if taken:
            FITTING.attach(conn, installation, refused_options=taken)
        return conn

    return connect
