"""`allow()`: let named rules through, here and now, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from ..errors import ConfigurationError
from .catalog import RULES

F = TypeVar("F", bound=Callable[..., Any])


class _Block(NamedTuple):
    """What is allowed inside the innermost block, and the block around it."""

    names: frozenset[str]
    owner: allow
    outer: _Block | None


_NOTHING = frozenset[str]()
_block: ContextVar[_Block | None] = ContextVar("pgpoolsafe_allow", default=None)
_everywhere = _NOTHING


def allowed_now() -> frozenset[str]:
    """Names of the rules that an `allow()` around the caller lets through."""
    block = _block.get()
    return block.names | _everywhere if block else _everywhere


def allow_everywhere(names: frozenset[str]) -> None:
    """Let rules through in every thread and task of the process, in place of those before.

    For a test that is running: what it starts may run in any context.
    """
    global _everywhere
    _everywhere = names


def check_names(names: Iterable[str], *, where: str) -> frozenset[str]:
    """The names as a set; ConfigurationError on one that is no rule, with the known ones."""
    names = list(names)
    unknown = sorted({repr(name) for name in names if str(name) not in RULES})
    if unknown:
        raise ConfigurationError(
            f"{where}: unknown rule {', '.join(unknown)}; known rules: {', '.join(RULES)}"
        )
    return frozenset(names)


def _without(block: _Block | None, owner: allow) -> _Block | None:
    """The blocks without the innermost of one owner: blocks may end in any order."""
    if block is None or block.owner is owner:
        return block and block.outer
    outer = _without(block.outer, owner)
    names = block.owner.rules | (outer.names if outer else _NOTHING)
    return _Block(names, block.owner, outer)


class allow:
    """Let the named rules through: `with allow("listen"): …`, or as a decorator.

    Works with `with`, `async with`, functions and coroutine functions; blocks nest. It
    holds for the current context (`contextvars`): other threads and tasks are not let
    through, except those that run in a copy of this context (`asyncio` tasks made
    inside the block, `asyncio.to_thread`). `reason` is for the reader of the code.

    Raises ConfigurationError when a name is no rule, TypeError when it decorates a
    generator function, whose body runs after the call is over.
    """

    def __init__(self, *rules: str, reason: str | None = None) -> None:
        if not rules:
            raise ConfigurationError(f"allow(): name a rule; known rules: {', '.join(RULES)}")
        self.rules = check_names(rules, where="allow()")
        self.reason = reason

    def __enter__(self) -> allow:
        outer = _block.get()
        _block.set(_Block(self.rules | (outer.names if outer else _NOTHING), self, outer))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _block.set(_without(_block.get(), self))

    async def __aenter__(self) -> allow:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)

    def __call__(self, function: F) -> F:
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError("allow() cannot decorate a generator: use `with allow(…)` in its body")

        if iscoroutinefunction(function):

            @wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return run_async  # type: ignore[return-value]  # wraps() keeps the signature

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]  # wraps() keeps the signature
