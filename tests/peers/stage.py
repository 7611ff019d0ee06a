"""The servers that a suite meets: PostgreSQL itself, and PgBouncer before it, in rotation."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pgpoolsafe.testing.bouncer import TRACKS_PREPARED
from tests.servers import PgBouncer, Postgres
from tests.servers.debian import release

from .suites import DATABASE, USER

SETTINGS: dict[str, Any] = {
    "log_statement": "none",
    "max_prepared_transactions": "100",
    "max_connections": "300",
    "shared_buffers": "128MB",
}
EXTENSIONS = ("hstore", "citext")
SCHEMAS = ("test_schema", "test_schema_2")

LIMITS: dict[str, Any] = {
    "lock_timeout": "3s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "20s",
}
"""What ends a statement that waits for a lock which a lost session holds. It waits inside the
driver, where no time limit of pytest's reaches it."""

POOLER_LIMITS: dict[str, Any] = {"query_wait_timeout": 20, "query_timeout": 40}
"""The same for a client that waits for a server connection, or for the answer to messages that
went to several of them."""

POOL_SIZE = 10
"""Enough for the tests that hold several transactions open, and always handed out in turn."""

TRACKED = 200
"""`max_prepared_statements`, as it is by default since PgBouncer 1.24."""

PLACES = ("direct", "untracked", "tracked")
"""Where a suite is run: without a pooler, and behind one that does not, and does, bring the
protocol-level prepared statements of a client along."""


class Stage:
    """The servers, started when they are asked for. A context manager; raises ServerMissing.

    `limited`: nothing waits for long on them, with a pooler and without.
    """

    def __init__(self, *, limited: bool = False) -> None:
        self.limited = limited
        self._stack = ExitStack()
        self._postgres: Postgres | None = None

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def at(self, place: str) -> Postgres | PgBouncer:
        """A server of that place, with a fresh database behind it."""
        postgres = self._fresh()
        if place == "direct":
            return postgres
        pgbouncer = self._stack.enter_context(self._pgbouncer(postgres, place))
        pgbouncer.warm(USER)
        return pgbouncer

    def _fresh(self) -> Postgres:
        """Each run has a server of its own: what one leaves behind no other meets."""
        self._stack.close()
        limits = LIMITS if self.limited else {}
        postgres = self._stack.enter_context(Postgres(**SETTINGS, **limits))
        with postgres.connect("postgres", "postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {DATABASE}")
        with postgres.connect("postgres", DATABASE, autocommit=True) as owner:
            for extension in EXTENSIONS:
                owner.execute(f"CREATE EXTENSION {extension}")
            for schema in SCHEMAS:
                owner.execute(f"CREATE SCHEMA {schema}")
        return postgres

    def _pgbouncer(self, postgres: Postgres, place: str) -> PgBouncer:
        limit = TRACKED if place == "tracked" else 0
        options: dict[str, Any] = {"databases": (DATABASE,), "pool_size": POOL_SIZE}
        if self.limited:
            options.update(POOLER_LIMITS)
        own = PgBouncer(postgres, **options)
        if not limit or own.version >= TRACKS_PREPARED:
            own.max_prepared_statements = limit
            return own
        # Debian 12 has one that is too old; the lab has a newer one.
        own.close()
        return PgBouncer(
            postgres,
            **options,
            max_prepared_statements=limit,
            program=Path("/usr/sbin/pgbouncer"),
            place=release("forky"),
        )
