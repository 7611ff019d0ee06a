"""What goes before a PostgreSQL backend of Django's to make a guarded one of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from pgpoolsafe import RULES, Installation, Pooler, allow
from pgpoolsafe.poolers.products import named
from pgpoolsafe.rules.catalog import Level
from pgpoolsafe.rules.policy import Mode

from . import direct
from .blocks import AliasScope
from .creation import DirectCreation
from .guarding import connect, installation, pool_installation
from .options import KEY, guard_options
from .testcases import TestCaseEnds
from .validation import PoolerValidation

BASE_SETTING = "PGPOOLSAFE_BASE_BACKEND"
CURSORS = "DISABLE_SERVER_SIDE_CURSORS"
SET_BY_DJANGO = ("session-set", "session-role")
"""The rules that Django's own statements at connect are about."""


class GuardedDatabase(TestCaseEnds):
    """Every connection of the backend behind it is guarded from its first statement on."""

    alias: str
    connection: Any
    settings_dict: Any
    Database: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_direct = direct.IS_DIRECT in self.settings_dict
        direct.note_name(self.alias, self.settings_dict)

    @property
    def pgpoolsafe(self) -> Installation:
        """The guard: its `pooler`, and its `findings()` with how often each came."""
        pool = self.pool
        if pool is not None:
            return pool_installation(pool, self.alias, self._guard_options())
        return installation(self.alias, self._guard_options(), is_direct=self.is_direct)

    def pgpoolsafe_scope(self) -> AliasScope:
        """Where a block of `pgpoolsafe.settings(connection, …)` holds."""
        return AliasScope(self)

    def _guard_options(self) -> Mapping[str, Any]:
        return guard_options(self.alias, self.settings_dict)

    # connecting

    @property
    def pool(self) -> Any:
        """Django's pool (from 5.1 on), guarded before it makes its first connection."""
        pool = getattr(super(), "pool", None)
        if pool is not None:
            pool_installation(pool, self.alias, self._guard_options())
        return pool

    def get_connection_params(self) -> dict[str, Any]:
        """Without what is ours, which no driver knows."""
        self._guard_options()
        params: dict[str, Any] = super().get_connection_params()  # type: ignore[misc]
        params.pop(KEY, None)
        if self.Database.__name__ == "psycopg2":
            from pgpoolsafe.drivers.psycopg2 import guardable

            params["connection_factory"] = guardable(params.get("connection_factory"))
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection of the base backend's; one from a pool was guarded when it was born.

        Settings in the options that the pooler refuses are taken out, and carried.
        """
        guard = self.pgpoolsafe  # before there is a connection to be closed again
        if self.pool is not None:
            return super().get_new_connection(conn_params)  # type: ignore[misc]
        if self.Database.__name__ == "psycopg2":
            connection = super().get_new_connection(conn_params)  # type: ignore[misc]
            guard.guard(connection)
            return connection
        return connect(super().get_new_connection, conn_params, guard)  # type: ignore[misc]

    def init_connection_state(self) -> None:
        """Django's statements at connect: the time zone, and `assume_role`."""
        with self._own_statements():
            super().init_connection_state()  # type: ignore[misc]

    def _configure_connection(self, connection: Any) -> Any:
        """The same on a connection of Django's pool (from 5.1 on)."""
        with self._own_statements():
            return super()._configure_connection(connection)  # type: ignore[misc]

    def _configure_role(self, connection: Any) -> Any:
        """As Django's, which on a connection of its pool asks that pool for another one to quote
        the name with, and waits for it in vain.
        """
        role = self.settings_dict["OPTIONS"].get("assume_role")
        if self.pool is None or not role:
            return super()._configure_role(connection)  # type: ignore[misc]
        from psycopg import sql

        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Literal(role)))
        return True

    def _own_statements(self) -> AbstractContextManager[object]:
        """What Django sends is carried with the client's settings; where the user does not want
        that, it is not the user's statement at least, and the checks tell of it (W006).
        """
        policy = self.pgpoolsafe.policy
        left = [name for name in SET_BY_DJANGO if policy.level(RULES[name]) is not Level.CARRY]
        return allow(*left) if left else nullcontext()

    # cursors on the server

    def chunked_cursor(self) -> Any:
        """A cursor for `iterator()`: on the server, unless it would have to be WITH HOLD there.

        In autocommit Django's is, and outlives its transaction: behind a pooler the next
        FETCH finds no such cursor, or another client's (Django's documentation on transaction
        pooling and server-side cursors).
        """
        if self._avoids_held_cursors() and self.get_autocommit():  # type: ignore[attr-defined]
            return self.cursor()  # type: ignore[attr-defined]
        return super().chunked_cursor()  # type: ignore[misc]

    def _avoids_held_cursors(self) -> bool:
        mode = self.pgpoolsafe.policy.mode
        if CURSORS in self.settings_dict or mode not in (Mode.WARN, Mode.STRICT):
            return False
        return mode is Mode.STRICT or self.pooler().shares_sessions

    def pooler(self) -> Pooler:
        """What this connection leads to; connects and asks where no connection has told yet."""
        if self.pgpoolsafe.pooler is None:
            self.ensure_connection()  # type: ignore[attr-defined]
            with self.wrap_database_errors, self.connection.cursor() as cursor:  # type: ignore[attr-defined]
                cursor.execute("SELECT 1")
        return self.pgpoolsafe.pooler or named("unknown", None)

    # the direct endpoint

    @contextmanager
    def directly(self) -> Iterator[bool]:
        """Within the block the connection leads to the direct endpoint of `PGPOOLSAFE`.

        Yields whether it does: not without a direct endpoint, and not in the middle of a
        transaction, whose work would be missed there.
        """
        with direct.directly(self) as is_direct:
            yield is_direct


def guarded(base: Any, module: str) -> Any:
    """The guarded `DatabaseWrapper` over another one; `module` is where it is to be found."""
    names = {
        "__module__": module,
        "__doc__": f"{base.__module__}.DatabaseWrapper, guarded.",
        "creation_class": _before(DirectCreation, base.creation_class),
        "validation_class": _before(PoolerValidation, base.validation_class),
    }
    return type("DatabaseWrapper", (GuardedDatabase, base), names)


def _before(ours: type, theirs: type) -> type:
    return type(theirs.__name__, (ours, theirs), {"__module__": ours.__module__})


def base_wrapper(default: str) -> Any:
    """The `DatabaseWrapper` to guard: of the backend that PGPOOLSAFE_BASE_BACKEND names.

    Raises ImproperlyConfigured where that is no backend for PostgreSQL.
    """
    name = str(getattr(settings, BASE_SETTING, default))
    try:
        module = None if name.startswith(__package__) else import_module(f"{name}.base")
        found = getattr(module, "DatabaseWrapper", None)
    except ImportError as error:
        raise ImproperlyConfigured(f"{BASE_SETTING} = {name!r}: {error}") from error
    if getattr(found, "vendor", None) != "postgresql":
        raise ImproperlyConfigured(
            f"{BASE_SETTING} = {name!r}: expected a backend for PostgreSQL other than this one,"
            " such as 'django.contrib.gis.db.backends.postgis'"
        )
    return found
