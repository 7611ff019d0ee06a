"""`detect()` on real servers: every kind of target, what it costs, and startup options."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import psycopg_pool
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

import pgpoolsafe
from pgpoolsafe import Pooler, SessionStateError, SessionStateWarning, detect
from pgpoolsafe.poolers.answers import PoolMode
from tests.servers import PgBouncer, Postgres, Server

# Counts the round trips that look at the pooler, in the server's log.
PROBE = "inet_client_port"


@contextmanager
def engine(server: Server) -> Iterator[sqlalchemy.Engine]:
    made = sqlalchemy.create_engine(server.url())
    yield made
    made.dispose()


@contextmanager
def connection(server: Server) -> Iterator[psycopg.Connection[Any]]:
    with server.connect() as conn:
        yield conn


@contextmanager
def pool(server: Server) -> Iterator[psycopg_pool.ConnectionPool[Any]]:
    with psycopg_pool.ConnectionPool(server.dsn(), min_size=1, open=True) as made:
        yield made


@contextmanager
def text(server: Server) -> Iterator[str]:
    yield server.dsn()


@contextmanager
def url(server: Server) -> Iterator[str]:
    yield server.url()


@contextmanager
def plain_url(server: Server) -> Iterator[str]:
    yield server.url(scheme="postgres")


@contextmanager
def url_object(server: Server) -> Iterator[sqlalchemy.URL]:
    yield sqlalchemy.make_url(server.url())


@contextmanager
def sqlalchemy_connection(server: Server) -> Iterator[sqlalchemy.Connection]:
    with engine(server) as made, made.connect() as conn:
        yield conn


TARGETS = [engine, connection, pool, text, url, plain_url, url_object, sqlalchemy_connection]
each_target = pytest.mark.parametrize("target_on", TARGETS, ids=lambda make: make.__name__)


@each_target
def test_a_pooler_is_found(target_on: Callable[..., Any], pgbouncer: PgBouncer) -> None:
    with target_on(pgbouncer) as target:
        found = detect(target)
    assert found.shares_sessions
    assert found.product in ("unknown", "pgbouncer")
    assert found.confidence in ("likely", "certain")
    assert found.evidence


@each_target
def test_a_direct_connection_is_found(target_on: Callable[..., Any], postgres: Postgres) -> None:
    with target_on(postgres) as target:
        found = detect(target)
    assert (found.product, found.confidence) == ("direct", "likely")


# asynchronous targets


async def async_engine(server: Server, look: Callable[[Any], Awaitable[Pooler]]) -> Pooler:
    made = create_async_engine(server.url())
    try:
        return await look(made)
    finally:
        await made.dispose()


async def async_connection(server: Server, look: Callable[[Any], Awaitable[Pooler]]) -> Pooler:
    async with await psycopg.AsyncConnection.connect(server.dsn()) as conn:
        return await look(conn)


async def async_pool(server: Server, look: Callable[[Any], Awaitable[Pooler]]) -> Pooler:
    async with psycopg_pool.AsyncConnectionPool(server.dsn(), min_size=1, open=False) as made:
        return await look(made)


async def async_sqlalchemy_connection(
    server: Server, look: Callable[[Any], Awaitable[Pooler]]
) -> Pooler:
    made = create_async_engine(server.url())
    try:
        async with made.connect() as conn:
            return await look(conn)
    finally:
        await made.dispose()


ASYNC = [async_engine, async_connection, async_pool, async_sqlalchemy_connection]


@pytest.mark.parametrize("run", ASYNC, ids=lambda make: make.__name__)
async def test_asynchronous_targets_are_awaited(
    run: Callable[..., Awaitable[Pooler]], pgbouncer: PgBouncer, postgres: Postgres
) -> None:
    assert (await run(pgbouncer, detect)).shares_sessions
    assert (await run(postgres, detect)).product == "direct"


async def test_synchronous_targets_inside_an_event_loop(pgbouncer: PgBouncer) -> None:
    with engine(pgbouncer) as made:
        assert detect(made).shares_sessions
    assert detect(pgbouncer.dsn()).shares_sessions


# engines on other drivers are looked at with a connection of our own


def test_an_engine_on_another_driver(pgbouncer: PgBouncer) -> None:
    made = sqlalchemy.create_engine(pgbouncer.url())
    made.dialect.driver = "pg8000"
    assert detect(made).shares_sessions
    assert made.pool.checkedin() == 0  # the engine's own pool was not touched


async def test_an_asynchronous_engine_on_another_driver(pgbouncer: PgBouncer) -> None:
    made = create_async_engine(pgbouncer.url())
    made.dialect.driver = "asyncpg"
    assert (await detect(made)).shares_sessions
    assert made.pool.checkedin() == 0  # type: ignore[attr-defined]
    await made.dispose()


def test_an_engine_on_another_driver_that_is_made_by_its_arguments(pgbouncer: PgBouncer) -> None:
    place = {"host": "127.0.0.1", "port": pgbouncer.port, "user": "app", "database": "shop"}
    settings = {"server_settings": {"statement_timeout": "4711ms", "jit": "off"}}
    elsewhere = "postgresql+psycopg://nobody@127.0.0.1:1/nowhere"
    made = sqlalchemy.create_engine(elsewhere, connect_args={**place, **settings})
    made.dialect.driver = "asyncpg"
    with pytest.warns(SessionStateWarning) as heard:
        assert detect(made).shares_sessions
    assert [warning.message.finding.what for warning in heard] == [  # type: ignore[union-attr]
        "statement_timeout in the connection's options does not arrive",
        "jit in the connection's options does not arrive",
    ]


def test_a_connection_on_another_driver(pgbouncer: PgBouncer) -> None:
    with engine(pgbouncer) as made, made.connect() as conn:
        made.dialect.driver = "psycopg2"
        assert detect(conn).shares_sessions
        made.dialect.driver = "psycopg"


def test_an_engine_on_another_database_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="sqlite"):
        detect(sqlalchemy.create_engine("sqlite://"))


def test_something_else_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"cannot look at a builtins\.int; expected a DSN"):
        detect(7)  # type: ignore[call-overload]


# what it leaves behind


def test_a_connection_is_left_as_it_was(pgbouncer: PgBouncer) -> None:
    with pgbouncer.connect(prepare_threshold=3) as conn:
        detect(conn)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert conn.prepare_threshold == 3
        assert type(conn) is psycopg.Connection
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_nothing_is_asked_inside_a_transaction(pgbouncer: PgBouncer, postgres: Postgres) -> None:
    with pgbouncer.connect() as conn:
        conn.execute("SELECT 1")
        mark = postgres.log_mark()
        found = detect(conn)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    assert not postgres.log_contains(PROBE, since=mark)
    assert found.product == "unknown"
    assert "a prepared statement kept its name" not in found.evidence


# what it costs


def test_an_installation_remembers(pgbouncer: PgBouncer, postgres: Postgres) -> None:
    with engine(pgbouncer) as made, pgpoolsafe.install(made):
        first = detect(made)
        mark = postgres.log_mark()
        assert detect(made) == first
    assert not postgres.log_contains(PROBE, since=mark)


def test_without_an_installation_it_looks_each_time(
    pgbouncer: PgBouncer, postgres: Postgres
) -> None:
    with pgbouncer.connect() as conn:
        detect(conn)
        mark = postgres.log_mark()
        detect(conn)
    assert postgres.log_contains(PROBE, since=mark)


def test_what_leads_elsewhere_is_looked_at_again(pgbouncer: PgBouncer, postgres: Postgres) -> None:
    places = [pgbouncer, postgres]
    with pgpoolsafe.install():
        found = [detect(place.dsn()).product for place in places]
    assert found[0] != "direct"
    assert found[1] == "direct"


def test_an_installation_that_was_told_is_believed(pgbouncer: PgBouncer) -> None:
    with engine(pgbouncer) as made, pgpoolsafe.install(made, pooler="odyssey"):
        assert detect(made).product == "odyssey"


def test_a_connection_of_a_guarded_engine_knows_its_guard(pgbouncer: PgBouncer) -> None:
    with engine(pgbouncer) as made, pgpoolsafe.install(made, pooler="odyssey"):
        with made.connect() as conn:
            assert detect(conn.connection.driver_connection).product == "odyssey"


# settings in the options

WISH = "-c statement_timeout=4711ms"


@pytest.fixture
def forgetful(pgbouncer_with: Callable[..., PgBouncer]) -> PgBouncer:
    """PgBouncer that lets clients in and drops what they ask for."""
    return pgbouncer_with(ignore_startup_parameters="options,statement_timeout")


def test_options_that_are_refused_are_told_of(pgbouncer: PgBouncer) -> None:
    with pytest.warns(SessionStateWarning) as heard:
        found = detect(pgbouncer.dsn(options=WISH))
    # It refuses in words of its own, which name it.
    assert found.product == "pgbouncer"
    [warning] = heard
    finding = warning.message.finding  # type: ignore[union-attr]
    assert finding.rule == "startup-options"
    assert finding.what == "statement_timeout in the connection's options does not arrive"
    assert "refuses the connection because of statement_timeout" in finding.why
    assert finding.fix.startswith("ALTER ROLE app SET statement_timeout = …")
    assert finding.location.file == __file__
    assert "4711" not in str(warning.message)


def test_options_that_are_dropped_are_told_of(forgetful: PgBouncer) -> None:
    with pytest.warns(SessionStateWarning, match="lets the client in and drops statement_timeout"):
        detect(forgetful.dsn(options=WISH))
    with forgetful.connect(options=WISH) as conn:
        assert conn.execute("SHOW statement_timeout").fetchone() == ("0",)  # it is so
        conn.rollback()
        with pytest.warns(SessionStateWarning, match="drops statement_timeout"):
            detect(conn)


def test_options_of_an_engine_are_seen(forgetful: PgBouncer) -> None:
    made = sqlalchemy.create_engine(forgetful.url(), connect_args={"options": WISH})
    with pytest.warns(SessionStateWarning, match="drops statement_timeout"):
        detect(made)
    made.dispose()


REFUSED = "refuses the connection because of statement_timeout"


def test_options_of_an_engine_that_are_refused(pgbouncer: PgBouncer) -> None:
    made = sqlalchemy.create_engine(pgbouncer.url(), connect_args={"options": WISH})
    with pytest.warns(SessionStateWarning, match=REFUSED):
        assert detect(made).product == "pgbouncer"


async def test_options_of_an_asynchronous_engine_that_are_refused(pgbouncer: PgBouncer) -> None:
    made = create_async_engine(pgbouncer.url(), connect_args={"options": WISH})
    with pytest.warns(SessionStateWarning, match=REFUSED):
        assert (await detect(made)).product == "pgbouncer"


def test_options_of_a_pool_that_are_refused(pgbouncer: PgBouncer) -> None:
    made = psycopg_pool.ConnectionPool(
        pgbouncer.dsn(), kwargs={"options": WISH}, min_size=1, timeout=0.5, open=True
    )
    with made, pytest.warns(SessionStateWarning, match=REFUSED):
        assert detect(made).product == "pgbouncer"


async def test_options_of_an_asynchronous_pool_that_are_refused(pgbouncer: PgBouncer) -> None:
    made = psycopg_pool.AsyncConnectionPool(
        pgbouncer.dsn(), kwargs={"options": WISH}, min_size=1, timeout=0.5, open=False
    )
    async with made:
        with pytest.warns(SessionStateWarning, match=REFUSED):
            assert (await detect(made)).product == "pgbouncer"


def test_options_on_a_direct_connection_are_fine(postgres: Postgres) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detect(postgres.dsn(options=WISH))


def test_an_option_that_is_in_force_anyway_is_fine(forgetful: PgBouncer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detect(forgetful.dsn(options="-c statement_timeout=0"))


def test_allowed_and_raised(forgetful: PgBouncer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pgpoolsafe.allow("startup-options"):
            detect(forgetful.dsn(options=WISH))
    with pgpoolsafe.install(rules={"startup-options": "raise"}):
        with pytest.raises(SessionStateError) as caught:
            detect(forgetful.dsn(options=WISH))
    assert caught.value.rule == "startup-options"


# bad input


def test_a_dead_port(unused_port: int) -> None:
    with pytest.raises(psycopg.OperationalError):
        detect(f"host=127.0.0.1 port={unused_port}")


async def test_a_dead_port_is_the_drivers_error_everywhere(unused_port: int) -> None:
    url = f"postgresql+psycopg://app@127.0.0.1:{unused_port}/shop"
    with pytest.raises(psycopg.OperationalError):
        detect(sqlalchemy.create_engine(url))
    with pytest.raises(psycopg.OperationalError):
        await detect(create_async_engine(url))


def test_a_pool_that_is_in_use_is_not_blamed_on_the_pooler(pgbouncer: PgBouncer) -> None:
    made = psycopg_pool.ConnectionPool(
        pgbouncer.dsn(), min_size=1, max_size=1, timeout=0.5, open=True
    )
    with made, made.connection():
        with pytest.raises(psycopg_pool.PoolTimeout):
            detect(made)


def test_a_text_that_cannot_be_read() -> None:
    with pytest.raises(pgpoolsafe.ConfigurationError, match="not a PostgreSQL URL"):
        detect("mysql://db/shop")


@pytest.fixture
def unused_port() -> int:
    from pgpoolsafe.testing.server import free_port

    return free_port()


@pytest.mark.parametrize("mode", ["session", "statement"])
def test_other_pool_modes(mode: str, pgbouncer_with: Callable[..., PgBouncer]) -> None:
    pooler = pgbouncer_with(pool_mode=mode)
    found = detect(pooler.dsn())
    assert found.product in ("unknown", "pgbouncer")
    # Before 1.26 the mode does not show; then it counts as transaction pooling.
    assert found.mode in (None, PoolMode(mode))
