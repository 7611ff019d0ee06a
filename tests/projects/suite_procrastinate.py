"""procrastinate: a worker that takes a job, by the project's public API."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import procrastinate
import psycopg
import pytest

from pgpoolsafe.testing import PgBouncer

SHOP = os.environ["SHOP"]


@pytest.fixture
async def app() -> AsyncIterator[procrastinate.App]:
    with psycopg.connect(SHOP, autocommit=True) as owner:
        owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=SHOP))
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        yield app


async def work(app: procrastinate.App, done: asyncio.Event) -> None:
    """Defer a job while the worker waits, and wait until it has been done."""

    @app.task(name="greet", lock="door", queueing_lock="queue")
    def greet() -> None:
        done.set()

    worker = asyncio.create_task(app.run_worker_async(install_signal_handlers=False))
    try:
        await greet.defer_async()
        await asyncio.wait_for(done.wait(), 10)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_worker(app: procrastinate.App) -> None:
    await work(app, asyncio.Event())


async def test_periodic(app: procrastinate.App) -> None:
    done = asyncio.Event()

    @app.periodic(cron="* * * * * *")
    @app.task(name="tick")
    def tick(timestamp: int) -> None:
        assert timestamp
        done.set()

    worker = asyncio.create_task(app.run_worker_async(install_signal_handlers=False))
    try:
        await asyncio.wait_for(done.wait(), 10)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_deferring_only(app: procrastinate.App) -> None:
    await app.configure_task("greet", allow_unknown=True).defer_async()
    jobs = await app.job_manager.list_jobs_async()
    assert [job.task_name for job in jobs] == ["greet"]


@pytest.mark.harm
async def test_a_listener_behind_pgbouncer_hears_nothing(pgbouncer: PgBouncer) -> None:
    """What its listener does: LISTEN in autocommit, then wait on the same connection."""
    listener = await psycopg.AsyncConnection.connect(pgbouncer.dsn, autocommit=True)
    async with listener:
        await listener.execute("LISTEN procrastinate_any_queue")
        with psycopg.connect(SHOP, autocommit=True) as other:
            other.execute("NOTIFY procrastinate_any_queue")
        assert [one async for one in listener.notifies(timeout=1)] == []
        # It is another client's server connection that listens now.
        heard = []
        for _ in range(pgbouncer.pool_size):
            rows = await (
                await listener.execute("SELECT * FROM pg_listening_channels()")
            ).fetchall()
            heard.append(bool(rows))
        assert heard.count(True) == 1
