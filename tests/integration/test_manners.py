"""Each manner of sending, tried on real servers: the statement in every way there is.

A plain session, which has the settings by SET, is what the other ways are measured by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import pq
from psycopg.pq import DiagnosticField as Field
from psycopg.pq import ExecStatus

from pgpoolsafe.sql.manners import Manner, manner
from tests.conftest import without
from tests.integration.manner_cases import CASES, STAGE, WORLD, Case
from tests.oracle.at_hand import servers
from tests.servers import Postgres, ServerMissing

Connection = psycopg.Connection[Any]

FIELDS = (
    Field.SQLSTATE,
    Field.MESSAGE_PRIMARY,
    Field.MESSAGE_DETAIL,
    Field.CONTEXT,
    Field.CONSTRAINT_NAME,
    Field.STATEMENT_POSITION,
)


def places() -> dict[int, Path]:
    try:
        return servers()
    except ServerMissing:
        return {}


@pytest.fixture(scope="module", params=sorted(places()) or [None])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """The oldest and the newest PostgreSQL at hand."""
    if request.param is None:
        without(ServerMissing("no PostgreSQL to judge by"))
    quiet = {"max_logical_replication_workers": "0", "autovacuum": "off", "log_statement": "none"}
    with Postgres(places()[request.param], **quiet) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client sees of a statement, and what the database looks like afterwards."""

    results: tuple[Any, ...]
    notices: tuple[str, ...]
    status: pq.TransactionStatus
    world: Any = None

    @property
    def failed(self) -> bool:
        return any(result[0] == ExecStatus.FATAL_ERROR for result in self.results)

    def without_positions(self) -> Outcome:
        """In one Query with other statements an error's position is counted from the first."""
        last = FIELDS.index(Field.STATEMENT_POSITION)
        results = [
            (status, fields[:last]) if status == ExecStatus.FATAL_ERROR else (status, *rest)
            for status, *rest in self.results
            for fields in rest[:1]
        ]
        return replace(self, results=tuple(results))


# the ways


def plain(conn: Connection, text: str) -> list[pq.abc.PGresult]:
    conn.execute("SET search_path = lib; SET app.seen = 'yes'")
    return bare(conn, text)


def bare(conn: Connection, text: str) -> list[pq.abc.PGresult]:
    conn.pgconn.send_query(text.encode())
    return list(results_of(conn.pgconn))


def query(conn: Connection, text: str) -> list[pq.abc.PGresult]:
    conn.pgconn.send_query(
        f"SET LOCAL search_path = lib;SET LOCAL app.seen = 'yes';{text}".encode()
    )
    results = list(results_of(conn.pgconn))
    return results[2:] or results  # a syntax error is the only answer to a whole Query


def piped(conn: Connection, text: str) -> list[pq.abc.PGresult]:
    pgconn = conn.pgconn
    pgconn.enter_pipeline_mode()
    settings = b"SELECT set_config('search_path', 'lib', true), set_config('app.seen', 'yes', true)"
    pgconn.send_query_params(settings, None)
    pgconn.send_query_params(text.encode(), None)
    pgconn.pipeline_sync()
    results = [result for _ in range(2) for result in results_of(pgconn)][1:]
    synced = pgconn.get_result()
    assert synced is not None
    assert synced.status == ExecStatus.PIPELINE_SYNC
    pgconn.exit_pipeline_mode()
    return results


def results_of(pgconn: pq.abc.PGconn) -> Iterator[pq.abc.PGresult]:
    """The results of one command; what COPY wants to read is one row for the table `t`."""
    while (result := pgconn.get_result()) is not None:
        yield result
        if result.status == ExecStatus.COPY_IN:
            pgconn.put_copy_data(b"9\tz\n")
            pgconn.put_copy_end()
        while result.status == ExecStatus.COPY_OUT and pgconn.get_copy_data(0)[0] > 0:
            pass


def told(result: pq.abc.PGresult) -> tuple[Any, ...]:
    if result.status == ExecStatus.FATAL_ERROR:
        return (result.status, tuple(result.error_field(field) for field in FIELDS))
    names = [result.fname(at) for at in range(result.nfields)]
    rows = [
        [result.get_value(row, at) for at in range(result.nfields)] for row in range(result.ntuples)
    ]
    return (result.status, result.command_status, names, rows)


class Stage:
    """Tries one text in one way after the other, each time on the same fresh database."""

    def __init__(self, server: Postgres, admin: Connection, case: Case) -> None:
        self.server, self.admin, self.case = server, admin, case

    def outcome(self, way: Callable[[Connection, str], list[pq.abc.PGresult]]) -> Outcome:
        self._set()
        with self.server.connect("postgres", autocommit=True) as conn:
            for statement in self.case.prelude:
                conn.execute(statement)
            heard: list[str] = []
            conn.add_notice_handler(lambda notice: heard.append(f"{notice.message_primary}"))
            results = tuple(told(result) for result in way(conn, self.case.text))
            status = conn.info.transaction_status
        return Outcome(results, tuple(heard), status, self._world())

    def _set(self) -> None:
        if self.case.before or self.written() != _unchanged_since.pop(self.server, None):
            self.admin.execute(STAGE)
        for statement in self.case.before:
            self.admin.execute(statement)
        _unchanged_since[self.server] = self.written()

    def written(self) -> Any:
        """How far the server has written its log: as long as it stays, nothing has changed."""
        return self.admin.execute("SELECT pg_current_wal_insert_lsn()").fetchone()

    def _world(self) -> Any:
        world = self.admin.execute(WORLD).fetchone()
        if self.case.before or self.written() != _unchanged_since[self.server]:
            tidy(self.admin)
        return world


# Where the log of a server was when the stage was last set; setting it takes 0.1 s.
_unchanged_since: dict[Postgres, Any] = {}


def tidy(admin: Connection) -> None:
    """Take away what no schema holds."""
    for (gid,) in admin.execute("SELECT gid FROM pg_prepared_xacts").fetchall():
        admin.execute(f"ROLLBACK PREPARED '{gid}'")
    if admin.execute("SELECT FROM pg_subscription").fetchone() is not None:
        admin.execute("ALTER SUBSCRIPTION feed DISABLE")
        admin.execute("ALTER SUBSCRIPTION feed SET (slot_name = NONE)")
        admin.execute("DROP SUBSCRIPTION feed")
    admin.execute("DROP DATABASE IF EXISTS annex")
    admin.execute("DROP TABLESPACE IF EXISTS attic")


# the cases


@pytest.fixture(scope="module")
def admin(server: Postgres) -> Iterator[Connection]:
    with server.connect("postgres", autocommit=True, options="-c lock_timeout=10s") as conn:
        yield conn


@pytest.fixture
def stage(server: Postgres, admin: Connection, case: Case) -> Stage:
    if server.version[0] < case.since:
        pytest.skip(f"no such statement before PostgreSQL {case.since}")
    assert manner(case.text) is case.manner
    return Stage(server, admin, case)


def each(of: Manner) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [c for c in CASES if c.manner is of], ids=str)


@each(Manner.PIPED)
def test_piped_comes_out_as_in_a_plain_session(case: Case, stage: Stage) -> None:
    expected = stage.outcome(plain)
    assert stage.outcome(piped) == expected
    assert (stage.outcome(bare) == expected) is case.blind


@each(Manner.QUERY)
def test_query_comes_out_as_in_a_plain_session(case: Case, stage: Stage) -> None:
    expected = stage.outcome(plain)
    assert stage.outcome(query).without_positions() == expected.without_positions()
    assert (stage.outcome(bare) == expected) is case.blind
    if not case.copies:
        assert (stage.outcome(piped) == expected) is case.alike


@each(Manner.BARE)
def test_bare_needs_no_setting_and_means_something_else_in_company(
    case: Case, stage: Stage
) -> None:
    expected = stage.outcome(plain)
    assert stage.outcome(bare) == expected
    assert (stage.outcome(query).without_positions() == expected.without_positions()) is case.alike


@each(Manner.ALONE)
def test_alone_cannot_be_in_company(case: Case, stage: Stage) -> None:
    expected = stage.outcome(plain)
    in_company = [stage.outcome(query).without_positions(), stage.outcome(piped)]
    expectations = [expected.without_positions(), expected]
    assert (in_company == expectations) is case.alike
    if not case.alike:
        assert all(a != b for a, b in zip(in_company, expectations, strict=True))
