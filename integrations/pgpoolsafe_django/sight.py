"""What a Django connection leads to, as the doctor's facts."""

from __future__ import annotations

from typing import Any

from pgpoolsafe.checkup.facts import ClientPool, Facts
from pgpoolsafe.checkup.questions import SERVER, server_in
from pgpoolsafe.doctor import client
from pgpoolsafe.targets import address_of


class Unseen(Exception):
    """The endpoint could not be looked at; the message says why, on one line."""


def facts_of(wrapper: Any) -> Facts:
    """What the alias' endpoint shows to a short connection of its own.

    Not to Django's connection: there may be none to be had, where the pooler refuses what
    stands in the options. Raises Unseen where nothing answers.
    """
    address = address_of(conninfo_of(wrapper))
    from psycopg import Error

    from pgpoolsafe.drivers.psycopg_sight import come_without_what_is_refused, with_refused

    try:
        visitor, refused = come_without_what_is_refused(address.parameters, address.timeout)
        with visitor:
            seen = with_refused(visitor.look(wrapper.pgpoolsafe.override), refused)
            server = server_in(visitor.ask(SERVER))
    except Error as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise Unseen(f"there is no connection: {address.scrubbed(lines[0])}") from None
    return Facts(
        endpoint=seen.endpoint,
        pooler=seen.pooler,
        client=client(),
        startup=seen.startup,
        server=server,
        pool=_pool(wrapper),
    )


def _pool(wrapper: Any) -> ClientPool | None:
    pool = wrapper.pool
    if pool is None:
        return None
    return ClientPool("OPTIONS['pool']", pool.max_size or None, pool.timeout)


def conninfo_of(wrapper: Any) -> str:
    """A connection string that leads where the alias does, with its password.

    Raises Unseen without psycopg, which is what looks, also where Django is on psycopg2.
    """
    try:
        from psycopg.conninfo import make_conninfo
    except ModuleNotFoundError:
        raise Unseen("psycopg is not installed: pip install 'pgpoolsafe[psycopg]'") from None
    params = wrapper.get_connection_params()
    return make_conninfo("", **{name: params[name] for name in params if name not in _NOT_LIBPQ})


_NOT_LIBPQ = (
    *("autocommit", "client_encoding", "connection_factory", "context", "cursor_factory"),
    *("prepare_threshold", "row_factory"),
)
"""What Django hands to the driver beside libpq's parameters, and what no user has stated."""
