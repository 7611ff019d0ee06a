"""The table of poolers: nothing missing, nothing contradictory, and the facts that matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pgpoolsafe.effects import EffectKind
from pgpoolsafe.errors import ConfigurationError
from pgpoolsafe.poolers.answers import Answer, PoolMode
from pgpoolsafe.poolers.products import (
    COLUMNS,
    DIRECT,
    PRODUCTS,
    ROWS,
    TITLES,
    Row,
    Version,
    mode_named,
    named,
    pooler,
    row_for,
    version_in,
)

SESSION, TRANSACTION, STATEMENT = PoolMode.SESSION, PoolMode.TRANSACTION, PoolMode.STATEMENT
KINDS = list(EffectKind)
VERSIONS: list[Version | None] = [
    None,
    (0, 1),
    (1, 18),
    (1, 20),
    (1, 24, 1),
    (1, 26),
    (2, 1),
    (99,),
]

REPORTED_15 = frozenset(
    {
        "application_name",
        "client_encoding",
        "datestyle",
        "default_transaction_read_only",
        "in_hot_standby",
        "integer_datetimes",
        "intervalstyle",
        "is_superuser",
        "server_encoding",
        "server_version",
        "session_authorization",
        "standard_conforming_strings",
        "timezone",
    }
)
REPORTED_18 = REPORTED_15 | {"scram_iterations", "search_path"}
FIVE = {
    "application_name",
    "client_encoding",
    "datestyle",
    "standard_conforming_strings",
    "timezone",
}
SIX = FIVE | {"intervalstyle"}


# The table itself


def test_the_columns_are_all_the_kinds_there_are() -> None:
    assert sorted(COLUMNS, key=KINDS.index) == KINDS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.product} {row.since}")
def test_a_row_is_complete(row: Row) -> None:
    assert set(row.answers) == set(EffectKind)
    assert row.source.strip()
    assert row.modes
    assert row.product in PRODUCTS
    assert all(name == name.lower() for name in row.tracked | (row.if_reported or frozenset()))


def test_every_product_has_a_row_and_a_title() -> None:
    assert {row.product for row in ROWS} == set(PRODUCTS)
    assert set(TITLES) == {*PRODUCTS, "unknown"}


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("version", VERSIONS)
def test_exactly_one_row_speaks_for_each_version(product: str, version: Version | None) -> None:
    for mode in PoolMode:
        rows = [row for row in ROWS if row.product == product and mode in row.modes]
        assert sum(row.covers(version) for row in rows) == (1 if rows else 0)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_version_nobody_has_stated_gets_what_holds_for_all(product: str) -> None:
    for mode in PoolMode:
        rows = [row for row in ROWS if row.product == product and mode in row.modes]
        for unstated in [row for row in rows if row.covers(None)]:
            assert all(unstated.tracked <= row.tracked for row in rows)
            assert unstated.prepared is None or all(
                row.prepared is unstated.prepared for row in rows
            )


@pytest.mark.parametrize("product", TITLES)
@pytest.mark.parametrize("mode", [None, *PoolMode])
@pytest.mark.parametrize("version", VERSIONS)
def test_no_answer_is_missing(product: str, mode: PoolMode | None, version: Version | None) -> None:
    built = pooler(product, version=version, mode=mode)
    assert set(built.answers) == set(EffectKind)
    assert (built.product, built.title) == (product, TITLES[product])


@pytest.mark.parametrize("product", TITLES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_session_pool_keeps_everything(product: str, kind: EffectKind) -> None:
    built = pooler(product, mode=SESSION)
    assert built.answer(kind) is Answer.WORKS
    assert built.answers[kind] is Answer.WORKS
    assert built.prepared is True


@pytest.mark.parametrize("kind", KINDS)
def test_of_an_unknown_proxy_nothing_is_known(kind: EffectKind) -> None:
    assert pooler("unknown").answer(kind) is Answer.UNKNOWN
    assert pooler("unknown", mode=TRANSACTION).answer(kind) is Answer.UNKNOWN
    assert pooler("unknown").prepared is None


def test_a_mode_without_a_row_is_unknown() -> None:
    assert row_for("supavisor", None, STATEMENT).answers[EffectKind.SETTING] is Answer.UNKNOWN
    assert pooler("pgpool", mode=TRANSACTION).answer(EffectKind.CHANNEL) is Answer.UNKNOWN


@pytest.mark.parametrize("product", TITLES)
@pytest.mark.parametrize("mode", [TRANSACTION, STATEMENT, None])
def test_the_unreadable_is_never_called_safe(product: str, mode: PoolMode | None) -> None:
    built = pooler(product, mode=mode)
    assert not built.answer(EffectKind.OPAQUE_CODE).safe
    assert not built.answer(EffectKind.UNREADABLE).safe


# What the rows say

PGBOUNCER_TRACKS = [
    ((1, 18), FIVE, FIVE),
    ((1, 19, 1), FIVE, FIVE),
    ((1, 20), SIX, SIX),
    ((1, 21), SIX, SIX),
    ((1, 23, 1), SIX, SIX),
    ((1, 24, 1), SIX, SIX),
    ((1, 25, 2), SIX, SIX),
    (
        (1, 26, 1),
        SIX | {"session_authorization", "default_transaction_read_only"},
        SIX
        | {
            "session_authorization",
            "default_transaction_read_only",
            "search_path",
            "scram_iterations",
        },
    ),
    (None, FIVE, FIVE),
]


@pytest.mark.parametrize("version, on_15, on_18", PGBOUNCER_TRACKS)
@pytest.mark.parametrize("mode", [TRANSACTION, STATEMENT, None])
def test_what_pgbouncer_tracks(
    version: Version | None, on_15: set[str], on_18: set[str], mode: PoolMode | None
) -> None:
    for reported, tracked in ((REPORTED_15, on_15), (REPORTED_18, on_18)):
        built = pooler("pgbouncer", version=version, mode=mode, reported=reported)
        assert built.tracked == tracked


def test_what_pgbouncer_tracks_for_certain_if_nothing_is_known_of_the_server() -> None:
    built = pooler("pgbouncer", version=(1, 26), mode=TRANSACTION)
    assert built.tracked == SIX | {"session_authorization"}


@pytest.mark.parametrize(
    "version, prepared",
    [
        ((1, 18), False),
        ((1, 20, 1), False),
        ((1, 21), None),
        ((1, 22, 1), None),
        ((1, 23), None),
        ((1, 24), True),
        ((1, 25), True),
        ((1, 26), True),
        ((2, 0), True),
        (None, None),
    ],
)
def test_when_pgbouncer_tracks_prepared_statements_by_default(
    version: Version | None, prepared: bool | None
) -> None:
    assert pooler("pgbouncer", version=version, mode=TRANSACTION).prepared is prepared


@pytest.mark.parametrize("stated", [True, False])
def test_what_is_known_of_prepared_statements_outweighs_the_default(stated: bool) -> None:
    for version in ((1, 18), (1, 26)):
        built = pooler("pgbouncer", version=version, mode=TRANSACTION, prepared=stated)
        assert built.prepared is stated


def test_what_odyssey_tracks() -> None:
    on_15 = pooler("odyssey", mode=TRANSACTION, reported=REPORTED_15)
    on_18 = pooler("odyssey", mode=TRANSACTION, reported=REPORTED_18)
    assert on_15.tracked == FIVE | {"default_transaction_read_only"}
    assert on_18.tracked == FIVE | {"default_transaction_read_only", "search_path"}
    assert on_18.shown == {"search_path"}  # it restores it, as one name


@pytest.mark.parametrize(
    "product, kind, answer",
    [
        ("pgbouncer", EffectKind.SETTING, Answer.LEAKS),
        ("pgbouncer", EffectKind.ROLE, Answer.LEAKS),
        ("pgbouncer", EffectKind.ADVISORY_LOCK, Answer.LEAKS),
        ("pgbouncer", EffectKind.CHANNEL, Answer.LEAKS),
        ("odyssey", EffectKind.SETTING, Answer.LOST),
        ("odyssey", EffectKind.ADVISORY_LOCK, Answer.LOST),
        ("odyssey", EffectKind.PREPARED_STATEMENT, Answer.LEAKS),
        ("odyssey", EffectKind.LIBRARY, Answer.LEAKS),
        ("odyssey", EffectKind.SESSION_FUNCTION, Answer.LEAKS),
        ("odyssey", EffectKind.TEMP_OBJECT, Answer.LOST),
        ("pgagroal", EffectKind.SETTING, Answer.LEAKS),
        ("pgcat", EffectKind.PREPARED_STATEMENT, Answer.LOST),
        ("pgcat", EffectKind.SETTING, Answer.LEAKS),
        ("pgdog", EffectKind.CHANNEL, Answer.ERRORS),
        ("pgdog", EffectKind.SETTING, Answer.UNKNOWN),
        ("pg_doorman", EffectKind.HELD_CURSOR, Answer.LOST),
        ("pg_doorman", EffectKind.ADVISORY_LOCK, Answer.LEAKS),
        ("supavisor", EffectKind.SETTING, Answer.LEAKS),
        ("rds-proxy", EffectKind.SETTING, Answer.PINS),
        ("rds-proxy", EffectKind.SEQUENCE, Answer.PINS),
        ("rds-proxy", EffectKind.OPAQUE_CODE, Answer.LEAKS),
        ("hyperdrive", EffectKind.SETTING, Answer.LOST),
        ("hyperdrive", EffectKind.CHANNEL, Answer.UNKNOWN),
    ],
)
def test_what_becomes_of_session_state(product: str, kind: EffectKind, answer: Answer) -> None:
    assert pooler(product, mode=TRANSACTION).answer(kind, "work_mem") is answer
    assert pooler(product, mode=None).answer(kind, "work_mem") is answer


def test_a_tracked_setting_is_safe_and_its_role_is_not() -> None:
    built = pooler("pgbouncer", version=(1, 26), mode=TRANSACTION, reported=REPORTED_18)
    assert built.answer(EffectKind.SETTING, "search_path") is Answer.TRACKED
    assert built.answer(EffectKind.SETTING, "role") is Answer.LEAKS
    assert built.answer(EffectKind.ROLE, "reporting") is Answer.LEAKS


def test_an_unknown_product_cannot_be_built() -> None:
    with pytest.raises(ConfigurationError, match="pooler='haproxy' is not known"):
        pooler("haproxy")


def test_answers_cannot_be_changed_for_everybody() -> None:
    answers = pooler("pgbouncer", mode=TRANSACTION).answers
    with pytest.raises(TypeError):
        answers[EffectKind.SETTING] = Answer.WORKS  # type: ignore[index]


# A direct connection


@pytest.mark.parametrize("kind", KINDS)
def test_a_direct_connection_keeps_everything(kind: EffectKind) -> None:
    assert DIRECT.answer(kind) is Answer.WORKS
    assert DIRECT.prepared is True
    assert not DIRECT.shares_sessions


# The user's word


@pytest.mark.parametrize(
    "text, product, version",
    [
        ("pgbouncer", "pgbouncer", None),
        ("PgBouncer", "pgbouncer", None),
        (" pgbouncer ", "pgbouncer", None),
        ("pgbouncer>=1.24", "pgbouncer", (1, 24)),
        ("pgbouncer >= 1.24.1", "pgbouncer", (1, 24, 1)),
        ("pgbouncer==1.22", "pgbouncer", (1, 22)),
        ("pgbouncer=1.22", "pgbouncer", (1, 22)),
        ("pgbouncer 1.26", "pgbouncer", (1, 26)),
        ("PgBouncer v1.26", "pgbouncer", (1, 26)),
        ("odyssey", "odyssey", None),
        ("pgagroal 2.1.0", "pgagroal", (2, 1, 0)),
        ("pgcat", "pgcat", None),
        ("pgdog", "pgdog", None),
        ("supabase", "supavisor", None),
        ("Supavisor", "supavisor", None),
        ("pg-doorman", "pg_doorman", None),
        ("rds-proxy", "rds-proxy", None),
        ("RDS Proxy", "rds-proxy", None),
        ("rds_proxy", "rds-proxy", None),
        ("rds", "rds-proxy", None),
        ("hyperdrive", "hyperdrive", None),
        ("Cloudflare Hyperdrive", "hyperdrive", None),
        ("unknown", "unknown", None),
    ],
)
def test_a_pooler_by_name_pools_transactions(
    text: str, product: str, version: Version | None
) -> None:
    built = named(text, None)
    assert (built.product, built.version, built.mode) == (product, version, TRANSACTION)
    assert (built.confidence, built.evidence) == ("certain", ("as the option says",))


@pytest.mark.parametrize("text", ["pgpool", "Pgpool-II", "pgpool2 4.5", "pgpool-ii>=4"])
def test_pgpool_pools_sessions_only(text: str) -> None:
    built = named(text, None)
    assert (built.product, built.mode) == ("pgpool", SESSION)


@pytest.mark.parametrize("mode", list(PoolMode))
@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title, " {} ".format])
def test_the_mode_by_name(mode: PoolMode, spelling: Callable[[str], str]) -> None:
    assert named("pgbouncer", spelling(mode.value)).mode is mode
    assert mode_named(spelling(mode.value)) is mode


@pytest.mark.parametrize("text", ["direct", "Direct", "postgresql", "postgres"])
def test_a_direct_connection_by_name(text: str) -> None:
    assert named(text, None) is DIRECT


def test_a_version_decides_as_its_row_does() -> None:
    assert named("pgbouncer 1.18", None).prepared is False
    assert named("pgbouncer>=1.24", None).prepared is True
    assert str(named("pgbouncer>=1.24", None)) == "PgBouncer 1.24 (transaction pooling)"


@pytest.mark.parametrize(
    "text",
    [
        "pgbuncer",
        "",
        " ",
        "pgbouncer<1.20",
        "pgbouncer>=",
        "pgbouncer>=new",
        "pgbouncer 1.x",
        "pgbouncer,odyssey",
        "1.24",
        "direct 15",
        "auto",
    ],
)
def test_a_wrong_word_is_named_beside_the_right_ones(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        named(text, None)
    assert str(caught.value) == (
        f"pooler={text!r} is not known: use auto, direct, pgbouncer, odyssey, pgagroal, pgpool, "
        "pgcat, pgdog, supavisor, pg_doorman, rds-proxy, hyperdrive, unknown; "
        "a version and a pool mode may follow a product, as in 'pgbouncer>=1.24 transaction'"
    )


@pytest.mark.parametrize("mode", list(PoolMode))
@pytest.mark.parametrize("product", ["pgbouncer", "pgbouncer>=1.24", "pgbouncer 1.24"])
def test_a_mode_may_stand_behind_the_product(product: str, mode: PoolMode) -> None:
    assert named(f"{product} {mode.value.upper()} ") == named(product, mode.value)
    assert named(f"{product} {mode.value}", mode.value) == named(product, mode.value)


def test_one_mode_behind_the_product_and_another_beside_it_is_an_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        named("pgbouncer session", "transaction")
    assert str(caught.value) == ("pooler='pgbouncer session' and pool_mode='transaction' disagree")


@pytest.mark.parametrize("text", ["transactions", "", "none", "performance"])
def test_a_wrong_mode_is_named_beside_the_right_ones(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        named("pgbouncer", text)
    assert str(caught.value) == (
        f"pool_mode={text!r} is not known: use session, transaction, statement"
    )


def test_a_direct_connection_has_no_pool_mode() -> None:
    with pytest.raises(ConfigurationError) as caught:
        named("direct", "transaction")
    assert str(caught.value) == "pool_mode='transaction' means nothing with pooler='direct'"


@pytest.mark.parametrize(
    "text, version",
    [
        ("1.26.1", (1, 26, 1)),
        ("1.27.0devel", (1, 27, 0)),
        (" 2 ", (2,)),
        ("1.26.", (1, 26)),
        ("", None),
        ("devel", None),
    ],
)
def test_a_version_is_its_leading_numbers(text: str, version: Version | None) -> None:
    assert version_in(text) == version
