"""What would hang instead of failing fast, and how many connections there are."""

from __future__ import annotations

from collections.abc import Iterable

from .check import Check, Grade
from .facts import Facts


def connect_timeout(facts: Facts) -> Iterable[Check]:
    """The check `connect-timeout`."""
    if "connect_timeout" in facts.stated:
        yield Check("connect-timeout", Grade.OK, "a connect timeout is set")
    else:
        yield Check(
            "connect-timeout",
            Grade.NOTE,
            "no connect timeout is set",
            "psycopg 3 gives up after 130 s, psycopg2 and libpq never",
            ("connect_timeout=10",),
        )


def pool_timeout(facts: Facts) -> Iterable[Check]:
    """The check `pool-timeout`."""
    pool = facts.pool
    if pool is not None and pool.timeout is None:
        yield Check(
            "pool-timeout",
            Grade.FINDING,
            f"{pool.title} waits for ever when all its connections are in use",
            "a program that is stuck is told from one that is slow by nobody",
            ("pool_timeout=10" if "SQLAlchemy" in pool.title else "timeout=10",),
        )


def waiting(facts: Facts) -> Iterable[Check]:
    """The check `waiting-clients`."""
    console = facts.console
    if console is None:
        return
    if console.waiting:
        yield Check(
            "waiting-clients",
            Grade.FINDING,
            f"clients that wait for a server connection at this moment: {console.waiting}",
            f"the pool has {console.pool_size}",
            ("look for long and idle transactions", "or raise default_pool_size"),
        )
    if console.config.get("query_wait_timeout") == "0":
        yield Check(
            "waiting-clients",
            Grade.FINDING,
            "PgBouncer lets clients wait for a server connection for ever",
            "query_wait_timeout is 0",
            ("query_wait_timeout = 30 in pgbouncer.ini",),
        )


def idle_in_transaction(facts: Facts) -> Iterable[Check]:
    """The check `idle-in-transaction`."""
    if facts.server is None:
        return
    seconds = facts.server.timeouts.get("idle_in_transaction_session_timeout", 0) / 1000
    pooled = facts.console and facts.console.config.get("idle_transaction_timeout", "0")
    if seconds or pooled not in (None, "0", "0.0"):
        limit = f"{seconds:g} s" if seconds else f"{pooled} s, by PgBouncer"
        what = f"an idle transaction is ended after {limit}"
        yield Check("idle-in-transaction", Grade.OK, what)
        return
    costs = "a server connection that others wait for" if facts.pooler.shares_sessions else (
        "its locks, and keeps VACUUM from cleaning up"
    )  # fmt: skip
    role = facts.endpoint.user or "…"
    yield Check(
        "idle-in-transaction",
        Grade.NOTE,
        "nothing ends a transaction that a client leaves idle",
        f"idle_in_transaction_session_timeout is 0; such a client holds {costs}",
        (f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s'",),
    )


# how many connections there are


def connections(facts: Facts) -> Iterable[Check]:
    """The check `connections`."""
    server = facts.server
    if server is None:
        return
    limits = [limit for limit in (server.role_limit, server.database_limit) if limit >= 0]
    most = min([server.free_for_roles, *limits])
    for title, wanted in _pools(facts):
        if wanted > most:
            yield Check(
                "connections",
                Grade.FINDING,
                f"{title} may open {wanted} connections, the server lets in {most}",
                f"max_connections is {server.max_connections}, {server.reserved} of them are"
                " reserved" + (f"; a limit of {min(limits)} holds as well" if limits else ""),
                ("make the pools smaller, or raise max_connections",),
            )
    used = f"{server.used} in use, {server.role_used} by this role"
    yield Check("connections", Grade.OK, f"the server lets in {most} connections", used)


def _pools(facts: Facts) -> Iterable[tuple[str, int]]:
    if facts.console is not None:
        yield "PgBouncer", facts.console.pools
    pool = facts.pool
    if pool is not None and pool.most is not None and not facts.pooler.shares_sessions:
        yield pool.title, pool.most
