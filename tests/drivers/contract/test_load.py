"""The contract: many clients at once, in threads or as tasks, and none meets another's state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError
from tests.drivers.contract.drivers import Client, Driver, Target
from tests.servers import PgBouncer

WORKERS = 6
ROUNDS = 20
VALUE = "SELECT current_setting('app.who', true)"

Work = Callable[[int], Coroutine[Any, Any, None]]


async def at_once(driver: Driver, work: Work) -> None:
    """Let the workers work, each in a thread of its own where the driver is made for those."""
    if driver.is_async:
        await asyncio.gather(*(work(number) for number in range(WORKERS)))
    else:
        threads = (asyncio.to_thread(asyncio.run, work(number)) for number in range(WORKERS))
        await asyncio.gather(*threads)


async def transactions(client: Client, number: int) -> None:
    """A setting of one's own in each transaction, and a refusal now and then."""
    who = f"worker-{number}"
    for turn in range(ROUNDS):
        assert (await client.execute(VALUE))[0][0] in (None, "")
        await client.execute(f"SET app.who = '{who}'")
        assert await client.execute(VALUE) == [(who,)]
        assert await client.execute("SELECT %s::text", who) == [(who,)]
        if turn % 5 == number % 5:
            with pytest.raises(SessionStateError):
                await client.execute("LOAD 'auto_explain'")
            await client.execute("CREATE TEMP TABLE t (i int)")
            with pytest.raises(SessionStateError):
                await client.commit()
            await client.rollback()
        else:
            await client.commit()


REFUSALS = sum(2 for number in range(WORKERS) for turn in range(ROUNDS) if turn % 5 == number % 5)


async def test_a_target_for_each(driver: Driver, pgbouncer: PgBouncer) -> None:
    async def work(number: int) -> None:
        async with driver.open(pgbouncer) as target, target.client() as client:
            await transactions(client, number)

    with pgpoolsafe.install(mode="strict", settings="local") as installation:
        await at_once(driver, work)
        raised = [count for f, count in installation.findings() if f.level == "raise"]
    # Counting takes no lock, and may lose one among threads; never is one counted twice.
    assert REFUSALS - WORKERS <= sum(raised) <= REFUSALS


async def test_one_target_for_all(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        if not driver.is_shared:
            with pgpoolsafe.install(target.guarded, mode="strict", settings="local"):
                await _with_a_client(target, 1)
        elif driver.serves_many:
            with pgpoolsafe.install(target.guarded, mode="strict", settings="local"):
                await at_once(driver, lambda number: _with_a_client(target, number))
        else:
            with pgpoolsafe.install(target.guarded, mode="strict"):
                async with target.client(autocommit=True) as client:
                    await at_once(driver, lambda number: _sharing(client, number))


async def _with_a_client(target: Target, number: int) -> None:
    async with target.client() as client:
        await transactions(client, number)


async def _sharing(client: Client, number: int) -> None:
    """One connection, which the driver lets many use in turn."""
    for turn in range(ROUNDS):
        assert await client.execute("SELECT %s::int + %s::int", number, turn) == [(number + turn,)]
        with pytest.raises(SessionStateError):
            await client.execute("LISTEN x")
