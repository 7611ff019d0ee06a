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
from pgpoolsafe.checkup.facts import Client, ClientPool, Console, Facts, Server
from pgpoolsafe.checkup.prepares import prepares_are_safe
from pgpoolsafe.checkup.questions import console_in, server_in
from pgpoolsafe.checkup.residue import origin_behind
from pgpoolsafe.doctor import Diagnosis, judged
from pgpoolsafe.effects import EffectKind
from pgpoolsafe.poolers.active import ActiveAnswer, Sharing
from pgpoolsafe.poolers.answers import Answer, Pooler, PoolMode
from pgpoolsafe.poolers.endpoints import Endpoint
from pgpoolsafe.poolers.products import DIRECT, TITLES, pooler
from pgpoolsafe.poolers.startup import Reception
from pgpoolsafe.report.document import document, failure
from pgpoolsafe.rules.catalog import RULES
from pgpoolsafe.rules.findings import Finding, Location
from pgpoolsafe.session.residue import Snapshot, Thing, snapshot_in

SESSION, TRANSACTION, STATEMENT = PoolMode.SESSION, PoolMode.TRANSACTION, PoolMode.STATEMENT
FINDING, NOTE, OK = Grade.FINDING, Grade.NOTE, Grade.OK

HERE = Endpoint("db.example", 6432, "app", "shop")
NEW = Client("3.13.1", "3.3.9", 180006)
OLD = Client("3.10.13", "3.2.0", 160004)
TIMEOUTS = {"idle_in_transaction_session_timeout": 60000, "statement_timeout": 0}
SERVER = Server("18.6", 100, 3, 12, 5, -1, -1, TIMEOUTS)
TRACKING = pooler("pgbouncer", version=(1, 24, 1), mode=TRANSACTION)
FORGETFUL = pooler("pgbouncer", version=(1, 18), mode=TRANSACTION)


K = EffectKind
LOCK = Thing(K.ADVISORY_LOCK, "7")


def snapshot(pid: int, *things: Thing, **settings: str) -> Snapshot:
    """A server connection that carries these things and settings."""
    values = {Thing(K.SETTING, name): value for name, value in settings.items()}
    return Snapshot(pid, {**values, **dict.fromkeys(things, "")})


def function_finding(title: str, line: int) -> Finding:
    return Finding(
        rule="session-set",
        what=f"set_config(app.tenant) in {title} outlives the transaction",
        statement="PERFORM set_config('app.tenant', 'a-secret', false)",
        why="the next client inherits it",
        fix="SET LOCAL app.tenant TO …",
        pooler=TRACKING,
        level="warn",
        location=Location(title, line, ""),
    )


SET_TENANT = function_finding("lib.set_tenant(integer)", 3)
LOG_IN = function_finding("lib.log_in(integer)", 5)


def facts(found: Pooler = TRACKING, **more: Any) -> Facts:
    """Facts of a target on which nothing is wrong but what `more` says."""
    fine: dict[str, Any] = {
        "server": SERVER,
        "stated": frozenset({"connect_timeout"}),
        "leftovers": (snapshot(101), snapshot(102)),
        "functions": (),
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
        facts(leftovers=(snapshot(101, LOCK),)),
        FINDING,
        "residue: somebody leaks here: server connections carry what other clients left",
    ),
    (facts(), OK, "residue: nothing was left behind by other clients"),
    (
        facts(functions=(LOG_IN, SET_TENANT, SET_TENANT)),
        FINDING,
        "functions: functions of the database that leave session state: 2",
    ),
    (
        facts(DIRECT, functions=(SET_TENANT,)),
        NOTE,
        "functions: functions of the database that leave session state: 1",
    ),
    (facts(), OK, "functions: no function of the database leaves session state"),
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
    given = facts(FORGETFUL, stated=frozenset(), leftovers=(snapshot(101, LOCK),))
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

ROLE = Thing(K.ROLE, "role")

LEFT: list[tuple[Snapshot, str]] = [
    (snapshot(1), ""),
    (snapshot(1, statement_timeout="4711ms"), "statement_timeout = 4711ms"),
    (snapshot(1, row_security="off"), "row_security = off"),
    (snapshot(1, search_path="tenant_42"), "search_path is changed"),
    (snapshot(1, Thing(K.SETTING, "app.tenant")), "app.tenant is changed"),
    (Snapshot(1, {Thing(K.SETTING, "app.tenant"): "42"}), "app.tenant is changed"),
    (Snapshot(1, {ROLE: "reporting"}), "role reporting"),
    (
        Snapshot(1, {Thing(K.ROLE, "session_authorization"): "reporting"}),
        "session authorization reporting",
    ),
    (snapshot(1, LOCK), "session advisory lock 7"),
    (snapshot(1, LOCK, Thing(K.ADVISORY_LOCK, "1, 2")), "session advisory lock (1, 2), 7"),
    (snapshot(1, Thing(K.PREPARED_STATEMENT, "_pg3_0")), "prepared _pg3_0"),
    (snapshot(1, Thing(K.CHANNEL, "jobs")), "listening on jobs"),
    (
        snapshot(1, *(Thing(K.TEMP_OBJECT, name) for name in "gfedcba")),
        "temporary a, b, c, d, e and 2 more",
    ),
    (snapshot(1, Thing(K.HELD_CURSOR, "a\nb")), "open cursor a b"),
    (snapshot(1, Thing(K.LIBRARY, "auto_explain")), "loaded auto_explain"),
    (
        snapshot(1, Thing(K.SESSION_FUNCTION, "dblink connection far")),
        "dblink connection far",
    ),
    (snapshot(1, LOCK, work_mem="1MB"), "work_mem = 1MB, session advisory lock 7"),
]


@pytest.mark.parametrize("found, words", LEFT)
def test_what_is_left_by_others(found: Snapshot, words: str) -> None:
    check = the(facts(leftovers=(found,)), "residue")
    assert check.grade is (FINDING if words else OK)
    if words:
        assert check.why == f"server process 1: {words}"


def test_options_that_reach_other_clients() -> None:
    leaky = pooler("odyssey", mode=TRANSACTION, prepared=True)
    options = {"work_mem": Reception.APPLIED, "timezone": Reception.APPLIED}
    given = facts(leaky, leftovers=(snapshot(1, work_mem="1MB"),), startup=options)
    assert said(given) == [
        "startup-options: work_mem in the connection's options reaches other clients"
    ]
    assert the(given, "startup-options").why == (
        "Odyssey (transaction pooling) sets work_mem on a server connection that other clients"
        " share"
    )
    assert document(judged(given))["residue"] == [{"pid": 1, "things": []}]
    # What did not arrive was left by somebody else.
    dropped = replace(given, startup={"work_mem": Reception.DROPPED})
    assert the(dropped, "residue").why == "server process 1: work_mem = 1MB"


def test_every_server_connection_is_named() -> None:
    given = facts(leftovers=(snapshot(7, LOCK), snapshot(8), Snapshot(9, {ROLE: "r"})))
    check = the(given, "residue")
    assert check.why == "server process 7: session advisory lock 7\nserver process 9: role r"
    assert check.fix[-1] == "clean up once: RECONNECT shop on PgBouncer's admin console"


# answers

ANSWER = {
    "pid": 7,
    "stamp": "0:",
    "names": None,
    "settings": {"TimeZone": "UTC", "search_path": "tenant_42"},
    "custom": None,
    "configured": None,
    "session_user": "app",
    "login": "app",
    "role": "none",
    "locks": [[0, 7, 1, "ExclusiveLock"]],
    "statements": [["PGBOUNCER_17", False], ["odyssey_pstmt_3f", False], ["_pg3_0", False]],
    "cursors": None,
    "channels": None,
    "temporary": None,
    "slots": None,
    "preloads": "",
    "libraries": None,
    "dblink": None,
    "origin": None,
    "drawn": None,
}

LOOKED_AT: list[tuple[Pooler, set[str]]] = [
    (FORGETFUL, {"search_path", "7", "_pg3_0"}),
    (
        pooler("pgbouncer", version=(1, 26), mode=TRANSACTION, reported=frozenset({"search_path"})),
        {"7", "_pg3_0"},
    ),
]


@pytest.mark.parametrize("found, names", LOOKED_AT)
def test_what_a_pooler_gives_to_each_client_is_not_left(found: Pooler, names: set[str]) -> None:
    seen = snapshot_in(ANSWER, origin_behind(found))
    assert {thing.name for thing in seen.things} == names


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


# functions


def test_functions_are_named_once() -> None:
    check = the(facts(functions=(LOG_IN, SET_TENANT, SET_TENANT)), "functions")
    assert check.why == (
        "lib.log_in(integer), lib.set_tenant(integer); a statement that calls one does not show it"
    )
    many = tuple(function_finding(f"f{number}()", 1) for number in range(7))
    named = "f0(), f1(), f2(), f3(), f4() and 2 more"
    assert the(facts(functions=many), "functions").why.startswith(named)


def test_functions_do_no_harm_in_a_session_of_ones_own() -> None:
    session = pooler("pgbouncer", version=(1, 26), mode=SESSION)
    assert the(facts(session, functions=(SET_TENANT,)), "functions").why.endswith(
        "; this is no harm here, and would be one behind a shared pool"
    )


def test_functions_that_could_not_be_read_are_not_called_safe() -> None:
    assert "functions" not in {check.name for check in checks(facts(functions=None))}
    assert document(judged(facts(functions=None)))["functions"] is None


def test_functions_for_machines_without_the_text_of_the_statement() -> None:
    report = document(judged(facts(functions=(SET_TENANT,))))
    assert report["functions"] == [
        {
            "function": "lib.set_tenant(integer)",
            "line": 3,
            "rule": "session-set",
            "what": "set_config(app.tenant) in lib.set_tenant(integer) outlives the transaction",
            "fix": "SET LOCAL app.tenant TO …",
        }
    ]
    assert report["status"] == 1
    assert "a-secret" not in json.dumps(report)


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
    assert '"ENGINE": "pgpoolsafe_django"' in said_to["Django"]
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
