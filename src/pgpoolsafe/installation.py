"""A guard on one target: what `install()` returns."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from types import TracebackType
from typing import Any, Protocol

from .drivers.kinds import fitting_of
from .drivers.owing import OWING
from .guard import Guard
from .poolers.answers import Pooler
from .poolers.products import named
from .rules.findings import Finding
from .rules.policy import Policy
from .rules.reporting import Reporter
from .session.books import HOLDING

changing = RLock()
"""Held while something is installed or uninstalled: one at a time in the process."""


class Attachment(Protocol):
    """What a driver module gives for one target."""

    def attach(self) -> None:
        """Guard the connections the target has and makes."""

    def detach(self) -> None:
        """Make the target as it was; its connections are put back by the installation."""


Driver = Callable[[Any, "Installation"], Attachment]
"""Makes the attachment for a target."""


class Installation:
    """A guard on one target; a context manager that undoes its own install() at its end.

    `policy` holds the options; `pooler` what stands at the other end, None before the
    first connection has told.
    """

    def __init__(self, target: Any, policy: Policy) -> None:
        self.is_process_wide = target is None
        self.policy = policy
        self.reporter = Reporter()
        self.override = _override(policy)
        self.poolers: dict[Any, Pooler] = {}
        self.routines: dict[Any, Any] = {}  # a RoutineReader, or None, by endpoint
        self._target: Callable[[], Any] = _reference(target) if target is not None else _nothing
        # By identity: a user's connection class may have its own idea of equality.
        self._connections: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._attachment: Attachment | None = None
        self._driver: Driver | None = None
        self._replaced: Installation | None = None
        self.open_blocks = 0
        # The settings that an endpoint does not take in a connection's options.
        self.refused_options: dict[tuple[str, ...], set[str]] = {}
        self._times = 1

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
        self._connections[id(conn)] = conn

    def guard(self, conn: Any) -> None:
        """Guard a connection that the target has made; harmless if it is guarded already."""
        _attach(conn, self)

    def would_outlive(self, conn: Any) -> list[Finding]:
        """What a guarded connection's open transaction would leave if it were committed now."""
        guard = _guard_of(conn)
        return guard.would_outlive() if guard is not None else []

    def connections(self) -> list[Any]:
        """The guarded connections that are alive."""
        return list(self._connections.values())

    def begin(self, driver: Driver) -> None:
        """Guard the target by way of its driver."""
        with changing:
            attachment = driver(self.target, self)
            attachment.attach()
            self._attachment, self._driver = attachment, driver
            _installations.append(self)

    def again(self) -> Installation:
        """The same installation, asked for once more: as many blocks have to end."""
        self._times += 1
        return self

    def replace(self, previous: Installation, driver: Driver) -> None:
        """Take over from an installation with other options, open transactions included."""
        with changing:
            previous.end_attachment()
            self.begin(driver)
            self._replaced = previous
            self._take_over(previous)
            _forget(previous)

    def _take_over(self, previous: Installation) -> None:
        for conn in previous.connections():
            _attach(conn, self)
            _detach(conn, previous)

    def open_block(self) -> None:
        """A `settings()` block on the target begins, in whatever context."""
        with changing:
            self.open_blocks += 1
            if self.open_blocks == 1:
                self._settle()

    def close_block(self) -> None:
        """It ends."""
        with changing:
            self.open_blocks -= 1
            if self.open_blocks == 0:
                self._settle()

    def _settle(self) -> None:
        for conn in self.connections():
            _settle(conn)

    def end_attachment(self) -> None:
        """Make the target as it was, and leave its connections guarded."""
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.detach()

    def uninstall(self) -> None:
        """Put everything back as it was; harmless when done already."""
        with changing:
            self.end_attachment()
            for conn in self.connections():
                _detach(conn, self)
            _forget(self)

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Undo one install(): the guard that was there before is there again."""
        with changing:
            self._times -= 1
            if self._times > 0 or self._attachment is None:
                return
            driver, previous = self._driver, self._replaced
            if (
                driver is None
                or previous is None
                or (self.target is None and not self.is_process_wide)
            ):
                self.uninstall()
                return
            self.end_attachment()
            previous.begin(driver)
            previous._take_over(self)
            _forget(self)


_installations: list[Installation] = []

_in_tests: Callable[[Policy], Policy] | None = None


@contextmanager
def tested_as(change: Callable[[Policy], Policy]) -> Iterator[None]:
    """Within the block, what the program installs for itself gets the options of its tests."""
    global _in_tests
    before, _in_tests = _in_tests, change
    try:
        yield
    finally:
        _in_tests = before


def as_tested(policy: Policy) -> Policy:
    """The options of a program's own `install()`; while its tests are guarded, stricter ones."""
    return policy if _in_tests is None else _in_tests(policy)


def unsettled() -> list[Finding]:
    """What the open transactions of all guarded connections would leave behind at COMMIT.

    Only what ROLLBACK would undo without a word, oldest installation first.
    """
    if not HOLDING.is_possible:
        return []
    return [memo for books in _open_books() for memo in _memos(books.undoable)]


def surviving() -> list[Finding]:
    """What they would leave behind at ROLLBACK as well: session advisory locks, PREPARE."""
    if not HOLDING.is_possible:
        return []
    return [memo for books in _open_books() for memo in _memos(books.surviving)]


def _memos(page: Mapping[Any, tuple[Finding | None, ...]]) -> list[Finding]:
    return [memo for memos in page.values() for memo in memos if memo is not None]


def _open_books() -> Iterator[Any]:
    """The books of the open transactions that hold anything."""
    HOLDING.is_possible = False  # before the look: what comes meanwhile is seen the next time
    with changing:
        installations = list(_installations)
    connections = {id(conn): conn for one in installations for conn in one.connections()}
    for conn in connections.values():
        fitting = fitting_of(conn)
        seat = fitting.seat_of(conn)
        if seat is None or not seat.guard.books.holds_anything:
            continue
        HOLDING.is_possible = True
        if fitting.is_open(conn):
            yield seat.guard.books


def ask_sessions() -> None:
    """Ask the sessions that wait to be asked what hidden code has left in them: after a
    pipeline, a COPY or a stream that nothing has followed. What is found is reported, and
    raised to nobody.
    """
    for conn in OWING.connections():
        fitting_of(conn).ask_now(conn)


def installation_of(target: Any) -> Installation | None:
    """The installation on a target (None: on the whole process), if there is one."""
    for installation in _installations:
        if target is None:
            if installation.is_process_wide:
                return installation
        elif installation.target is target:
            return installation
    return None


def _forget(installation: Installation) -> None:
    """Drop it, and those whose target is gone."""
    _installations[:] = [
        other
        for other in _installations
        if other is not installation and (other.is_process_wide or other.target is not None)
    ]


def _nothing() -> None:
    return None


def _reference(target: Any) -> Callable[[], Any]:
    """A weak reference; asyncpg's pools take none, and are kept until uninstall()."""
    try:
        return weakref.ref(target)
    except TypeError:
        return lambda: target


def _override(policy: Policy) -> Pooler | None:
    if policy.pooler == "auto" and policy.pool_mode is None:
        return None
    return named("unknown" if policy.pooler == "auto" else policy.pooler, policy.pool_mode)


def _attach(conn: Any, installation: Installation) -> None:
    fitting_of(conn).attach(conn, installation)


def _settle(conn: Any) -> None:
    seat = fitting_of(conn).seat_of(conn)
    if seat is not None:
        seat.settle()


def _guard_of(conn: Any) -> Guard | None:
    seat = fitting_of(conn).seat_of(conn)
    return seat.guard if seat is not None else None


def _detach(conn: Any, installation: Installation) -> None:
    fitting_of(conn).detach(conn, installation)
