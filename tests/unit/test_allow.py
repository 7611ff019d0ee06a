"""allow(): one place is let through, and nothing else ever is."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pgpoolsafe.errors import ConfigurationError
from pgpoolsafe.rules.allowing import allow, allowed_now
from pgpoolsafe.rules.catalog import RULES

KNOWN_RULES = ", ".join(RULES)
NOTHING: frozenset[str] = frozenset()
LISTEN = frozenset({"listen"})


@pytest.fixture(autouse=True)
def _nothing_stays_allowed() -> Iterator[None]:
    assert allowed_now() == NOTHING
    yield
    assert allowed_now() == NOTHING


def test_a_block() -> None:
    with allow("listen") as block:
        assert allowed_now() == {"listen"}
        assert block.rules == {"listen"}
        assert block.reason is None


def test_several_rules_and_a_reason() -> None:
    with allow("listen", "temp-table", reason="the pool is pinned here") as block:
        assert allowed_now() == {"listen", "temp-table"}
        assert block.reason == "the pool is pinned here"


def test_blocks_nest_and_add_up() -> None:
    with allow("listen"):
        with allow("temp-table"):
            assert allowed_now() == {"listen", "temp-table"}
        assert allowed_now() == {"listen"}
        with allow("listen"):
            assert allowed_now() == {"listen"}
        assert allowed_now() == {"listen"}


def test_one_object_can_be_nested_in_itself() -> None:
    block = allow("listen")
    with block:
        with block:
            assert allowed_now() == {"listen"}
        assert allowed_now() == {"listen"}
    assert allowed_now() == NOTHING


def test_an_exception_ends_the_block_and_comes_out() -> None:
    with allow("temp-table"):
        with pytest.raises(ZeroDivisionError), allow("listen"):
            _ = 1 / 0
        assert allowed_now() == {"temp-table"}


async def test_async_with() -> None:
    async with allow("listen") as block:
        await asyncio.sleep(0)
        assert allowed_now() == block.rules == {"listen"}
    assert allowed_now() == NOTHING


async def test_an_exception_in_async_with() -> None:
    with pytest.raises(ZeroDivisionError):
        async with allow("listen"):
            _ = 1 / 0
    assert allowed_now() == NOTHING


# decorators


def test_a_function() -> None:
    @allow("listen")
    def job(a: int, *, b: int) -> tuple[int, frozenset[str]]:
        """What it does."""
        return a + b, allowed_now()

    assert job(1, b=2) == (3, LISTEN)
    assert (job.__name__, job.__doc__) == ("job", "What it does.")


def test_a_function_that_raises() -> None:
    @allow("listen")
    def job() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        job()


async def test_a_coroutine_function() -> None:
    @allow("listen")
    async def job(a: int) -> tuple[int, frozenset[str]]:
        await asyncio.sleep(0)
        return a, allowed_now()

    assert inspect.iscoroutinefunction(job)
    waiting = job(1)
    assert allowed_now() == NOTHING
    assert await waiting == (1, LISTEN)
    assert allowed_now() == NOTHING


class Shop:
    name = "shop"

    @allow("listen")
    def open(self) -> tuple[str, frozenset[str]]:
        return self.name, allowed_now()

    @allow("listen")
    async def open_later(self) -> tuple[str, frozenset[str]]:
        return self.name, allowed_now()

    @classmethod
    @allow("listen")
    def branch(cls) -> tuple[str, frozenset[str]]:
        return cls.name, allowed_now()

    @staticmethod
    @allow("listen")
    def price() -> frozenset[str]:
        return allowed_now()


async def test_methods() -> None:
    assert Shop().open() == ("shop", LISTEN)
    assert await Shop().open_later() == ("shop", LISTEN)
    assert Shop.branch() == ("shop", LISTEN)
    assert Shop.price() == {"listen"}


def test_decorators_stack() -> None:
    @allow("listen")
    @allow("temp-table")
    def job() -> frozenset[str]:
        return allowed_now()

    assert job() == {"listen", "temp-table"}


def test_a_function_may_call_itself() -> None:
    @allow("listen")
    def count(n: int) -> list[frozenset[str]]:
        return [allowed_now(), *(count(n - 1) if n else []), allowed_now()]

    assert count(3) == [LISTEN] * 8


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [generator, async_generator])
def test_a_generator_function_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError) as caught:
        allow("listen")(function)
    assert str(caught.value) == (
        "allow() cannot decorate a generator: use `with allow(…)` in its body"
    )


# threads and tasks


def test_a_thread_is_not_let_through() -> None:
    with allow("listen"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(allowed_now).result(10) == NOTHING


async def test_a_thread_that_runs_for_a_task_is() -> None:
    with allow("listen"):
        assert await asyncio.to_thread(allowed_now) == {"listen"}


async def test_a_task_made_inside_is_let_through_for_good() -> None:
    go_on = asyncio.Event()

    async def job() -> frozenset[str]:
        await go_on.wait()
        return allowed_now()

    with allow("listen"):
        inside = asyncio.create_task(job())
    outside = asyncio.create_task(job())
    go_on.set()
    assert await inside == {"listen"}
    assert await outside == NOTHING


async def test_what_a_task_allows_itself_stays_with_it() -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        with allow("listen"):
            inside.set()
            await go_on.wait()

    task = asyncio.create_task(job())
    await inside.wait()
    assert allowed_now() == NOTHING
    go_on.set()
    await task


def test_one_object_serves_several_threads_at_once() -> None:
    block, meeting = allow("listen"), threading.Barrier(4, timeout=10)

    def job() -> list[frozenset[str]]:
        seen = [allowed_now()]
        with block:
            meeting.wait()
            seen.append(allowed_now())
            meeting.wait()
        return [*seen, allowed_now()]

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(job) for _ in range(4)]
        assert [job.result(10) for job in jobs] == [[NOTHING, LISTEN, NOTHING]] * 4


async def test_one_decorated_coroutine_serves_overlapping_tasks() -> None:
    first_in, second_in = asyncio.Event(), asyncio.Event()

    @allow("listen")
    async def job(mine: asyncio.Event, other: asyncio.Event) -> frozenset[str]:
        mine.set()
        await other.wait()
        return allowed_now()

    both = asyncio.gather(job(first_in, second_in), job(second_in, first_in))
    assert list(await asyncio.wait_for(both, 10)) == [LISTEN, LISTEN]
    assert allowed_now() == NOTHING


# names


@pytest.mark.parametrize(
    "names, message",
    [
        ((), f"allow(): name a rule; known rules: {KNOWN_RULES}"),
        (("lissen",), f"allow(): unknown rule 'lissen'; known rules: {KNOWN_RULES}"),
        (
            ("listen", "z", "LISTEN"),
            f"allow(): unknown rule 'LISTEN', 'z'; known rules: {KNOWN_RULES}",
        ),
        (("",), f"allow(): unknown rule ''; known rules: {KNOWN_RULES}"),
        ((1,), f"allow(): unknown rule 1; known rules: {KNOWN_RULES}"),
    ],
)
def test_a_wrong_name_is_refused_at_once(names: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        allow(*names)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", RULES)
def test_every_rule_can_be_allowed(name: str) -> None:
    with allow(name):
        assert allowed_now() == {name}
