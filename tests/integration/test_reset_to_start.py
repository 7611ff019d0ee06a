"""RESET goes back to what the connection was opened with, of what the pooler keeps too."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

NAMES = {
    "application_name": "changed",
    "client_encoding": "win1252",
    "TimeZone": "Asia/Tokyo",
    "DateStyle": "SQL, MDY",
    "standard_conforming_strings": "off",
}
# One in five hundred PgBouncers announces a process id that a server might have, and stays unknown.
NAMED = {"pooler": "pgbouncer>=1.18", "pool_mode": "transaction"}
RESETS = [
    "RESET {}",
    "SET {} TO DEFAULT",
    "RESET ALL",
    "RESET {}; SELECT 1",
    "BEGIN; SELECT 1; RESET {}; COMMIT",
    "BEGIN; SET LOCAL {} TO DEFAULT",
]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a connection is opened with, by parameters and by the environment."""
    monkeypatch.setenv("PGTZ", "Europe/Vienna")
    monkeypatch.setenv("PGDATESTYLE", "German")
    return {"application_name": "mine", "client_encoding": "latin1"}


def outcome(conn: Any, name: str, text: str) -> list[Any]:
    """The tag, and the value in this transaction and in the next ones."""
    found = []
    cursor = conn.cursor()
    cursor.execute(f"SET {name} TO '{NAMES[name]}'")
    conn.commit()
    cursor.execute(text.format(name))
    found.append(cursor.statusmessage)
    for _ in range(3):
        cursor.execute(f"SHOW {name}")
        found += cursor.fetchone()
        conn.commit()
    return found


@pytest.mark.parametrize("driver", [psycopg, psycopg2], ids=["psycopg", "psycopg2"])
@pytest.mark.parametrize("autocommit", [False, True], ids=["transaction", "autocommit"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", RESETS)
def test_as_alone(
    text: str,
    name: str,
    autocommit: bool,
    driver: Any,
    opened: dict[str, str],
    postgres: Postgres,
    pgbouncer: PgBouncer,
) -> None:
    if text == "RESET ALL" and driver is psycopg2 and name == "client_encoding":
        return  # nothing can follow it there, and it is not carried
    found = []
    for server in (postgres, pgbouncer):
        with pgpoolsafe.install(**NAMED) if server is pgbouncer else nullcontext():
            conn = driver.connect(server.dsn(**opened))
            conn.autocommit = autocommit
            found.append(outcome(conn, name, text))
            conn.close()
    alone, behind = found
    if text.endswith("SELECT 1") or text.startswith("BEGIN"):
        alone[0] = behind[0]  # RESET says SET among several
    assert behind == alone


@pytest.mark.parametrize("driver", [psycopg, psycopg2], ids=["psycopg", "psycopg2"])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "client_encoding"])
def test_discard_all_as_alone(
    name: str, driver: Any, opened: dict[str, str], postgres: Postgres, pgbouncer: PgBouncer
) -> None:
    texts = (
        "DISCARD ALL",
        f"BEGIN; SET {name} TO '{NAMES[name]}'; ROLLBACK",
        f"SET {name} TO '{NAMES[name]}'",
        f"RESET {name}",
    )
    found: list[list[Any]] = []
    for server in (postgres, pgbouncer):
        with pgpoolsafe.install(**NAMED) if server is pgbouncer else nullcontext():
            conn = driver.connect(server.dsn(**opened))
            conn.autocommit = True
            with pgpoolsafe.allow("discard"):
                found.append([one for text in texts for one in outcome(conn, name, text)])
            conn.close()
    alone, behind = found
    assert behind == alone


@pytest.mark.parametrize("text", ["SET TIME ZONE INTERVAL '-3' HOUR", "SET DateStyle TO 'SQL'"])
def test_what_cannot_be_carried_afterwards_is_not_undone(
    text: str, opened: dict[str, str], pgbouncer: PgBouncer
) -> None:
    name = "TimeZone" if "ZONE" in text else "DateStyle"
    with pgpoolsafe.install():
        conn = psycopg2.connect(pgbouncer.dsn(**opened))
        conn.autocommit = True
        cursor = conn.cursor()
        cursor.execute("RESET ALL")
        cursor.execute("DISCARD ALL /* pgpoolsafe: allow discard */")
        cursor.execute(text)
        found = []
        for _ in range(3):
            cursor.execute(f"SHOW {name}")
            found += cursor.fetchone()
        conn.close()
    assert found in (["<-03>+03"] * 3, ["SQL, MDY"] * 3)


def test_discard_all_does_not_undo_what_was_carried_for_others(
    opened: dict[str, str], pgbouncer: PgBouncer
) -> None:
    with (
        psycopg.connect(pgbouncer.dsn(**opened), autocommit=True) as conn,
        psycopg.connect(pgbouncer.dsn(application_name="yours"), autocommit=True) as other,
    ):
        pgpoolsafe.install(conn, rules={"discard": "ignore"})
        for _ in range(4):
            conn.execute("DISCARD ALL")
            assert conn.execute("SHOW application_name").fetchone() == ("mine",)
            assert other.execute("SHOW application_name").fetchone() == ("yours",)


def test_rolled_back_it_has_not_happened(opened: dict[str, str], pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn(**opened)) as conn, pgpoolsafe.install(conn):
        conn.execute("SET timezone TO 'Asia/Tokyo'")
        conn.commit()
        conn.execute("RESET timezone")
        assert conn.execute("SHOW timezone").fetchone() == ("Europe/Vienna",)
        conn.rollback()
        for _ in range(3):
            assert conn.execute("SHOW timezone").fetchone() == ("Asia/Tokyo",)
            conn.commit()


def test_in_a_pipeline(opened: dict[str, str], pgbouncer: PgBouncer) -> None:
    notices = []
    dsn = pgbouncer.dsn(**opened)
    with psycopg.connect(dsn, autocommit=True) as conn, conn.pipeline() as pipeline:
        conn.add_notice_handler(notices.append)
        with pgpoolsafe.install(conn, rules={"discard": "ignore"}):
            conn.execute("SET timezone TO 'Asia/Tokyo'")
            conn.execute("RESET timezone")
            assert conn.execute("SHOW timezone").fetchone() == ("Europe/Vienna",)
            for text in ("RESET application_name", "RESET ALL", "DISCARD ALL"):
                conn.execute("SET application_name TO 'changed'")
                pipeline.sync()
                conn.execute(text)
                assert conn.execute("SHOW application_name").fetchone() == ("mine",)
                with conn.transaction():
                    assert conn.execute("SHOW application_name").fetchone() == ("mine",)
    assert not notices


@pytest.mark.parametrize("part", ["ISO", "DMY", "SQL", "euro", "German"])
def test_a_part_of_datestyle(
    part: str, postgres: Postgres, pgbouncer: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATESTYLE", part)
    found = []
    for server in (postgres, pgbouncer):
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            with pgpoolsafe.install(conn):
                conn.execute("SET datestyle TO 'Postgres'")
                conn.execute("RESET datestyle")
                found.append(conn.execute("SHOW datestyle").fetchone())
    assert found[0] == found[1]


@pytest.mark.parametrize("binary", [False, True])
def test_with_settings_in_force(binary: bool, opened: dict[str, str], pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.dsn(**opened), autocommit=True) as conn:
        pgpoolsafe.install(conn)
        for text in ("RESET timezone", "RESET ALL"):
            conn.execute("SET work_mem = '9MB'")
            conn.execute("SET timezone TO 'Asia/Tokyo'")
            conn.execute(text, binary=binary)
            assert conn.execute("SHOW timezone").fetchone() == ("Europe/Vienna",)


def test_by_asyncpg(pgbouncer: PgBouncer) -> None:
    async def shown() -> list[Any]:
        conn = await asyncpg.connect(
            host="127.0.0.1",
            port=pgbouncer.port,
            user="app",
            database="shop",
            server_settings={"application_name": "mine", "timezone": "Europe/Vienna"},
        )
        pgpoolsafe.install(conn, rules={"discard": "ignore"})
        found = []
        for name, value in (("application_name", "changed"), ("timezone", "Asia/Tokyo")):
            await conn.execute(f"SET {name} TO '{value}'")
            found.append(await conn.execute(f"RESET {name}"))
            found += [await conn.fetchval(f"SHOW {name}") for _ in range(3)]
        async with conn.transaction():
            await conn.execute("SET application_name TO 'changed'")
            assert await conn.fetch("RESET ALL") == []
            found.append(await conn.fetchval("SHOW application_name"))
        found.append(await conn.fetchval("SHOW application_name"))
        for text in ("RESET ALL", "DISCARD ALL"):
            await conn.execute("SET application_name TO 'changed'")
            found.append(await conn.execute(text))
            found += [await conn.fetchval("SHOW application_name") for _ in range(3)]
        await conn.close()
        return found

    assert asyncio.run(shown()) == [
        *("RESET", "mine", "mine", "mine"),
        *("RESET", "Europe/Vienna", "Europe/Vienna", "Europe/Vienna"),
        *("mine", "mine"),
        *("RESET", "mine", "mine", "mine"),
        *("DISCARD ALL", "mine", "mine", "mine"),
    ]


def test_a_pool_of_asyncpg_resets_to_it(pgbouncer: PgBouncer) -> None:
    async def shown() -> list[Any]:
        pool = asyncpg.create_pool(
            host="127.0.0.1",
            port=pgbouncer.port,
            user="app",
            database="shop",
            server_settings={"application_name": "mine"},
            min_size=1,
            max_size=1,
        )
        pgpoolsafe.install(pool)
        async with pool:
            return [await pool.fetchval("SHOW application_name") for _ in range(4)]

    assert asyncio.run(shown()) == ["mine"] * 4
