"""The servers do what the other tests take for granted: what leaks, leaks every time."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest

from pgpoolsafe.testing.bouncer import backend_pid
from tests.servers import PgBouncer, Postgres, Wiretap

RUNS = 20


def show(connection: psycopg.Connection, setting: str) -> str:
    return connection.execute(f"SHOW {setting}").fetchone()[0]


def test_postgres_has_the_roles_and_the_database(postgres: Postgres) -> None:
    with postgres.connect() as app:
        user, database, owner = app.execute(
            "SELECT current_user, datname, pg_get_userbyid(datdba) FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
        app.execute("SET LOCAL ROLE reporting")
        role = app.execute("SELECT current_user").fetchone()[0]
        assert show(app, "max_prepared_transactions") == "20"
    assert (user, database, owner, role) == ("app", "shop", "app", "reporting")


def test_versions_are_those_of_the_running_servers(
    postgres: Postgres, pgbouncer: PgBouncer
) -> None:
    with postgres.connect() as app:
        number = app.info.server_version
    with pgbouncer.admin() as admin:
        banner = admin.execute("SHOW VERSION").fetchone()[0]
    assert postgres.version == (number // 10000, number % 100)
    assert banner == "PgBouncer " + ".".join(map(str, pgbouncer.version))


def test_a_setting_leaks_to_another_client_every_time(pgbouncer: PgBouncer) -> None:
    for _ in range(RUNS):
        pgbouncer.renew()
        first = pgbouncer.connect(autocommit=True)
        second = pgbouncer.connect(autocommit=True)
        with first, second:
            first.execute("SET statement_timeout = '4711ms'")
            assert show(first, "statement_timeout") == "0"  # its own setting is out of reach
            assert show(second, "statement_timeout") == "4711ms"


def test_crossed_prepared_statements_answer_with_the_other_tenant(pgbouncer: PgBouncer) -> None:
    # Both clients call their first prepared statement _pg3_0.
    a = pgbouncer.connect(prepare_threshold=0)
    b = pgbouncer.connect(prepare_threshold=0)
    with a, b:
        ask = "SELECT 'tenant-A'"
        assert a.execute(ask).fetchone() == ("tenant-A",)
        a.commit()
        assert b.execute("SELECT 'tenant-B'").fetchone() == ("tenant-B",)
        b.commit()
        with pgbouncer.occupy():  # the server connection on which A prepared its statement
            assert a.execute(ask).fetchone() == ("tenant-B",)
            a.rollback()


def test_renewed_server_connections_are_clean(pgbouncer: PgBouncer) -> None:
    before = pgbouncer.warm()
    for pid in before:
        with pgbouncer.only(pid), pgbouncer.connect(autocommit=True) as client:
            client.execute("SET statement_timeout = '4711ms'")
    pgbouncer.renew()
    after = pgbouncer.warm()
    for pid in after:
        with pgbouncer.only(pid), pgbouncer.connect(autocommit=True) as client:
            assert show(client, "statement_timeout") == "0"
    assert not set(before) & set(after)


def test_only_decides_which_server_connection_comes_next(
    pgbouncer_with: Callable[..., PgBouncer],
) -> None:
    pooler = pgbouncer_with(pool_size=3)
    pids = pooler.warm()
    assert len(set(pids)) == 3
    with pooler.connect(autocommit=True) as client:
        for pid in pids:
            with pooler.only(pid):
                assert [backend_pid(client) for _ in range(3)] == [pid] * 3


def test_rotation_gives_a_lone_client_another_server_connection_each_time(
    pgbouncer: PgBouncer,
) -> None:
    with pgbouncer.connect(autocommit=True) as client:
        seen = [backend_pid(client) for _ in range(6)]
    assert seen[0] != seen[1]
    assert seen == seen[:2] * 3


def test_session_mode_keeps_the_server_connection(
    pgbouncer_with: Callable[..., PgBouncer],
) -> None:
    with pgbouncer_with(pool_mode="session").connect(autocommit=True) as client:
        client.execute("SET statement_timeout = '4711ms'")
        assert show(client, "statement_timeout") == "4711ms"
        assert len({backend_pid(client) for _ in range(4)}) == 1


def test_statement_mode_refuses_transactions(pgbouncer_with: Callable[..., PgBouncer]) -> None:
    with pgbouncer_with(pool_mode="statement").connect(autocommit=True) as client:
        with pytest.raises(psycopg.OperationalError, match="transaction blocks not allowed"):
            client.execute("BEGIN")


def test_tracked_prepared_statements_follow_their_client(
    pgbouncer_with: Callable[..., PgBouncer],
) -> None:
    pooler = pgbouncer_with(max_prepared_statements=200)
    with pooler.connect(prepare_threshold=0, autocommit=True) as client:
        answers = [client.execute("SELECT 'tenant-A'").fetchone() for _ in range(6)]
    assert answers == [("tenant-A",)] * 6


def test_a_server_can_be_stopped_and_started_again(pgbouncer: PgBouncer) -> None:
    with PgBouncer(pgbouncer.postgres) as pooler:
        place = pooler.dsn()
        pooler.stop()
        assert not pooler.running
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(place)
        mark = pooler.log_mark()
        pooler.start()
        assert pooler.running
        assert pooler.log_contains("process up", since=mark)
        with psycopg.connect(place) as client:
            assert client.execute("SELECT 1").fetchone() == (1,)
        folder = pooler.folder
    assert not pooler.running
    assert not folder.exists()


def test_the_log_shows_what_reached_the_server(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    mark = postgres.log_mark()
    with pgbouncer.connect(autocommit=True) as client:
        client.execute("SELECT 'sign of life'")
    assert postgres.log_contains("statement: SELECT 'sign of life'", since=mark)


def test_a_wiretap_counts_round_trips_and_keeps_what_was_said(pgbouncer: PgBouncer) -> None:
    with Wiretap(pgbouncer) as tap, tap.connect(autocommit=True) as client:
        with tap.counting() as simple:
            client.execute("SELECT 1")
        with tap.counting() as transaction:
            with client.transaction():
                client.execute("SELECT %s::int", [2])
        with tap.counting() as nothing:
            pass
    assert (simple.trips, simple.passed.kinds, simple.passed.texts) == (1, "Q", ["SELECT 1"])
    assert simple.passed.answers == {"T": 1, "D": 1, "C": 1, "Z": 1}
    assert (transaction.trips, transaction.passed.kinds) == (3, "QPBDESQ")
    assert transaction.passed.texts == ["BEGIN", "SELECT $1::int", "COMMIT"]
    assert (nothing.trips, nothing.passed.sent) == (0, ())


def test_a_wiretap_can_be_as_far_away_as_one_likes(postgres: Postgres) -> None:
    with Wiretap(postgres, delay=0.05) as tap, tap.connect(autocommit=True) as client:
        begin = time.monotonic()
        for _ in range(4):
            client.execute("SELECT 1")
        assert time.monotonic() - begin >= 0.2
