"""psycopg's sync and async connections by the same words: code for both is written once.

Such code is `async`. On a sync connection nothing of it ever waits, so it is run without an
event loop.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


async def settled(given: Any) -> Any:
    """What a method gave, awaited if it is the async connection's."""
    return await given if inspect.isawaitable(given) else given


@asynccontextmanager
async def inside(manager: Any) -> AsyncIterator[Any]:
    """A context manager of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    else:
        with manager as entered:
            yield entered


async def listed(many: Any) -> list[Any]:
    """The items of an iterator of either kind."""
    if hasattr(many, "__aiter__"):
        return [item async for item in many]
    return list(many)


async def connect(dsn: str, *, is_async: bool, **options: Any) -> Any:
    """A connection of the kind asked for; `options` are those of `psycopg.connect`."""
    if is_async:
        return await psycopg.AsyncConnection.connect(dsn, **options)
    return psycopg.connect(dsn, **options)


class Runner:
    """Runs such code: on an event loop of its own, or to its end at once."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, code: Coroutine[Any, Any, T], *, is_async: bool) -> T:
        """The result of the code. Raises RuntimeError if sync code waits for anything."""
        if is_async:
            return self._loop.run_until_complete(code)
        try:
            code.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        raise RuntimeError("code for a sync connection waited")

    def close(self) -> None:
        """Close the event loop."""
        self._loop.close()
