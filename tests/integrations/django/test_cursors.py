"""`iterator()`: cursors on the server where they hold, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from pgpoolsafe import SessionStateError
from tests.servers import PgBouncer, Postgres

Make = Callable[..., Any]

STRICT = {"pgpoolsafe": {"mode": "strict"}}
OBSERVE = {"pgpoolsafe": {"mode": "observe"}}


def iterate(alias: str, *, atomic: bool) -> int:
    """How many rows an iterator gives that begins in or out of a transaction."""
    from django.db import transaction
    from webshop.models import Item

    with transaction.atomic(using=alias) if atomic else nullcontext():
        rows = Item.objects.using(alias).order_by("pk").iterator(chunk_size=1)
        return len([row.pk for row in rows])


# where, the alias' settings, in a transaction -> the cursor that is declared
CURSORS: list[tuple[str, dict[str, Any], bool, str]] = [
    ("pooled", {}, False, ""),
    ("pooled", {}, True, "NO SCROLL CURSOR"),
    ("pooled", {"DISABLE_SERVER_SIDE_CURSORS": True}, True, ""),
    ("pooled", {"OPTIONS": {"server_side_binding": True}}, False, ""),
    ("pooled", {"OPTIONS": {"server_side_binding": True}}, True, "NO SCROLL CURSOR"),
    ("pooled", {"OPTIONS": STRICT}, False, ""),
    ("direct", {}, False, "NO SCROLL CURSOR WITH HOLD"),
    ("direct", {}, True, "NO SCROLL CURSOR"),
    ("direct", {"OPTIONS": STRICT}, False, ""),
    ("direct", {"DISABLE_SERVER_SIDE_CURSORS": True}, False, ""),
    ("direct", {"OPTIONS": OBSERVE}, False, "NO SCROLL CURSOR WITH HOLD"),
]


@pytest.mark.parametrize("where,stated,atomic,declared", CURSORS, ids=str)
def test_the_cursor_fits_the_endpoint(
    database: Make, postgres: Postgres, where: str, stated: Any, atomic: bool, declared: str
) -> None:
    port = {"PORT": postgres.port} if where == "direct" else {}
    database("reader", **port, **stated)
    mark = postgres.log_mark()
    assert iterate("reader", atomic=atomic) >= 3
    lines = [line for line in postgres.log_since(mark).splitlines() if "DECLARE" in line]
    found = [line.partition('" ')[2].partition(" FOR ")[0] for line in lines]
    assert found == ([declared] if declared else [])


def test_a_session_pool_has_cursors_like_a_direct_connection(
    database: Make, pgbouncer_with: Callable[..., PgBouncer], postgres: Postgres
) -> None:
    session = pgbouncer_with(databases=("webshop",), pool_mode="session")
    guard = {"pgpoolsafe": {"pooler": "pgbouncer", "pool_mode": "session"}}
    database("sessions", PORT=session.port, OPTIONS=guard)
    mark = postgres.log_mark()
    assert iterate("sessions", atomic=False) >= 3
    assert postgres.log_contains("CURSOR WITH HOLD", mark)


def test_the_users_own_word_stands(database: Make, postgres: Postgres) -> None:
    database("insisting", DISABLE_SERVER_SIDE_CURSORS=False, OPTIONS=STRICT)
    mark = postgres.log_mark()
    with pytest.raises(SessionStateError, match=r"^hold-cursor: "):
        iterate("insisting", atomic=False)
    assert not postgres.log_contains("DECLARE", mark)
