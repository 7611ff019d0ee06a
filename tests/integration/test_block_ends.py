"""What is there when a `settings()` block is over, however it comes to its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

DOORS = ["direct", "pooled"]
SHOW = sa.text("SELECT current_setting('work_mem')")


@pytest.fixture
def doors(postgres: Postgres, pgbouncer: PgBouncer) -> dict[str, Any]:
    return {"direct": postgres, "pooled": pgbouncer}


@pytest.mark.parametrize("in_transaction", [False, True], ids=["idle", "open"])
@pytest.mark.parametrize("door", DOORS)
def test_a_connection_that_is_given_back_inside_takes_no_block_along(
    door: str, in_transaction: bool, doors: dict[str, Any]
) -> None:
    engine = sa.create_engine(doors[door].url(), pool_size=1, max_overflow=0)
    with pgpoolsafe.install(engine):
        conn = engine.connect()
        if in_transaction:
            conn.execute(SHOW)
        with pgpoolsafe.settings(conn, work_mem="9MB"):
            assert conn.execute(SHOW).scalar() == "9MB"
            conn.close()
            other = engine.connect()
            assert other.execute(SHOW).scalar() == "4MB"  # and leaves its transaction open
        assert other.execute(SHOW).scalar() == "4MB"
        other.close()
    engine.dispose()


def test_an_async_connection_that_is_given_back_inside(pgbouncer: PgBouncer) -> None:
    async def given_back() -> list[Any]:
        engine = create_async_engine(pgbouncer.url(), pool_size=1, max_overflow=0)
        with pgpoolsafe.install(engine):
            conn = await engine.connect()
            async with pgpoolsafe.settings(conn, work_mem="9MB"):
                found = [(await conn.execute(SHOW)).scalar()]
                await conn.close()
                other = await engine.connect()
                found.append((await other.execute(SHOW)).scalar())
            found.append((await other.execute(SHOW)).scalar())
            await other.close()
        await engine.dispose()
        return found

    assert asyncio.run(given_back()) == ["9MB", "4MB", "4MB"]
