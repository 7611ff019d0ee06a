"""`pgpoolsafe doctor` on real servers, as a user runs it, and on things that are none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
import pytest
import sqlalchemy

import pgpoolsafe
from pgpoolsafe.checkup.check import Check, Grade
from pgpoolsafe.doctor import Diagnosis, NotReached, diagnose
from pgpoolsafe.poolers.answers import PoolMode
from pgpoolsafe.poolers.products import named
from tests.servers import PgBouncer, Postgres

SECRET = "s3cret-pw"
SOURCE = str(Path(pgpoolsafe.__file__).parent.parent)


def doctor(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a program of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pgpoolsafe.cli", "doctor", *arguments],
        env={**os.environ, "PYTHONPATH": SOURCE, "COLUMNS": "100", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def names(found: Diagnosis, *grades: Grade) -> list[str]:
    return [check.name for check in found.checks if check.grade in grades]


def check(found: Diagnosis, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


# as a program


def test_a_direct_connection(postgres: Postgres) -> None:
    done = doctor(postgres.dsn())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"postgresql://app@127.0.0.1:{postgres.port}/shop\n")
    version = ".".join(map(str, postgres.version))
    assert f"connected to  PostgreSQL {version}, without a pooler\n" in done.stdout
    assert "\nNothing found\n" in done.stdout


def test_behind_a_pooler(pgbouncer: PgBouncer) -> None:
    done = doctor(pgbouncer.url())
    assert (done.returncode, done.stderr) == (1, "")
    for expected in (
        " in front of PostgreSQL ",
        "✗ named-prepare: prepared statements are not safe",
        "What works and what breaks here",
        f'"postgresql+psycopg://app@127.0.0.1:{pgbouncer.port}/shop",',
    ):
        assert expected in done.stdout


def test_for_machines(pgbouncer: PgBouncer) -> None:
    done = doctor(pgbouncer.dsn(), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"], done.stderr) == (1, 1, "")
    assert report["pooler"]["shares_sessions"] is True
    assert report["server"]["max_connections"] == 200
    assert {"named-prepare", "residue"} <= {one["name"] for one in report["checks"]}


def test_database_url_with_a_password(pgbouncer: PgBouncer) -> None:
    url = f"postgres://app:{SECRET}@127.0.0.1:{pgbouncer.port}/shop?sslmode=disable"
    for more in ([], ["--json"]):
        done = doctor(*more, env={"DATABASE_URL": url})
        assert done.returncode == 1
        assert SECRET not in done.stdout + done.stderr


def test_a_service(postgres: Postgres, tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text(f"[shop]\nhost=127.0.0.1\nport={postgres.port}\nuser=app\ndbname=shop\n")
    for target in ("shop", "service=shop"):
        done = doctor(target, env={"PGSERVICEFILE": str(file)})
        assert done.returncode == 0
        assert f"postgresql://app@127.0.0.1:{postgres.port}/shop" in done.stdout


def test_the_user_may_know_better(postgres: Postgres) -> None:
    done = doctor(postgres.dsn(), "--pooler", "pgbouncer>=1.24", "--pool-mode", "session")
    assert "PgBouncer 1.24 (session pooling)" in done.stdout
    assert "as the option says" in done.stdout


def test_a_finding_may_be_ignored(pgbouncer: PgBouncer) -> None:
    done = doctor(pgbouncer.dsn(), "--ignore", "named-prepare")
    assert done.returncode == 0
    assert "(ignored)" in done.stdout


# what it finds


def test_it_leaves_nothing_behind(pgbouncer: PgBouncer) -> None:
    before = diagnose(pgbouncer.dsn())
    assert check(before, "residue").grade is Grade.OK
    assert len(before.facts.leftovers) == pgbouncer.pool_size  # it saw each server connection
    assert check(diagnose(pgbouncer.dsn()), "residue").grade is Grade.OK


RESIDUE = [
    ("SET statement_timeout = '4711ms'", "statement_timeout = 4711ms"),
    ("SET search_path = 'tenant_42'", "search_path is changed"),
    ("SET ROLE reporting", "role reporting"),
    ("SELECT pg_advisory_lock(1)", "session advisory lock 1"),
    ("LISTEN jobs", "listening on jobs"),
    ("CREATE TEMP TABLE cart (id int)", "temporary cart"),
    ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "open cursor c"),
    ("PREPARE p AS SELECT 1", "prepared p"),
]


@pytest.mark.parametrize("statement, words", RESIDUE)
def test_somebody_leaks_here(statement: str, words: str, pgbouncer: PgBouncer) -> None:
    [pid, _] = pgbouncer.warm()
    with pgbouncer.connect(autocommit=True) as leaker, pgbouncer.only(pid):
        leaker.execute(statement)
    found = diagnose(pgbouncer.dsn())
    residue = check(found, "residue")
    assert residue.grade is Grade.FINDING
    assert residue.why == f"server process {pid}: {words}"
    assert "tenant_42" not in residue.why


def test_prepared_statements_of_others(pgbouncer: PgBouncer) -> None:
    [pid, _] = pgbouncer.warm()
    with pgbouncer.connect(autocommit=True, prepare_threshold=0) as leaker, pgbouncer.only(pid):
        leaker.execute("SELECT 'another client'")
    assert (
        check(diagnose(pgbouncer.dsn()), "residue").why == f"server process {pid}: prepared _pg3_0"
    )


def test_a_custom_setting_that_a_function_names(
    pgbouncer: PgBouncer, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(SET_TENANT)
    [pid, _] = pgbouncer.warm()
    with pgbouncer.connect(autocommit=True) as leaker, pgbouncer.only(pid):
        leaker.execute("SELECT lib.set_tenant('acme')")
    found = check(diagnose(pgbouncer.dsn()), "residue").why
    assert found == f"server process {pid}: app.tenant is changed"


def test_a_session_pool_that_is_smaller_than_the_number_of_looks(
    pgbouncer_with: Callable[..., PgBouncer],
) -> None:
    pooler = pgbouncer_with(pool_mode="session")
    started = time.monotonic()
    found = diagnose(pooler.dsn(), connect_timeout=20)
    assert time.monotonic() - started < 10  # nobody waits for one who looks
    assert len(found.facts.leftovers) == pooler.pool_size


SET_TENANT = """
CREATE FUNCTION lib.set_tenant(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.tenant', name, false), 's3cret-pw';
END$$
"""


def test_functions_of_the_database(
    pgbouncer: PgBouncer, postgres: Postgres, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(SET_TENANT)
    done = doctor(pgbouncer.dsn(), "--ignore", "named-prepare")
    assert done.returncode == 1
    for expected in (
        "✗ functions: functions of the database that leave session state: 1",
        "\n  lib.set_tenant(text)\n    line 3   session-set: set_config(app.tenant) in ",
    ):
        assert expected in done.stdout
    report = json.loads(doctor(pgbouncer.dsn(), "--json").stdout)
    assert report["functions"] == [
        {
            "function": "lib.set_tenant(text)",
            "line": 3,
            "rule": "session-set",
            "what": "set_config(app.tenant) in lib.set_tenant(text) outlives the transaction",
            "fix": "SET LOCAL app.tenant TO … inside the transaction that needs it",
        }
    ]
    assert SECRET not in done.stdout + json.dumps(report)
    ignored = doctor(pgbouncer.dsn(), "--ignore", "named-prepare", "--ignore", "functions")
    assert ignored.returncode == 0
    direct = doctor(postgres.dsn())
    assert direct.returncode == 0
    assert "! functions: functions of the database" in direct.stdout


def test_functions_that_the_pooler_takes_care_of(
    pgbouncer: PgBouncer, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(SET_TENANT.replace("'app.tenant'", "'TimeZone'"))
    assert check(diagnose(pgbouncer.dsn()), "functions").grade is Grade.OK


def test_a_catalogue_that_may_not_be_read(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    with postgres.connect("postgres", autocommit=True) as admin:
        admin.execute("REVOKE SELECT ON pg_proc FROM public")
        try:
            done = doctor(pgbouncer.dsn(), "--ignore", "named-prepare")
        finally:
            admin.execute("GRANT SELECT ON pg_proc TO public")
    assert (done.returncode, done.stderr) == (0, "")
    told = " ".join(done.stdout.split())
    assert (
        "! not-asked: the database's functions could not be read (permission denied for table"
        " pg_proc)" in told
    )
    assert (
        "! not-asked: no server connection could be asked what other clients have left on it"
        in told
    )


def test_the_console_tells_what_no_sign_tells(pgbouncer_with: Callable[..., PgBouncer]) -> None:
    for mode in PoolMode:
        pooler = pgbouncer_with(pool_mode=mode.value)
        found = diagnose(pooler.dsn(user="postgres"))
        assert (found.pooler.product, found.pooler.mode) == ("pgbouncer", mode)
        assert found.pooler.version is not None
        assert found.pooler.version[:2] == pooler.version[:2]
        assert found.facts.console is not None
        assert found.facts.console.pool_size == pooler.pool_size


def test_the_console_may_be_left_alone(pgbouncer: PgBouncer) -> None:
    mark = pgbouncer.log_mark()
    found = diagnose(pgbouncer.dsn(user="postgres"), console=False)
    assert found.facts.console is None
    assert not pgbouncer.log_contains("db=pgbouncer", since=mark)


def test_the_probe_proves_what_no_sign_tells(
    pgbouncer: PgBouncer, postgres: Postgres, pgbouncer_with: Callable[..., PgBouncer]
) -> None:
    found = diagnose(pgbouncer.dsn(), probe=True)
    assert check(found, "probe").grade is Grade.OK
    assert "statement_timeout" not in found.pooler.tracked
    assert check(found, "residue").grade is Grade.OK  # it cleans up
    assert check(diagnose(postgres.dsn(), probe=True), "probe").grade is Grade.OK
    session = diagnose(pgbouncer_with(pool_mode="session").dsn(), probe=True)
    assert check(session, "probe").grade is Grade.NOTE
    statement = diagnose(pgbouncer_with(pool_mode="statement").dsn(), probe=True)
    assert check(statement, "probe").grade is Grade.OK
    assert statement.pooler.mode in (None, PoolMode.STATEMENT)
    assert json.loads(doctor(pgbouncer.dsn(), "--probe", "--json").stdout)["probe"] == "shared"


def test_the_user_knows_better_than_the_probe(pgbouncer: PgBouncer) -> None:
    told = named("pgbouncer>=1.26", "session")
    assert diagnose(pgbouncer.dsn(), probe=True, override=told).pooler == told


def test_statement_mode(pgbouncer_with: Callable[..., PgBouncer]) -> None:
    found = diagnose(pgbouncer_with(pool_mode="statement").dsn(user="postgres"))
    assert "statement-mode-transaction" in names(found, Grade.FINDING)
    assert found.facts.server is not None


def test_pools_that_are_larger_than_the_server(
    pgbouncer_with: Callable[..., PgBouncer],
) -> None:
    pooler = pgbouncer_with(default_pool_size=500, min_pool_size=0)
    found = diagnose(pooler.dsn(user="postgres"))
    assert "may open " in check(found, "connections").what
    assert "connections" in names(found, Grade.FINDING)


WISH = "-c statement_timeout=4711ms"


def test_options_that_are_refused(pgbouncer: PgBouncer) -> None:
    done = doctor(pgbouncer.dsn(options=WISH))
    assert done.returncode == 1
    assert "✗ startup-options: statement_timeout in the connection's options" in done.stdout
    assert "ALTER ROLE app SET statement_timeout = …, and take it out of options" in done.stdout
    assert "4711" not in done.stdout


def test_options_and_timeout_of_an_engine(pgbouncer: PgBouncer) -> None:
    url = f"postgresql+psycopg://app@127.0.0.1:{pgbouncer.port}/shop"
    more = {"options": WISH, "connect_timeout": 5}
    found = diagnose(sqlalchemy.create_engine(url, connect_args=more))
    assert "startup-options" in names(found, Grade.FINDING)
    assert "connect-timeout" in names(found, Grade.OK)


def test_options_that_are_dropped(pgbouncer_with: Callable[..., PgBouncer]) -> None:
    pooler = pgbouncer_with(ignore_startup_parameters="options,statement_timeout")
    found = diagnose(pooler.dsn(options=WISH))
    assert "lets the client in and drops" in check(found, "startup-options").why


def test_options_of_the_environment(pgbouncer: PgBouncer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", WISH)
    assert "startup-options" in names(diagnose(pgbouncer.dsn()), Grade.FINDING)


def test_options_that_arrive(postgres: Postgres) -> None:
    found = check(diagnose(postgres.dsn(options=WISH)), "startup-options")
    assert found.grade is Grade.OK
    assert found.what == "the settings in the options arrived: statement_timeout"


def test_other_drivers_urls(postgres: Postgres) -> None:
    url = f"{postgres.url(scheme='postgresql+asyncpg')}&prepared_statement_cache_size=0"
    found = diagnose(url)
    assert found.facts.left_out == ("prepared_statement_cache_size",)
    assert "url-parameters" in names(found, Grade.NOTE)


def test_the_pool_of_an_engine(postgres: Postgres) -> None:
    engine = sqlalchemy.create_engine(postgres.url(), pool_size=300, pool_timeout=None)
    assert {"connections", "pool-timeout"} <= set(names(diagnose(engine), Grade.FINDING))


def test_the_pool_of_psycopg_pool(postgres: Postgres) -> None:
    pool = psycopg_pool.ConnectionPool(postgres.dsn(), max_size=300, open=False)
    assert "connections" in names(diagnose(pool), Grade.FINDING)


# what cannot be looked at


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def web_server() -> Iterator[int]:
    """A port where somebody speaks another language."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                with client:
                    client.recv(1000)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a run that came to nothing."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr
    return done.stderr.removeprefix("pgpoolsafe: cannot look at ").strip()


def test_a_dead_port() -> None:
    from pgpoolsafe.testing.server import free_port

    port = free_port()
    line = refused(doctor(f"host=127.0.0.1 port={port} password={SECRET}"))
    assert line == f"127.0.0.1:{port}: Connection refused"


@pytest.mark.parametrize("more", ["sslmode=disable", "sslmode=prefer"])
def test_no_postgresql(web_server: int, more: str) -> None:
    line = refused(doctor(f"host=127.0.0.1 port={web_server} password={SECRET} {more}"))
    assert line.startswith(f"127.0.0.1:{web_server}: ")
    assert "received" in line


@pytest.mark.parametrize("more", ["sslmode=disable", "sslmode=prefer"])
def test_a_server_that_hangs(silent: int, more: str) -> None:
    started = time.monotonic()
    line = refused(
        doctor(f"host=127.0.0.1 port={silent} password={SECRET} {more}", "--connect-timeout", "2")
    )
    assert time.monotonic() - started < 10
    assert line == f"127.0.0.1:{silent}: no answer within 2 s"


def test_a_wrong_password(postgres: Postgres) -> None:
    pooler = PgBouncer(postgres, auth_type="hba")
    rules = pooler.folder / "hba.conf"
    rules.write_text("host pgbouncer all 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 md5\n")
    rules.chmod(0o644)
    pooler.settings["auth_hba_file"] = str(rules)
    with pooler:
        line = refused(doctor(pooler.dsn(password=SECRET)))
    assert line.startswith(f"127.0.0.1:{pooler.port}: FATAL:  ")
    assert "authentication failed" in line


def test_an_unknown_database(postgres: Postgres) -> None:
    line = refused(doctor(postgres.dsn(dbname="nosuch")))
    assert line.endswith('FATAL:  database "nosuch" does not exist')


def test_an_unknown_service() -> None:
    line = refused(doctor("service=nosuch"))
    assert line == 'service nosuch: definition of service "nosuch" not found'


def test_a_pool_without_a_free_server_connection(pgbouncer: PgBouncer) -> None:
    with pgbouncer.occupy(pgbouncer.pool_size):
        started = time.monotonic()
        with pytest.raises(NotReached) as caught:
            diagnose(pgbouncer.dsn(), connect_timeout=2)
    assert time.monotonic() - started < 10
    assert str(caught.value) == (
        f"cannot look at 127.0.0.1:{pgbouncer.port}: connected, but no answer within 2 s:"
        " perhaps every server connection of the pool is in use"
    )


def test_the_cause_is_not_shown_either() -> None:
    with pytest.raises(NotReached) as caught:
        diagnose(f"host=127.0.0.1 port=1 password={SECRET}")
    assert caught.value.__suppress_context__


def test_targets_of_another_kind() -> None:
    target: Any = 7
    with pytest.raises(TypeError, match=r"cannot look at a builtins\.int"):
        diagnose(target)
