"""The contract: a statement is seen once and before it is sent; nothing else is sent."""

from __future__ import annotations

import re

import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.drivers.contract.drivers import Client, Driver
from tests.servers import PgBouncer, Postgres

# The pooler is told, so that nothing is asked of it: what is in the log is the user's.
BEHIND = {"pooler": "pgbouncer", "prepared": "leave"}
QUIET = {"named-prepare": "ignore"}


def sent(server: Postgres, mark: int) -> list[str]:
    """The statements that reached the server, in order."""
    logged = r"(?:statement|execute [^:]*): (.*)"
    return re.findall(logged, server.log_since(mark))


async def end(client: Client) -> None:
    """A round trip, after which all that was sent before is in the log."""
    await client.execute("SELECT 'the end'")
    await client.rollback()


async def test_seen_once(driver: Driver, postgres: Postgres) -> None:
    rules = {**QUIET, "session-set": "warn"}
    async with driver.open(postgres) as target:
        with pgpoolsafe.install(target.guarded, rules=rules, **BEHIND) as installation:
            async with target.client(autocommit=True) as client:
                with pytest.warns(SessionStateWarning, match=r"^session-set: "):
                    rows = await client.execute("SELECT set_config('app.way', 'x', false)")
        assert rows == [("x",)]
        assert [(f.rule, count) for f, count in installation.findings()] == [("session-set", 1)]


async def test_the_rewritten_text_reaches_the_server(driver: Driver, postgres: Postgres) -> None:
    options = {**BEHIND, "settings": "local"}
    async with driver.open(postgres) as target:
        with pgpoolsafe.install(target.guarded, rules=QUIET, **options):
            async with target.client() as client:
                mark = postgres.log_mark()
                await client.execute("SET app.way = 'rewritten'")
                assert await client.execute("SHOW app.way") == [("rewritten",)]
                await client.commit()
                assert not (await client.execute("SELECT current_setting('app.way', true)"))[0][0]
                await end(client)
    statements = sent(postgres, mark)
    assert "SET LOCAL app.way = 'rewritten'" in statements
    assert "SET app.way = 'rewritten'" not in statements


async def test_refused_before_anything_is_sent(driver: Driver, postgres: Postgres) -> None:
    async with driver.open(postgres) as target:
        with pgpoolsafe.install(target.guarded, mode="strict", rules=QUIET, **BEHIND):
            async with target.client() as client:
                await end(client)  # what a first use sends is over
                mark = postgres.log_mark()
                with pytest.raises(SessionStateError, match=r"^load-library: "):
                    await client.execute("LOAD 'auto_explain'")
                # Some versions of asyncpg name the isolation level as well.
                words = [text.replace(";", " ").split()[0] for text in sent(postgres, mark)]
                assert words == driver.begins_by
                assert await client.execute("SELECT 1") == [(1,)]


PLAIN = ("SELECT 1", "SELECT count(*) FROM pg_class WHERE relname = %s", "SELECT now()")


async def test_nothing_else_is_sent(driver: Driver, postgres: Postgres) -> None:
    async def script(client: Client) -> list[str]:
        await end(client)
        mark = postgres.log_mark()
        for text in PLAIN:
            await client.execute(text, *["x"] * text.count("%s"))
            await client.commit()
        await client.execute("SELECT 2")
        await end(client)
        return sent(postgres, mark)

    async with driver.open(postgres) as target:
        async with target.client() as client:
            bare = await script(client)
        with pgpoolsafe.install(target.guarded, mode="strict", rules=QUIET, **BEHIND):
            async with target.client() as client:
                assert await script(client) == bare


async def test_a_guard_that_is_off_again_says_nothing(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        installation = pgpoolsafe.install(target.guarded, mode="strict")
        async with target.client() as client:
            await client.execute("SELECT 1")
        installation.uninstall()
        async with target.client(autocommit=True) as client:
            await client.execute("SELECT set_config('app.way', 'x', false)")
        assert installation.findings() == []
