"""The doctor's judgement: facts in, checks, table and advice out."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import replace
from textwrap import indent
from typing import Any

import pytest

from pgpoolsafe.checkup.behaviour import behaviours
from pgpoolsafe.checkup.check import Check, Grade
from pgpoolsafe.checkup.checks import CHECKS, checks
from pgpoolsafe.checkup.facts import Client, ClientPool, Console, Facts, Leftovers, Server
from pgpoolsafe.checkup.prepares import prepares_are_safe
from pgpoolsafe.checkup.questions import console_in, leftovers_in, server_in
from pgpoolsafe.checkup.residue import described
from pgpoolsafe.doctor import Diagnosis, judged
from pgpoolsafe.effects import EffectKind
from pgpoolsafe.poolers.active import ActiveAnswer, Sharing
from pgpoolsafe.poolers.answers import Answer, Pooler, PoolMode
from pgpoolsafe.poolers.endpoints import Endpoint
from pgpoolsafe.poolers.products import DIRECT, TITLES, pooler
from pgpoolsafe.poolers.startup import Reception
from pgpoolsafe.report.document import document, failure
from pgpoolsafe.rules.catalog import RULES

SESSION, TRANSACTION, STATEMENT = PoolMode.SESSION, PoolMode.TRANSACTION, PoolMode.STATEMENT
FINDING, NOTE, OK = Grade.FINDING, Grade.NOTE, Grade.OK

HERE = Endpoint("db.example", 6432, "app", "shop")
NEW = Client("3.13.1", "3.3.9", 180006)
OLD = Client("3.10.13", "3.2.0", 160004)
TIMEOUTS = {"idle_in_transaction_session_timeout": 60000, "statement_timeout": 0}
SERVER = Server("18.6", 100, 3, 12, 5, -1, -1, TIMEOUTS)
TRACKING = pooler("pgbouncer", version=(1, 24, 1), mode=TRANSACTION)
FORGETFUL = pooler("pgbouncer", version=(1, 18), mode=TRANSACTION)


def facts(found: Pooler = TRACKING, **more: Any) -> Facts:
    """Facts of a target on which nothing is wrong but what `more` says."""
    fine: dict[str, Any] = {
        "server": SERVER,
        "stated": frozenset({"connect_timeout"}),
        "leftovers": (Leftovers(101), Leftovers(102)),
    }
    return Facts(HERE, found, **{"client": NEW, **fine, **more})


def said(given: Facts, *grades: Grade) -> list[str]:
    wanted = grades or (FINDING, NOTE)
    return [f"{check.name}: {check.what}" for check in checks(given) if check.grade in wanted]


def the(given: Facts, name: str) -> Check:
    return next(check for check in checks(given) if check.name == name)


@pytest.mark.parametrize("found", [DIRECT, TRACKING, pooler("odyssey", mode=TRANSACTION)])
def test_where_all_is_well_nothing_is_said(found: Pooler) -> None:
    given = replace(facts(found), pooler=replace(found, prepared=True))
    assert said(given) == []
    assert {check.name for check in checks(given)} <= set(CHECKS)


CASES: list[tuple[Facts, Grade, str]] = [
    (
        facts(FORGETFUL),
        FINDING,
        (
            "named-prepare: prepared statements are not safe with psycopg's defaults"
            " (prepare_threshold=5)"
        ),
    ),
    (
        facts(pooler("pgbouncer", version=(1, 24), mode=STATEMENT)),
        FINDING,
        "statement-mode-transaction: no transaction works here: the pool is in statement mode",
    ),
    (
        facts(startup={"work_mem": Reception.DROPPED}),
        FINDING,
        "startup-options: work_mem in the connection's options does not arrive",
    ),
    (
        facts(startup={"work_mem": Reception.REJECTED}),
        FINDING,
        "startup-options: work_mem in the connection's options does not arrive",
    ),
    (
        facts(startup={"work_mem": Reception.UNKNOWN}),
        NOTE,
        "startup-options: it cannot be told whether work_mem in the options arrived",
    ),
    (
        facts(startup={"work_mem": Reception.APPLIED}),
        OK,
        "startup-options: the settings in the options arrived: work_mem",
    ),
    (
        facts(leftovers=(Leftovers(101, locks=1),)),
        FINDING,
        "residue: somebody leaks here: server connections carry what other clients left",
    ),
    (facts(), OK, "residue: nothing was left behind by other clients"),
    (facts(stated=frozenset()), NOTE, "connect-timeout: no connect timeout is set"),
    (
        facts(pool=ClientPool("SQLAlchemy's pool", 15, None)),
        FINDING,
        "pool-timeout: SQLAlchemy's pool waits for ever when all its connections are in use",
    ),
    (
        facts(DIRECT, pool=ClientPool("SQLAlchemy's pool", 98, 30)),
        FINDING,
        "connections: SQLAlchemy's pool may open 98 connections, the server lets in 97",
    ),
    (
        facts(DIRECT, server=replace(SERVER, role_limit=10), pool=ClientPool("a pool", 11, 30)),
        FINDING,
        "connections: a pool may open 11 connections, the server lets in 10",
    ),
    (
        facts(console=Console("PgBouncer 1.24.1", "transaction", 60, 120, 0, {})),
        FINDING,
        "connections: PgBouncer may open 120 connections, the server lets in 97",
    ),
    (
        facts(console=Console("PgBouncer 1.24.1", "transaction", 60, 60, 3, {})),
        FINDING,
        "waiting-clients: clients that wait for a server connection at this moment: 3",
    ),
    (
        facts(console=Console("PgBouncer 1.24.1", "", 1, 1, 0, {"query_wait_timeout": "0"})),
        FINDING,
        "waiting-clients: PgBouncer lets clients wait for a server connection for ever",
    ),
    (
        facts(server=replace(SERVER, timeouts={})),
        NOTE,
        "idle-in-transaction: nothing ends a transaction that a client leaves idle",
    ),
    (facts(), OK, "idle-in-transaction: an idle transaction is ended after 60 s"),
    (
        facts(
            server=replace(SERVER, timeouts={}),
            console=Console("PgBouncer 1.24.1", "", 1, 1, 0, {"idle_transaction_timeout": "20"}),
        ),
        OK,
        "idle-in-transaction: an idle transaction is ended after 20 s, by PgBouncer",
    ),
    (
        facts(left_out=("pgbouncer", "schema")),
        NOTE,
        "url-parameters: left out, since libpq does not know it: pgbouncer, schema",
    ),
    (
        facts(proof=ActiveAnswer(Sharing.SHARED, evidence=("a proof",))),
        OK,
        "probe: it is proven that server connections change hands within a client's session",
    ),
    (
        facts(proof=ActiveAnswer(Sharing.NOT_SHOWN)),
        NOTE,
        "probe: the active probe saw no server connection change hands",
    ),
    (
        facts(DIRECT, proof=ActiveAnswer(Sharing.NOT_SHOWN)),
        OK,
        "probe: no server connection changed hands",
    ),
    (
        facts(proof=ActiveAnswer(Sharing.INCONCLUSIVE)),
        NOTE,
        "probe: the active probe could not be finished",
    ),
    (facts(silences=("nobody answered",)), NOTE, "not-asked: nobody answered"),
    (
        facts(replace(pooler("unknown"), prepared=True)),
        NOTE,
        "pooler: the pooler could not be named",
    ),
    (
        facts(replace(TRACKING, mode=None)),
        NOTE,
        "pooler: the pool mode could not be told",
    ),
]


@pytest.mark.parametrize("given, grade, line", CASES)
def test_each_check(given: Facts, grade: Grade, line: str) -> None:
    assert line in said(given, grade)


def test_the_cases_cover_every_check() -> None:
    assert {line.partition(":")[0] for _, _, line in CASES} == set(CHECKS)


def test_findings_come_first_and_ok_last() -> None:
    given = facts(FORGETFUL, stated=frozenset(), leftovers=(Leftovers(101, locks=1),))
    grades = [list(Grade).index(check.grade) for check in checks(given)]
    assert grades == sorted(grades, reverse=True)


@pytest.mark.parametrize("given", [case[0] for case in CASES])
def test_sentences_are_well_formed(given: Facts) -> None:
    for check in checks(given):
        for text in (check.what, check.why, *check.fix):
            assert text == text.strip()
            assert not text.endswith(".")
            assert "None" not in text.replace("prepare_threshold=None", "")
        assert check.fix or check.grade is not FINDING


# prepared statements

PREPARES: list[tuple[Pooler, Client, bool]] = [
    (DIRECT, OLD, True),
    (pooler("pgbouncer", version=(1, 18), mode=SESSION), OLD, True),
    (FORGETFUL, NEW, False),
    (pooler("pgbouncer", mode=TRANSACTION), NEW, False),
    (pooler("pgbouncer", version=(1, 21), mode=TRANSACTION, prepared=True), NEW, False),
    (pooler("pgbouncer", version=(1, 22), mode=TRANSACTION, prepared=True), NEW, True),
    (TRACKING, NEW, True),
    # libpq 16 has no protocol-level Close.
    (TRACKING, OLD, False),
    (pooler("odyssey", mode=TRANSACTION, prepared=True), NEW, True),
    (pooler("pgagroal", version=(2, 1)), NEW, False),
    (pooler("pgdog", mode=TRANSACTION), OLD, True),
    (pooler("supavisor", mode=TRANSACTION), NEW, False),
    (pooler("supavisor", mode=TRANSACTION, prepared=True), NEW, False),
    (pooler("unknown"), NEW, False),
]


@pytest.mark.parametrize("found, client, safe", PREPARES)
def test_whether_psycopg_may_prepare_by_name(found: Pooler, client: Client, safe: bool) -> None:
    assert prepares_are_safe(found, client) is safe
    check = the(facts(found, client=client), "named-prepare")
    assert check.grade is (OK if safe else FINDING)


def test_the_reason_names_the_library_that_is_too_old() -> None:
    check = the(facts(client=OLD), "named-prepare")
    assert check.why == (
        "libpq 16.4 cannot close a prepared statement by the protocol, and DEALLOCATE names a"
        " statement that the pooler has renamed"
    )
    assert check.fix[-1] == "or use psycopg with libpq 17"


# residue

LEFT: list[tuple[Leftovers, list[str]]] = [
    (Leftovers(1), []),
    (Leftovers(1, settings={"timezone": None, "application_name": None}), []),
    (Leftovers(1, settings={"statement_timeout": "4711ms"}), ["statement_timeout = 4711ms"]),
    (Leftovers(1, settings={"search_path": None}), ["search_path is changed"]),
    (Leftovers(1, statements=("PGBOUNCER_17", "_pg3_0")), ["prepared _pg3_0"]),
    (Leftovers(1, statements=("PGBOUNCER_17", "odyssey_pstmt_3f")), []),
    (Leftovers(1, locks=1), ["1 session advisory lock"]),
    (Leftovers(1, locks=2), ["2 session advisory locks"]),
    (Leftovers(1, channels=("jobs",)), ["listening on jobs"]),
    (Leftovers(1, temporary=tuple("abcdefg")), ["temporary a b c d e and 2 more"]),
    (Leftovers(1, cursors=("c",)), ["open cursor c"]),
    (Leftovers(1, role="reporting"), ["role reporting"]),
]


@pytest.mark.parametrize("left, words", LEFT)
def test_what_is_left_by_others(left: Leftovers, words: list[str]) -> None:
    given = facts(leftovers=(left,))
    check = the(given, "residue")
    assert check.grade is (FINDING if words else OK)
    if words:
        assert check.why == f"server process 1: {', '.join(words)}"


def test_options_that_reach_other_clients() -> None:
    left = Leftovers(1, settings={"work_mem": "1MB", "timezone": None})
    leaky = pooler("odyssey", mode=TRANSACTION, prepared=True)
    options = {"work_mem": Reception.APPLIED, "timezone": Reception.APPLIED}
    given = facts(leaky, leftovers=(left,), startup=options)
    assert said(given) == [
        "startup-options: work_mem in the connection's options reaches other clients"
    ]
    assert the(given, "startup-options").why == (
        "Odyssey (transaction pooling) sets work_mem on a server connection that other clients"
        " share"
    )
    # What did not arrive was left by somebody else.
    dropped = replace(given, startup={"work_mem": Reception.DROPPED})
    assert the(dropped, "residue").why == "server process 1: work_mem = 1MB"


def test_what_the_pooler_tracks_is_not_left() -> None:
    left = Leftovers(1, settings={"search_path": None})
    tracking = pooler("pgbouncer", version=(1, 26), mode=TRANSACTION,
                      reported=frozenset({"search_path"}))  # fmt: skip
    assert the(facts(tracking, leftovers=(left,)), "residue").grade is OK
    assert the(facts(FORGETFUL, leftovers=(left,)), "residue").grade is FINDING


def test_every_server_connection_is_named() -> None:
    given = facts(leftovers=(Leftovers(7, locks=1), Leftovers(8), Leftovers(9, role="r")))
    check = the(given, "residue")
    assert check.why == "server process 7: 1 session advisory lock\nserver process 9: role r"
    assert check.fix[-1] == "clean up once: RECONNECT shop on PgBouncer's admin console"


# answers

ANSWER = {
    "pid": 7,
    "settings": {"TimeZone": None, "work_mem": "1MB"},
    "statements": None,
    "locks": 2,
    "channels": ["jobs"],
    "temporary": None,
    "cursors": None,
    "role": None,
}


def test_leftovers_are_read() -> None:
    assert leftovers_in(ANSWER) == Leftovers(
        7, settings={"timezone": None, "work_mem": "1MB"}, locks=2, channels=("jobs",)
    )
    assert described(leftovers_in({**ANSWER, "settings": None, "locks": 0, "channels": None})) == []


def test_the_server_is_read() -> None:
    answer = {
        "version": "15.18 (Debian 15.18-0+deb12u1)", "max_connections": 100, "reserved": 3,
        "used": 12, "role_used": 5, "role_limit": -1, "database_limit": -1, "timeouts": TIMEOUTS,
    }  # fmt: skip
    assert server_in(answer) == replace(SERVER, version="15.18")


def rows(*values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(values)


def console(pool_mode: str | None) -> Console:
    database = {"host": "db", "port": 5432, "pool_size": 20, "pool_mode": pool_mode}
    elsewhere = {**database, "name": "far", "host": "far"}
    return console_in(
        "shop",
        rows({"version": "PgBouncer 1.18.0"}),
        rows({**database, "name": "shop"}, {**database, "name": "other"}, elsewhere),
        rows(
            {"database": "shop", "cl_waiting": 2},
            {"database": "shop", "cl_waiting": 1},
            {"database": "other", "cl_waiting": 7},
            {"database": "far", "cl_waiting": 0},
            {"database": "pgbouncer", "cl_waiting": 0},
        ),
        rows({"key": "pool_mode", "value": "session"}, {"key": "auth_query", "value": "SELECT"}),
    )


def test_the_console_is_read() -> None:
    found = console("transaction")
    assert (found.mode, found.pool_size, found.pools, found.waiting) == ("transaction", 20, 60, 3)
    assert found.config == {"pool_mode": "session"}
    assert console(None).mode == "session"


def test_a_console_that_does_not_know_the_database() -> None:
    with pytest.raises(LookupError, match="does not list the database shop"):
        console_in("shop", [], [], [], [])


# the table


def test_a_direct_connection_needs_no_table() -> None:
    assert [row.answer for row in behaviours(DIRECT, prepares_are_safe=True)] == [Answer.WORKS]


@pytest.mark.parametrize("product", list(TITLES))
@pytest.mark.parametrize("mode", list(PoolMode))
def test_every_pooler_has_a_full_table(product: str, mode: PoolMode) -> None:
    found = pooler(product, mode=mode)
    table = behaviours(found, prepares_are_safe=bool(found.prepared))
    assert table
    for row in table:
        assert row.meaning
        assert bool(row.instead) is not row.answer.safe
        assert row.rule == "" or row.rule in RULES
    if found.shares_sessions:
        by_rule = {row.rule: row.answer for row in table}
        assert by_rule["listen"] is found.answer(EffectKind.CHANNEL)
        assert by_rule["named-prepare"].safe is bool(found.prepared)


def test_the_worst_comes_first() -> None:
    answers = [row.answer for row in behaviours(FORGETFUL, prepares_are_safe=False)]
    assert answers[0] is Answer.LEAKS
    assert answers[-1] is Answer.WORKS


@pytest.mark.parametrize(
    "found, answer",
    [
        (TRACKING, Answer.WORKS),
        (pooler("pgbouncer", mode=STATEMENT), Answer.ERRORS),
        (pooler("odyssey", mode=STATEMENT), Answer.LOST),
    ],
)
def test_transactions_in_statement_mode(found: Pooler, answer: Answer) -> None:
    [row] = [r for r in behaviours(found, prepares_are_safe=True) if r.what.startswith("BEGIN")]
    assert row.answer is answer


def test_what_was_only_read_is_said_so() -> None:
    assert document(diagnosis(TRACKING))["pooler"]["measured"] is True
    report = document(diagnosis(pooler("supavisor", mode=TRANSACTION)))
    assert report["pooler"]["measured"] is False
    assert "documented, not measured" in report["pooler"]["title"]


# advice


def diagnosis(found: Pooler = TRACKING, endpoint: Endpoint = HERE, **more: Any) -> Diagnosis:
    return judged(replace(facts(found, **more), endpoint=endpoint))


ODD = Endpoint("::1", 6432, "app|pool", "my shop")


@pytest.mark.parametrize(
    "found", [DIRECT, TRACKING, FORGETFUL, pooler("pgbouncer", mode=STATEMENT)]
)
@pytest.mark.parametrize("endpoint", [HERE, ODD, Endpoint("/run/pg", 5432, "", 'a"b')])
def test_advice_is_python(found: Pooler, endpoint: Endpoint) -> None:
    pieces = diagnosis(found, endpoint).advice
    assert [piece.library for piece in pieces] == ["SQLAlchemy", "psycopg", "asyncpg", "Django"]
    for piece in pieces:
        ast.parse("async def f():\n" + indent(piece.code, "    "))
        assert max(map(len, piece.code.splitlines())) <= 78


def codes(found: Pooler, **more: Any) -> dict[str, str]:
    return {piece.library: piece.code for piece in diagnosis(found, **more).advice}


def test_advice_where_prepared_statements_are_not_tracked() -> None:
    said_to = codes(FORGETFUL)
    assert '"prepare_threshold": None' in said_to["SQLAlchemy"]
    assert "prepare_threshold=None" in said_to["psycopg"]
    assert "statement_cache_size=0" in said_to["asyncpg"]
    assert "DISABLE_SERVER_SIDE_CURSORS" in said_to["Django"]
    assert "pgpoolsafe.install(engine)" in said_to["SQLAlchemy"]


def test_advice_where_they_are_tracked() -> None:
    said_to = codes(TRACKING)
    assert "prepare_threshold" not in said_to["SQLAlchemy"] + said_to["psycopg"]
    assert "statement_cache_size" not in said_to["asyncpg"]
    assert "pgpoolsafe.install(conn)" in said_to["psycopg"]


def test_advice_on_a_direct_connection() -> None:
    assert not any("pgpoolsafe" in code or "CURSORS" in code for code in codes(DIRECT).values())


def test_advice_in_statement_mode() -> None:
    said_to = codes(pooler("pgbouncer", mode=STATEMENT))
    assert 'isolation_level="AUTOCOMMIT"' in said_to["SQLAlchemy"]
    assert "autocommit=True" in said_to["psycopg"]


WAYS = [
    (HERE, TRACKING, (), ("at the address of the PostgreSQL server itself; the pooler's does not"
     " tell it")),
    (HERE, TRACKING, ("DIRECT_URL",), "perhaps what the environment calls DIRECT_URL"),
    (HERE, DIRECT, ("DIRECT_URL",), ""),
    (Endpoint("aws-0-eu-central-1.pooler.supabase.com", 6543, "postgres.ref", "postgres"),
     pooler("supavisor", mode=TRANSACTION), ("DIRECT_URL",),
     "Supabase (shared pooler): use port 5432 instead of 6543"),
    (Endpoint("ep-x-1-pooler.eu-central-1.aws.neon.tech", 5432, "app", "shop"), TRACKING, (),
     ("Neon (pooler): use host ep-x-1.eu-central-1.aws.neon.tech instead of"
     " ep-x-1-pooler.eu-central-1.aws.neon.tech")),
]  # fmt: skip


@pytest.mark.parametrize("endpoint, found, variables, way", WAYS)
def test_the_way_around(
    endpoint: Endpoint, found: Pooler, variables: tuple[str, ...], way: str
) -> None:
    assert diagnosis(found, endpoint, direct_variables=variables).way_around == way


# the document


def test_the_document_is_plain_json() -> None:
    given = diagnosis(FORGETFUL, startup={"work_mem": Reception.DROPPED})
    report = document(given)
    assert json.loads(json.dumps(report)) == report
    assert report["version"] == 1
    assert report["target"] == "postgresql://app@db.example:6432/shop"
    assert report["status"] == 1
    assert report["pooler"]["product"] == "pgbouncer"
    assert report["pooler"]["measured"] is True
    assert report["startup_options"] == {"work_mem": "dropped"}
    assert [check["name"] for check in report["checks"]][:2] == ["named-prepare", "startup-options"]


def test_what_is_ignored_does_not_count() -> None:
    given = diagnosis(FORGETFUL)
    assert document(given, ignored=["named-prepare"])["status"] == 0
    assert next(c["ignored"] for c in document(given, ignored=["named-prepare"])["checks"]) is True
    assert given.findings() != []
    assert given.findings(frozenset({"named-prepare"})) == []


def test_a_failure_is_a_document_as_well() -> None:
    assert failure("no") == {"version": 1, "status": 2, "error": "no"}
