"""The contract: what a guarded connection is besides a connection, and how it ends."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.drivers.contract.drivers import Client, Driver
from tests.servers import PgBouncer

STRICT: dict[str, Any] = {"mode": "strict"}


def shape(connection: Any) -> Any:
    """What a connection looks like to a program that looks closely."""
    own = sorted(getattr(connection, "__dict__", ()))
    return type(connection), own, repr(connection).partition(" at ")[0]


async def test_uninstall_restores(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        async with target.client() as client:
            before = shape(client.driver_connection)
        installation = pgpoolsafe.install(target.guarded, **STRICT)
        async with target.client() as client:
            with pytest.raises(SessionStateError):
                await client.execute("LOAD 'auto_explain'")
        installation.uninstall()
        async with target.client() as client:
            assert shape(client.driver_connection) == before
            await client.execute("LISTEN x")
            await client.rollback()


async def test_uninstall_in_the_middle(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        installation = pgpoolsafe.install(target.guarded, **STRICT)
        async with target.client() as client:
            await client.execute("LISTEN x")
            installation.uninstall()
            await client.execute("SELECT 1")
            await client.rollback()


def _attempt(act: Callable[[Any], Any], subject: Any) -> Any:
    try:
        return type(act(subject)).__name__
    except Exception as error:  # noqa: BLE001  # whatever the driver makes of it
        return type(error), str(error)


ACTS = [pickle.dumps, copy.copy, copy.deepcopy, hash, bool, repr, dir]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_pickling_and_copying(
    driver: Driver, pgbouncer: PgBouncer, act: Callable[[Any], Any]
) -> None:
    if act in (copy.copy, copy.deepcopy) and not driver.survives_copying:
        pytest.skip("a copy of the driver's connection closes it when it goes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the copy of an open connection
        async with driver.open(pgbouncer) as target:
            async with target.client() as client:
                bare = _attempt(act, client.driver_connection)
            with pgpoolsafe.install(target.guarded, **STRICT):
                async with target.client() as client:
                    await client.execute("SELECT 1")
                    assert _attempt(act, client.driver_connection) == bare


@contextmanager
def without_the_collector() -> Iterator[None]:
    """Only reference counts free what is no longer needed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _use(client: Client) -> None:
    """All that could make the guard keep something."""
    await client.execute("SELECT 1")
    await client.commit()
    with pytest.raises(Exception, match="division by zero"):
        await client.execute("SELECT 1/0")
    await client.rollback()
    with pytest.raises(SessionStateError):
        await client.execute("LOAD 'auto_explain'")
    await client.execute("CREATE TEMP TABLE t (i int)")
    with pytest.raises(SessionStateError):
        await client.commit()
    await client.rollback()


async def test_nothing_keeps_a_connection_open(driver: Driver, pgbouncer: PgBouncer) -> None:
    """Forgotten by its owner, it is closed at once, as without the guard."""
    with pgpoolsafe.install(**STRICT), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        connection = await driver.alone(pgbouncer)
        await _use(driver.wrapped(connection))
        socket = driver.socket(connection)
        os.fstat(socket)
        with without_the_collector():
            alive = weakref.ref(connection)
            del connection
            if driver.has_cycles:  # of its own, which only the collector ends
                assert gc.collect()
            assert alive() is None
            for _ in range(3):  # an event loop closes a socket in its next turn
                await asyncio.sleep(0)
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(socket)


async def test_weak_references_end_with_it(driver: Driver, pgbouncer: PgBouncer) -> None:
    told: list[str] = []
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, **STRICT):
            async with target.client() as client:
                await client.execute("SELECT 1")
                known = weakref.WeakKeyDictionary({client.driver_connection: "known"})
                weakref.finalize(client.driver_connection, told.append, "gone")
                assert list(known.values()) == ["known"]
    del target, client
    gc.collect()
    assert list(known.values()) == []
    assert told == ["gone"]


async def test_nothing_keeps_a_target_alive(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        installation = pgpoolsafe.install(target.guarded, **STRICT)
        async with target.client() as client:
            await client.execute("SELECT 1")
        alive = weakref.ref(target.guarded)
    del target, client
    gc.collect()
    assert alive() is None
    assert installation.target is None
    installation.uninstall()


async def test_warnings_as_errors_are_refusals(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded):
            async with target.client(autocommit=True) as client:
                with pytest.raises(SessionStateWarning, match=r"^listen: "):
                    await client.execute("LISTEN x")
                assert await client.execute("SELECT 1") == [(1,)]
