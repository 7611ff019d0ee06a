"""`install()` and `uninstall()`: which target is guarded how."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol

from .poolers.answers import Pooler
from .poolers.products import named
from .rules.findings import Finding
from .rules.policy import Policy, make_policy
from .rules.reporting import Reporter


class Attachment(Protocol):
    """What a driver module gives for one target."""

    def attach(self) -> None:
        """Guard the target."""

    def detach(self) -> None:
        """Put everything back as it was."""


class Installation:
    """A guard on one target; a context manager that uninstalls at its end.

    `policy` holds the options; `pooler` what stands at the other end, None before the
    first connection has told.
    """

    def __init__(self, target: Any, policy: Policy) -> None:
        self.is_process_wide = target is None
        self.policy = policy
        self.reporter = Reporter()
        self.override = _override(policy)
        self.poolers: dict[Any, Pooler] = {}
        self._target = _reference(target)
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._attachment: Attachment | None = None

    @property
    def target(self) -> Any:
        """The target, or None for a process-wide installation (or a target that is gone)."""
        return self._target()

    @property
    def pooler(self) -> Pooler | None:
        """What the user said, or the newest thing that was detected."""
        found = list(self.poolers.values())
        return self.override or (found[-1] if found else None)

    def findings(self) -> list[tuple[Finding, int]]:
        """Every finding once per rule and place, with how often it came."""
        return self.reporter.findings()

    def guards(self, conn: Any) -> None:
        """Note a connection, so that uninstall() finds it."""
        self._connections.add(conn)

    def connections(self) -> list[Any]:
        """The guarded connections that are alive."""
        return list(self._connections)

    def uninstall(self) -> None:
        """Put everything back as it was; harmless when done already."""
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.detach()
        _forget(self)

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.uninstall()


_installations: list[Installation] = []


def install(
    target: Any = None,
    *,
    mode: str | None = None,
    rules: Mapping[str, str] | None = None,
    pooler: str | None = None,
    pool_mode: str | None = None,
    prepared: str | None = None,
    settings: str | None = None,
    trust_comments: bool | None = None,
) -> Installation:
    """Guard a target: what would be lost or leak behind its pooler is told before it is sent.

    target: a SQLAlchemy Engine or AsyncEngine on psycopg, a psycopg Connection or
        AsyncConnection, a psycopg_pool pool (sync, async, null); None: every psycopg
        connection that this process opens from now on, by whatever library.
    mode: "warn" (default), "strict" (raise, on direct connections too), "observe" (log
        only, change nothing), "off".
    rules: level per rule: "ignore", "observe", "warn", "raise", and where the rule has
        it "rewrite".
    pooler, pool_mode: "auto" (detect), or a product such as "pgbouncer>=1.24" or
        "direct", and "transaction", "session" or "statement".
    prepared: "auto" (protocol-level prepared statements are off where the pooler does
        not track them), "off", "leave".
    settings: "local" (a session-wide SET inside a transaction becomes SET LOCAL) or
        "leave" (it is only reported).
    trust_comments: whether `/* pgpoolsafe: allow rule */` in a statement counts.

    An option that is not given comes from the environment (`PGPOOLSAFE_MODE`, …).
    Installing again on the same target replaces the options. Raises TypeError on
    another target, ConfigurationError on a wrong option; then nothing is installed.
    """
    policy = make_policy(
        mode=mode,
        rules=rules,
        pooler=pooler,
        pool_mode=pool_mode,
        prepared=prepared,
        settings=settings,
        trust_comments=trust_comments,
    )
    target = _canonical(target)
    attachment_for = _driver_of(target)
    installation = Installation(target, policy)
    previous = installation_of(target)
    if previous is not None:
        if previous.policy == policy:
            return previous
        previous.uninstall()
    installation._attachment = attachment_for(target, installation)
    installation._attachment.attach()
    _forget(installation)
    _installations.append(installation)
    return installation


def uninstall(target: Any = None) -> None:
    """Take the guard off a target (None: the process-wide one); harmless without one.

    Raises TypeError for what can never have been a target.
    """
    target = _canonical(target)
    _driver_of(target)
    installation = installation_of(target)
    if installation is not None:
        installation.uninstall()


def _override(policy: Policy) -> Pooler | None:
    if policy.pooler == "auto" and policy.pool_mode is None:
        return None
    return named("unknown" if policy.pooler == "auto" else policy.pooler, policy.pool_mode)


def _reference(target: Any) -> Callable[[], Any]:
    return weakref.ref(target) if target is not None else lambda: None


def installation_of(target: Any) -> Installation | None:
    """The guard on a target, None: on the whole process; None if there is none."""
    target = _canonical(target)
    for installation in _installations:
        if installation.target is target and installation.is_process_wide is (target is None):
            return installation
    return None


def _forget(installation: Installation) -> None:
    """Drop it, and those whose target is gone."""
    _installations[:] = [
        other
        for other in _installations
        if other is not installation and (other.is_process_wide or other.target is not None)
    ]


def _canonical(target: Any) -> Any:
    """The engine behind an AsyncEngine: one thing, however the user holds it."""
    return getattr(target, "sync_engine", target)


def _driver_of(target: Any) -> Callable[[Any, Installation], Attachment]:
    """The driver that guards such a target. Imports only what the target already needed."""
    if target is None:
        from .drivers.process import Process

        return Process
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.engine import Engine

        if isinstance(target, Engine):
            from .drivers.sqlalchemy import Engines

            return Engines
    return _psycopg_driver_of(target)


def _psycopg_driver_of(target: Any) -> Callable[[Any, Installation], Attachment]:
    if "psycopg" in sys.modules:
        from psycopg._connection_base import BaseConnection

        from .drivers.psycopg import One

        if isinstance(target, BaseConnection):
            return One
    if "psycopg_pool" in sys.modules:
        from psycopg_pool.base import BasePool

        from .drivers.psycopg_pool import Pool

        if isinstance(target, BasePool):
            return Pool
    raise TypeError(
        f"pgpoolsafe: cannot guard a {type(target).__module__}."
        f"{type(target).__qualname__}; expected a SQLAlchemy Engine or AsyncEngine, a psycopg"
        " connection, a psycopg_pool pool, or nothing (every psycopg connection from now on)"
    )
