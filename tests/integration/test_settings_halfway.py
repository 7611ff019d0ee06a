"""A text of several statements that fails halfway: what it had committed stays."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

TEXTS = (
    "SET work_mem = '5MB'; COMMIT; SELECT 1/0",
    "BEGIN; SET work_mem = '5MB'; COMMIT; SET work_mem = '6MB'; SELECT 1/0",
    "SET work_mem = '5MB'; COMMIT; BEGIN; SET work_mem = '6MB'; SELECT 1/0; SELECT 2",
    "SET work_mem = '5MB'; SAVEPOINT s; SET work_mem = '6MB'; SELECT 1/0",
    "BEGIN; SET work_mem = '5MB'; SAVEPOINT s; SET work_mem = '6MB'; SELECT 1/0",
    "SET work_mem = '5MB'; ROLLBACK; SET work_mem = '6MB'; COMMIT; SET no_such_setting = 1",
    "SET work_mem = '5MB'; COMMIT AND CHAIN; SET work_mem = '6MB'; SELECT 1/0",
    "SELECT 1; SELECT set_config('work_mem', '5MB', false); COMMIT; SELECT nowhere",
    "RESET lock_timeout; COMMIT; SELECT 1/0",
    ";;SET work_mem = '5MB';; COMMIT;; SELECT 1/0;;",
)
PROBE = "SELECT current_setting('work_mem'), current_setting('lock_timeout')"


def noticed(conn: psycopg.Connection[Any], text: str) -> list[Any]:
    """What a program sees that sends the text, after which it goes on."""
    found: list[Any] = []
    for one in ("SET lock_timeout = '7s'", "COMMIT", text, "ROLLBACK TO s", PROBE, "COMMIT", PROBE):
        shown: Any = None
        with suppress(psycopg.Error):
            cursor = conn.execute(one)
            shown = cursor.fetchall() if one == PROBE else None
        found.append((one, shown, conn.info.transaction_status))
    conn.rollback()
    return [*found, conn.execute(PROBE).fetchone()]


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_what_a_text_has_committed_before_it_fails_stays(
    text: str, autocommit: bool, postgres: Postgres, pgbouncer: PgBouncer
) -> None:
    with (
        postgres.connect(autocommit=autocommit) as alone,
        pgbouncer.connect(autocommit=autocommit) as shared,
        pgpoolsafe.install(shared),
    ):
        assert noticed(shared, text) == noticed(alone, text)


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_value_that_only_the_server_has_read_is_not_carried_as_it_is_written(
    autocommit: bool, pgbouncer: PgBouncer
) -> None:
    with pgbouncer.connect(autocommit=autocommit) as conn, pgpoolsafe.install(conn):
        conn.execute("SET standard_conforming_strings = off")
        conn.commit()
        with (
            pytest.warns(pgpoolsafe.SessionStateWarning, match="SET app.tenant outlives"),
            pytest.raises(psycopg.errors.DivisionByZero),
        ):
            conn.execute(r"SET app.tenant = 'a\\b'; COMMIT; SET work_mem = '5MB'; SELECT 1/0")
        conn.rollback()
        for _ in range(4):  # on each of the server connections
            shown = conn.execute("SELECT current_setting('app.tenant', true)").fetchone()
            assert shown in [(r"a\b",), ("",), (None,)]
            conn.rollback()
