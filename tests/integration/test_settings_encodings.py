"""Values that the client's encoding lacks, and strings in which a backslash escapes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

Steps = tuple[tuple[str, Any], ...]
PROBE = "SELECT length(current_setting('app.tenant', true)), current_setting('app.user_id', true)"

PROGRAMS: dict[str, Steps] = {
    "an encoding that lacks a character": (
        ("SET app.tenant = '☃ it''s \\ and 𝄞'", None),
        ("SET NAMES 'LATIN1'", None),
        ("SELECT 'ü'", None),
        ("SELECT %s::text", ["ü"]),
        ("SELECT 1; SELECT 2", None),
        ("SET app.user_id = 'é'", None),
        ("SELECT set_config('app.user_id', %s, false)", ["ä"]),
        ("RESET client_encoding", None),
        ("SELECT current_setting('app.tenant')", None),
    ),
    "an encoding, and a mode": (
        ("SET default_transaction_isolation = 'serializable'", None),
        ("SELECT set_config('app.tenant', '☃', false)", None),
        ("SET client_encoding = 'LATIN1'", None),
        ("SELECT %s::text, current_setting('transaction_isolation')", ["ü"]),
    ),
    "backslashes": (
        ("SET standard_conforming_strings = off", None),
        (r"SET app.user_id = 'a\\b'", None),
        (r"SELECT set_config('app.user_id', 'a\\\\c', false)", None),
        (r"SET app.user_id = '\x41\n'", None),
        ("SELECT set_config('app.user_id', %s, false)", [r"a\d"]),
        ("SET standard_conforming_strings = on", None),
        (r"SET app.user_id = 'a\\b\q'", None),
    ),
}


def noticed(conn: psycopg.Connection[Any], steps: Steps, *, in_pipelines: bool) -> list[Any]:
    found: list[Any] = []
    for text, params in steps:
        with suppress(psycopg.Error):
            if in_pipelines and ";" not in text:
                with conn.pipeline():
                    cursor = conn.execute(text, params)
            else:
                cursor = conn.execute(text, params)
            found.append(cursor.fetchall() if cursor.description else cursor.statusmessage)
        conn.commit()
        found.append((text, conn.execute(PROBE).fetchall()))
        conn.commit()
    return found


# In a pipeline nobody can be asked what a backslash has made of a value: that is told.
WAYS = [
    (name, in_pipelines) for name in PROGRAMS for in_pipelines in (False, name != "backslashes")
]


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("fuse_begin", [True, False])
@pytest.mark.parametrize("name, in_pipelines", dict.fromkeys(WAYS))
def test_values_are_the_same_as_on_a_connection_of_ones_own(
    name: str,
    in_pipelines: bool,
    fuse_begin: bool,
    autocommit: bool,
    postgres: Postgres,
    pgbouncer: PgBouncer,
) -> None:
    with (
        postgres.connect(autocommit=autocommit) as alone,
        pgbouncer.connect(autocommit=autocommit) as shared,
        pgpoolsafe.install(shared, fuse_begin=fuse_begin),
    ):
        expected = noticed(alone, PROGRAMS[name], in_pipelines=in_pipelines)
        assert noticed(shared, PROGRAMS[name], in_pipelines=in_pipelines) == expected
