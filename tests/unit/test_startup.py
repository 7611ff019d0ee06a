"""Settings in the connection's options: what each pooler does with them, and what to do."""

from __future__ import annotations

import pytest

from pgpoolsafe.poolers.answers import Pooler, PoolMode
from pgpoolsafe.poolers.products import DIRECT, PRODUCTS, pooler
from pgpoolsafe.poolers.startup import (
    ROWS,
    Reception,
    Refusal,
    arrived,
    named_by_refusal,
    received,
    refusal_in,
    remedies,
    settings_in,
    without,
)
from pgpoolsafe.rules.catalog import RULES
from pgpoolsafe.rules.policy import make_policy
from pgpoolsafe.startup_options import startup_findings

APPLIED, REJECTED = Reception.APPLIED, Reception.REJECTED
DROPPED, UNKNOWN = Reception.DROPPED, Reception.UNKNOWN


def pgbouncer(*version: int) -> Pooler:
    return pooler("pgbouncer", version=version or None, mode=PoolMode.TRANSACTION)


RECEPTIONS = [
    (DIRECT, "statement_timeout", APPLIED),
    (pgbouncer(1, 18), "statement_timeout", REJECTED),
    # Before 1.20 options are refused as a whole.
    (pgbouncer(1, 18), "application_name", REJECTED),
    (pgbouncer(1, 19, 1), "timezone", REJECTED),
    (pgbouncer(1, 20), "timezone", APPLIED),
    (pgbouncer(1, 24, 1), "TimeZone", APPLIED),
    (pgbouncer(1, 24, 1), "intervalstyle", APPLIED),
    (pgbouncer(1, 24, 1), "search_path", REJECTED),
    (pgbouncer(1, 24, 1), "statement_timeout", REJECTED),
    (pgbouncer(1, 26, 1), "search_path", APPLIED),
    (pgbouncer(1, 26, 1), "default_transaction_read_only", APPLIED),
    (pgbouncer(1, 26, 1), "statement_timeout", REJECTED),
    (pgbouncer(), "statement_timeout", REJECTED),
    (pgbouncer(), "search_path", UNKNOWN),
    (pgbouncer(), "timezone", UNKNOWN),
    (pooler("odyssey"), "statement_timeout", APPLIED),
    (pooler("odyssey"), "nosuch_param", DROPPED),
    (pooler("pgagroal", version=(2, 1)), "statement_timeout", DROPPED),
    (pooler("pgagroal"), "search_path", DROPPED),
    (pooler("pgpool"), "search_path", APPLIED),
    (pooler("pgdog"), "search_path", APPLIED),
    (pooler("supavisor"), "search_path", APPLIED),
    (pooler("supavisor"), "statement_timeout", DROPPED),
    (pooler("pg_doorman"), "timezone", APPLIED),
    (pooler("pg_doorman"), "statement_timeout", DROPPED),
    (pooler("rds-proxy"), "statement_timeout", REJECTED),
    (pooler("pgcat"), "statement_timeout", UNKNOWN),
    (pooler("hyperdrive"), "statement_timeout", UNKNOWN),
    (pooler("unknown"), "statement_timeout", UNKNOWN),
]


@pytest.mark.parametrize("found, name, reception", RECEPTIONS)
def test_what_a_pooler_does_with_a_setting(found: Pooler, name: str, reception: Reception) -> None:
    assert received(found, name) is reception


@pytest.mark.parametrize("mode", list(PoolMode))
def test_the_pool_mode_does_not_matter(mode: PoolMode) -> None:
    found = pooler("pgbouncer", version=(1, 24), mode=mode)
    assert received(found, "statement_timeout") is REJECTED


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.product} {row.since}")
def test_a_row_has_a_source_and_settings_in_lower_case(row: object) -> None:
    assert row.source  # type: ignore[attr-defined]
    assert row.product in (*PRODUCTS, "direct")  # type: ignore[attr-defined]
    names = row.applied | row.unsure  # type: ignore[attr-defined]
    assert {name for name in names if name != name.lower()} == set()


@pytest.mark.parametrize("version", [(1, 7), (1, 19), (1, 20), (1, 25, 1), (1, 26), (2, 0), None])
def test_exactly_one_row_speaks_for_a_version_of_pgbouncer(version: tuple[int, ...] | None) -> None:
    found = pooler("pgbouncer", version=version)
    assert len([row for row in ROWS if row.covers(found)]) == 1


ARRIVALS = [
    # A connection stands: the server shows whether the setting is in force.
    (pgbouncer(1, 24), "statement_timeout", "default", False, DROPPED),
    (pgbouncer(1, 24), "statement_timeout", "user", False, DROPPED),
    (pgbouncer(1, 24), "statement_timeout", "client", False, APPLIED),
    # Perhaps track_extra_parameters, perhaps another client's SET.
    (pgbouncer(1, 26), "statement_timeout", "session", False, UNKNOWN),
    (pgbouncer(1, 26), "statement_timeout", "session", True, APPLIED),
    # PgBouncer sets only what differs on the server connection.
    (pgbouncer(1, 26), "timezone", "configuration file", False, APPLIED),
    (pgbouncer(1, 24), "work_mem", "default", True, APPLIED),
    (pooler("unknown"), "app.tenant", None, False, UNKNOWN),
    (pooler("unknown"), "app.tenant", None, True, APPLIED),
    (pooler("pgagroal"), "search_path", "default", False, DROPPED),
]


@pytest.mark.parametrize("found, name, source, equal, reception", ARRIVALS)
def test_what_became_of_a_setting(
    found: Pooler, name: str, source: str | None, equal: bool, reception: Reception
) -> None:
    assert arrived(found, name, source, equal=equal) is reception


OPTIONS = [
    ("", {}),
    ("-c statement_timeout=2s", {"statement_timeout": "2s"}),
    ("-cstatement_timeout=2s", {"statement_timeout": "2s"}),
    ("  -c  Work_Mem=1MB  -c search_path=a,b ", {"work_mem": "1MB", "search_path": "a,b"}),
    ("--search-path=app --work_mem=1MB", {"search_path": "app", "work_mem": "1MB"}),
    (r"-c search_path=a,\ b", {"search_path": "a, b"}),
    (r"-c app.note=back\\slash", {"app.note": r"back\slash"}),
    ("-c app.equation=a=b", {"app.equation": "a=b"}),
    ("-c geqo=off -c geqo=on", {"geqo": "on"}),
    ("-e -c geqo=off", {"-e": "", "geqo": "off"}),
    # A provider's own routing, not a setting.
    ("endpoint=ep-cool-1 -c geqo=off", {"geqo": "off"}),
    ("reference=abcdef", {}),
    ("-c", {"": ""}),
]  # fmt: skip


@pytest.mark.parametrize("options, settings", OPTIONS)
def test_settings_in_options(options: str, settings: dict[str, str]) -> None:
    assert settings_in(options) == settings


WITHOUT = [
    ("-c geqo=off -cwork_mem=1MB --search-path=x", ["geqo"], "-cwork_mem=1MB --search-path=x"),
    ("-c geqo=off -cwork_mem=1MB --search-path=x", ["work_mem", "search_path"], "-c geqo=off"),
    (r"endpoint=ep-1 -c search_path=a,\ b", [], r"endpoint=ep-1 -c search_path=a,\ b"),
    (r"endpoint=ep-1 -c search_path=a,\ b -e", ["search_path"], "endpoint=ep-1 -e"),
    ("-c geqo=off", ["geqo"], ""),
]


@pytest.mark.parametrize("options, names, rest", WITHOUT)
def test_options_without_some_settings(options: str, names: list[str], rest: str) -> None:
    assert without(options, names) == rest


REFUSALS = [
    (
        ('connection to server at "::1", port 6432 failed: FATAL:  unsupported startup parameter in'
        " options: statement_timeout"),
        Refusal("pgbouncer", "statement_timeout", "unsupported startup parameter in options:"
                " statement_timeout"),
    ),
    (
        "FATAL:  unsupported startup parameter: options",
        Refusal("pgbouncer", None, "unsupported startup parameter: options"),
    ),
    (
        "FATAL:  unsupported startup parameter: search_path\n",
        Refusal("pgbouncer", "search_path", "unsupported startup parameter: search_path"),
    ),
    (
        ("FATAL:  unsupported options startup parameter: only '-c config=val' and '--config=val'"
        " are allowed"),
        Refusal("pgbouncer", None, "unsupported options startup parameter: only '-c config=val'"),
    ),
    (
        "FATAL:  Feature not supported: RDS Proxy currently doesn’t support command-line options.",
        Refusal("rds-proxy", None, "RDS Proxy currently doesn’t support command-line options"),
    ),
    (
        ("FATAL:  Feature not supported: RDS Proxy currently doesn’t support the option"
        " statement_timeout."),
        Refusal("rds-proxy", "statement_timeout", "RDS Proxy currently doesn’t support the option"
                " statement_timeout"),
    ),
    ('FATAL:  role "options" does not exist', None),
    ('FATAL:  unrecognized configuration parameter "nosuch_param"', None),
    ("FATAL:  no such database: unsupported", None),
]  # fmt: skip


@pytest.mark.parametrize("error, refusal", REFUSALS)
def test_refusal_in_an_error(error: str, refusal: Refusal | None) -> None:
    assert refusal_in(error) == refusal


def test_a_refusal_names_a_proxy_that_has_no_name() -> None:
    refusal = Refusal("pgbouncer", None, "unsupported startup parameter: options")
    proxy = pooler("unknown", prepared=False, evidence=("a sign",), confidence="likely")
    found = named_by_refusal(proxy, refusal)
    assert (found.product, found.prepared, found.mode) == ("pgbouncer", False, None)
    assert found.evidence == ("it refused: unsupported startup parameter: options", "a sign")


def test_a_refusal_does_not_outweigh_what_is_known() -> None:
    known = pgbouncer(1, 26)
    assert named_by_refusal(known, Refusal("rds-proxy", None, "…")) is known


REMEDIES = [
    (
        pgbouncer(1, 18),
        [("ignore_startup_parameters = options in pgbouncer.ini lets the client in, without the"
         " setting")],
    ),
    (
        pgbouncer(1, 24),
        [("track_extra_parameters = work_mem in pgbouncer.ini helps only if the server reports it"
         " to clients; else PgBouncer before 1.26 drops it without a word"),
         ("ignore_startup_parameters = work_mem in pgbouncer.ini lets the client in, without the"
         " setting")],
    ),
    (
        pgbouncer(1, 26),
        ["track_extra_parameters = work_mem in pgbouncer.ini applies it per client",
         ("ignore_startup_parameters = work_mem in pgbouncer.ini lets the client in, without the"
         " setting")],
    ),
    (
        pgbouncer(),
        [("ignore_startup_parameters = options in pgbouncer.ini lets the client in, without the"
         " setting")],
    ),
    (pooler("rds-proxy"), []),
]  # fmt: skip


@pytest.mark.parametrize("found, more", REMEDIES)
def test_remedies_by_product_and_version(found: Pooler, more: list[str]) -> None:
    assert remedies(found, "work_mem", "app") == (
        "ALTER ROLE app SET work_mem = …, and take it out of options",
        "SET LOCAL work_mem = … in the transactions that need it",
        *more,
    )


@pytest.mark.parametrize(
    "role, written", [("app", "app"), ("App", '"App"'), ('a"b', '"a""b"'), ("", "…")]
)
def test_the_role_is_written_as_sql_wants_it(role: str, written: str) -> None:
    assert remedies(DIRECT, "work_mem", role)[0].startswith(f"ALTER ROLE {written} SET")


def test_a_switch_that_is_no_setting() -> None:
    assert remedies(pgbouncer(1, 24), "-e", "app") == (
        "leave -e out of options: only -c name=value is known to poolers",
    )


def test_the_finding_is_asserted_whole() -> None:
    [finding] = startup_findings(
        pgbouncer(1, 26), {"work_mem": REJECTED, "geqo": APPLIED}, role="app", policy=make_policy()
    )
    assert str(finding) == (
        "startup-options: work_mem in the connection's options does not arrive\n\n"
        "  options=-c work_mem=…\n\n"
        "  why:   PgBouncer 1.26 (transaction pooling) refuses the connection because of work_mem\n"
        "  fix:   ALTER ROLE app SET work_mem = …, and take it out of options; or SET LOCAL"
        " work_mem = … in the transactions that need it; or track_extra_parameters = work_mem in"
        " pgbouncer.ini applies it per client; or ignore_startup_parameters = work_mem in"
        " pgbouncer.ini lets the client in, without the setting\n"
        '  allow: with pgpoolsafe.allow("startup-options"): …\n'
        "  docs:  docs/rules/startup-options.md"
    )


@pytest.mark.parametrize("reception", [APPLIED, UNKNOWN])
def test_what_arrives_or_is_not_known_is_no_finding(reception: Reception) -> None:
    found = startup_findings(pgbouncer(), {"geqo": reception}, role="", policy=make_policy())
    assert found == []


def test_ignored_by_its_level() -> None:
    policy = make_policy(rules={"startup-options": "ignore"})
    assert startup_findings(pgbouncer(), {"geqo": DROPPED}, role="", policy=policy) == []


def test_the_rule_has_a_reason_for_each_way_to_lose_a_setting() -> None:
    said = {
        startup_findings(pgbouncer(), {"geqo": r}, role="", policy=make_policy())[0].why
        for r in (DROPPED, REJECTED)
    }
    assert len(said) == 2
    assert RULES["startup-options"].default is None
