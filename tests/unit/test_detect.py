"""Detection, replayed from what each endpoint showed its clients when it was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pgpoolsafe.effects import EffectKind
from pgpoolsafe.poolers.answers import Answer, Pooler, PoolMode
from pgpoolsafe.poolers.detect import (
    PROBED_PARAMETERS,
    Greeting,
    ProbeAnswer,
    conclude,
    first_look,
    new_probe,
)
from pgpoolsafe.poolers.endpoints import Endpoint
from pgpoolsafe.poolers.products import TITLES

SESSION, TRANSACTION, STATEMENT = PoolMode.SESSION, PoolMode.TRANSACTION, PoolMode.STATEMENT

RANDOM = "0123456789abcdef"
PROBE = new_probe(RANDOM)
KEPT = "pgpoolsafe_0123456789abcdef"

LOCAL, DIALLED = 41646, 6432
PG15 = {
    "application_name": "shop",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "default_transaction_read_only": "off",
    "in_hot_standby": "off",
    "integer_datetimes": "on",
    "IntervalStyle": "postgres",
    "is_superuser": "off",
    "server_encoding": "UTF8",
    "server_version": "15.18",
    "session_authorization": "app",
    "standard_conforming_strings": "on",
    "TimeZone": "Etc/UTC",
}
PG18 = {**PG15, "server_version": "18.6", "scram_iterations": "4096", "search_path": '"$user"'}
ODYSSEY_PG15 = {name: value for name, value in PG15.items() if name != "in_hot_standby"}


def announcing(mode: str, limit: int, version: str = "1.26.1") -> dict[str, str]:
    """The parameters that PgBouncer 1.26 reports."""
    return {
        **PG15,
        "pgbouncer.version": version,
        "pgbouncer.pool_mode": mode,
        "pgbouncer.max_prepared_statements": str(limit),
    }


def greeting(
    pid: int,
    parameters: dict[str, str] | None = None,
    host: str = "127.0.0.1",
    **changes: Any,
) -> Greeting:
    made = Greeting(
        endpoint=Endpoint(host, DIALLED, "app", "shop"),
        backend_pid=pid,
        parameters=PG15 if parameters is None else parameters,
        server_version=150018,
        requested_application_name="shop",
        local_port=LOCAL,
        dialled_port=DIALLED,
    )
    return made._replace(**changes)


def answer(
    pid: int, name: str | None = KEPT, ports: tuple[int | None, int | None] = (40001, 5432)
) -> ProbeAnswer:
    return ProbeAnswer(pid, *ports, prepared_name=name)


DIRECT_PORTS = (LOCAL, DIALLED)


@dataclass(frozen=True)
class Column:
    """One endpoint: what it showed, and what may be said of it."""

    name: str
    greeting: Greeting
    answer: ProbeAnswer
    product: str
    mode: PoolMode | None
    prepared: bool | None
    needs_probe: bool = True


def pgbouncer(
    version: str, pool: str, pid: int, name: str, mode: PoolMode | None, prepared: bool
) -> Column:
    """A PgBouncer that does not announce itself."""
    product = "unknown" if name == KEPT else "pgbouncer"
    return Column(
        f"PgBouncer {version} {pool}", greeting(pid), answer(24815, name), product, mode, prepared
    )


def announced(pool: str, limit: int, name: str, mode: PoolMode, prepared: bool) -> Column:
    return Column(
        f"PgBouncer 1.26.1 {pool}, {limit} prepared",
        greeting(1531473826, announcing(pool, limit)),
        answer(24815, name),
        "pgbouncer",
        mode,
        prepared,
        needs_probe=False,
    )


def odyssey(pool: str, name: str, mode: PoolMode | None, prepared: bool, **changes: Any) -> Column:
    seen = greeting(373032690, changes.pop("parameters", ODYSSEY_PG15), **changes)
    return Column(f"Odyssey 1.5.2 {pool}", seen, answer(24830, name), "odyssey", mode, prepared)


def pgagroal(pool: str, reported: str, needs_probe: bool = False) -> Column:
    return Column(
        f"pgagroal {pool}",
        greeting(24860, {**PG15, "application_name": reported}),
        answer(24860),
        "pgagroal",
        None,
        False,
        needs_probe,
    )


MEASURED = [
    Column(
        "PostgreSQL 15, TCP",
        greeting(24812),
        answer(24812, ports=DIRECT_PORTS),
        "direct",
        None,
        True,
    ),
    Column(
        "PostgreSQL 15, Unix socket",
        greeting(24811, host="/run/postgresql", local_port=None, dialled_port=None),
        answer(24811, ports=(None, None)),
        "direct",
        None,
        True,
    ),
    Column(
        "PostgreSQL 18, TCP",
        greeting(4194304, PG18, server_version=180006),
        answer(4194304, ports=DIRECT_PORTS),
        "direct",
        None,
        True,
    ),
    # Before 1.21 the announced process id may be negative.
    pgbouncer("1.18", "session", 2030028072, KEPT, None, False),
    pgbouncer("1.18", "transaction", -1405287080, KEPT, None, False),
    pgbouncer("1.18", "statement", -1162511296, KEPT, None, False),
    pgbouncer("1.24.1", "session, 0 prepared", 638194601, KEPT, None, False),
    pgbouncer("1.24.1", "transaction, 0 prepared", 1307158920, KEPT, None, False),
    pgbouncer("1.24.1", "statement, 0 prepared", 200167429, KEPT, None, False),
    pgbouncer("1.24.1", "session, 200 prepared", 1336672405, KEPT, None, False),
    pgbouncer("1.24.1", "transaction, 200 prepared", 924794975, "PGBOUNCER_1", TRANSACTION, True),
    pgbouncer("1.24.1", "statement, 200 prepared", 114404091, "PGBOUNCER_2", TRANSACTION, True),
    # One in some 500 random ids looks like a process: only the comparison tells.
    pgbouncer("1.24.1", "transaction, lucky id", 30017, KEPT, None, False),
    announced("session", 0, KEPT, SESSION, True),
    announced("transaction", 0, KEPT, TRANSACTION, False),
    announced("statement", 0, KEPT, STATEMENT, False),
    announced("session", 200, KEPT, SESSION, True),
    announced("transaction", 200, "PGBOUNCER_1", TRANSACTION, True),
    announced("statement", 200, "PGBOUNCER_2", STATEMENT, True),
    odyssey("session", KEPT, None, False),
    odyssey("transaction", "odyssey_pstmt_0", TRANSACTION, True),
    odyssey("statement", "odyssey_pstmt_2", TRANSACTION, True),
    odyssey("transaction, nothing reserved", KEPT, None, False),
    odyssey(
        "transaction on PostgreSQL 18",
        "odyssey_pstmt_7",
        TRANSACTION,
        True,
        parameters={k: v for k, v in PG18.items() if k != "in_hot_standby"},
        server_version=180006,
    ),
    pgagroal("2.1.0 session", "pgagroal"),
    pgagroal("2.1.0 performance", "pgagroal"),
    pgagroal("2.1.0 transaction", "pgagroal"),
    pgagroal("1.6.0 transaction", "", needs_probe=True),
    # Pgpool-II keeps a client's session, so that nothing is lost by calling it direct.
    Column("Pgpool-II 4.7.3", greeting(24866), answer(24866), "direct", None, True),
]


@pytest.mark.parametrize("column", MEASURED, ids=lambda column: column.name)
def test_what_was_measured_is_recognised(column: Column) -> None:
    found = conclude(column.greeting, column.answer)
    assert (found.product, found.mode, found.prepared) == (
        column.product,
        column.mode,
        column.prepared,
    )
    assert found.evidence


@pytest.mark.parametrize("column", MEASURED, ids=lambda column: column.name)
def test_a_round_trip_is_spent_only_where_it_can_teach(column: Column) -> None:
    assert (first_look(column.greeting) is None) is column.needs_probe


@pytest.mark.parametrize("column", MEASURED, ids=lambda column: column.name)
def test_without_an_answer_nothing_is_called_safe_or_by_a_wrong_name(column: Column) -> None:
    found = conclude(column.greeting, None)
    assert found.product in (column.product, "unknown")
    assert found.product != "direct"
    if column.needs_probe:
        assert found.shares_sessions
        assert not found.prepared


@pytest.mark.parametrize("column", MEASURED, ids=lambda column: column.name)
def test_a_driver_that_cannot_close_statements_still_tells_a_proxy(column: Column) -> None:
    bare = column.answer._replace(prepared_name=None)
    found = conclude(column.greeting._replace(can_close_prepared=False), bare)
    # Only the renamed statement names a PgBouncer that does not announce itself.
    if column.product in ("direct", "odyssey", "pgagroal") or not column.needs_probe:
        assert found.product == column.product
    else:
        assert found.product == "unknown"
    if column.needs_probe and found.product != "direct":
        assert not found.prepared


# Announcement


@pytest.mark.parametrize(
    "parameters, version, mode, prepared",
    [
        (announcing("transaction", 200), (1, 26, 1), TRANSACTION, True),
        (announcing("transaction", 0), (1, 26, 1), TRANSACTION, False),
        (announcing("session", 0), (1, 26, 1), SESSION, True),
        (announcing("statement", 1), (1, 26, 1), STATEMENT, True),
        (announcing("transaction", 200, "1.27.0devel"), (1, 27, 0), TRANSACTION, True),
        (announcing("transaction", 200, "devel"), (1, 26), TRANSACTION, True),
        (announcing("something new", 200), (1, 26, 1), None, True),
        ({"pgbouncer.pool_mode": "transaction"}, (1, 26), TRANSACTION, False),
        ({"PgBouncer.Pool_Mode": "session"}, (1, 26), SESSION, True),
    ],
)
def test_pgbouncers_announcement_is_taken_at_its_word(
    parameters: dict[str, str],
    version: tuple[int, ...],
    mode: PoolMode | None,
    prepared: bool,
) -> None:
    found = first_look(greeting(1531473826, parameters))
    assert found is not None
    assert (found.product, found.version, found.mode) == ("pgbouncer", version, mode)
    assert (found.prepared, found.confidence) == (prepared, "certain")


def test_the_announcement_is_the_evidence() -> None:
    found = conclude(greeting(1, announcing("transaction", 200)), None)
    assert found.evidence == (
        "pgbouncer.max_prepared_statements is 200",
        "pgbouncer.pool_mode is transaction",
        "pgbouncer.version is 1.26.1",
    )
    assert str(found) == "PgBouncer 1.26.1 (transaction pooling)"


@pytest.mark.parametrize(
    "server, tracked, not_tracked",
    [
        (PG15, {"default_transaction_read_only", "timezone"}, {"search_path", "work_mem"}),
        (PG18, {"search_path", "scram_iterations"}, {"statement_timeout", "in_hot_standby"}),
    ],
)
def test_what_is_tracked_follows_from_what_the_server_reports(
    server: dict[str, str], tracked: set[str], not_tracked: set[str]
) -> None:
    parameters = {**server, **announcing("transaction", 200), **server}
    found = conclude(greeting(1, parameters), None)
    for name in tracked:
        assert found.answer(EffectKind.SETTING, name) is Answer.TRACKED, name
    for name in not_tracked:
        assert found.answer(EffectKind.SETTING, name) is Answer.LEAKS, name
    assert not any("." in name for name in found.tracked)


# Addresses

NEON = Endpoint("ep-cool-lab-123456-pooler.us-east-2.aws.neon.tech", 5432, "app", "shop")


@pytest.mark.parametrize(
    "endpoint, product, mode",
    [
        (Endpoint("ep-cool-lab-123456.us-east-2.aws.neon.tech", 5432), "direct", None),
        (Endpoint("aws-0-eu-west-1.pooler.supabase.com", 5432), "supavisor", SESSION),
        (Endpoint("p.proxy-abc.eu-west-1.rds.amazonaws.com", 5432), "rds-proxy", TRANSACTION),
    ],
)
def test_an_address_that_tells_everything_needs_no_probe(
    endpoint: Endpoint, product: str, mode: PoolMode | None
) -> None:
    # A gateway of the provider may put a process id of its own.
    found = first_look(greeting(1531473826, endpoint=endpoint))
    assert found is not None
    assert (found.product, found.mode, found.prepared) == (product, mode, True)
    assert found.confidence == "likely"


@pytest.mark.parametrize(
    "probed, prepared",
    [
        (answer(17, "PGBOUNCER_4"), True),
        (answer(17, KEPT), False),
        (None, None),
    ],
    ids=["renamed", "kept", "no answer"],
)
def test_an_address_leaves_prepared_statements_to_the_probe(
    probed: ProbeAnswer | None, prepared: bool | None
) -> None:
    seen = greeting(924794975, endpoint=NEON)
    assert first_look(seen) is None
    found = conclude(seen, probed)
    assert (found.product, found.mode, found.prepared) == ("pgbouncer", TRANSACTION, prepared)


def test_an_address_without_a_known_product_leaves_the_name_to_the_probe() -> None:
    seen = greeting(924794975, endpoint=Endpoint("pooled.db.prisma.io", 5432))
    assert conclude(seen, answer(17, KEPT)).product == "unknown"
    assert conclude(seen, answer(17, "PGBOUNCER_4")).product == "pgbouncer"
    assert conclude(seen._replace(parameters=ODYSSEY_PG15), answer(17)).product == "odyssey"


# Names given to prepared statements


@pytest.mark.parametrize(
    "name, product",
    [
        ("PGBOUNCER_1", "pgbouncer"),
        ("odyssey_pstmt_12", "odyssey"),
        ("DOORMAN_3", "pg_doorman"),
        ("__pgdog_7", "pgdog"),
        ("PGBOUNCER_x", "unknown"),
        ("s1", "unknown"),
        (f"{KEPT}_1", "unknown"),
        (f"tenant_{KEPT}", "unknown"),
    ],
)
def test_a_renamed_statement_is_tracked_by_whoever_renamed_it(name: str, product: str) -> None:
    found = conclude(greeting(4711), answer(4712, name))
    assert (found.product, found.mode, found.prepared) == (product, TRANSACTION, True)


def test_a_renamed_statement_proves_a_proxy_even_if_the_process_id_fits() -> None:
    found = conclude(greeting(4711), answer(4711, "PGBOUNCER_1", ports=DIRECT_PORTS))
    assert (found.product, found.prepared) == ("pgbouncer", True)


def test_a_statement_that_does_not_reach_the_server_means_a_proxy() -> None:
    found = conclude(greeting(4711), answer(4711, None, ports=DIRECT_PORTS))
    assert (found.product, found.mode, found.prepared) == ("unknown", None, None)


# Signs that prove nothing alone


@pytest.mark.parametrize(
    "seen, answered",
    [
        (greeting(4711), answer(4711)),
        (greeting(4711), answer(4711, ports=(None, None))),
        (greeting(4711), answer(4711, ports=(LOCAL, 5432))),
        (greeting(4711, ODYSSEY_PG15), answer(4711, ports=DIRECT_PORTS)),
        (greeting(4711, {**PG15, "application_name": "x"}), answer(4711, ports=DIRECT_PORTS)),
        (greeting(4711, {**PG15, "application_name": ""}), answer(4711, ports=DIRECT_PORTS)),
        (greeting(8388608), answer(8388608, ports=DIRECT_PORTS)),
        (greeting(4711, {}), answer(4711, ports=DIRECT_PORTS)),
        (greeting(4711, local_port=None, dialled_port=None), answer(4711)),
    ],
    ids=[
        "address translation",
        "a forwarder to a socket",
        "a mapped port",
        "no in_hot_standby",
        "application_name set since",
        "application_name emptied since",
        "a large process id",
        "no parameters visible",
        "own ports not known",
    ],
)
def test_one_weak_sign_does_not_make_a_pooler(seen: Greeting, answered: ProbeAnswer) -> None:
    found = conclude(seen, answered)
    assert (found.product, found.prepared, found.confidence) == ("direct", True, "likely")
    assert not found.shares_sessions


def test_other_ports_are_kept_as_evidence() -> None:
    assert conclude(greeting(4711), answer(4711)).evidence == (
        "a prepared statement kept its name",
        "the server's process id is the announced one",
        "the server sees other ports: a proxy or an address translation",
    )


@pytest.mark.parametrize("local, dialled", [(None, None), (LOCAL, None), (None, DIALLED)])
def test_ports_that_the_driver_does_not_know_are_no_evidence(
    local: int | None, dialled: int | None
) -> None:
    seen = greeting(4711, local_port=local, dialled_port=dialled)
    assert conclude(seen, answer(4711, ports=DIRECT_PORTS)).evidence == (
        "a prepared statement kept its name",
        "the server's process id is the announced one",
    )


@pytest.mark.parametrize(
    "seen, answered",
    [
        # Counters that look like process ids: PgDog, pg_doorman, Supavisor.
        (greeting(3, ODYSSEY_PG15), answer(24815)),
        # An old server reports no in_hot_standby, whoever stands in front of it.
        (greeting(1531473826, ODYSSEY_PG15, server_version=130012), answer(24815)),
        (greeting(1531473826, ODYSSEY_PG15, server_version=0), answer(24815)),
        # PgCat: no application_name either, but never the server's process id.
        (greeting(1531473826, {**PG15, "application_name": ""}), answer(24815)),
        (greeting(1531473826, {}), answer(24815)),
        (greeting(0), answer(24815)),
    ],
)
def test_a_proxy_without_a_sign_of_its_own_stays_unknown(
    seen: Greeting, answered: ProbeAnswer
) -> None:
    found = conclude(seen, answered)
    assert (found.product, found.mode, found.prepared) == ("unknown", None, False)
    assert found.shares_sessions
    assert str(found) == "an unknown proxy (pool mode unknown)"


@pytest.mark.parametrize("pid", [0, -1, -916810378, 4194305, 2147483647])
def test_an_impossible_process_id_is_enough_without_a_probe(pid: int) -> None:
    found = conclude(greeting(pid), None)
    assert (found.product, found.confidence) == ("unknown", "likely")
    assert found.evidence == ("the announced process id is none of a server's",)


def test_a_plausible_process_id_is_not_enough_without_a_probe() -> None:
    found = conclude(greeting(4711), None)
    assert (found.product, found.confidence) == ("unknown", "assumed")
    assert found.evidence == ("the probe gave no answer",)


def test_a_client_called_pgagroal_is_not_taken_for_one() -> None:
    named_so = {**PG15, "application_name": "pgagroal"}
    seen = greeting(4711, named_so, requested_application_name="pgagroal")
    assert conclude(seen, answer(4711, ports=DIRECT_PORTS)).product == "direct"


def test_pgagroal_shows_even_if_the_requested_name_is_not_known() -> None:
    named_so = {**PG15, "application_name": "pgagroal"}
    found = first_look(greeting(4711, named_so, requested_application_name=None))
    assert found is not None
    assert found.product == "pgagroal"


def test_every_product_found_has_rows() -> None:
    found: list[Pooler] = [conclude(column.greeting, column.answer) for column in MEASURED]
    assert {pooler.product for pooler in found} <= {"direct", *TITLES}


# The probe


def test_the_probe_as_it_is_sent() -> None:
    assert PROBE.name == b"pgpoolsafe_0123456789abcdef"
    assert PROBE.parsed_sql == b"select 1 as pgpoolsafe_0123456789abcdef"
    assert PROBE.question_sql == (
        b"select pg_catalog.pg_backend_pid(), pg_catalog.inet_client_port(),"
        b" pg_catalog.inet_server_port(),"
        b" (select name from pg_catalog.pg_prepared_statements"
        b" where statement = 'select 1 as pgpoolsafe_0123456789abcdef')"
    )


def test_the_probe_without_a_prepared_statement() -> None:
    bare = new_probe(RANDOM, with_prepare=False)
    assert (bare.name, bare.parsed_sql) == (None, b"")
    assert bare.question_sql == (
        b"select pg_catalog.pg_backend_pid(), pg_catalog.inet_client_port(),"
        b" pg_catalog.inet_server_port(), null"
    )


@pytest.mark.parametrize("random", ["", "short", "UPPERCASE", "x' or '1'='1", "0" * 41, "0123456é"])
def test_a_probe_takes_no_text_that_would_need_quoting(random: str) -> None:
    with pytest.raises(ValueError, match="lower-case letters and digits"):
        new_probe(random)


@pytest.mark.parametrize(
    "row, expected, seen, renamed",
    [
        ([b"17", b"41646", b"5432", KEPT.encode()], (17, 41646, 5432, KEPT), True, False),
        (["17", None, None, "PGBOUNCER_1"], (17, None, None, "PGBOUNCER_1"), True, True),
        (["17", "41646", "5432", None], (17, 41646, 5432, None), False, False),
    ],
)
def test_the_answer_is_read_from_the_row(
    row: list[str | bytes | None],
    expected: tuple[int, int | None, int | None, str | None],
    seen: bool,
    renamed: bool,
) -> None:
    read = ProbeAnswer.from_row(row)
    assert read == ProbeAnswer(*expected)
    assert (read.prepared_seen, read.renamed) == (seen, renamed)


@pytest.mark.parametrize("row", [[], ["17"], ["17", "1", "2"], [None, "1", "2", "x"]])
def test_another_row_is_no_answer(row: list[str | bytes | None]) -> None:
    with pytest.raises(ValueError, match="does not answer"):
        ProbeAnswer.from_row(row)


def test_the_parameters_looked_up_cover_all_that_is_judged() -> None:
    assert set(PG18) | set(announcing("session", 0)) == set(PROBED_PARAMETERS)
    assert len(PROBED_PARAMETERS) == len(set(PROBED_PARAMETERS))
