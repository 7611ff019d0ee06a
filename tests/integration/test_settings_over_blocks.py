"""A SET counts over the block, or the start-up options, that had set the same."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

# One that PgBouncer keeps for its client, and one that it does not.
NAMES = {"timezone": ("Asia/Tokyo", "Europe/Vienna"), "work_mem": ("9MB", "7MB")}
OPTIONS = " ".join(f"-c {name}={given}" for name, (given, _) in NAMES.items())
DOORS = ["direct", "pooled"]


@pytest.fixture
def doors(postgres: Postgres, pgbouncer: PgBouncer) -> dict[str, Any]:
    return {"direct": postgres, "pooled": pgbouncer}


def shown(conn: psycopg.Connection[Any], name: str) -> str:
    """As the next transaction has it."""
    row = conn.execute(f"SELECT current_setting('{name}')").fetchone()
    conn.commit()
    assert row is not None
    return str(row[0])


def said(conn: psycopg.Connection[Any], text: str) -> None:
    conn.execute(text)
    conn.commit()


@pytest.mark.parametrize("mode", ["warn", "strict"])
@pytest.mark.parametrize("autocommit", [False, True], ids=["transaction", "autocommit"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", NAMES)
def test_a_set_counts_over_the_block_around_it(
    name: str, door: str, autocommit: bool, mode: Any, doors: dict[str, Any]
) -> None:
    of_block, own = NAMES[name]
    with psycopg.connect(doors[door].dsn(), autocommit=autocommit) as conn:
        before = shown(conn, name)
        with pgpoolsafe.install(conn, settings="carry", mode=mode):
            with pgpoolsafe.settings(conn, **{name: of_block}):
                assert shown(conn, name) == of_block
                said(conn, f"SET {name} = '{own}'")
                assert shown(conn, name) == own
                conn.execute(f"SET {name} = '{before}'")
                conn.rollback()
                assert shown(conn, name) == (before if autocommit else own)
                with pgpoolsafe.settings(conn, **{name: of_block}):
                    assert shown(conn, name) == of_block
                said(conn, f"SET {name} = '{own}'")
            assert shown(conn, name) == own
            said(conn, f"RESET {name}")
            assert shown(conn, name) == before


@pytest.mark.parametrize("how", ["local", "leave"])
@pytest.mark.parametrize("autocommit", [False, True], ids=["transaction", "autocommit"])
@pytest.mark.parametrize(
    "text", ["SET timezone = '{}'", "SELECT set_config('TimeZone', '{}', false)"]
)
def test_what_the_pooler_keeps_counts_over_it_without_being_carried(
    text: str, autocommit: bool, how: Any, pgbouncer: PgBouncer
) -> None:
    of_block, own = NAMES["timezone"]
    with (
        psycopg.connect(pgbouncer.dsn(), autocommit=autocommit) as conn,
        pgpoolsafe.install(conn, settings=how),
    ):
        before = shown(conn, "timezone")
        with pgpoolsafe.settings(conn, timezone=of_block):
            assert shown(conn, "timezone") == of_block
            said(conn, text.format(own))
            assert [shown(conn, "timezone") for _ in range(3)] == [own] * 3
            conn.execute(text.format(before))
            conn.rollback()
            assert shown(conn, "timezone") == (before if autocommit else own)
            with pgpoolsafe.settings(conn, timezone=of_block):
                assert shown(conn, "timezone") == of_block
            said(conn, text.format(own))
        assert [shown(conn, "timezone") for _ in range(3)] == [own] * 3


@pytest.mark.parametrize("name", NAMES)
def test_a_set_counts_over_the_options_and_reset_goes_back_to_them(
    name: str, doors: dict[str, Any]
) -> None:
    of_options, own = NAMES[name]
    for door, pooler in doors.items():
        how: Any = "carry" if door == "pooled" else "leave"
        with pgpoolsafe.install(settings=how), psycopg.connect(pooler.dsn(options=OPTIONS)) as conn:
            found = [shown(conn, name)]
            for text in (f"SET {name} = '{own}'", f"RESET {name}", f"SET {name} = '{own}'"):
                said(conn, text)
                found.append(shown(conn, name))
            conn.execute(f"RESET {name}")
            conn.rollback()
            found.append(shown(conn, name))
            said(conn, "RESET ALL")
            found.append(shown(conn, name))
        assert found == [of_options, own, of_options, own, own, of_options], door


@pytest.mark.parametrize("mode", ["warn", "strict"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", NAMES)
def test_a_block_ends_in_the_middle_of_a_transaction(
    name: str, door: str, mode: Any, doors: dict[str, Any]
) -> None:
    of_block, own = NAMES[name]
    with (
        psycopg.connect(doors[door].dsn()) as conn,
        pgpoolsafe.install(conn, settings="carry", mode=mode),
    ):
        before = shown(conn, name)
        with pgpoolsafe.settings(conn, **{name: of_block}):
            conn.execute("SELECT 1")  # psycopg begins a transaction
        assert shown(conn, name) == before
        with pgpoolsafe.settings(conn, **{name: of_block}):
            conn.execute(f"SET {name} = '{own}'")
        conn.execute("SELECT 1")
        row = conn.execute(f"SHOW {name}").fetchone()
        assert row == (own,)
        conn.commit()
        assert shown(conn, name) == own
        with pgpoolsafe.settings(conn, **{name: of_block}):
            said(conn, f"SET {name} = '{before}'")
            with pgpoolsafe.settings(conn, **{name: of_block}):
                conn.execute("SELECT 1")
            assert shown(conn, name) == before


@pytest.mark.parametrize("autocommit", [False, True], ids=["transaction", "autocommit"])
@pytest.mark.parametrize(
    "text", ["SET datestyle TO 'SQL'", "SELECT set_config('DateStyle', 'SQL', false)"]
)
def test_a_part_of_datestyle_keeps_the_other_part(
    text: str, autocommit: bool, pgbouncer: PgBouncer
) -> None:
    with (
        pgpoolsafe.install(settings="carry"),
        psycopg.connect(
            pgbouncer.dsn(options="-c DateStyle=German"), autocommit=autocommit
        ) as conn,
    ):
        assert shown(conn, "datestyle") == "German, DMY"
        said(conn, text)
        assert [shown(conn, "datestyle") for _ in range(3)] == ["SQL, DMY"] * 3


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("door", DOORS)
def test_the_block_after_one_that_ended_in_a_transaction_holds(
    door: str, end: str, doors: dict[str, Any]
) -> None:
    with psycopg.connect(doors[door].dsn()) as conn, pgpoolsafe.install(conn):
        for _ in range(3):
            with pgpoolsafe.settings(conn, work_mem="9MB"):
                conn.execute("SELECT 1")
            getattr(conn, end)()
            with pgpoolsafe.settings(conn, statement_timeout="50ms"):
                assert shown(conn, "statement_timeout") == "50ms"
            assert shown(conn, "statement_timeout") == "0"


@pytest.mark.parametrize("door", DOORS)
def test_discard_all_leaves_the_block(door: str, doors: dict[str, Any]) -> None:
    with psycopg.connect(doors[door].dsn(), autocommit=True) as conn, pgpoolsafe.install(conn):
        with pgpoolsafe.settings(conn, work_mem="9MB"):
            conn.execute("SET work_mem = '5MB'")
            with pgpoolsafe.allow("discard"):
                conn.execute("DISCARD ALL")
            assert shown(conn, "work_mem") == "9MB"
        assert shown(conn, "work_mem") == "4MB"


def test_what_a_session_has_itself_it_does_not_miss(
    postgres: Postgres, recwarn: pytest.WarningsRecorder
) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn, pgpoolsafe.install(conn):
        with pgpoolsafe.settings(conn, work_mem="9MB"):
            conn.execute("SET work_mem = '5MB'")
            conn.execute("VACUUM pg_catalog.pg_language")
        assert not recwarn.list
        with pgpoolsafe.settings(conn, work_mem="9MB"):
            conn.execute("VACUUM pg_catalog.pg_language")
        (warned,) = recwarn.list
        assert "work_mem" in str(warned.message)
