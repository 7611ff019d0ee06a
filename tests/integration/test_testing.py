"""pgpoolsafe.testing: findings in a test's hand, and a PgBouncer before any database."""

from __future__ import annotations

import threading

import psycopg
import psycopg.sql
import pytest
import sqlalchemy as sa

import pgpoolsafe
from pgpoolsafe import ConfigurationError, SessionStateError
from pgpoolsafe.testing import PgBouncer, ServerMissing, assert_safe, capture_findings
from pgpoolsafe.testing.programs import pgbouncer_program, program_version
from tests.conftest import without
from tests.servers import Postgres, ServerFailed, VersionTooOld

LOCK = "SELECT pg_advisory_lock(42)"


# findings


def test_what_a_connection_opened_within_sends_is_captured(postgres: Postgres) -> None:
    with capture_findings() as found, postgres.connect(autocommit=True) as conn:
        conn.execute(LOCK)
        conn.execute("SELECT 1")
        assert conn.execute("SELECT pg_advisory_unlock(42)").fetchone() == (True,)
    assert [finding.rule for finding in found] == ["advisory-lock", "unlock-not-held"]
    with postgres.connect() as conn:
        assert type(conn) is psycopg.Connection


def test_a_target_is_captured_and_then_as_before(postgres: Postgres) -> None:
    with postgres.connect(autocommit=True) as conn:
        with capture_findings(conn) as found:
            conn.execute("LISTEN orders")
        conn.execute("LISTEN orders")
        assert type(conn) is psycopg.Connection
    assert [str(finding.location).rpartition(" in ")[2] for finding in found] == [
        "test_a_target_is_captured_and_then_as_before()"
    ]


def test_what_is_left_open_comes_at_the_end(postgres: Postgres) -> None:
    with postgres.connect() as conn:
        conn.execute("SET app.before = 'x'")
        with capture_findings(conn) as found:
            conn.execute("SET app.tenant = 'acme'")
            assert found == []
        assert [finding.what for finding in found] == ["SET app.tenant outlives the transaction"]
        assert conn.execute("SHOW app.tenant").fetchone() == ("acme",)  # nothing was repaired
        conn.rollback()


def test_threads_are_captured(postgres: Postgres) -> None:
    def work() -> None:
        with postgres.connect(autocommit=True) as conn:
            conn.execute(LOCK)

    with capture_findings() as found:
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
    assert [finding.rule for finding in found] == ["advisory-lock"]


def test_what_is_strict_otherwise_raises_again_afterwards(postgres: Postgres) -> None:
    engine = sa.create_engine("postgresql+psycopg://", creator=postgres.connect)
    pgpoolsafe.install(engine, mode="strict")
    with capture_findings(engine) as found, engine.begin() as conn:
        conn.exec_driver_sql(LOCK)
        conn.exec_driver_sql("SET app.tenant = 'acme'")
    assert {finding.rule for finding in found} == {"advisory-lock", "session-set"}
    with pytest.raises(SessionStateError), engine.begin() as conn:
        conn.exec_driver_sql(LOCK)
    engine.dispose()


def test_a_test_may_expect_the_error(postgres: Postgres) -> None:
    with postgres.connect(autocommit=True) as conn, capture_findings(conn) as found:
        with pgpoolsafe.install(conn, mode="strict"):
            conn.execute(LOCK)
        conn.execute("SELECT pg_advisory_unlock_all()")
    assert found


@pytest.mark.parametrize(
    "pooler, rules",
    [("pgbouncer>=1.24 transaction", ["advisory-lock"]), ("rds-proxy", [])],
)
def test_it_is_judged_by_the_pooler_named(
    postgres: Postgres, pooler: str, rules: list[str]
) -> None:
    with capture_findings(pooler=pooler) as found, postgres.connect(autocommit=True) as conn:
        conn.execute(LOCK)
    assert [finding.rule for finding in found] == rules


def test_residue_is_captured(postgres: Postgres) -> None:
    with postgres.connect(autocommit=True) as owner:
        owner.execute(
            "CREATE OR REPLACE FUNCTION hidden() RETURNS void LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_catalog.set_config('app.hidden', 'x', false); END $$"
        )
    try:
        with capture_findings(residue=True) as found, postgres.connect(autocommit=True) as conn:
            conn.execute("SELECT hidden()")
    finally:
        with postgres.connect(autocommit=True) as owner:
            owner.execute("DROP FUNCTION hidden()")
    assert [(finding.rule, finding.statement) for finding in found] == [
        ("residue", "SELECT hidden()")
    ]


def test_wrong_options_change_nothing(postgres: Postgres) -> None:
    with pytest.raises(ConfigurationError, match="pooler='pgbuncer' is not known"):
        with capture_findings(pooler="pgbuncer"):
            pass
    with pytest.raises(TypeError, match="cannot guard a builtins"):
        with capture_findings(object()):
            pass
    with postgres.connect() as conn:
        assert type(conn) is psycopg.Connection


def test_assert_safe() -> None:
    assert_safe("BEGIN; SET LOCAL app.tenant = 'acme'; COMMIT")
    assert_safe("SET TimeZone = 'UTC'", pooler="pgbouncer")
    with pytest.raises(AssertionError) as caught:
        assert_safe("LISTEN orders; SELECT pg_advisory_lock(42)")
    assert str(caught.value) == "\n\n".join(
        map(str, pgpoolsafe.check("LISTEN orders; SELECT pg_advisory_lock(42)"))
    )


# PgBouncer


@pytest.fixture(autouse=True)
def _needs_pgbouncer() -> None:
    try:
        pgbouncer_program()
    except ServerMissing as missing:
        without(missing)


@pytest.fixture(scope="module")
def locked(postgres: Postgres) -> str:
    """The password of the role `keeper`, which needs one."""
    password = 'it\'s a "secret" \\ of %40'
    with postgres.connect("postgres", autocommit=True) as admin:
        literal = psycopg.sql.Literal(password)
        admin.execute(psycopg.sql.SQL("CREATE ROLE keeper LOGIN PASSWORD {}").format(literal))
        admin.execute("GRANT CONNECT ON DATABASE shop TO keeper")
    postgres.want_password("keeper")
    return password


def test_in_front_of_any_database(postgres: Postgres) -> None:
    with postgres.connect("postgres", autocommit=True) as admin:
        admin.execute('CREATE DATABASE "odd Name-1"')
    for dsn in (postgres.dsn(), postgres.url(), postgres.dsn(dbname="odd Name-1")):
        with PgBouncer(dsn) as pgbouncer:
            pgbouncer.renew()
            with psycopg.connect(pgbouncer.dsn) as conn:
                expected = "odd Name-1" if "odd" in dsn else "shop"
                assert conn.execute("SELECT current_database()").fetchone() == (expected,)
            pgbouncer.renew()


def test_with_a_password_from_wherever(
    postgres: Postgres, locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", locked)
    with PgBouncer(postgres.dsn("keeper")) as pgbouncer:
        monkeypatch.delenv("PGPASSWORD")
        with psycopg.connect(pgbouncer.dsn) as conn:
            assert conn.execute("SELECT current_user").fetchone() == ("keeper",)
        assert locked not in pgbouncer.dsn


def test_its_files_are_nobody_elses(postgres: Postgres, locked: str) -> None:
    with PgBouncer(postgres.dsn("keeper", password=locked)) as pgbouncer:
        files = list(pgbouncer.folder.iterdir())
        assert pgbouncer.folder.stat().st_mode & 0o077 == 0
    assert {"pgbouncer.ini", "users.txt"} <= {file.name for file in files}
    assert not pgbouncer.folder.exists()


def test_further_users(postgres: Postgres) -> None:
    with PgBouncer(postgres.dsn(), users={"reporting": ""}) as pgbouncer:
        with pgbouncer.connect("reporting") as conn:
            assert conn.execute("SELECT current_user").fetchone() == ("reporting",)


def test_what_the_client_says_stays(postgres: Postgres) -> None:
    with PgBouncer(postgres.dsn(application_name="mine")) as pgbouncer:
        with pgbouncer.connect() as conn:
            assert conn.execute("SHOW application_name").fetchone() == ("mine",)
    with PgBouncer(postgres.dsn()) as pgbouncer:
        assert "application_name" not in pgbouncer.dsn


@pytest.mark.parametrize("size", [2, 5])
def test_rotation(postgres: Postgres, size: int) -> None:
    with PgBouncer(postgres.dsn(), pool_size=size) as pgbouncer:
        pids = pgbouncer.renew()
        with pgbouncer.connect(autocommit=True, prepare_threshold=None) as conn:
            seen = [conn.execute("SELECT pg_backend_pid()").fetchone()[0] for _ in range(2 * size)]
    assert len(pids) == size
    assert seen[:size] == seen[size:]
    assert sorted(seen[:size]) == sorted(pids)


def test_an_engine(postgres: Postgres) -> None:
    with PgBouncer(postgres.dsn()) as pgbouncer:
        engine = pgbouncer.engine(pool_size=1)
        with engine.connect() as conn:
            assert conn.exec_driver_sql("SELECT current_user").scalar() == "app"
        assert engine.url == pgbouncer.url
        engine.dispose()


def test_what_is_wrong_is_said(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError):
        PgBouncer("this is no connection string")
    with pytest.raises(psycopg.OperationalError):
        PgBouncer("host=127.0.0.1 port=1 dbname=shop connect_timeout=2")
    with pytest.raises(ServerFailed, match="nonsense"):
        PgBouncer(postgres.dsn(), pool_mode="nonsense").start()
    if pgbouncer_version() < (1, 21):
        with pytest.raises(VersionTooOld, match="does not track prepared statements"):
            PgBouncer(postgres.dsn(), max_prepared_statements=10)
    monkeypatch.setenv("PGPOOLSAFE_PGBOUNCER", "/nowhere")
    with pytest.raises(ServerMissing):
        PgBouncer(postgres.dsn())


def pgbouncer_version() -> tuple[int, ...]:
    return program_version(pgbouncer_program())
