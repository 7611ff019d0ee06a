"""`settings()`: these settings for this block, whatever happens to connections inside it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from types import TracebackType
from typing import Any, Protocol

from .errors import ConfigurationError
from .install import canonical
from .installation import installation_of
from .session.blocks import Entered, Held, block_of, enter, leave
from .session.settings import Carried

logger = logging.getLogger("pgpoolsafe")

# By what it is not: a range up to the last letters there are takes milliseconds to compile.
_LETTER = r"[^\x00-@\[-^`{-\x7f]"
_NAME = re.compile(rf"{_LETTER}[\w$]*(\.{_LETTER}[\w$]*)*")
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")

# What a transaction has once and for all, what cannot be read (GUC_NO_RESET, and
# check_transaction_read_only() and its neighbours in variable.c), and what the driver goes by.
_OF_ONE_TRANSACTION = ("transaction_isolation", "transaction_read_only", "transaction_deferrable")
_NOT_FOR_BLOCKS = {
    **{
        name: f"cannot be put back before its transaction ends; default_{name} holds for the"
        " transactions that begin inside the block, SET TRANSACTION and the isolation level of"
        " the driver or engine for one"
        for name in _OF_ONE_TRANSACTION
    },
    "seed": "cannot be put back; call setseed() instead",
    "client_encoding": "cannot be changed for a block: the driver encodes by what it knows before"
    " the statement is sent; ask for it when you connect, or SET it",
}

Steps = Generator[str, Any, None]
"""Yields texts for the server and is sent the row that each returns."""


class Scope(Protocol):
    """Where the settings of a block are to be in force."""

    def entering(self, block: Carried) -> Steps:
        """The block begins."""

    def leaving(self, block: Carried) -> Steps:
        """The block ends."""

    def run(self, text: str) -> Any:
        """The row that a text returns; ConfigurationError where that takes `async with`."""

    async def run_async(self, text: str) -> Any:
        """The same for `async with`."""


class settings:  # noqa: N801  # reads as a word in `with`, as allow() does
    """Run a block with these settings: `with settings(engine, statement_timeout="2s"): …`.

    target: what install() guards (an Engine or AsyncEngine, a psycopg_pool pool, a psycopg
        connection; None: the whole process), or a SQLAlchemy Connection, AsyncConnection,
        Session or AsyncSession on a guarded engine. On an engine, a pool or the process it
        holds for the current context (`contextvars`): the request, task or thread, and for
        the transactions that begin inside the block. On a connection or a session it holds
        for an open transaction too, which costs one round trip at each end of the block.
    values: settings and what they are to be: strings as after SET ("2s"), integers and
        floats (in the setting's own unit: milliseconds for timeouts), booleans. Settings
        with a dot come as `**{"app.tenant": "7"}`; `role` is one as well.

    Blocks nest, and what was there before is there again at the end; a SET inside the
    block counts over it. One object may be entered again and again, by several threads and
    tasks at once. No statement costs an extra round trip; a wrong name or value fails at the
    first statement (in an open transaction: at the beginning of the block). Works with `with`
    and `async with`. Raises ConfigurationError for a target that is not guarded, a name that
    is none or belongs to one transaction (`transaction_read_only`), a value that cannot be
    sent (with a NUL), or a pooler that refuses BEGIN and SET in one message, and at the end of
    a block that was not entered; TypeError for another value.
    """

    def __init__(self, target: Any = None, /, **values: str | float | bool) -> None:
        if not values:
            raise ConfigurationError("settings(): no setting is given")
        self._values = {name.lower(): _text(name, value) for name, value in values.items()}
        self._scope = _scope_of(target)
        self._entered = Entered()

    def __enter__(self) -> None:
        block = block_of(self._values)
        _walk(self._scope, self._scope.entering(block))
        self._entered.add(block)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _unmasked(exc):
            _walk(self._scope, self._scope.leaving(self._entered.take()))

    async def __aenter__(self) -> None:
        block = block_of(self._values)
        await _walk_async(self._scope, self._scope.entering(block))
        self._entered.add(block)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _unmasked(exc):
            await _walk_async(self._scope, self._scope.leaving(self._entered.take()))


def _walk(scope: Scope, steps: Steps) -> None:
    row = None
    with closing(steps), suppress(StopIteration):
        while True:
            row = scope.run(steps.send(row))


async def _walk_async(scope: Scope, steps: Steps) -> None:
    row = None
    with closing(steps):
        while True:
            try:
                text = steps.send(row)
            except StopIteration:
                return
            row = await scope.run_async(text)


@contextmanager
def _unmasked(exc: BaseException | None) -> Iterator[None]:
    """An exception that is on its way is more important than one at the end of the block."""
    try:
        yield
    except Exception as error:
        if exc is None:
            raise
        logger.warning("settings(): what was there before is not restored: %s", error)


def _text(name: str, value: Any) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"settings(): {name!r} is no name of a setting")
    if name.lower() in _NOT_FOR_BLOCKS:
        raise ConfigurationError(f"settings(): {name} {_NOT_FOR_BLOCKS[name.lower()]}")
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (str, int, float)):
        return _sendable(name, str(value))
    kind = type(value).__name__
    raise TypeError(f"settings(): {name}: expected a string, a number or a boolean, not {kind}")


def _sendable(name: str, text: str) -> str:
    if _UNSENDABLE.search(text):
        raise ConfigurationError(
            f"settings(): {name}: a value with a NUL or half of a surrogate pair cannot be sent"
        )
    return text


def _scope_of(target: Any) -> Scope:
    own = getattr(target, "pgpoolsafe_scope", None)
    if own is not None:  # a framework's connection: it knows what is below it
        framework_scope: Scope = own()
        return framework_scope
    for finder in (_session_scope, _connection_scope):
        scope = finder(target)
        if scope is not None:
            return scope
    target = canonical(target)
    installation = installation_of(target)
    if installation is None:
        what = "the process" if target is None else f"this {type(target).__name__}"
        raise ConfigurationError(
            f"settings(): {what} is not guarded; call pgpoolsafe.install() on it first"
        )
    return Everywhere(installation)


def _session_scope(target: Any) -> Scope | None:
    if "sqlalchemy" not in sys.modules:
        return None
    from .drivers.sqlalchemy_blocks import scope_of

    return scope_of(target)


def _connection_scope(target: Any) -> Scope | None:
    from .drivers.blocks import scope_of

    scope: Scope | None = scope_of(target)
    return scope


class Everywhere:
    """All connections of an engine, a pool or the process, in this context."""

    def __init__(self, installation: Any) -> None:
        self._installation = installation
        self._held: dict[int, Held] = {}

    def entering(self, block: Carried) -> Steps:
        self._installation.open_block()
        self._held[id(block)] = enter(self._installation, block)
        yield from ()

    def leaving(self, block: Carried) -> Steps:
        leave(self._held.pop(id(block)))
        self._installation.close_block()
        yield from ()

    def run(self, text: str) -> Any:
        raise AssertionError(f"nothing is sent at the ends of such a block: {text}")

    async def run_async(self, text: str) -> Any:
        return self.run(text)
