"""`settings()` blocks that end in another order, or in another context, than they began in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import pgpoolsafe
from pgpoolsafe import ConfigurationError
from tests.drivers.engines import DRIVERS, Lane, scalar
from tests.servers import PgBouncer, Postgres

SHOW = sa.text("SELECT current_setting('work_mem')")
OVER = (None, None, None)


@pytest.fixture
def doors(postgres: Postgres, pgbouncer: PgBouncer) -> dict[str, Any]:
    return {"direct": postgres, "pooled": pgbouncer}


def entered(conn: Any, value: str) -> Any:
    block = pgpoolsafe.settings(conn, work_mem=value)
    block.__enter__()
    return block


def in_one_transaction(conn: sa.Connection) -> list[Any]:
    conn.execute(sa.text("SET LOCAL work_mem = '3MB'"))
    first, second = entered(conn, "5MB"), entered(conn, "6MB")
    first.__exit__(*OVER)
    found = [scalar(conn, "SHOW work_mem")]
    second.__exit__(*OVER)
    return [*found, scalar(conn, "SHOW work_mem")]


def the_first_before_it(conn: sa.Connection) -> list[Any]:
    first = entered(conn, "5MB")
    conn.execute(SHOW)
    second = entered(conn, "6MB")
    first.__exit__(*OVER)
    found = [scalar(conn, "SHOW work_mem")]
    second.__exit__(*OVER)
    return [*found, scalar(conn, "SHOW work_mem")]


def with_a_third(conn: sa.Connection) -> list[Any]:
    conn.execute(sa.text("SET LOCAL work_mem = '3MB'"))
    first, second, third = (entered(conn, value) for value in ("5MB", "6MB", "7MB"))
    second.__exit__(*OVER)
    found = [scalar(conn, "SHOW work_mem")]
    third.__exit__(*OVER)
    found.append(scalar(conn, "SHOW work_mem"))
    first.__exit__(*OVER)
    return [*found, scalar(conn, "SHOW work_mem")]


PROGRAMS: dict[Callable[[sa.Connection], list[Any]], list[str]] = {
    in_one_transaction: ["6MB", "3MB"],
    the_first_before_it: ["6MB", "4MB"],
    with_a_third: ["7MB", "5MB", "3MB"],
}


@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async", *DRIVERS])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.parametrize("door", ["direct", "pooled"])
def test_the_block_that_is_still_there_counts(
    door: str, program: Callable[[Any], list[Any]], driver: str, doors: dict[str, Any]
) -> None:
    def played(engine: sa.Engine) -> list[Any]:
        with engine.connect() as conn:
            found = program(conn)
            conn.rollback()
            return [*found, scalar(conn, "SHOW work_mem")]

    lane = Lane(doors[door], driver, pool_size=1, max_overflow=0)
    with pgpoolsafe.install(lane.target):
        assert lane.do(played) == [*PROGRAMS[program], "4MB"]
    lane.close()


def test_the_role_of_the_block_that_is_still_there(pgbouncer: PgBouncer) -> None:
    who = sa.text("SELECT current_user")
    engine = sa.create_engine(pgbouncer.url(user="postgres"))
    with pgpoolsafe.install(engine), engine.connect() as conn, ExitStack() as outer:
        conn.execute(who)
        outer.enter_context(pgpoolsafe.settings(conn, role="app"))
        inner = pgpoolsafe.settings(conn, role="reporting")
        inner.__enter__()
        outer.close()
        assert conn.execute(who).scalar() == "reporting"
        inner.__exit__(*OVER)
        assert conn.execute(who).scalar() == "postgres"
    engine.dispose()


async def value(engine: AsyncEngine) -> Any:
    async with engine.connect() as conn:
        return (await conn.execute(SHOW)).scalar()


def test_a_block_that_is_over_is_over_in_the_tasks_that_it_began(pgbouncer: PgBouncer) -> None:
    async def found() -> list[Any]:
        engine = create_async_engine(pgbouncer.url())
        is_over = asyncio.Event()

        async def later() -> Any:
            inside = await value(engine)
            await is_over.wait()
            return inside, await value(engine)

        async def another_request() -> None:
            with pgpoolsafe.settings(engine, work_mem="6MB"):
                await task

        with pgpoolsafe.install(engine):
            with pgpoolsafe.settings(engine, work_mem="5MB"):
                task = asyncio.create_task(later())
                await asyncio.sleep(0)
                while not engine.pool.checkedin():  # type: ignore[attr-defined]
                    await asyncio.sleep(0)
            other = asyncio.create_task(another_request())
            await asyncio.sleep(0)
            is_over.set()
            await other
            seen = await task
        await engine.dispose()
        return list(seen)

    assert asyncio.run(found()) == ["5MB", "4MB"]


def test_a_block_that_ends_in_another_task(pgbouncer: PgBouncer) -> None:
    async def found() -> list[Any]:
        engine = create_async_engine(pgbouncer.url())

        async def ends(block: Any) -> None:
            block.__exit__(*OVER)

        with pgpoolsafe.install(engine):
            block = entered(engine, "5MB")
            with pgpoolsafe.settings(engine, lock_timeout="1s"):  # of a block there is still one
                seen = [await value(engine)]
                await asyncio.create_task(ends(block))
                seen.append(await value(engine))
        await engine.dispose()
        return seen

    assert asyncio.run(found()) == ["5MB", "4MB"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["NUL", "half of a pair"])
def test_a_value_that_cannot_be_sent_is_refused_by_its_name(
    text: str, pgbouncer: PgBouncer
) -> None:
    engine = sa.create_engine(pgbouncer.url())
    with (
        pgpoolsafe.install(engine),
        pytest.raises(ConfigurationError, match=r"app\.note: .*cannot be sent"),
    ):
        pgpoolsafe.settings(engine, **{"app.note": text})
    engine.dispose()


def test_the_end_of_a_block_that_was_not_entered(pgbouncer: PgBouncer) -> None:
    engine = sa.create_engine(pgbouncer.url())
    with pgpoolsafe.install(engine):
        block = pgpoolsafe.settings(engine, work_mem="5MB")
        with block:
            pass
        with pytest.raises(ConfigurationError, match="was not entered"):
            block.__exit__(*OVER)
    engine.dispose()
