"""The table of addresses: what identifies a provider, and what only looks like it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pgpoolsafe.poolers.answers import PoolMode
from pgpoolsafe.poolers.endpoints import ROWS, Endpoint, EndpointRow, match
from pgpoolsafe.poolers.products import TITLES

SESSION, TRANSACTION = PoolMode.SESSION, PoolMode.TRANSACTION

SUPABASE = "aws-0-eu-west-1.pooler.supabase.com"
NEON = "ep-cool-lab-123456.us-east-2.aws.neon.tech"
NEON_POOLER = "ep-cool-lab-123456-pooler.us-east-2.aws.neon.tech"
DIGITALOCEAN = "shop-do-user-1234567-0.b.db.ondigitalocean.com"
AZURE = "shop.postgres.database.azure.com"
CRUNCHY = "p.abcdef123456.db.postgresbridge.com"
PLANETSCALE = "us-east-1.pg.psdb.cloud"
TIGER = "abc123.def456.tsdb.cloud.timescale.com"

POOLED = [
    (SUPABASE, 6543, "supavisor", TRANSACTION),
    ("aws-1-us-east-2.pooler.supabase.com", 6543, "supavisor", TRANSACTION),
    (SUPABASE, 5432, "supavisor", SESSION),
    ("db.abcdefghijklmnop.supabase.co", 6543, "pgbouncer", TRANSACTION),
    (NEON_POOLER, 5432, "pgbouncer", TRANSACTION),
    ("ep-cool-lab-123456-pooler.c-2.eu-central-1.aws.neon.tech", 5432, "pgbouncer", TRANSACTION),
    ("ep-cool-lab-123456-pooler.westus3.azure.neon.tech", 5432, "pgbouncer", TRANSACTION),
    ("shop.proxy-abc123.eu-west-1.rds.amazonaws.com", 5432, "rds-proxy", TRANSACTION),
    ("ro.endpoint.proxy-abc123.eu-west-1.rds.amazonaws.com", 5432, "rds-proxy", TRANSACTION),
    ("shop.proxy-abc.cn-north-1.rds.amazonaws.com.cn", 5432, "rds-proxy", TRANSACTION),
    (DIGITALOCEAN, 25061, "pgbouncer", None),
    (f"private-{DIGITALOCEAN}", 25061, "pgbouncer", None),
    (AZURE, 6432, "pgbouncer", None),
    (AZURE, 8432, "pgbouncer", None),
    (CRUNCHY, 5431, "pgbouncer", None),
    (PLANETSCALE, 6432, "pgbouncer", TRANSACTION),
    ("eu.private-pg.psdb.cloud", 6432, "pgbouncer", TRANSACTION),
    ("aws-us-east-1.horizon.psdb.cloud", 6432, "pgbouncer", TRANSACTION),
    ("pgbouncer.abc123.flympg.net", 5432, "pgbouncer", None),
    ("pooled.db.prisma.io", 5432, "unknown", None),
    ("abc123.hyperdrive.local", 5432, "hyperdrive", TRANSACTION),
]

DIRECT = [
    ("db.abcdefghijklmnop.supabase.co", 5432),
    (NEON, 5432),
    (DIGITALOCEAN, 25060),
    (AZURE, 5432),
    ("shop.private.postgres.database.azure.com", 5432),
    (CRUNCHY, 5432),
    (PLANETSCALE, 5432),
]

NOBODY = [
    ("127.0.0.1", 6432),
    ("localhost", 6543),
    ("pgbouncer", 6432),
    ("/run/postgresql", 5432),
    ("", 5432),
    (SUPABASE, 5433),
    ("pooler.supabase.com.example.org", 6543),
    ("evil-aws-0-eu-west-1.pooler.supabase.com.example.org", 6543),
    (f"{NEON}.example.org", 5432),
    ("shop-pooler.example.org", 5432),
    ("shop.abc123.eu-west-1.rds.amazonaws.com", 5432),
    ("shop.cluster-abc123.eu-west-1.rds.amazonaws.com", 5432),
    ("proxy-abc123.eu-west-1.rds.amazonaws.com", 5432),
    (DIGITALOCEAN, 5432),
    (AZURE, 7432),
    (CRUNCHY, 6432),
    ("direct.abc123.flympg.net", 5432),
    ("db.prisma.io", 5432),
    ("shop-project.a.aivencloud.com", 12345),
    (TIGER, 33333),
]


@pytest.mark.parametrize("host, port, product, mode", POOLED)
def test_an_address_names_the_pooler(
    host: str, port: int, product: str, mode: PoolMode | None
) -> None:
    found = match(Endpoint(host, port))
    assert found is not None
    assert (found.product, found.mode) == (product, mode)


@pytest.mark.parametrize("host, port", DIRECT)
def test_an_address_names_a_direct_endpoint(host: str, port: int) -> None:
    found = match(Endpoint(host, port))
    assert found is not None
    assert (found.product, found.mode, found.direct, found.way_around) == ("direct", None, None, "")


@pytest.mark.parametrize("host, port", NOBODY)
def test_other_addresses_tell_nothing(host: str, port: int) -> None:
    assert match(Endpoint(host, port, "postgres", "tsdb")) is None


@pytest.mark.parametrize("spelling", [str.upper, "{}.".format])
def test_host_names_are_compared_as_dns_does(spelling: Callable[[str], str]) -> None:
    found = match(Endpoint(spelling(NEON_POOLER), 5432))
    assert found is not None
    assert found.product == "pgbouncer"
    assert found.direct == Endpoint(NEON, 5432)


def test_tiger_cloud_tells_its_pool_by_the_database() -> None:
    found = match(Endpoint(TIGER, 33333, "tsdbadmin", "tsdb_transaction"))
    assert found is not None
    assert (found.product, found.mode) == ("pgbouncer", TRANSACTION)
    assert found.direct == Endpoint(TIGER, 33333, "tsdbadmin", "tsdb")
    assert found.way_around == "use database tsdb instead of tsdb_transaction"


@pytest.mark.parametrize(
    "pooled, direct, way_around",
    [
        (
            Endpoint(SUPABASE, 6543, "postgres.ref", "postgres"),
            Endpoint(SUPABASE, 5432, "postgres.ref", "postgres"),
            "use port 5432 instead of 6543",
        ),
        (
            Endpoint("db.ref.supabase.co", 6543, "postgres", "postgres"),
            Endpoint("db.ref.supabase.co", 5432, "postgres", "postgres"),
            "use port 5432 instead of 6543",
        ),
        (
            Endpoint(NEON_POOLER, 5432, "app", "shop"),
            Endpoint(NEON, 5432, "app", "shop"),
            f"use host {NEON} instead of {NEON_POOLER}",
        ),
        (
            Endpoint(AZURE, 6432, "app", "shop"),
            Endpoint(AZURE, 5432, "app", "shop"),
            "use port 5432 instead of 6432",
        ),
        (
            Endpoint(CRUNCHY, 5431, "app", "shop"),
            Endpoint(CRUNCHY, 5432, "app", "shop"),
            "use port 5432 instead of 5431",
        ),
        (
            Endpoint(PLANETSCALE, 6432, "postgres.main|bouncer", "shop"),
            Endpoint(PLANETSCALE, 5432, "postgres.main", "shop"),
            "use port 5432 instead of 6432, user postgres.main instead of postgres.main|bouncer",
        ),
        (
            Endpoint("pooled.db.prisma.io", 5432, "app", "postgres"),
            Endpoint("db.prisma.io", 5432, "app", "postgres"),
            "use host db.prisma.io instead of pooled.db.prisma.io",
        ),
    ],
)
def test_the_way_around_the_pooler(pooled: Endpoint, direct: Endpoint, way_around: str) -> None:
    found = match(pooled)
    assert found is not None
    assert (found.direct, found.way_around) == (direct, way_around)


@pytest.mark.parametrize(
    "endpoint, hint",
    [
        (
            Endpoint(DIGITALOCEAN, 25061),
            "use port 25060, and the name of the database instead of the pool's",
        ),
        (
            Endpoint("shop.proxy-abc.eu-west-1.rds.amazonaws.com", 5432),
            "use the endpoint of the instance or the cluster itself",
        ),
        (
            Endpoint("pgbouncer.abc.flympg.net", 5432),
            "use the direct URL that the dashboard shows",
        ),
        (
            Endpoint("abc.hyperdrive.local", 5432),
            "use the connection string of the origin database",
        ),
    ],
)
def test_a_way_around_that_the_address_does_not_tell(endpoint: Endpoint, hint: str) -> None:
    found = match(endpoint)
    assert found is not None
    assert (found.direct, found.way_around) == (None, hint)


def test_a_session_endpoint_needs_no_way_around() -> None:
    found = match(Endpoint(SUPABASE, 5432))
    assert found is not None
    assert (found.mode, found.direct, found.way_around) == (SESSION, None, "")


def test_the_evidence_names_no_user_and_no_database() -> None:
    found = match(Endpoint(NEON_POOLER, 5432, "secret_user", "secret_database"))
    assert found is not None
    assert found.evidence == f"the address {NEON_POOLER}:5432 is one of Neon (pooler)"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.provider} {row.ports}")
def test_a_row_is_complete(row: EndpointRow) -> None:
    assert row.source.strip()
    assert row.product in ("direct", *TITLES)
    assert re.compile(row.host).fullmatch("localhost") is None
    assert all(0 < port < 65536 for port in row.ports)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.provider} {row.ports}")
def test_every_row_is_tried_above_and_tells_the_way_around(row: EndpointRow) -> None:
    addresses = [(host, port) for host, port, *_ in POOLED] + DIRECT + [(TIGER, 33333)]
    endpoints = [Endpoint(host, port, dbname=row.dbname or "") for host, port in addresses]
    ours = [endpoint for endpoint in endpoints if match(endpoint) and row.fits(endpoint)]
    assert ours
    needs_way = row.product != "direct" and row.mode is not SESSION
    for endpoint in ours:
        assert (bool(row.hint) or row.around(endpoint) not in (None, endpoint)) is needs_way
