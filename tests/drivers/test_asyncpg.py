"""asyncpg without SQLAlchemy: connections, pools, cursors, prepared statements, COPY."""

from __future__ import annotations

import asyncio
import gc
import io
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

import pgpoolsafe
from pgpoolsafe import SessionStateError, SessionStateWarning
from tests.servers import PgBouncer, Postgres

HAZARD = "SELECT set_config('app.way', 'x', false)"
LEFT = "SELECT current_setting('app.way', true)"
REFUSED: dict[str, Any] = {"rules": {"session-set": "raise"}, "pooler": "pgbouncer"}


def where(server: Postgres | PgBouncer) -> dict[str, Any]:
    wanted = server.parameters()
    kept = {name: wanted[name] for name in ("host", "port", "user")}
    return {**kept, "database": wanted["dbname"]}


@pytest.fixture
async def conn(postgres: Postgres) -> AsyncIterator[Any]:
    made = await asyncpg.connect(**where(postgres))
    yield made
    await made.close()


@pytest.fixture
async def pooled(pgbouncer: PgBouncer) -> AsyncIterator[Any]:
    made = await asyncpg.connect(**where(pgbouncer))
    yield made
    await made.close(timeout=5)


async def fetch(conn: Any) -> Any:
    return (await conn.fetch(HAZARD))[0][0]


async def fetchval(conn: Any) -> Any:
    return await conn.fetchval(HAZARD)


async def with_parameters(conn: Any) -> Any:
    return await conn.fetchval("SELECT set_config($1, $2, false)", "app.way", "x")


async def simple(conn: Any) -> Any:
    await conn.execute(HAZARD)
    return "x"


async def execute_with_parameters(conn: Any) -> Any:
    await conn.execute("SELECT set_config($1, $2, false)", "app.way", "x")
    return "x"


async def executemany(conn: Any) -> Any:
    await conn.executemany("SELECT set_config('app.way', $1, false)", [("x",)])
    return "x"


async def prepared(conn: Any) -> Any:
    return await (await conn.prepare(HAZARD)).fetchval()


async def cursor(conn: Any) -> Any:
    rows = [row[0] async for row in conn.cursor(HAZARD)]
    return rows[0]


async def awaited_cursor(conn: Any) -> Any:
    return (await (await conn.cursor(HAZARD)).fetchrow())[0]


async def copy_out(conn: Any) -> Any:
    rows = io.BytesIO()
    await conn.copy_from_query(HAZARD, output=rows)
    return rows.getvalue().decode().strip()


async def second_of_a_string(conn: Any) -> Any:
    await conn.execute(f"SELECT 1; {HAZARD}")
    return "x"


WAYS: list[Callable[[Any], Awaitable[Any]]] = [
    fetch,
    fetchval,
    with_parameters,
    simple,
    execute_with_parameters,
    executemany,
    prepared,
    cursor,
    awaited_cursor,
    copy_out,
    second_of_a_string,
]
WAY = pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])


@WAY
async def test_seen_once(conn: Any, way: Callable[[Any], Awaitable[Any]]) -> None:
    with pgpoolsafe.install(conn, rules={"session-set": "warn"}, pooler="pgbouncer") as guarded:
        with pytest.warns(SessionStateWarning, match=r"^session-set: "):
            async with conn.transaction():
                assert await way(conn) == "x"
        assert [count for _, count in guarded.findings()] == [1]


@WAY
async def test_refused(conn: Any, way: Callable[[Any], Awaitable[Any]]) -> None:
    with pgpoolsafe.install(conn, **REFUSED):
        with pytest.raises(SessionStateError):
            async with conn.transaction():
                await way(conn)
        assert not conn.is_in_transaction()
        assert not await conn.fetchval(LEFT)


@WAY
async def test_rewritten(conn: Any, way: Callable[[Any], Awaitable[Any]]) -> None:
    with pgpoolsafe.install(conn, pooler="pgbouncer", settings="local") as guarded:
        async with conn.transaction():
            assert await way(conn) == "x"
        assert [finding.level for finding, _ in guarded.findings()] == ["rewrite"]
        assert not await conn.fetchval(LEFT)


@WAY
async def test_carried(pooled: Any, way: Callable[[Any], Awaitable[Any]]) -> None:
    with pgpoolsafe.install(pooled) as guarded:
        async with pooled.transaction():
            assert await way(pooled) == "x"
        query = "SELECT current_setting($1, true)"
        for _ in range(3):
            async with pooled.transaction():
                assert await pooled.fetchval(query, "app.way") == "x"
            assert await pooled.fetchval(query, "app.way") == "x"
            assert await copied(pooled) == "x"
            await pooled.execute("SELECT 1 / (current_setting('app.way', true) = 'x')::int")
        assert not pooled.is_in_transaction()
        assert guarded.findings() == []


async def copied(conn: Any) -> str:
    rows = io.BytesIO()
    await conn.copy_from_query(LEFT, output=rows)
    return rows.getvalue().decode().strip()


async def test_a_block_of_settings(pooled: Any) -> None:
    with pgpoolsafe.install(pooled):
        async with pooled.transaction():
            assert await pooled.fetchval("SHOW work_mem") == "4MB"
            async with pgpoolsafe.settings(pooled, work_mem="9MB"):
                assert await pooled.fetchval("SHOW work_mem") == "9MB"
            assert await pooled.fetchval("SHOW work_mem") == "4MB"
            with pytest.raises(pgpoolsafe.ConfigurationError, match="async with"):
                with pgpoolsafe.settings(pooled, work_mem="9MB"):
                    pass
        with pgpoolsafe.settings(pooled, work_mem="9MB"):
            assert await pooled.fetchval("SHOW work_mem") == "9MB"
        assert await pooled.fetchval("SHOW work_mem") == "4MB"


async def test_an_error_between_settings_opens_no_transaction(pooled: Any) -> None:
    with pgpoolsafe.install(pooled):
        assert await pooled.execute("SET work_mem TO '7MB'") == "SET"
        with pytest.raises(asyncpg.DivisionByZeroError):
            await pooled.fetchval("SELECT 1 / $1::int", 0)
        with pytest.raises(asyncpg.UndefinedTableError):
            await pooled.fetchval("SELECT n FROM nothing WHERE n = $1", 0)
        assert not pooled.is_in_transaction()
        assert await pooled.fetchval("SHOW work_mem") == "7MB"
        async with pooled.transaction():
            assert await pooled.fetchval("SHOW work_mem") == "7MB"


async def test_a_statement_prepared_in_a_transaction_is_judged_where_it_runs(conn: Any) -> None:
    rules = {"named-prepare": "ignore"}
    options: dict[str, Any] = {"prepared": "leave", "rules": rules, "settings": "local"}
    with pgpoolsafe.install(conn, pooler="pgbouncer", **options) as guarded:
        async with conn.transaction():
            statement = await conn.prepare(HAZARD)
            assert await statement.fetchval() == "x"
        with pytest.warns(SessionStateWarning, match=r"^session-set: "):
            assert await statement.fetchval() == "x"
        assert await conn.fetchval(LEFT) == "x"  # as the user was told
        assert {finding.level for finding, _ in guarded.findings()} == {"rewrite", "warn"}


async def test_users_own_local_statement_is_his(conn: Any) -> None:
    """The same words as those of an edited text, from the user: they are not carried."""
    with pgpoolsafe.install(conn, pooler="pgbouncer"):
        async with conn.transaction():
            await conn.fetch("SET LOCAL work_mem TO '3MB'")
        assert await conn.fetchval("SHOW work_mem") == "4MB"
        async with conn.transaction():
            await conn.fetch("SET work_mem TO '3MB'")
        assert await conn.fetchval("SHOW work_mem") == "3MB"
        async with conn.transaction():
            await conn.fetch("SET LOCAL work_mem TO '3MB'")
            await conn.fetch("RESET work_mem")
        assert await conn.fetchval("SHOW work_mem") == "4MB"


async def test_status_of_a_reset(conn: Any) -> None:
    with pgpoolsafe.install(conn, pooler="pgbouncer"):
        async with conn.transaction():
            assert await conn.execute("RESET work_mem") == "RESET"
            assert await conn.execute("SET work_mem TO '3MB'") == "SET"


async def test_listeners(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict"):
        with pytest.raises(SessionStateError, match=r"^listen: "):
            await conn.add_listener("orders", lambda *_: None)


async def test_a_failed_transaction_is_a_rollback(conn: Any) -> None:
    with pgpoolsafe.install(conn, **REFUSED) as guarded:
        transaction = conn.transaction()
        await transaction.start()
        await fetch(conn)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await conn.fetchval("SELECT 1/0")
        await transaction.commit()
        assert guarded.findings() == []
        async with conn.transaction():
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with conn.transaction():
                    await conn.fetchval("SELECT 1/0")
            await fetch(conn)
            with pytest.raises(SessionStateError):  # ROLLBACK TO has brought the transaction back
                await conn.execute("COMMIT")
            conn._top_xact = None
            raise_at_end = conn.transaction()
            await raise_at_end.start()
        await raise_at_end.rollback()


async def test_a_users_exception_is_never_masked(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict"):
        with pytest.warns(SessionStateWarning, match=r"^advisory-lock: "):
            with pytest.raises(ZeroDivisionError):
                async with conn.transaction():
                    await conn.execute("SELECT pg_advisory_lock(61)")
                    raise ZeroDivisionError
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert await conn.fetchval(locks) == 0


async def test_a_lock_that_was_not_got(conn: Any, postgres: Postgres) -> None:
    with postgres.connect() as other, pgpoolsafe.install(conn, mode="strict") as guarded:
        other.execute("SELECT pg_advisory_lock(62)")
        async with conn.transaction():
            assert await conn.fetchval("SELECT pg_try_advisory_lock($1)", 62) is False
        assert guarded.findings() == []


QUERY = "SELECT $1::int + 1"


async def test_prepared_statements_behind_rotation(pgbouncer: PgBouncer, pooled: Any) -> None:
    with pgpoolsafe.install(pooled) as guarded:
        statement = await pooled.prepare(QUERY)
        for number in range(8):
            assert await pooled.fetchval(QUERY, number) == number + 1
            assert await statement.fetchval(number) == number + 1
            await pooled.executemany(QUERY, [(number,)])
            async with pooled.transaction():
                rows = [row[0] async for row in pooled.cursor(QUERY, number, prefetch=1)]
                assert rows == [number + 1]
                opened = await pooled.cursor(QUERY, number)
                assert await pooled.fetchval("SELECT 7") == 7
                assert (await opened.fetchrow())[0] == number + 1
        assert guarded.findings() == []
    assert named_statements(pgbouncer) == []


def named_statements(pgbouncer: PgBouncer) -> list[Any]:
    found: list[Any] = []
    for pid in pgbouncer.warm():
        with pgbouncer.only(pid), pgbouncer.connect() as other:
            query = "SELECT name FROM pg_prepared_statements"
            found += other.execute(query, prepare=False).fetchall()
    return found


async def test_statements_cached_before_the_guard(pooled: Any) -> None:
    async with pooled.transaction():
        kept = await pooled.prepare("SELECT $1::int * 2")
        assert await pooled.fetchval(QUERY, 1) == 2
    with pgpoolsafe.install(pooled):
        for number in range(6):
            assert await pooled.fetchval(QUERY, number) == number + 1
            assert await kept.fetchval(number) == number * 2


async def test_without_the_guard_they_fail(pgbouncer: PgBouncer) -> None:
    conn = await asyncpg.connect(**where(pgbouncer))
    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        for number in range(6):
            await conn.fetchval(QUERY, number)
    conn.terminate()


async def test_statement_cache_is_given_back(conn: Any) -> None:
    size = conn._stmt_cache.get_max_size()
    caps = conn._server_caps
    with pgpoolsafe.install(conn, pooler="pgbouncer"):
        await conn.fetchval(QUERY, 1)
        assert conn._stmt_cache.get_max_size() == 0
    assert conn._stmt_cache.get_max_size() == size
    assert conn._stmt_cache_enabled
    assert conn._server_caps is caps


async def test_names_that_are_kept_are_told(pooled: Any) -> None:
    with pgpoolsafe.install(pooled, prepared="leave"):
        with pytest.warns(SessionStateWarning, match=r"^named-prepare: .*statement_cache_size=100"):
            await pooled.fetchval("SELECT 1")


async def test_types_are_looked_up_without_touching_jit(conn: Any, pgbouncer: PgBouncer) -> None:
    await conn.execute("DROP TYPE IF EXISTS pair; CREATE TYPE pair AS (a int, b text)")
    with pgpoolsafe.install(conn, mode="strict") as guarded:
        assert tuple(await conn.fetchval("SELECT (1, 'x')::pair")) == (1, "x")
        assert guarded.findings() == []
    other = await asyncpg.connect(**where(pgbouncer))
    with pgpoolsafe.install(other, mode="strict") as guarded:
        assert tuple(await other.fetchval("SELECT (1, 'x')::pair")) == (1, "x")
        assert guarded.findings() == []
    await other.close()
    for pid in pgbouncer.warm():
        with pgbouncer.only(pid), pgbouncer.connect() as client:
            row = client.execute("SELECT source FROM pg_settings WHERE name = 'jit'").fetchone()
            assert row == ("default",)
    await conn.execute("DROP TYPE pair")


async def test_a_pool(pgbouncer: PgBouncer) -> None:
    begun: list[Any] = []

    async def users_own(conn: Any) -> None:
        begun.append(await conn.fetchval("SELECT 1"))

    async with asyncpg.create_pool(
        **where(pgbouncer), min_size=1, max_size=3, init=users_own
    ) as pool:
        own = pool._init
        async with pool.acquire() as lent, pool.acquire():
            installation = pgpoolsafe.install(pool, mode="strict", settings="leave")
            async with pool.acquire() as made_now:
                for conn in (lent, made_now):
                    with pytest.raises(SessionStateError):
                        async with conn.transaction():
                            await conn.fetch(HAZARD)
        for number in range(9):  # each release sends asyncpg's own RESET ALL and the like
            assert await pool.fetchval(QUERY, number) == number + 1
        assert {finding.rule for finding, _ in installation.findings()} == {"session-set"}
        installation.uninstall()
        assert pool._init is own
        assert "_pgpoolsafe" not in vars(lent._con or pool._holders[0]._con._protocol)
    assert begun == [1, 1, 1]


async def test_a_connection_that_a_pool_has_lent(postgres: Postgres) -> None:
    async with asyncpg.create_pool(**where(postgres), min_size=1, max_size=1) as pool:
        async with pool.acquire() as lent:
            with pgpoolsafe.install(lent, **REFUSED):
                with pytest.raises(SessionStateError):
                    async with lent.transaction():
                        await lent.fetch(HAZARD)


async def test_the_process(postgres: Postgres) -> None:
    own = asyncpg.Connection.__init__
    with pgpoolsafe.install(**REFUSED):
        conn = await asyncpg.connect(**where(postgres))
        with pytest.raises(SessionStateError):
            async with conn.transaction():
                await fetch(conn)
    assert asyncpg.Connection.__init__ is own
    assert await fetch(conn) == "x"
    await conn.close()


async def test_uninstall_restores(conn: Any) -> None:
    plain = type(conn._protocol)
    with pgpoolsafe.install(conn, **REFUSED):
        statement = await conn.prepare("SELECT 1")
        assert type(conn._protocol) is not plain
    assert type(conn._protocol) is plain
    assert "_pgpoolsafe" not in vars(conn._protocol)
    assert await statement.fetchval() == 1
    assert await fetch(conn) == "x"


async def test_tasks_that_share_a_connection(conn: Any) -> None:
    """asyncpg refuses the second one, in its own words; the first is not disturbed."""
    with pgpoolsafe.install(conn, mode="strict") as guarded:
        await conn.fetchval("SELECT 1")
        async with conn.transaction():
            await conn.execute("SELECT pg_advisory_lock(63)")
            results = await asyncio.gather(
                conn.fetchval("SELECT pg_sleep(0.05), pg_advisory_unlock(63)", column=1),
                conn.fetchval("SELECT pg_advisory_lock(64)"),
                return_exceptions=True,
            )
        assert results[0] is True
        assert isinstance(results[1], asyncpg.InterfaceError)
        assert guarded.findings() == []


async def test_a_cancelled_task_leaves_a_connection_of_use(conn: Any) -> None:
    with pgpoolsafe.install(conn, mode="strict") as guarded:
        await conn.fetchval("SELECT 1")
        task = asyncio.create_task(
            conn.fetchval("SELECT set_config('a.b', 'c', true), pg_sleep(9)")
        )
        await asyncio.wait([task], timeout=0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await conn.fetchval("SELECT 2") == 2
        assert guarded.findings() == []


async def test_no_cycle_of_ours_keeps_a_connection(postgres: Postgres) -> None:
    conn = await asyncpg.connect(**where(postgres))
    installation = pgpoolsafe.install(conn, **REFUSED)
    await conn.fetchval("SELECT 1")
    await conn.close()
    gone = weakref.ref(conn)
    del conn
    gc.collect()
    assert gone() is None
    installation.uninstall()


async def test_meeting_is_one_round_trip_and_once_for_an_endpoint(pgbouncer: PgBouncer) -> None:
    async with asyncpg.create_pool(**where(pgbouncer), min_size=2, max_size=2) as pool:
        with pgpoolsafe.install(pool) as guarded:
            async with pool.acquire() as first, pool.acquire() as second:
                for conn in (first, second):
                    await conn.fetchval("SELECT 1")
            assert guarded.pooler is not None
            assert guarded.pooler.shares_sessions
            assert len(guarded.poolers) == 1


async def test_a_pool_takes_back_what_a_borrower_has_set(pgbouncer: PgBouncer) -> None:
    """As the pool's RESET ALL does on a connection of one's own."""
    show = "SELECT current_setting('app.way', true), current_setting('work_mem')"
    asked = {"work_mem": "3MB"}
    async with asyncpg.create_pool(**where(pgbouncer), min_size=1, max_size=1) as pool:
        pgpoolsafe.install(pool)
        async with pool.acquire() as conn:
            await conn.execute("SET app.way = 'x'")
            assert (await conn.fetchrow(show))[0] == "x"
        async with pool.acquire() as conn:
            assert not (await conn.fetchrow(show))[0]
            await conn.execute("SET app.way = 'y'")
            await conn.reset()
            assert not (await conn.fetchrow(show))[0]
    with PgBouncer(pgbouncer.postgres, ignore_startup_parameters="work_mem") as dropping:
        conn = await asyncpg.connect(**where(dropping), server_settings=asked)
        pgpoolsafe.install(conn)
        await conn.execute("SET work_mem = '5MB'")
        await conn.reset()
        assert (await conn.fetchrow(show))[1] == "3MB"
        await conn.close()
