"""`require()` on real servers: the right place passes, the wrong one is told apart."""

from __future__ import annotations

import pickle
from typing import Any

import psycopg
import pytest
import sqlalchemy

import pgpoolsafe
from pgpoolsafe import ConfigurationError, WrongEndpointError, require
from pgpoolsafe.endpoint_check import refuse, requirement
from pgpoolsafe.poolers.answers import PoolMode
from pgpoolsafe.poolers.endpoints import Endpoint
from pgpoolsafe.poolers.products import DIRECT, pooler
from tests.servers import PgBouncer, Postgres

TRACKING = pooler("pgbouncer", version=(1, 26, 1), mode=PoolMode.TRANSACTION, confidence="certain")
SESSION = pooler("pgbouncer", mode=PoolMode.SESSION, confidence="certain")
PROXY = pooler("unknown", confidence="likely")
IN_DOUBT = pooler("unknown")

VERDICTS: list[tuple[Any, dict[str, Any], str | None]] = [
    (DIRECT, {"direct": True}, None),
    (DIRECT, {"product": "direct"}, None),
    (DIRECT, {"direct": False}, "there is no pooler in between"),
    (DIRECT, {"pool_mode": "session"}, "there is no pooler in between"),
    (DIRECT, {"product": "pgbouncer"}, "there is no pooler in between"),
    (TRACKING, {"direct": False}, None),
    (TRACKING, {"direct": True}, "it is PgBouncer"),
    (TRACKING, {"pool_mode": "transaction"}, None),
    (TRACKING, {"pool_mode": "Session"}, "it is in transaction mode"),
    (TRACKING, {"product": "PgBouncer"}, None),
    (TRACKING, {"product": "pgbouncer>=1.24"}, None),
    (TRACKING, {"product": "pgbouncer>=1.27"}, "it is version 1.26.1"),
    (TRACKING, {"product": "odyssey"}, "it is PgBouncer"),
    (TRACKING, {"product": "odyssey", "pool_mode": "transaction"}, "it is PgBouncer"),
    (SESSION, {"pool_mode": "session"}, None),
    (SESSION, {"direct": True}, "it is PgBouncer"),
    (SESSION, {"product": "pgbouncer>=1.24"},
     "PgBouncer does not tell its version (PgBouncer does from 1.26 on)"),
    # An unknown mode counts as transaction pooling, and as nothing else.
    (PROXY, {"pool_mode": "transaction"}, None),
    (PROXY, {"pool_mode": "session"},
     "its pool mode cannot be told, and counts as transaction pooling"),
    (PROXY, {"direct": False}, None),
    (PROXY, {"direct": True}, "a proxy stands in between"),
    (PROXY, {"product": "pgbouncer"}, "the proxy in between could not be named"),
    # Not knowing is never good enough.
    (IN_DOUBT, {"direct": True}, "it cannot be told whether a pooler stands in between"),
    (IN_DOUBT, {"direct": False}, "it cannot be told what stands in between, if anything does"),
    (IN_DOUBT, {"pool_mode": "transaction"},
     "it cannot be told what stands in between, if anything does"),
]  # fmt: skip


@pytest.mark.parametrize("found, options, reason", VERDICTS)
def test_verdicts(found: Any, options: dict[str, Any], reason: str | None) -> None:
    wanted = requirement(**{"direct": None, "pool_mode": None, "product": None, **options})
    assert wanted.unmet_by(found) == reason


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({}, "require(): say what: direct=…, pool_mode=… or product=…"),
    ({"pool_mode": "tx"}, "pool_mode='tx' is not known: use session, transaction, statement"),
    ({"product": "pgbounser"}, "pooler='pgbounser' is not known: use auto, direct"),
    ({"direct": True, "pool_mode": "session"}, "require(): a direct connection has no pooler"),
    ({"direct": True, "product": "odyssey"}, "require(): a direct connection has no pooler"),
    ({"direct": False, "product": "direct"}, "require(): product='direct' contradicts"),
]


@pytest.mark.parametrize("options, message", BAD_OPTIONS)
def test_bad_options_are_told_before_anything_is_connected(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        require("host=127.0.0.1 port=1", **options)
    assert str(caught.value).startswith(message)


def test_the_message_is_asserted_whole() -> None:
    endpoint = Endpoint("aws-0-eu-central-1.pooler.supabase.com", 6543, "postgres.ref", "postgres")
    found = pooler(
        "supavisor", mode=PoolMode.TRANSACTION, evidence=("the address is one of Supabase",)
    )
    wanted = requirement(direct=True, pool_mode=None, product=None)
    error = refuse(found, endpoint, wanted, "it is Supavisor")
    assert str(error) == (
        "required a direct connection, found Supavisor (transaction pooling; documented, not"
        " measured)\n\n"
        "  postgresql://postgres.ref@aws-0-eu-central-1.pooler.supabase.com:6543/postgres\n\n"
        "  why:   it is Supavisor (the address is one of Supabase)\n"
        "  fix:   use port 5432 instead of 6543 (Supabase (shared pooler))"
    )
    assert error.pooler is found
    assert error.fix == "use port 5432 instead of 6543 (Supabase (shared pooler))"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.fix) == (str(error), error.fix)


def test_the_error_is_none_that_retrying_code_swallows() -> None:
    assert not issubclass(WrongEndpointError, (psycopg.Error, ValueError, OSError))


# on real servers


def test_the_right_place_passes(pgbouncer: PgBouncer, postgres: Postgres) -> None:
    assert require(postgres.dsn(), direct=True).product == "direct"
    assert require(pgbouncer.dsn(), direct=False).shares_sessions
    assert require(pgbouncer.url(), pool_mode="transaction").shares_sessions


def test_the_pooler_instead_of_the_server(pgbouncer: PgBouncer) -> None:
    with pytest.raises(WrongEndpointError) as caught:
        require(pgbouncer.url(), direct=True)
    said = str(caught.value)
    assert said.startswith("required a direct connection, found ")
    assert f"\n\n  postgresql://app@127.0.0.1:{pgbouncer.port}/shop\n\n  why:   " in said
    assert "\n  fix:   put the address of the PostgreSQL server itself instead of" in said
    assert caught.value.pooler is not None
    assert caught.value.pooler.evidence


def test_the_server_instead_of_the_pooler(postgres: Postgres) -> None:
    with pytest.raises(WrongEndpointError, match="there is no pooler in between"):
        require(postgres.dsn(), pool_mode="transaction")


def test_an_engine(pgbouncer: PgBouncer) -> None:
    engine = sqlalchemy.create_engine(pgbouncer.url())
    with pytest.raises(WrongEndpointError):
        require(engine, direct=True)
    require(engine, direct=False)
    engine.dispose()


async def test_an_asynchronous_connection(pgbouncer: PgBouncer) -> None:
    async with await psycopg.AsyncConnection.connect(pgbouncer.dsn()) as conn:
        assert (await require(conn, direct=False)).shares_sessions
        with pytest.raises(WrongEndpointError):
            await require(conn, direct=True)
        # Wrong options are told at the call, not at the await.
        with pytest.raises(ConfigurationError):
            require(conn, pool_mode="tx")


def test_what_the_installation_was_told_counts(pgbouncer: PgBouncer) -> None:
    engine = sqlalchemy.create_engine(pgbouncer.url())
    with pgpoolsafe.install(engine, pooler="pgbouncer>=1.24", pool_mode="session"):
        assert require(engine, product="pgbouncer>=1.22", pool_mode="session").version == (1, 24)
    engine.dispose()


def test_no_password_in_the_message(postgres: Postgres) -> None:
    with pytest.raises(WrongEndpointError) as caught:
        require(postgres.dsn(password="s3cret-pw"), direct=False)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(caught.value)
