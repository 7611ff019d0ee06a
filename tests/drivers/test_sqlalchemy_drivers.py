"""SQLAlchemy on psycopg2, pg8000 and asyncpg: what holds on psycopg holds on each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm, pool

import pgpoolsafe
from pgpoolsafe import ConfigurationError, SessionStateError, SessionStateWarning
from tests.drivers.engines import DRIVERS, Lane, scalar
from tests.drivers.test_sqlalchemy import (
    HAZARD,
    REFUSED,
    autocommit,
    core,
    driver_sql,
    entities,
    expression,
    raw_connection,
    savepoint,
    session,
    streaming,
)
from tests.servers import PgBouncer, Postgres

LEFT = "SELECT current_setting('app.way', true)"


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=("psycopg", "psycopg_async", *DRIVERS))
def any_driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def direct(postgres: Postgres, driver: str) -> Iterator[Lane]:
    """An engine on a direct connection."""
    lane = Lane(postgres, driver)
    yield lane
    lane.close()


@pytest.fixture
def pooled(pgbouncer: PgBouncer, driver: str) -> Iterator[Lane]:
    """An engine behind a PgBouncer that rotates its server connections."""
    lane = Lane(pgbouncer, driver)
    yield lane
    lane.close()


def driver_connection(engine: sa.Engine) -> Any:
    """On what the driver itself calls its connection, whatever that is called."""
    with engine.connect() as conn:
        driver: Any = conn.connection.driver_connection
        if engine.dialect.driver == "asyncpg":
            return conn.connection.dbapi_connection.run_async(  # type: ignore[union-attr]
                lambda driver: _fetch_in_transaction(driver)
            )
        cursor = driver.cursor()
        cursor.execute(HAZARD)
        value = cursor.fetchone()[0]
        driver.commit()
        return value


async def _fetch_in_transaction(driver: Any) -> Any:
    async with driver.transaction():
        return await driver.fetchval(HAZARD)


WAYS = [core, expression, driver_sql, session, entities, savepoint, streaming]
WAYS += [raw_connection, driver_connection, autocommit]


@pytest.fixture(params=[False, True], ids=["new", "made before"])
def made_before(request: pytest.FixtureRequest) -> bool:
    """Whether the connection was in the engine's pool before install()."""
    return bool(request.param)


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_seen_once(direct: Lane, way: Callable[[sa.Engine], Any], made_before: bool) -> None:
    if made_before:
        direct.do(core)
    with pgpoolsafe.install(
        direct.target, rules={"session-set": "warn"}, pooler="pgbouncer"
    ) as installation:
        with pytest.warns(SessionStateWarning, match=r"^session-set: "):
            assert direct.do(way) == "x"
        assert [(f.rule, count) for f, count in installation.findings()] == [("session-set", 1)]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_seen_once_when_the_process_is_guarded_too(
    direct: Lane, way: Callable[[sa.Engine], Any]
) -> None:
    options: dict[str, Any] = {"rules": {"session-set": "warn"}, "pooler": "pgbouncer"}
    with pgpoolsafe.install(**options) as process:
        with pgpoolsafe.install(direct.target, **options) as own:
            with pytest.warns(SessionStateWarning, match=r"^session-set: "):
                assert direct.do(way) == "x"
            assert [count for i in (process, own) for _, count in i.findings()] == [1]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_refused(direct: Lane, way: Callable[[sa.Engine], Any], made_before: bool) -> None:
    if made_before:
        direct.do(core_of("SELECT 1"))
    with pgpoolsafe.install(direct.target, **REFUSED):  # type: ignore[arg-type]
        with pytest.raises(SessionStateError):
            direct.do(way)
        assert not direct.do(core_of(LEFT))


def core_of(text: str) -> Callable[[sa.Engine], Any]:
    """A transaction with one statement; its value."""

    def run(engine: sa.Engine) -> Any:
        with engine.begin() as conn:
            return scalar(conn, text)

    return run


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_rewritten_text_reaches_the_server(direct: Lane, way: Callable[[sa.Engine], Any]) -> None:
    with pgpoolsafe.install(direct.target, pooler="pgbouncer", settings="local") as installation:
        if way is autocommit:  # nothing can be local there
            with pytest.warns(SessionStateWarning):
                assert direct.do(way) == "x"
            return
        assert direct.do(way) == "x"
        assert [finding.level for finding, _ in installation.findings()] == ["rewrite"]
        assert not direct.do(core_of(LEFT))


def test_located_in_the_users_code(direct: Lane) -> None:
    def users_own_function(engine: sa.Engine) -> None:
        with engine.begin() as conn:
            conn.execute(sa.text(HAZARD))

    with pgpoolsafe.install(direct.target, **REFUSED):  # type: ignore[arg-type]
        with pytest.raises(SessionStateError) as caught:
            direct.do(users_own_function)
    assert caught.value.location is not None
    assert caught.value.location.file == __file__
    assert caught.value.location.function == "users_own_function"


def test_dialect_initialisation_is_guarded_and_silent(pooled: Lane) -> None:
    with pgpoolsafe.install(pooled.target, mode="strict") as installation:
        assert pooled.do(core_of("SELECT 1")) == 1
        assert installation.findings() == []
        assert installation.pooler is not None
        assert installation.pooler.shares_sessions


@pytest.mark.parametrize("event", ["first_connect", "connect"])
def test_what_a_listener_sets_holds(pgbouncer: PgBouncer, any_driver: str, event: str) -> None:
    """A user's own listener comes after the guard, on the very first connection too."""

    def prepare(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("SET app.way TO 'listener'")
        cursor.close()
        dbapi_connection.commit()

    lane = Lane(pgbouncer, any_driver)
    sa.event.listen(lane.engine, event, prepare)
    with pgpoolsafe.install(lane.target, mode="strict") as installation:
        assert [lane.do(core_of(LEFT)) for _ in range(3)] == ["listener"] * 3
        assert installation.findings() == []
    lane.close()


def test_pre_ping_and_every_pool_are_silent(pgbouncer: PgBouncer, driver: str) -> None:
    for cls in (pool.NullPool, pool.StaticPool, None):
        options = {"pool_pre_ping": True, **({"poolclass": cls} if cls else {})}
        lane = Lane(pgbouncer, driver, **options)
        with pgpoolsafe.install(lane.target, mode="strict") as installation:
            assert [lane.do(core_of("SELECT 1")) for _ in range(3)] == [1, 1, 1]
            with pytest.raises(SessionStateError):
                lane.do(core_of("SELECT pg_advisory_lock(1)"))
            assert [finding.rule for finding, _ in installation.findings()] == ["advisory-lock"]
        lane.close()


def test_after_dispose(direct: Lane) -> None:
    with pgpoolsafe.install(direct.target, **REFUSED):  # type: ignore[arg-type]
        direct.do(core_of("SELECT 1"))
        direct.do(lambda engine: engine.dispose())
        with pytest.raises(SessionStateError):
            direct.do(core)


def test_what_rolls_back_is_no_finding(direct: Lane) -> None:
    def given_up(engine: sa.Engine) -> None:
        with engine.connect() as conn:
            conn.execute(sa.text(HAZARD))
            conn.rollback()
            conn.execute(sa.text("SAVEPOINT s"))
            conn.execute(sa.text(HAZARD))
            conn.execute(sa.text("ROLLBACK TO s"))
            conn.commit()

    with pgpoolsafe.install(direct.target, **REFUSED) as installation:  # type: ignore[arg-type]
        direct.do(given_up)
        assert installation.findings() == []


def test_commit_of_a_failed_transaction_is_a_rollback(direct: Lane) -> None:
    def failed(engine: sa.Engine) -> None:
        with engine.connect() as conn:
            conn.execute(sa.text(HAZARD))
            with pytest.raises(sa.exc.DBAPIError):
                conn.execute(sa.text("SELECT 1/0"))
            conn.rollback()

    with pgpoolsafe.install(direct.target, **REFUSED) as installation:  # type: ignore[arg-type]
        direct.do(failed)
        assert installation.findings() == []


def test_the_drivers_error_is_unchanged(direct: Lane) -> None:
    def text_of_error(engine: sa.Engine) -> str:
        with engine.connect() as conn, pytest.raises(sa.exc.DBAPIError) as caught:
            conn.execute(sa.text("SET LOCAL work_mem TO :nonsense"), {"nonsense": "x"})
        return str(caught.value)

    before = direct.do(text_of_error)
    with pgpoolsafe.install(direct.target, **REFUSED):  # type: ignore[arg-type]
        assert direct.do(text_of_error) == before


def test_a_lock_that_is_released_in_time(direct: Lane) -> None:
    def locked(engine: sa.Engine) -> Any:
        with engine.begin() as conn:
            got = scalar(conn, "SELECT pg_try_advisory_lock(7)")
            scalar(conn, "SELECT pg_advisory_unlock(7)")
            return got

    with pgpoolsafe.install(direct.target, mode="strict") as installation:
        assert direct.do(locked) is True
        assert installation.findings() == []


def test_a_lock_that_was_not_got(direct: Lane, postgres: Postgres) -> None:
    with postgres.connect() as other, pgpoolsafe.install(direct.target, mode="strict") as guarded:
        other.execute("SELECT pg_advisory_lock(8)")
        assert direct.do(core_of("SELECT pg_try_advisory_lock(8)")) is False
        assert guarded.findings() == []


def test_a_lock_that_is_kept_is_released(direct: Lane, postgres: Postgres) -> None:
    with pgpoolsafe.install(direct.target, mode="strict"):
        with pytest.raises(SessionStateError, match=r"^advisory-lock: "):
            direct.do(core_of("SELECT pg_advisory_lock(9)"))
        assert direct.do(core_of("SELECT 1")) == 1  # the connection is of use
        with postgres.connect() as other:
            row = other.execute("SELECT pg_try_advisory_lock(9)").fetchone()
            assert row == (True,)


def test_a_users_exception_is_never_masked(direct: Lane) -> None:
    class Own(Exception):
        pass

    def broken(engine: sa.Engine) -> None:
        with engine.begin() as conn:
            conn.execute(sa.text("SELECT pg_advisory_lock(10)"))
            raise Own

    with pgpoolsafe.install(direct.target, mode="strict"):
        with pytest.warns(SessionStateWarning, match=r"^advisory-lock: "), pytest.raises(Own):
            direct.do(broken)


def test_two_phase(direct: Lane) -> None:
    if direct.driver == "asyncpg":
        pytest.skip("SQLAlchemy has no two-phase transactions on asyncpg")

    def two_phase(engine: sa.Engine, text: str) -> None:
        with engine.connect() as conn:
            transaction = conn.begin_twophase()
            conn.execute(sa.text(text))
            transaction.prepare()
            transaction.commit()

    with pgpoolsafe.install(direct.target, mode="strict", settings="leave") as installation:
        direct.do(two_phase, "SELECT 1")
        assert installation.findings() == []
        with pytest.raises(SessionStateError, match=r"^session-set: "):
            direct.do(two_phase, HAZARD)
        assert direct.do(core_of("SELECT count(*) FROM pg_prepared_xacts")) == 0


def test_isolation_of_an_engine_and_of_a_block(direct: Lane) -> None:
    def levels(engine: sa.Engine) -> list[Any]:
        found = []
        for options in (
            {"isolation_level": "SERIALIZABLE"},
            {"isolation_level": "AUTOCOMMIT"},
            {},
        ):
            with engine.connect().execution_options(**options) as conn:
                found.append(scalar(conn, "SHOW transaction_isolation"))
        return found

    before = direct.do(levels)
    with pgpoolsafe.install(direct.target, pooler="pgbouncer") as installation:
        assert direct.do(levels) == before
        assert installation.findings() == []


def test_isolation_and_read_only_leak_to_nobody(pooled: Lane, pgbouncer: PgBouncer) -> None:
    def states(engine: sa.Engine) -> list[Any]:
        options = {"isolation_level": "SERIALIZABLE", "postgresql_readonly": True}
        with engine.connect().execution_options(**options) as conn:
            with conn.begin():
                first = [scalar(conn, f"SHOW transaction_{name}") for name in NAMES]
            with conn.begin():
                return first + [scalar(conn, f"SHOW transaction_{name}") for name in NAMES]

    def own(engine: sa.Engine) -> list[Any]:
        with engine.begin() as conn:
            return [scalar(conn, f"SHOW transaction_{name}") for name in NAMES]

    with pgpoolsafe.install(pooled.target) as installation:
        assert pooled.do(states) == ["serializable", "on"] * 2
        assert pooled.do(own) == ["read committed", "off"]
        assert installation.findings() == []
    for pid in pgbouncer.warm():
        with pgbouncer.only(pid), pgbouncer.connect() as other:
            rows = [other.execute(f"SHOW default_transaction_{name}").fetchone() for name in NAMES]
            assert rows == [("read committed",), ("off",)]


NAMES = ("isolation", "read_only")


def test_uninstall_restores(direct: Lane) -> None:
    def carrier(engine: sa.Engine) -> Any:
        with engine.connect() as conn:
            driver: Any = conn.connection.driver_connection
            return getattr(driver, "_protocol", driver)

    plain = type(direct.do(carrier))
    installation = pgpoolsafe.install(direct.target, **REFUSED)  # type: ignore[arg-type]
    guarded = direct.do(carrier)
    assert type(guarded) is not plain
    installation.uninstall()
    assert "_pgpoolsafe" not in vars(guarded)
    # psycopg2's own class is one that an object cannot be given.
    assert type(guarded) is plain or direct.driver == "psycopg2"
    assert type(guarded).__qualname__ == plain.__qualname__
    assert direct.do(core) == "x"


class Row(orm.DeclarativeBase):
    pass


class Wide(Row):
    __tablename__ = "wide"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    name = orm.mapped_column(sa.Text)


def test_the_orm_writes_and_reads_behind_the_pooler(pooled: Lane) -> None:
    def write_and_read(engine: sa.Engine) -> list[str | None]:
        Row.metadata.drop_all(engine)
        Row.metadata.create_all(engine)
        with orm.Session(engine) as session, session.begin():
            session.add_all([Wide(name=str(n)) for n in range(50)])
        with orm.Session(engine) as session:
            names = list(session.scalars(sa.select(Wide.name).order_by(Wide.id)))
        Row.metadata.drop_all(engine)
        return names

    with pgpoolsafe.install(pooled.target, mode="strict") as installation:
        assert pooled.do(write_and_read) == [str(n) for n in range(50)]
        assert installation.findings() == []


def test_autocommit_with_parameters_behind_rotation(pooled: Lane) -> None:
    """Each statement may meet another server connection: nothing may count on the last one."""

    def statements(engine: sa.Engine) -> list[int]:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            query = sa.text("SELECT CAST(:n AS integer) + 1")
            return [conn.execute(query, {"n": n % 3}).scalar_one() for n in range(30)]

    with pgpoolsafe.install(pooled.target) as installation:
        assert pooled.do(statements) == [n % 3 + 1 for n in range(30)]
        assert installation.findings() == []


def test_the_databases_own_functions(pooled: Lane, postgres: Postgres) -> None:
    """audit=True: a function that leaves a setting is found where it is called."""
    with postgres.connect(autocommit=True) as conn:
        conn.execute(DEFINE)
    try:
        with pgpoolsafe.install(pooled.target, mode="strict", audit=True):
            with pytest.raises(SessionStateError, match=r"^session-set: "):
                pooled.do(core_of("SELECT set_tenant('x')"))
    finally:
        with postgres.connect(autocommit=True) as conn:
            conn.execute("DROP FUNCTION set_tenant")


DEFINE = r"""
CREATE OR REPLACE FUNCTION set_tenant(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    -- a backslash \ and a tab	for those that read rows as text
    PERFORM set_config('app.tenant', name, false);
    RETURN name;
END $$
"""


def test_residue_is_for_psycopg(direct: Lane) -> None:
    with pytest.raises(ConfigurationError, match="psycopg only"):
        pgpoolsafe.install(direct.target, mode="strict", residue=True)
    assert direct.do(core) == "x"
