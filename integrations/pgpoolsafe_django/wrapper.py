"""What goes before a PostgreSQL backend of Django's to make a guarded one of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from pgpoolsafe import Installation, Pooler, detect
from pgpoolsafe.rules.policy import Mode

from . import direct
from .creation import DirectCreation
from .guarding import installation, pool_installation
from .options import KEY, guard_options
from .testcases import TestCaseEnds
from .validation import PoolerValidation

BASE_SETTING = "PGPOOLSAFE_BASE_BACKEND"
CURSORS = "DISABLE_SERVER_SIDE_CURSORS"


class GuardedDatabase(TestCaseEnds):
    """Every connection of the backend behind it is guarded from its first statement on."""

    alias: str
    connection: Any
    settings_dict: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_direct = False
        direct.note_name(self.alias, self.settings_dict)

    @property
    def pgpoolsafe(self) -> Installation:
        """The guard: its `pooler`, and its `findings()` with how often each came."""
        pool = self.pool
        if pool is not None:
            return pool_installation(pool, self.alias, self._guard_options())
        return installation(self.alias, self._guard_options(), is_direct=self.is_direct)

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
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection of the base backend's; one from a pool was guarded when it was born."""
        guard = self.pgpoolsafe  # before there is a connection to be closed again
        connection = super().get_new_connection(conn_params)  # type: ignore[misc]
        if self.pool is None:
            guard.guard(connection)
        return connection

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
        """What this connection leads to; connects if need be, at most one round trip more."""
        self.ensure_connection()  # type: ignore[attr-defined]
        found: Pooler = self.pgpoolsafe.pooler or detect(self.connection)
        return found

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
    name = getattr(settings, BASE_SETTING, default)
    try:
        wrapper = import_module(f"{name}.base").DatabaseWrapper
    except (ImportError, AttributeError) as error:
        raise ImproperlyConfigured(
            f"{BASE_SETTING} = {name!r}: it has no module {name}.base with a DatabaseWrapper"
            f" ({error})"
        ) from error
    if getattr(wrapper, "vendor", None) != "postgresql" or issubclass(wrapper, GuardedDatabase):
        raise ImproperlyConfigured(
            f"{BASE_SETTING} = {name!r}: expected a backend for PostgreSQL that is not guarded yet"
        )
    return wrapper
