"""The contract: the books follow the driver's own BEGIN, COMMIT and ROLLBACK."""

from __future__ import annotations

import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.drivers.contract.drivers import Client, Driver
from tests.servers import PgBouncer

TABLE = "CREATE TEMP TABLE t (i int)"
LOCK = "SELECT pg_advisory_lock(7)"
BROKEN = "SELECT 1/0"

STORIES = [
    ([TABLE, "DROP TABLE t"], "commit", None),
    ([TABLE], "rollback", None),
    ([TABLE], "commit", "temp-table"),
    (["SET app.way = 'x'", "RESET app.way"], "commit", None),
    ([LOCK, "SELECT pg_advisory_unlock(7)"], "commit", None),
    ([LOCK], "commit", "advisory-lock"),
    ([LOCK], "rollback", "advisory-lock"),
    (["LISTEN x"], "rollback", None),
    (["LISTEN x"], "commit", "listen"),
    (["SAVEPOINT s", TABLE, "ROLLBACK TO SAVEPOINT s"], "commit", None),
    (["SAVEPOINT s", TABLE, "RELEASE SAVEPOINT s"], "commit", "temp-table"),
    (["PREPARE p AS SELECT 1", "DEALLOCATE p"], "commit", None),
    (["DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE c"], "commit", None),
    (["DECLARE c CURSOR WITH HOLD FOR SELECT 1"], "commit", "hold-cursor"),
]
"""What is sent in one transaction, how that ends, and the rule that then speaks."""


def story_id(story: tuple[list[str], str, str | None]) -> str:
    return f"{'; '.join(story[0])}; {story[1]}"


@pytest.mark.parametrize("story", STORIES, ids=map(story_id, STORIES))
async def test_books(
    driver: Driver, pgbouncer: PgBouncer, story: tuple[list[str], str, str | None]
) -> None:
    statements, end, rule = story
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, mode="strict"):
            async with target.client() as client:
                for statement in statements:
                    await client.execute(statement)
                if rule is None:
                    await getattr(client, end)()
                elif end == "rollback" and driver.warns_at_rollback:
                    with pytest.warns(SessionStateWarning, match=f"^{rule}: "):
                        await client.rollback()
                else:
                    with pytest.raises(SessionStateError) as caught:
                        await getattr(client, end)()
                    assert caught.value.rule == rule
                    await client.rollback()
                await _nothing_is_left(client)


async def _nothing_is_left(client: Client) -> None:
    """On either of the two server connections."""
    for _ in range(4):
        rows = await client.execute(
            "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),"
            " to_regclass('pg_temp.t'), (SELECT count(*) FROM pg_cursors WHERE is_holdable),"
            " (SELECT count(*) FROM pg_listening_channels())"
        )
        assert rows == [(0, None, 0, 0)]
        await client.commit()


async def test_a_failed_transaction_left_nothing(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, mode="strict") as installation:
            async with target.client() as client:
                await client.execute(TABLE)
                with pytest.raises(Exception, match="division by zero"):
                    await client.execute(BROKEN)
                await client.rollback()
                await _nothing_is_left(client)
        assert installation.findings() == []


async def test_autocommit_has_no_transaction(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, mode="strict"):
            async with target.client(autocommit=True) as client:
                for statement in (TABLE, LOCK, "LISTEN x"):
                    with pytest.raises(SessionStateError):
                        await client.execute(statement)
                await client.execute("SELECT 1")


async def test_a_block_of_the_drivers_own(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, mode="strict"):
            async with target.client() as client:
                with pytest.raises(SessionStateError, match=r"^temp-table: "):
                    async with client.transaction():
                        await client.execute(TABLE)
                async with client.transaction():
                    await client.execute(TABLE)
                    await client.execute("DROP TABLE t")


async def test_the_users_own_error_is_not_masked(driver: Driver, pgbouncer: PgBouncer) -> None:
    """A lock survives the ROLLBACK of the block; that is only warned of."""
    error = ZeroDivisionError("of the user's")
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, mode="strict"):
            async with target.client() as client:
                with pytest.warns(SessionStateWarning, match=r"^advisory-lock: "):
                    with pytest.raises(ZeroDivisionError) as caught:
                        async with client.transaction():
                            await client.execute(LOCK)
                            raise error
                assert caught.value is error
                assert error.__context__ is None
                await _nothing_is_left(client)


@pytest.mark.parametrize("text", ["SELECT %s", "SELECT set_config('app.way', %s, false)"])
async def test_an_error_inside_of_a_guarded_call(
    driver: Driver, pgbouncer: PgBouncer, text: str
) -> None:
    if not driver.lets_users_errors_through:
        pytest.skip("the driver itself does not survive an error of an adapter, or hides it")
    error = ZeroDivisionError("of the user's")
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, mode="strict"):
            async with target.client() as client:
                with pytest.raises(ZeroDivisionError) as caught:
                    await client.execute(text, client.poison(error))
                assert caught.value is error
                await client.rollback()
                assert await client.execute("SELECT 1") == [(1,)]
