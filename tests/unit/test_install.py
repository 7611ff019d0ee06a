"""install() and uninstall() as far as they need no server: targets, options, exactness."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import psycopg
import psycopg_pool
import pytest
import sqlalchemy
from psycopg._connection_base import BaseConnection
from sqlalchemy.ext.asyncio import create_async_engine

import pgpoolsafe
from pgpoolsafe import ConfigurationError, Installation, install, uninstall
from pgpoolsafe.installation import _installations
from pgpoolsafe.rules.catalog import Level
from pgpoolsafe.rules.policy import Mode, Settings

URL = "postgresql+psycopg://app@127.0.0.1:1/shop"
CONNINFO = "host=127.0.0.1 port=1 dbname=shop"


@pytest.fixture(autouse=True)
def _nothing_stays_installed() -> Iterator[None]:
    before = BaseConnection.__dict__["_connect_gen"]
    others = alive()
    yield
    # Those that other tests left with their connections may go meanwhile.
    assert [one for one in alive() if one not in others] == []
    assert BaseConnection.__dict__["_connect_gen"] is before


def alive() -> list[Installation]:
    return [one for one in _installations if one.is_process_wide or one.target is not None]


@pytest.fixture
def engine() -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(URL)


def test_an_installation_holds_its_options(engine: sqlalchemy.Engine) -> None:
    installation = install(engine, mode="strict", rules={"listen": "warn"}, settings="leave")
    assert isinstance(installation, Installation)
    assert installation.target is engine
    assert not installation.is_process_wide
    assert installation.policy.mode is Mode.STRICT
    assert installation.policy.rules == {"listen": Level.WARN}
    assert installation.policy.settings is Settings.LEAVE
    assert installation.pooler is None
    assert installation.findings() == []
    assert installation.connections() == []
    installation.uninstall()


def test_what_the_user_says_is_the_pooler(engine: sqlalchemy.Engine) -> None:
    with install(engine, pooler="pgbouncer>=1.24", pool_mode="statement") as installation:
        assert str(installation.pooler) == "PgBouncer 1.24 (statement pooling)"
    with install(engine, pool_mode="session") as installation:
        assert installation.pooler is not None
        assert not installation.pooler.shares_sessions
    with install(engine, pooler="direct") as installation:
        assert str(installation.pooler) == "a direct connection"


def test_options_come_from_the_environment(
    engine: sqlalchemy.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPOOLSAFE_MODE", "observe")
    monkeypatch.setenv("PGPOOLSAFE_POOLER", "odyssey")
    with install(engine) as installation:
        assert installation.policy.mode is Mode.OBSERVE
        assert str(installation.pooler) == "Odyssey (transaction pooling)"


def test_installing_twice_is_harmless(engine: sqlalchemy.Engine) -> None:
    first = install(engine)
    assert install(engine) is first
    assert listeners(engine) == 1
    second = install(engine, mode="strict")
    assert second is not first
    assert listeners(engine) == 1
    first.uninstall()
    assert listeners(engine) == 1
    second.uninstall()
    assert listeners(engine) == 0


def test_uninstalling_is_harmless_without_an_installation(engine: sqlalchemy.Engine) -> None:
    uninstall(engine)
    uninstall()
    installation = install(engine)
    uninstall(engine)
    uninstall(engine)
    installation.uninstall()
    assert listeners(engine) == 0


def test_an_installation_is_a_context_manager(engine: sqlalchemy.Engine) -> None:
    with install(engine) as installation:
        assert installation.target is engine
        assert listeners(engine) == 1
    assert listeners(engine) == 0
    with pytest.raises(ZeroDivisionError), install(engine):
        _ = 1 / 0
    assert listeners(engine) == 0


def listeners(engine: sqlalchemy.Engine) -> int:
    """How many listeners of ours are on the pool of an engine."""
    found = [
        getattr(listener, "__self__", None).__class__.__module__
        for listener in [*engine.pool.dispatch.connect, *engine.pool.dispatch.checkout]
    ]
    ours = found.count("pgpoolsafe.drivers.sqlalchemy")
    assert ours in (0, 2)
    return ours // 2


def test_two_engines_are_two_targets(engine: sqlalchemy.Engine) -> None:
    other = sqlalchemy.create_engine(URL)
    with install(engine), install(other, mode="strict"):
        uninstall(engine)
        assert (listeners(engine), listeners(other)) == (0, 1)


def test_an_async_engine_is_its_sync_engine() -> None:
    engine = create_async_engine(URL)
    with install(engine) as installation:
        assert installation.target is engine.sync_engine
        assert install(engine.sync_engine) is installation
        uninstall(engine)
        assert listeners(engine.sync_engine) == 0


POOLS = ["ConnectionPool", "NullConnectionPool", "AsyncConnectionPool", "AsyncNullConnectionPool"]


def closed_pool(name: str) -> Any:
    size = {"min_size": 0, "max_size": 1} if "Null" in name else {"min_size": 1}
    return getattr(psycopg_pool, name)(CONNINFO, open=False, **size)


@pytest.mark.parametrize("name", POOLS)
async def test_a_pool_is_put_back_as_it_was(name: str) -> None:
    pool = closed_pool(name)
    before = dict(vars(pool))
    with install(pool) as installation:
        assert installation.target is pool
        assert issubclass(pool.connection_class, before["connection_class"])
        assert pool.connection_class is not before["connection_class"]
    assert dict(vars(pool)) == before


@pytest.mark.parametrize("name", POOLS)
async def test_an_installation_keeps_no_pool_alive(name: str) -> None:
    pool = closed_pool(name)
    installation = install(pool)
    del pool
    gc.collect()
    assert installation.target is None
    installation.uninstall()


def test_an_installation_keeps_no_engine_alive() -> None:
    installation = install(sqlalchemy.create_engine(URL))
    gc.collect()
    assert installation.target is None
    installation.uninstall()


def test_the_process_is_put_back_as_it_was() -> None:
    before = BaseConnection.__dict__["_connect_gen"]
    with install() as installation:
        assert installation.is_process_wide
        assert installation.target is None
        assert BaseConnection.__dict__["_connect_gen"] is not before
        assert install() is installation
        second = install(mode="strict")
        assert second is not installation
    assert alive()[-1:] == [second]
    uninstall()
    assert BaseConnection.__dict__["_connect_gen"] is before


def test_a_connection_that_fails_is_the_users_own_error() -> None:
    with install(), pytest.raises(psycopg.OperationalError):
        psycopg.connect(CONNINFO, connect_timeout=2)


# wrong targets and options

EXPECTED = (
    "; expected a SQLAlchemy Engine or AsyncEngine, a connection of psycopg, psycopg2, pg8000 or"
    " asyncpg, a pool of psycopg_pool or asyncpg, or nothing (every connection from now on)"
)


class Sneaky:
    """Something of the user's own."""


WRONG_TARGETS: list[tuple[Any, str]] = [
    ("postgresql://app@127.0.0.1/shop", "builtins.str"),
    (6432, "builtins.int"),
    (psycopg, "builtins.module"),
    (psycopg.Connection, "builtins.type"),
    (Sneaky(), f"{__name__}.Sneaky"),
]


@pytest.mark.parametrize("target, name", WRONG_TARGETS)
def test_something_else_is_one_clear_error(target: Any, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        install(target)
    assert str(caught.value) == f"pgpoolsafe: cannot guard a {name}{EXPECTED}"
    with pytest.raises(TypeError):
        uninstall(target)


def test_an_engine_on_another_database() -> None:
    with pytest.raises(TypeError) as caught:
        install(sqlalchemy.create_engine("sqlite://"))
    assert str(caught.value) == (
        "pgpoolsafe: cannot guard an engine on sqlite+pysqlite; expected one of"
        " postgresql+psycopg, postgresql+psycopg_async, postgresql+psycopg2, postgresql+pg8000,"
        " postgresql+asyncpg"
    )


WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"mode": "loud"}, "mode='loud': expected one of 'off', 'observe', 'warn', 'strict'"),
    (
        {"pool_mode": "pooled"},
        "pool_mode='pooled' is not known: use session, transaction, statement",
    ),
    (
        {"pooler": "direct", "pool_mode": "session"},
        "pool_mode='session' means nothing with pooler='direct'",
    ),
]


@pytest.mark.parametrize("options, message", WRONG_OPTIONS)
def test_a_wrong_option_installs_nothing(
    engine: sqlalchemy.Engine, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        install(engine, **options)
    assert str(caught.value) == message
    assert listeners(engine) == 0


@pytest.mark.parametrize("options", [options for options, _ in WRONG_OPTIONS])
def test_a_wrong_option_leaves_the_installation_that_was_there(
    engine: sqlalchemy.Engine, options: dict[str, Any]
) -> None:
    with install(engine) as installation:
        with pytest.raises(ConfigurationError):
            install(engine, **options)
        with install(engine) as same:
            assert same is installation
        assert listeners(engine) == 1


def test_an_unknown_option_is_a_type_error(engine: sqlalchemy.Engine) -> None:
    with pytest.raises(TypeError, match="colour"):
        install(engine, colour="red")  # type: ignore[call-arg]


def test_the_package_has_them() -> None:
    assert pgpoolsafe.install is install
    assert pgpoolsafe.uninstall is uninstall
