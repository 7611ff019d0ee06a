"""langgraph-checkpoint-postgres: checkpoints written and read, by the project's public API."""

from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from pgpoolsafe.testing import PgBouncer

SHOP = os.environ["SHOP"]
CONFIG: Any = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}


@pytest.fixture(autouse=True)
def _empty() -> None:
    with psycopg.connect(SHOP, autocommit=True, prepare_threshold=None) as owner:
        owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def test_saver() -> None:
    with PostgresSaver.from_conn_string(SHOP) as saver:
        saver.setup()
        saver.put(CONFIG, empty_checkpoint(), {}, {})
        assert saver.get_tuple(CONFIG) is not None


async def test_async_saver() -> None:
    async with AsyncPostgresSaver.from_conn_string(SHOP) as saver:
        await saver.setup()
        await saver.aput(CONFIG, empty_checkpoint(), {}, {})
        assert await saver.aget_tuple(CONFIG) is not None


@pytest.mark.harm
def test_behind_a_pgbouncer_that_does_not_track_it_breaks(pgbouncer_factory: Any) -> None:
    with psycopg.connect(SHOP, autocommit=True, prepare_threshold=None) as owner:
        owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    pgbouncer: PgBouncer = pgbouncer_factory(SHOP, max_prepared_statements=0)
    with PostgresSaver.from_conn_string(pgbouncer.dsn) as saver:
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            for _ in range(20):
                saver.setup()
                saver.put(CONFIG, empty_checkpoint(), {}, {})
                saver.get_tuple(CONFIG)
    pgbouncer.disconnect()
