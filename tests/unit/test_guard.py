"""The guard of one connection: what it plans, and what it learns from what came back."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from pgpoolsafe.effects import PLAIN
from pgpoolsafe.errors import SessionStateError, SessionStateWarning
from pgpoolsafe.guard import STAND_IN, Guard, ends_transaction, is_rollback
from pgpoolsafe.judge import Trial
from pgpoolsafe.plan import Plan
from pgpoolsafe.poolers.answers import Pooler
from pgpoolsafe.poolers.products import DIRECT, named
from pgpoolsafe.rules.allowing import allow
from pgpoolsafe.rules.findings import Location
from pgpoolsafe.rules.policy import make_policy
from pgpoolsafe.rules.reporting import Reporter
from pgpoolsafe.session.books import Books
from pgpoolsafe.sql.reader import read
from tests.unit import phrases

PGBOUNCER = named("pgbouncer", "transaction")
TRACKING = named("pgbouncer>=1.24", "transaction")
SESSION_MODE = named("pgbouncer", "session")


@pytest.fixture(autouse=True)
def _warnings_are_shown() -> Iterator[None]:
    """The tests read what was found off the reporter; some want the warnings themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SessionStateWarning)
        yield


def new_guard(pooler: Pooler | None = PGBOUNCER, **options: Any) -> Guard:
    guard = Guard(make_policy(**options), Reporter())
    if pooler is not None:
        guard.meet(pooler)
    return guard


class Line:
    """A server that says yes to everything, behind a guard; it knows whether a block is open."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.in_block = False
        self.failed = False
        self.sent: list[str] = []

    def plan(self, text: str, params: Any = None, *, reader: Any = phrases.reading) -> Plan:
        return self.guard.plan(
            text,
            reader(text),
            params,
            in_block=self.in_block,
            failed=self.failed,
            locate=lambda: Location("shop.py", len(self.sent) + 1, "main"),
        )

    def send(self, *texts: str, params: Any = None, reader: Any = phrases.reading) -> Line:
        for text in texts:
            plan = self.plan(text, params, reader=reader)
            self.sent.append(text if plan.text is None else plan.text)
            self.in_block = self._is_open(plan)
            self.failed = False
            self.guard.done(plan, in_block=self.in_block)
        return self

    def fail(self, text: str) -> Line:
        """A text goes out, and the server says no."""
        plan = self.plan(text)
        self.sent.append(text)
        self.failed = self.in_block
        self.guard.failed(plan, in_block=self.in_block)
        return self

    def _is_open(self, plan: Plan) -> bool:
        is_open = self.in_block
        for statement in plan.reading.statements:
            verb = statement.control.verb.value if statement.control else None
            if verb in ("COMMIT", "ROLLBACK", "PREPARE TRANSACTION"):
                is_open = bool(statement.control and statement.control.chain)
            elif verb == "BEGIN":
                is_open = True
        return is_open

    @property
    def found(self) -> list[tuple[str, str, int]]:
        """Rule, level and line of everything found."""
        return [
            (finding.rule, finding.level, finding.location.line if finding.location else 0)
            for finding, _ in self.guard.reporter.findings()
        ]


# what the connection leads to


# mode, pooler, whether there is anything to decide, what it is judged as
MEETINGS: list[tuple[str, Pooler, bool, Pooler]] = [
    ("off", PGBOUNCER, False, PGBOUNCER),
    ("observe", PGBOUNCER, True, PGBOUNCER),
    ("warn", PGBOUNCER, True, PGBOUNCER),
    ("strict", PGBOUNCER, True, PGBOUNCER),
    ("off", DIRECT, False, STAND_IN),
    ("observe", DIRECT, False, STAND_IN),
    ("warn", DIRECT, False, STAND_IN),
    ("strict", DIRECT, True, STAND_IN),
    ("warn", SESSION_MODE, False, STAND_IN),
    ("strict", SESSION_MODE, True, STAND_IN),
    ("warn", named("unknown"), True, named("unknown")),
]


@pytest.mark.parametrize("mode, pooler, watching, judged_as", MEETINGS)
def test_meeting_a_pooler(mode: str, pooler: Pooler, watching: bool, judged_as: Pooler) -> None:
    guard = new_guard(pooler, mode=mode)
    assert guard.pooler is pooler
    assert guard.watching is watching
    assert guard.judged_as == judged_as


def test_before_meeting_it_watches_and_judges_by_the_worst() -> None:
    guard = new_guard(None)
    assert guard.pooler is None
    assert guard.watching
    assert guard.judged_as is STAND_IN
    assert str(STAND_IN) == "PgBouncer (transaction pooling)"
    assert not new_guard(None, mode="off").watching


# prepared, mode, pooler, whether they are kept off
PREPARES: list[tuple[str, str, Pooler | None, bool]] = [
    ("auto", "warn", PGBOUNCER, True),
    ("auto", "strict", PGBOUNCER, True),
    ("auto", "observe", PGBOUNCER, False),
    ("auto", "off", PGBOUNCER, False),
    ("auto", "warn", TRACKING, False),
    ("auto", "strict", DIRECT, False),
    ("auto", "warn", SESSION_MODE, False),
    ("auto", "warn", None, False),
    ("off", "warn", TRACKING, True),
    ("off", "observe", None, True),
    ("leave", "strict", PGBOUNCER, False),
]


@pytest.mark.parametrize("prepared, mode, pooler, forbids", PREPARES)
def test_named_prepared_statements(
    prepared: str, mode: str, pooler: Pooler | None, forbids: bool
) -> None:
    guard = new_guard(pooler, prepared=prepared, mode=mode)
    assert guard.forbids_named_prepares is forbids
    assert guard.loses_named_prepares is (pooler is PGBOUNCER)


# planning


def test_a_text_without_effect_is_sent_as_it_is() -> None:
    line = Line(new_guard(mode="strict"))
    assert line.plan("SELECT 1").text is None
    assert line.send("SELECT 1").found == []
    assert line.guard.books == Books()


def test_a_setting_in_a_transaction_is_carried_and_no_finding() -> None:
    line = Line(new_guard()).send("BEGIN", "SET work_mem = 1", "COMMIT")
    assert line.sent == ["BEGIN", "SET LOCAL work_mem = 1", "COMMIT"]
    assert line.found == []


def test_a_setting_in_a_transaction_is_rewritten_and_counted() -> None:
    line = Line(new_guard(settings="local")).send("BEGIN", "SET work_mem = 1", "COMMIT")
    assert line.sent == ["BEGIN", "SET LOCAL work_mem = 1", "COMMIT"]
    assert line.found == [("session-set", "rewrite", 2)]


def test_a_plan_changes_nothing_until_it_is_done() -> None:
    line = Line(new_guard()).send("BEGIN")
    plan = line.plan("LISTEN jobs")
    assert line.guard.books == Books(in_block=True)
    line.guard.done(plan, in_block=True)
    assert not line.guard.books.blank
    assert line.send("COMMIT").found == [("listen", "warn", 2)]


@pytest.mark.parametrize("mode", ["warn", "strict"])
def test_the_finding_stands_where_it_was_acquired(mode: str) -> None:
    line = Line(new_guard(mode=mode)).send("BEGIN", "SELECT 1", "LISTEN jobs", "SELECT 1")
    if mode == "warn":
        assert line.send("COMMIT").found == [("listen", "warn", 3)]
        return
    with pytest.raises(SessionStateError) as caught:
        line.plan("COMMIT")
    assert caught.value.rule == "listen"
    assert caught.value.statement == "LISTEN jobs"
    assert caught.value.location == Location("shop.py", 3, "main")
    assert caught.value.pooler is PGBOUNCER


def test_strict_stops_it_before_it_is_sent_and_keeps_the_books() -> None:
    line = Line(new_guard(mode="strict"))
    with pytest.raises(SessionStateError, match=r"^listen: LISTEN jobs needs a session"):
        line.send("LISTEN jobs")
    assert line.sent == []
    assert line.guard.books == Books()
    line.send("BEGIN", "SELECT pg_advisory_lock(1)")
    with pytest.raises(SessionStateError):
        line.send("ROLLBACK")
    assert line.guard.undo_text() == "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock(1)"


def test_strict_on_a_direct_connection_judges_as_behind_pgbouncer() -> None:
    with pytest.raises(SessionStateError) as caught:
        Line(new_guard(DIRECT, mode="strict")).send("LISTEN jobs")
    assert caught.value.pooler is STAND_IN


def test_a_warning_that_is_an_error_stops_it_every_time() -> None:
    line = Line(new_guard())
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(SessionStateWarning):
                line.send("LISTEN jobs")
    assert line.sent == []


def test_the_default_location_is_the_caller_of_the_plumbing() -> None:
    guard = new_guard()
    guard.plan("LISTEN jobs", phrases.reading("LISTEN jobs"), in_block=False)
    [(finding, _)] = guard.reporter.findings()
    assert finding.location is not None
    assert finding.location.file == __file__
    assert finding.location.function == "test_the_default_location_is_the_caller_of_the_plumbing"


def test_a_text_that_cannot_be_exchanged() -> None:
    guard = new_guard()
    text = "SET work_mem = 1"
    plan = guard.plan(text, phrases.reading(text), in_block=True, editable=False)
    assert plan.text is None
    guard.done(plan, in_block=True)
    assert not guard.books.blank


# what came back


def test_a_failed_text_has_done_nothing() -> None:
    line = Line(new_guard()).send("BEGIN")
    line.fail("LISTEN jobs").fail("PREPARE p AS SELECT 1")
    assert line.guard.books.blank
    assert line.send("ROLLBACK").found == []


def test_a_lock_stays_even_when_its_statement_failed() -> None:
    line = Line(new_guard()).send("BEGIN").fail("SELECT pg_advisory_lock(1)").send("ROLLBACK")
    assert line.found == [("advisory-lock", "warn", 2)]


def test_a_lock_in_an_aborted_transaction_was_never_taken() -> None:
    line = Line(new_guard()).send("BEGIN").fail("SELECT 1").fail("SELECT pg_advisory_lock(1)")
    assert line.guard.books.blank
    assert line.send("ROLLBACK").found == []


def test_a_commit_of_a_failed_transaction_is_a_rollback() -> None:
    line = Line(new_guard(settings="leave"))
    line.send("BEGIN", "LISTEN jobs", "SET work_mem = 1", "SELECT pg_advisory_lock(1)")
    line.fail("SELECT 1").send("COMMIT")
    assert line.found == [("advisory-lock", "warn", 4)]


def test_rollback_to_leads_out_of_failure() -> None:
    line = Line(new_guard()).send("BEGIN", "LISTEN jobs", "SAVEPOINT s").fail("SELECT 1")
    line.send("ROLLBACK TO s", "COMMIT")
    assert line.found == [("listen", "warn", 2)]


def test_a_failure_outside_a_block_leaves_the_books_empty() -> None:
    line = Line(new_guard())
    line.fail("SELECT 1; SELECT pg_advisory_lock(1)")
    assert line.guard.books == Books()


def test_the_end_of_a_block_that_only_the_server_saw() -> None:
    guard = new_guard()
    text = "BEGIN; LISTEN jobs"
    guard.done(guard.plan(text, phrases.reading(text), in_block=False), in_block=False)
    assert guard.books == Books()
    guard.done(guard.plan(text, phrases.reading(text), in_block=False), in_block=None)
    assert guard.books.in_block


def test_a_block_that_ended_behind_our_back_is_taken_to_have_leaked() -> None:
    line = Line(new_guard()).send("BEGIN", "LISTEN jobs")
    line.in_block = False
    assert line.send("SELECT 1").found == [("listen", "warn", 2)]
    assert line.guard.books == Books()


def test_that_too_is_stopped_in_strict() -> None:
    line = Line(new_guard(mode="strict")).send("BEGIN", "LISTEN jobs")
    line.in_block = False
    with pytest.raises(SessionStateError):
        line.plan("SELECT 1")


def test_a_drawn_sequence_value_is_remembered_for_its_transaction() -> None:
    line = Line(new_guard()).send("BEGIN")
    line.guard.drew(in_block=True)
    assert line.send("SELECT lastval()", "COMMIT").found == []
    line.guard.drew(in_block=False)
    assert line.send("SELECT lastval()").found == [("sequence-state", "warn", 4)]
    line.send("BEGIN").guard.drew(in_block=True)
    line.guard.drew(in_block=False)
    assert line.guard.books.drawn


def test_what_the_driver_itself_releases_is_released_in_silence() -> None:
    line = Line(new_guard()).send("BEGIN", "PREPARE p AS SELECT 1", "SELECT pg_advisory_lock(1)")
    for text in ("DEALLOCATE ALL", "SELECT pg_advisory_unlock(1)", "LISTEN jobs", "CLOSE c"):
        line.guard.internal(phrases.reading(text))
    assert line.guard.books.blank
    assert line.send("COMMIT").found == []


# undoing


# texts in a transaction, what ends it without a trace
UNDO: list[tuple[list[str], str]] = [
    ([], "ROLLBACK"),
    (["SET work_mem = 1", "LISTEN jobs", "CREATE TEMP TABLE t (i int)"], "ROLLBACK"),
    (["PREPARE p AS SELECT 1"], 'ROLLBACK; DEALLOCATE "p"'),
    (['PREPARE "a""b" AS SELECT 1'], 'ROLLBACK; DEALLOCATE "a""b"'),
    (["PREPARE p AS SELECT 1", "DEALLOCATE p"], "ROLLBACK"),
    (["SELECT pg_advisory_lock(1)"], "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock(1)"),
    (["PREPARE p AS SELECT 1", "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_lock_shared(1)"],
     "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock(1);"
     ' SELECT pg_catalog.pg_advisory_unlock_shared(1); DEALLOCATE "p"'),
    (["SELECT pg_advisory_lock(1)", "SELECT pg_advisory_lock(1)"],
     "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock(1); SELECT pg_catalog.pg_advisory_unlock(1)"),
    (["SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"], "ROLLBACK"),
    (["SELECT pg_replication_origin_session_setup('o')"],
     "ROLLBACK; SELECT pg_catalog.pg_replication_origin_session_reset()"),
    (["SELECT dblink_connect('c', '')"], "ROLLBACK"),
    (["SAVEPOINT s", "SELECT pg_advisory_lock(1)", "ROLLBACK TO s"],
     "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock(1)"),
]  # fmt: skip


@pytest.mark.parametrize("texts, undo", UNDO)
def test_undo_text(texts: list[str], undo: str) -> None:
    line = Line(new_guard(mode="strict")).send("BEGIN", *texts)
    assert line.guard.undo_text() == undo


def test_what_is_allowed_is_not_undone() -> None:
    line = Line(new_guard(mode="strict")).send("BEGIN")
    with allow("advisory-lock", "sql-prepare"):
        line.send("SELECT pg_advisory_lock(1)", "PREPARE p AS SELECT 1")
    assert line.guard.undo_text() == "ROLLBACK"
    assert line.send("SELECT pg_advisory_lock_shared(1)").guard.undo_text() == (
        "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_shared(1)"
    )


# a failure of our own


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A judge that fails; the log must say so."""

    def run(_trial: Trial) -> Trial:
        raise ZeroDivisionError("judge")

    monkeypatch.setattr(Trial, "run", run)
    caplog.set_level(logging.DEBUG, logger="pgpoolsafe")
    yield
    [record] = caplog.get_records("call")
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        "pgpoolsafe failed on a statement; it is a bug, please report it"
    )
    assert record.exc_info is not None


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_our_own_failure_never_breaks_the_statement(mode: str) -> None:
    line = Line(new_guard(mode=mode)).send("LISTEN jobs")
    assert line.sent == ["LISTEN jobs"]
    assert line.found == []


@pytest.mark.usefixtures("broken")
def test_our_own_failure_is_not_silent_in_strict() -> None:
    line = Line(new_guard(mode="strict"))
    with pytest.raises(ZeroDivisionError, match="judge"):
        line.send("LISTEN jobs")
    assert line.sent == []


@pytest.mark.parametrize("mode", ["warn", "strict"])
def test_a_refusal_is_no_failure(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    line = Line(new_guard(mode=mode, rules={"listen": "raise"}))
    with pytest.raises(SessionStateError):
        line.send("LISTEN jobs")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


# ends

# text, whether it is one statement that ends the transaction, whether it is one ROLLBACK
ENDS: list[tuple[str, bool, bool]] = [
    ("COMMIT", True, False),
    ("COMMIT AND CHAIN", True, False),
    ("PREPARE TRANSACTION 'x'", True, False),
    ("ROLLBACK", True, True),
    ("ROLLBACK AND CHAIN", True, True),
    ("ROLLBACK TO s", False, False),
    ("RELEASE s", False, False),
    ("BEGIN", False, False),
    ("SELECT 1", False, False),
    ("SELECT 1; COMMIT", False, False),
    ("ROLLBACK; BEGIN", False, False),
]


@pytest.mark.parametrize("text, ends, rollback", ENDS)
def test_texts_that_end_the_transaction(text: str, ends: bool, rollback: bool) -> None:
    assert ends_transaction(phrases.reading(text)) is ends
    assert is_rollback(phrases.reading(text)) is rollback


def test_a_plain_reading_ends_nothing() -> None:
    assert not ends_transaction(PLAIN)
    assert not is_rollback(PLAIN)


# SQL as it is written, through reader and guard

READ: list[tuple[list[str], list[str], list[tuple[str, str, int]]]] = [
    (
        ["BEGIN", "set  Search_Path to tenant_42, public", "COMMIT"],
        ["BEGIN", "set LOCAL  Search_Path to tenant_42, public", "COMMIT"],
        [("session-set", "rewrite", 2)],
    ),
    (
        ["START TRANSACTION", "SELECT pg_catalog.set_config('a.b', 'c', false)", "END"],
        ["START TRANSACTION", "SELECT pg_catalog.set_config('a.b', 'c', true)", "END"],
        [("session-set", "rewrite", 2)],
    ),
    (["SET statement_timeout = 0"], ["SET statement_timeout = 0"], [("session-set", "warn", 1)]),
    (
        ["BEGIN", "SELECT pg_advisory_lock(1::bigint)", "SELECT pg_advisory_unlock( 1 )", "COMMIT"],
        ["BEGIN", "SELECT pg_advisory_lock(1::bigint)", "SELECT pg_advisory_unlock( 1 )", "COMMIT"],
        [],
    ),
    (
        ["BEGIN", "CREATE TEMP TABLE t AS SELECT 1", 'DROP TABLE IF EXISTS "t"', "COMMIT WORK"],
        ["BEGIN", "CREATE TEMP TABLE t AS SELECT 1", 'DROP TABLE IF EXISTS "t"', "COMMIT WORK"],
        [],
    ),
    (
        ["BEGIN", "SAVEPOINT S", "LISTEN Jobs", "ROLLBACK WORK TO SAVEPOINT s", "COMMIT"],
        ["BEGIN", "SAVEPOINT S", "LISTEN Jobs", "ROLLBACK WORK TO SAVEPOINT s", "COMMIT"],
        [],
    ),
    (
        ["BEGIN; LISTEN jobs; COMMIT; LISTEN /* pgpoolsafe: allow discard */ jobs"],
        ["BEGIN; LISTEN jobs; COMMIT; LISTEN /* pgpoolsafe: allow discard */ jobs"],
        [("listen", "warn", 1)],
    ),
    (["LISTEN jobs -- pgpoolsafe: allow listen"], ["LISTEN jobs -- pgpoolsafe: allow listen"], []),
]


@pytest.mark.parametrize("texts, sent, found", READ)
def test_sql_as_it_is_written(
    texts: list[str], sent: list[str], found: list[tuple[str, str, int]]
) -> None:
    line = Line(new_guard(settings="local")).send(*texts, reader=read)
    assert line.sent == sent
    assert line.found == found
