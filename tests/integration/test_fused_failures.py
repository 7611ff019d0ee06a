"""What fails on its way with settings, or with its BEGIN, fails as it does without."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

STATUS = psycopg.pq.TransactionStatus


@pytest.fixture(params=["direct", "pooled"])
def dsn(request: pytest.FixtureRequest, postgres: Postgres, pgbouncer: PgBouncer) -> str:
    return (postgres if request.param == "direct" else pgbouncer).dsn()


@pytest.fixture
def fused(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn) as conn, pgpoolsafe.install(conn, fuse_begin=True):
        yield conn


def failing(conn: psycopg.Connection[Any], text: str, *args: Any, **more: Any) -> type[Exception]:
    with pytest.raises(psycopg.Error) as caught:
        conn.execute(text, *args, **more)
    return caught.type


@pytest.mark.parametrize("prepare", [None, True])
def test_a_transaction_fails_with_its_first_statement(
    fused: psycopg.Connection[Any], prepare: bool | None
) -> None:
    failing(fused, "SELECT * FROM nowhere", prepare=prepare)
    assert fused.info.transaction_status is STATUS.INERROR
    assert failing(fused, "SELECT 1") is psycopg.errors.InFailedSqlTransaction


def test_a_transaction_begins_with_parameters_that_do_not_fit(
    fused: psycopg.Connection[Any],
) -> None:
    failing(fused, "SELECT %s, %s", ("a",))
    assert fused.info.transaction_status is STATUS.INTRANS


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("fuse_begin", [True, False])
def test_what_could_not_be_prepared_is_prepared_again(
    postgres: Postgres, owner: psycopg.Connection[Any], autocommit: bool, fuse_begin: bool
) -> None:
    text = "SELECT count(*) FROM public.soon"
    with (
        psycopg.connect(postgres.dsn(), autocommit=autocommit) as conn,
        pgpoolsafe.install(conn, fuse_begin=fuse_begin),
        pgpoolsafe.settings(conn, work_mem="9MB"),
    ):
        failing(conn, text, prepare=True)
        conn.rollback()
        owner.execute("CREATE TABLE public.soon (n int); GRANT SELECT ON public.soon TO PUBLIC")
        try:
            for _ in range(3):
                assert conn.execute(text, prepare=True).fetchone() == (0,)
            conn.commit()
        finally:
            conn.rollback()
            owner.execute("DROP TABLE public.soon")


SET = {
    "nothing set": (),
    "a setting": ("SET work_mem = '9MB'",),
    "what values are read by": ("SET work_mem = '9MB'", "SET IntervalStyle = 'sql_standard'"),
    "a mode": ("SET work_mem = '9MB'", "SET default_transaction_isolation = 'serializable'"),
}


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("fuse_begin", [True, False])
@pytest.mark.parametrize("texts", SET.values(), ids=SET)
@pytest.mark.parametrize(
    "text, params",
    [("SELECT 1", None), ("SELECT %s::int", [1]), ("SELECT 1; SELECT 2", None)],
    ids=["query", "parameters", "several"],
)
def test_a_session_that_was_terminated_says_so(
    text: Any, params: Any, texts: Any, fuse_begin: bool, autocommit: bool, postgres: Postgres
) -> None:
    with (
        psycopg.connect(postgres.dsn(), autocommit=autocommit) as conn,
        postgres.connect("postgres", autocommit=True) as other,
    ):
        # As behind a pooler: what is set travels.
        pgpoolsafe.install(conn, fuse_begin=fuse_begin, pooler="pgbouncer", pool_mode="transaction")
        for one in texts:
            conn.execute(one)
        conn.commit()
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [conn.info.backend_pid])
        assert failing(conn, text, params) is psycopg.errors.AdminShutdown
        assert conn.broken


def test_a_statement_that_needs_no_look_begins_with_none(
    fused: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fused.execute("SELECT 1")
    fused.commit()

    def plan(*_: Any, **__: Any) -> None:
        raise AssertionError("a draft of the books costs more than the round trip that is saved")

    monkeypatch.setattr("pgpoolsafe.guard.Guard.plan", plan)
    for _ in range(2):
        assert fused.execute("SELECT %s::int", [1]).fetchone() == (1,)
        assert fused.info.transaction_status is STATUS.INTRANS
        fused.commit()
    monkeypatch.undo()
    fused.execute("SELECT pg_advisory_xact_lock(1)")
    fused.rollback()
    failing(fused, "SELECT * FROM nowhere")
    fused.rollback()
    assert fused.info.transaction_status is STATUS.IDLE


def carrying(postgres: Postgres, texts: Any, autocommit: bool, **guard: Any) -> Any:
    """A connection that sends what it has set along, as behind a pooler."""
    conn = psycopg.connect(postgres.dsn(), autocommit=autocommit)
    pgpoolsafe.install(conn, pooler="pgbouncer", pool_mode="transaction", **guard)
    for one in texts:
        conn.execute(one)
    conn.commit()
    return conn


REFUSED = {
    "binary results of a client-side cursor": (psycopg.ClientCursor, "SELECT %s", ["a"], True),
    "more parameters than the protocol has": (
        psycopg.Cursor,
        f"SELECT ARRAY[{', '.join(['%s'] * 65536)}]",
        ["a"] * 65536,
        None,
    ),
}


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("fuse_begin", [True, False])
@pytest.mark.parametrize("texts", SET.values(), ids=SET)
@pytest.mark.parametrize("kind, text, params, binary", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_sent_leaves_the_connection_as_it_does_without(
    kind: Any,
    text: str,
    params: Any,
    binary: Any,
    texts: Any,
    fuse_begin: bool,
    autocommit: bool,
    postgres: Postgres,
) -> None:
    noticed = []
    for guard in ({"mode": "off"}, {"fuse_begin": fuse_begin}):
        with carrying(postgres, texts, autocommit, **guard) as conn:
            with pytest.raises(psycopg.Error) as caught:
                kind(conn).execute(text, params, binary=binary)
            status = conn.info.transaction_status
            shown = conn.execute("SELECT current_setting('transaction_isolation')").fetchone()
            noticed.append((caught.type, str(caught.value), status, shown))
    assert noticed[0] == noticed[1]


@pytest.mark.parametrize("texts", SET.values(), ids=SET)
def test_several_statements_of_a_client_side_cursor_take_settings_along(
    texts: Any, postgres: Postgres
) -> None:
    with carrying(postgres, texts, autocommit=True) as conn:
        cursor = psycopg.ClientCursor(conn)
        cursor.execute("SELECT %s; SELECT current_setting('work_mem')", ["a"])
        assert cursor.fetchone() == ("a",)
        assert cursor.nextset()
        assert cursor.fetchone() == (("9MB",) if texts else ("4MB",))
        assert not cursor.nextset()


@pytest.mark.parametrize("texts", SET.values(), ids=SET)
@pytest.mark.parametrize("text", ["SELECT 1; SELEC 2", "SELEC 1; SELECT 2", "SELECT 1; SELECT ("])
def test_several_statements_that_cannot_be_read_are_refused_in_the_servers_words(
    text: str, texts: Any, postgres: Postgres
) -> None:
    said = []
    for mode in ("off", "warn"):
        rules = {"unreadable-statement": "ignore"}
        with carrying(postgres, texts, autocommit=True, mode=mode, rules=rules) as conn:
            with pytest.raises(psycopg.errors.SyntaxError) as caught:
                conn.execute(text)
            said.append((str(caught.value), caught.value.diag.statement_position))
    assert said[0] == said[1]


PLACES: dict[str, tuple[str, Any]] = {
    "a SET": ("SET app.tenant = %s nowhere", ["x"]),
    "a set_config": ("SELECT set_config(%s, %s, %s), nowhere", ["app.tenant", "v", False]),
    "names": (
        "SELECT '%%', nowhere,\n set_config(%(name)s, %(value)s, %(local)s)",
        {"name": "app.tenant", "value": "zürich", "local": False},
    ),
    "a value before": ("SELECT %s::text, set_config('work_mem', %s, false), nowhere", ["ü", "7MB"]),
    "several": ("SELECT %s; SET app.tenant = 'x'; SELECT nowhere, %s", ["it's", 5]),
    "a COPY": ("COPY (SELECT %s, nowhere) TO STDOUT", ["it's"]),
}


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("kind", [psycopg.Cursor, psycopg.ClientCursor])
@pytest.mark.parametrize("text, params", PLACES.values(), ids=PLACES)
def test_an_error_of_a_text_with_parameters_shows_its_place_in_what_psycopg_sends(
    text: str, params: Any, kind: Any, autocommit: bool, postgres: Postgres
) -> None:
    said = []
    for mode in ("off", "warn"):
        with carrying(postgres, SET["a mode"], autocommit, mode=mode) as conn:
            cursor = kind(conn)
            send = cursor.copy if text.startswith("COPY") else cursor.execute
            with pytest.raises(psycopg.Error) as caught, contextlib.ExitStack() as stack:
                sent = send(text, params)
                stack.enter_context(sent)
            diag = caught.value.diag
            said.append((str(caught.value), diag.statement_position, diag.message_primary))
    assert said[0] == said[1]


def test_a_pipeline_knows_the_transaction_that_began_with_a_statement(
    fused: psycopg.Connection[Any],
) -> None:
    fused.execute("SELECT 1")
    with fused.pipeline():
        fused.execute("SET work_mem TO '9MB'")
        fused.execute("SAVEPOINT here")
        fused.execute("SET work_mem TO '7MB'")
        fused.execute("ROLLBACK TO here")
        assert fused.execute("SHOW work_mem").fetchone() == ("9MB",)
    fused.commit()
    for _ in range(3):
        assert fused.execute("SHOW work_mem").fetchone() == ("9MB",)
        fused.commit()
