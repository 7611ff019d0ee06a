"""A guarded program takes the round trips that it takes without the guard: counted, not timed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres, Wiretap
from tests.settings_machine.either import Runner, connect, inside, listed, settled

ASK = "SELECT current_setting('app.user_id', true)"
MANY = f"{ASK} WHERE %s"
COPY_OUT = f"COPY ({ASK}) TO STDOUT"
COPY_IN = "COPY public.visits FROM STDIN"

SETTINGS = {"app.user_id": "7", "statement_timeout": "20s", "search_path": "public"}

Work = Callable[[Any], Awaitable[Any]]


async def autocommit(conn: Any) -> Any:
    return (await settled((await settled(conn.execute(ASK))).fetchone()))[0]


async def with_parameters(conn: Any) -> Any:
    return (await settled((await settled(conn.execute(MANY, [True]))).fetchone()))[0]


async def binary(conn: Any) -> Any:
    cursor = await settled(conn.execute(MANY, [True], binary=True))
    return (await settled(cursor.fetchone()))[0]


async def client_binding(conn: Any) -> Any:
    kinds = (psycopg.ClientCursor, psycopg.AsyncClientCursor)
    cursor = kinds[isinstance(conn, psycopg.AsyncConnection)](conn)
    await settled(cursor.execute(MANY, [True]))
    return (await settled(cursor.fetchone()))[0]


async def several_statements(conn: Any) -> Any:
    cursor = await settled(conn.execute(f"SELECT 1; {ASK}"))
    cursor.nextset()
    return (await settled(cursor.fetchone()))[0]


async def executemany(conn: Any) -> Any:
    cursor = conn.cursor()
    await settled(cursor.executemany(MANY, [[True], [True]], returning=True))
    return (await settled(cursor.fetchone()))[0]


async def stream(conn: Any) -> Any:
    return (await listed(conn.cursor().stream(MANY, [True])))[0][0]


async def copy_out(conn: Any) -> Any:
    async with inside(conn.cursor().copy(COPY_OUT)) as copy:
        return (await listed(copy.rows()))[0][0]


async def copy_in(conn: Any) -> Any:
    async with inside(conn.cursor().copy(COPY_IN)) as copy:
        await settled(copy.write_row(["x"]))


async def pipeline(conn: Any) -> Any:
    async with inside(conn.pipeline()):
        await settled(conn.execute(MANY, [True]))
        cursor = await settled(conn.execute(MANY, [True]))
    return (await settled(cursor.fetchone()))[0]


async def transaction(conn: Any) -> Any:
    async with inside(conn.transaction()):
        return await autocommit(conn)


async def transaction_of_three(conn: Any) -> Any:
    async with inside(conn.transaction()):
        await with_parameters(conn)
        async with inside(conn.transaction()):
            return await autocommit(conn)


async def transaction_by_text(conn: Any) -> Any:
    await settled(conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ"))
    value = await autocommit(conn)
    await settled(conn.execute("COMMIT"))
    return value


async def transaction_in_a_pipeline(conn: Any) -> Any:
    async with inside(conn.pipeline()):
        async with inside(conn.transaction()):
            cursor = await settled(conn.execute(ASK))
    return (await settled(cursor.fetchone()))[0]


async def named_cursor(conn: Any) -> Any:
    async with inside(conn.transaction()):
        async with inside(conn.cursor("rows")) as cursor:
            await settled(cursor.execute(ASK))
            return (await settled(cursor.fetchone()))[0]


async def implicit_transaction(conn: Any) -> Any:
    await settled(conn.set_autocommit(False))
    value = await autocommit(conn)
    await settled(conn.commit())
    await settled(conn.set_autocommit(True))
    return value


async def a_set_in_autocommit(conn: Any) -> Any:
    await settled(conn.execute("SET lock_timeout = '20s'"))


async def a_set_in_a_transaction(conn: Any) -> Any:
    async with inside(conn.transaction()):
        await settled(conn.execute("SET lock_timeout = '20s'"))


OPERATIONS: dict[Work, int] = {
    autocommit: 1,
    with_parameters: 1,
    binary: 1,
    client_binding: 1,
    several_statements: 1,
    executemany: 1,
    stream: 1,
    copy_out: 1,
    copy_in: 2,
    pipeline: 1,
    transaction: 3,
    transaction_of_three: 6,
    transaction_by_text: 3,
    transaction_in_a_pipeline: 4,
    named_cursor: 6,
    implicit_transaction: 3,
    a_set_in_autocommit: 1,
    a_set_in_a_transaction: 3,
}
"""What a program does, and the round trips that plain psycopg takes for it."""

IN_A_PIPELINE = {executemany, pipeline, transaction_in_a_pipeline}
"""Here the server may answer before the client has said all, or not, as time goes: what counts
is how often the client asks for everything to be answered (Sync)."""

SEES_NOTHING = {copy_in, a_set_in_autocommit, a_set_in_a_transaction, stream}
"""What asks for no setting, or does not get it: settings do not travel with stream(), which is
told (`settings-not-carried`) rather than sent otherwise."""


@pytest.fixture(scope="module")
def taps(postgres: Postgres, pgbouncer_with: Callable[..., PgBouncer]) -> Iterator[dict[str, Any]]:
    """A wiretap before each: the server itself, a transaction pool, a session pool."""
    with postgres.connect(autocommit=True) as owner, ExitStack() as stack:
        owner.execute("CREATE TABLE visits (who text)")
        doors = {
            "direct": postgres,
            "transaction pool": pgbouncer_with(),
            "session pool": pgbouncer_with(pool_mode="session"),
        }
        yield {name: stack.enter_context(Wiretap(door)) for name, door in doors.items()}
        owner.execute("DROP TABLE visits")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """Runs the operations."""
    runner = Runner()
    yield runner
    runner.close()


class Measured:
    """One operation, done once to warm up and once more to count."""

    def __init__(self, tap: Wiretap, work: Work) -> None:
        self.tap, self.work = tap, work
        self.trips, self.value = 0, None

    async def take(self, *, is_async: bool, sets: dict[str, str], **options: Any) -> None:
        conn = await connect(
            self.tap.dsn(), is_async=is_async, autocommit=True, prepare_threshold=None
        )
        try:
            await self._take(conn, sets, options)
        finally:
            await settled(conn.close())

    async def _take(self, conn: Any, sets: dict[str, str], options: dict[str, Any]) -> None:
        if options:
            pgpoolsafe.install(conn, **options)
        for name, value in sets.items():
            await settled(conn.execute(f"SET {name} = {value!r}"))
        await self.work(conn)
        with self.tap.counting() as count:
            self.value = await self.work(conn)
        passed = count.passed
        self.trips = passed.answers["Z"] if self.work in IN_A_PIPELINE else passed.trips


TOLD = {"session-set": "ignore", "settings-not-carried": "ignore"}
WAYS = {
    "not carrying": ({}, {"settings": "local", "rules": TOLD}),
    "nothing to carry": ({}, {"settings": "carry"}),
    "carrying": (SETTINGS, {"settings": "carry", "rules": {"settings-not-carried": "ignore"}}),
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("work", OPERATIONS, ids=lambda work: work.__name__)
@pytest.mark.parametrize("door", ["direct", "transaction pool", "session pool"])
def test_round_trips_of_psycopg_alone(
    door: str, work: Work, is_async: bool, taps: dict[str, Wiretap], runner: Runner
) -> None:
    bare = Measured(taps[door], work)
    runner.run(bare.take(is_async=is_async, sets={}), is_async=is_async)
    assert bare.trips == OPERATIONS[work]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("work", OPERATIONS, ids=lambda work: work.__name__)
@pytest.mark.parametrize("door", ["direct", "transaction pool", "session pool"])
@pytest.mark.parametrize("way", WAYS)
def test_the_guard_takes_no_round_trip_of_its_own(
    way: str, door: str, work: Work, is_async: bool, taps: dict[str, Wiretap], runner: Runner
) -> None:
    sets, options = WAYS[way]
    guarded = Measured(taps[door], work)
    runner.run(guarded.take(is_async=is_async, sets=sets, **options), is_async=is_async)
    assert guarded.trips == OPERATIONS[work]
    if sets and work not in SEES_NOTHING:
        assert guarded.value == "7"


async def failing(conn: Any) -> Any:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await settled(conn.execute("SELECT 1 / %s::int", [0]))
    return "7"


FUSED: dict[Work, int] = {
    autocommit: 2,
    with_parameters: 2,
    binary: 2,
    client_binding: 2,
    failing: 2,
    several_statements: 3,
    copy_out: 3,
}
"""The statement of a transaction that psycopg begins by itself, and its round trips where BEGIN
goes along if it can; three where it does not."""


def implicitly(work: Work) -> Work:
    async def begun(conn: Any) -> Any:
        await settled(conn.set_autocommit(False))
        value = await work(conn)
        await settled(conn.commit())
        await settled(conn.set_autocommit(True))
        return value

    return begun


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("work", FUSED, ids=lambda work: work.__name__)
@pytest.mark.parametrize("door", ["direct", "transaction pool", "session pool"])
@pytest.mark.parametrize("way", ["nothing to carry", "carrying"])
@pytest.mark.parametrize("fuse_begin", [True, False])
def test_a_begin_that_goes_along_saves_one(
    fuse_begin: bool,
    way: str,
    door: str,
    work: Work,
    is_async: bool,
    taps: dict[str, Wiretap],
    runner: Runner,
) -> None:
    sets, options = WAYS[way]
    guarded = Measured(taps[door], implicitly(work))
    taken = guarded.take(is_async=is_async, sets=sets, fuse_begin=fuse_begin, **options)
    runner.run(taken, is_async=is_async)
    assert guarded.trips == (FUSED[work] if fuse_begin else 3)
    if sets:
        assert guarded.value == "7"
