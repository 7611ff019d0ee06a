"""Warnings that are known to come of our form of a statement; all others are heard."""

from __future__ import annotations

import psycopg
import pytest

from pgpoolsafe.drivers.psycopg_notices import expect
from tests.servers import Postgres

OURS = "SET LOCAL can only be used in transaction blocks"


def heard(postgres: Postgres, expected: list[int], *texts: str) -> list[str | None]:
    notices: list[str | None] = []
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        conn.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        for count in expected:
            expect(conn.pgconn, "SET LOCAL", count)
        for text in texts:  # the first of a transaction draws it, in any version
            conn.execute(text)
    return notices


@pytest.mark.parametrize(
    "expected, times", [([], 2), ([1], 1), ([1, 1], 0), ([1, -1], 2), ([-1, 1], 1), ([3], 0)]
)
def test_so_many_are_kept_from_the_user(
    postgres: Postgres, expected: list[int], times: int
) -> None:
    texts = ["SET LOCAL work_mem = '5MB'"] * 2
    assert heard(postgres, expected, *texts) == [OURS] * times


def test_others_are_heard(postgres: Postgres) -> None:
    texts = ["COMMIT", "DO $$ BEGIN RAISE WARNING 'look'; END $$", "SET LOCAL work_mem = '5MB'"]
    said = ["there is no transaction in progress", "look"]
    assert heard(postgres, [1], *texts) == said


def test_each_command_counts_for_itself(postgres: Postgres) -> None:
    other = "SET TRANSACTION can only be used in transaction blocks"
    texts = ["SET TRANSACTION READ ONLY", "SET LOCAL work_mem = '5MB'"]
    assert heard(postgres, [1], *texts) == [other]
