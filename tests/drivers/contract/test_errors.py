"""The contract: errors are the driver's own, from the same place, whoever is watching."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.drivers.contract.drivers import Client, Driver
from tests.servers import PgBouncer

BROKEN = [
    "SELECT 1/0",
    "SELECT no_such_column",
    "SELECT set_config('no_such_setting_of_postgres', 'x', true)",
    "SET work_mem = 'nonsense'",
    "CREATE TEMP TABLE t (i no_such_type)",
    "LISTEN",
    "DEALLOCATE no_such_statement",
    "ROLLBACK TO SAVEPOINT no_such_savepoint",
]


def described(error: BaseException | None) -> list[Any]:
    """All there is to an error: types, words, causes, and the way it came."""
    found: list[Any] = []
    while error is not None:
        frames = [
            (frame.filename.rpartition("site-packages")[2], frame.name)
            for frame in traceback.extract_tb(error.__traceback__)
            # The line that called differs: that of the bare run and that of the guarded one.
            if frame.name != "attempt"
        ]
        code = getattr(error, "sqlstate", None)
        found.append((type(error), str(error), error.args, code, frames))
        error = error.__cause__ or error.__context__
    return found


async def attempt(client: Client, text: str) -> list[Any]:
    try:
        await client.execute(text)
    except Exception as error:  # noqa: BLE001  # whatever the driver makes of it
        return described(error)
    finally:
        await client.rollback()
    return []


@pytest.mark.parametrize("text", BROKEN)
async def test_errors_are_those_of_a_bare_connection(
    driver: Driver, pgbouncer: PgBouncer, text: str
) -> None:
    async with driver.open(pgbouncer) as target:
        async with target.client() as client:
            bare = await attempt(client, text)
        with pgpoolsafe.install(target.guarded), warnings.catch_warnings():
            warnings.simplefilter("ignore", SessionStateWarning)
            async with target.client() as client:
                await client.execute("SELECT 1")
                await client.rollback()
                guarded = await attempt(client, text)
    assert bare
    assert [words[:-1] for words in guarded] == [words[:-1] for words in bare]
    assert [_of_others(words[-1]) for words in guarded] == [words[-1] for words in bare]


def _of_others(frames: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [frame for frame in frames if "pgpoolsafe" not in frame[0]]


async def test_a_refusal_names_the_line_that_sent_it(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, mode="strict"):
            async with target.client(autocommit=True) as client:
                with pytest.raises(SessionStateError) as caught:
                    await client.execute("LISTEN x")
    assert caught.value.statement == "LISTEN x"
    assert caught.value.location is not None
    assert caught.value.location.function == "execute"
    assert "tests/drivers/contract/" in caught.value.location.file


async def test_values_never_appear(driver: Driver, pgbouncer: PgBouncer) -> None:
    async with driver.open(pgbouncer) as target:
        with pgpoolsafe.install(target.guarded, mode="strict", settings="leave"):
            async with target.client(autocommit=True) as client:
                with pytest.raises(SessionStateError) as caught:
                    await client.execute("SELECT set_config('app.way', %s, false)", "hush-hush")
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(caught.value.__context__)
