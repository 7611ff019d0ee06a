"""The database's own code that leaves session state, on a real PostgreSQL.

Every shape is judged twice: by the audit, and by the server, which is asked what a call
has left in the session.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

import pgpoolsafe
from pgpoolsafe import Finding, install
from tests.integration.stored_code import REFUSED, SET, SHAPES, function
from tests.servers import Postgres

# What of a session can be left behind, as one comparable row.
LEFT = """
SELECT (SELECT json_object_agg(name, setting) FROM pg_settings
          WHERE source = 'session' AND name NOT LIKE 'plpgsql.%') #>> '{}',
       session_user, current_user,
       nullif(current_setting('app.tenant', true), ''),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
       (SELECT array_agg(name) FROM pg_prepared_statements),
       (SELECT array_agg(name) FROM pg_cursors),
       (SELECT array_agg(c) FROM pg_listening_channels() c),
       (SELECT array_agg(relname::text) FROM pg_class WHERE relnamespace = pg_my_temp_schema())
"""


def left(conn: psycopg.Connection[Any]) -> Any:
    return conn.execute(LEFT).fetchone()


def rules(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.what, str(finding.location)) for finding in findings]


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape(name: str, owner: psycopg.Connection[Any], postgres: Postgres) -> None:
    shape = SHAPES[name]
    owner.execute(shape.create)
    findings = pgpoolsafe.audit(owner)
    assert rules(findings) == shape.rules
    with postgres.connect("app", autocommit=True) as caller:
        before = left(caller)
        caller.execute(shape.call)
        is_left = left(caller) != before
    about_the_call = [f for f in findings if f.location and f.location.file.startswith("lib.f(")]
    expected = about_the_call or [f for f in findings if "trigger stamp" in f.what]
    assert bool(expected) is is_left


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_server_refuses(name: str, owner: psycopg.Connection[Any]) -> None:
    shape = REFUSED[name]
    owner.execute(shape.create)
    assert rules(pgpoolsafe.audit(owner)) == shape.rules
    with pytest.raises((psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege)):
        owner.execute(shape.call)


# what is said


TENANT = """
CREATE FUNCTION lib.set_tenant(t text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF t IS NULL THEN
    RAISE 'no tenant';
  END IF;
  PERFORM set_config('app.tenant', t, false);
END$$;
CREATE FUNCTION lib.log_in(id int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- as everybody does
  PERFORM lib.set_tenant(id::text);
END$$;
"""


def test_a_finding_in_words(owner: psycopg.Connection[Any]) -> None:
    owner.execute(TENANT)
    chain, own = pgpoolsafe.audit(owner)
    assert str(own) == (
        "session-set: set_config(app.tenant) in lib.set_tenant(text) outlives the transaction\n"
        "\n"
        "  PERFORM set_config('app.tenant', t, false)\n"
        "  at lib.set_tenant(text), line 6\n"
        "\n"
        "  why:   behind PgBouncer (transaction pooling) the server connection goes back to the"
        " pool at COMMIT with app.tenant still changed; the next client inherits it, and this"
        " client may get a connection without it\n"
        "  fix:   SET LOCAL app.tenant TO … inside the transaction that needs it\n"
        '  allow: with pgpoolsafe.allow("session-set"): …\n'
        "  docs:  docs/rules/session-set.md"
    )
    assert chain.line == (
        "session-set: set_config(app.tenant) in lib.set_tenant(text), called by"
        " lib.log_in(integer) outlives the transaction (PgBouncer, transaction pooling)"
        " at lib.log_in(integer), line 4"
    )
    assert chain.statement == "PERFORM lib.set_tenant(id::text)"
    assert chain.location is not None
    assert (chain.location.file, chain.location.line) == ("lib.log_in(integer)", 4)


LINES = [
    "BEGIN\n\n  SET\n    nonsense = 1;\nEND",
    "\n\nBEGIN\n  IF true THEN PERFORM set_config('nonsense', '1', false); END IF;\nEND",
    "DECLARE\r\n  x int;\r\nBEGIN\r\n  PERFORM set_config('nonsense', '1', false);\r\nEND",
    "BEGIN /* a\nb */ PERFORM\n set_config('nonsense', '1', false); END",
]


@pytest.mark.parametrize("body", LINES)
def test_lines_are_counted_as_the_server_counts_them(
    body: str, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(function("lib.f()", body))
    [finding] = pgpoolsafe.audit(owner)
    with pytest.raises(psycopg.errors.UndefinedObject) as caught:
        owner.execute("SELECT lib.f()")
    said = re.search(r"function (?:lib\.)?f\(\) line (\d+)", caught.value.diag.context or "")
    assert said is not None
    assert finding.location is not None
    assert finding.location.line == int(said[1])


def test_a_trigger_is_named_once_for_all_its_tables(owner: psycopg.Connection[Any]) -> None:
    owner.execute(
        "CREATE TABLE lib.items (); CREATE TABLE lib.orders (); CREATE TABLE lib.parts ();"
        + function("lib.stamp()", "BEGIN LISTEN jobs; RETURN new; END", returns="trigger")
    )
    assert pgpoolsafe.audit(owner) == []  # nothing runs it yet
    for table in ("items", "orders", "parts"):
        owner.execute(
            f"CREATE TRIGGER stamp AFTER INSERT ON lib.{table}"
            " FOR EACH ROW EXECUTE FUNCTION lib.stamp()"
        )
    what = (
        "LISTEN jobs in lib.stamp() needs a session of its own"
        " (trigger stamp on lib.items and 2 more)"
    )
    assert told(pgpoolsafe.audit(owner)) == [(what, "lib.stamp(), line 1")]


def test_an_event_trigger_is_named(postgres: Postgres, owner: psycopg.Connection[Any]) -> None:
    owner.execute(function("lib.ddl()", SET, returns="event_trigger"))
    with postgres.connect("postgres", autocommit=True) as admin:
        admin.execute("CREATE EVENT TRIGGER ddl ON ddl_command_end EXECUTE FUNCTION lib.ddl()")
        try:
            [finding] = pgpoolsafe.audit(owner)
        finally:
            admin.execute("DROP EVENT TRIGGER ddl")
    assert finding.what.endswith("(event trigger ddl on ddl_command_end)")


def test_what_is_dropped_is_gone(owner: psycopg.Connection[Any]) -> None:
    owner.execute(TENANT)
    owner.execute("DROP FUNCTION lib.log_in")
    assert [str(f.location) for f in pgpoolsafe.audit(owner)] == ["lib.set_tenant(text), line 6"]
    owner.execute("DROP FUNCTION lib.set_tenant")
    assert pgpoolsafe.audit(owner) == []


def test_what_cannot_be_read_is_told_only_if_asked_for(
    owner: psycopg.Connection[Any], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.execute(function("lib.run(code text)", "BEGIN EXECUTE code; END"))
    with postgres.connect("postgres", autocommit=True) as admin:
        admin.execute("CREATE FUNCTION lib.up(text) RETURNS text LANGUAGE internal AS 'upper'")
    assert pgpoolsafe.audit(owner) == []
    monkeypatch.setenv("PGPOOLSAFE_RULES", "opaque-code=warn")
    found = pgpoolsafe.audit(owner)
    assert rules(found) == ["opaque-code", "opaque-code"]
    assert [(f.what, f.statement) for f in found] == [
        ("the code of lib.run(text) cannot be read", "EXECUTE code"),
        ("the code of lib.up(text) cannot be read", "LANGUAGE internal"),
    ]


def test_comments_in_the_body_allow(
    owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "BEGIN -- pgpoolsafe: allow listen\n LISTEN jobs; SET work_mem = '8MB'; END"
    owner.execute(function("lib.f()", body))
    owner.execute(function("lib.g()", "BEGIN PERFORM lib.f(); END"))
    assert rules(pgpoolsafe.audit(owner)) == ["session-set", "session-set"]
    monkeypatch.setenv("PGPOOLSAFE_TRUST_COMMENTS", "off")
    assert sorted(rules(pgpoolsafe.audit(owner))) == ["listen"] * 2 + ["session-set"] * 2


def test_a_guard_lends_its_rules_and_its_pooler(owner: psycopg.Connection[Any]) -> None:
    owner.execute(function("lib.f()", "BEGIN LISTEN jobs; SET work_mem = '8MB'; END"))
    with install(owner, mode="off", rules={"listen": "ignore"}, pooler="odyssey"):
        assert rules(pgpoolsafe.audit(owner)) == ["session-set"]
    with install(owner, mode="strict", pooler="odyssey"):
        found = pgpoolsafe.audit(owner)
    assert [(f.rule, f.pooler.product) for f in found] == [
        ("listen", "odyssey"),
        ("session-set", "odyssey"),
    ]


# who asks, and how


@contextmanager
def role(postgres: Postgres, name: str) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect("postgres", autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN")
        try:
            with postgres.connect(name, autocommit=True) as conn:
                yield conn
        finally:
            admin.execute(f"DROP ROLE {name}")


def test_a_role_without_any_privilege_sees_the_same(
    owner: psycopg.Connection[Any], postgres: Postgres
) -> None:
    owner.execute(TENANT)
    with role(postgres, "nobody_special") as nobody:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            nobody.execute("SELECT lib.log_in(1)")
        assert told(pgpoolsafe.audit(nobody)) == told(pgpoolsafe.audit(owner))


def test_a_transaction_is_neither_opened_nor_disturbed(
    owner: psycopg.Connection[Any], postgres: Postgres
) -> None:
    owner.execute(TENANT)
    with postgres.connect("app") as conn:
        assert len(pgpoolsafe.audit(conn)) == 2
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        conn.execute("SET LOCAL work_mem = '3MB'")
        assert len(pgpoolsafe.audit(conn)) == 2
        assert conn.execute("SHOW work_mem").fetchone() == ("3MB",)


def test_the_drivers_errors_come_through(owner: psycopg.Connection[Any]) -> None:
    with owner.pipeline():
        assert pgpoolsafe.audit(owner) == []
        owner.execute("SELECT 1")
        with pytest.raises(psycopg.ProgrammingError, match="in the middle of a pipeline"):
            pgpoolsafe.audit(owner)
    with pytest.raises(psycopg.errors.DivisionByZero), owner.transaction():
        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            owner.execute("SELECT 1/0")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            pgpoolsafe.audit(owner)
        raise caught.value


def test_another_client_encoding(owner: psycopg.Connection[Any], postgres: Postgres) -> None:
    owner.execute(function('lib."größe"()', SET))
    with postgres.connect("app", autocommit=True, client_encoding="LATIN1") as conn:
        [finding] = pgpoolsafe.audit(conn)
    assert finding.what == 'SET work_mem in lib."größe"() outlives the transaction'


async def test_on_asyncio(owner: psycopg.Connection[Any], postgres: Postgres) -> None:
    owner.execute(TENANT)
    async with await psycopg.AsyncConnection.connect(postgres.dsn()) as conn:
        assert len(await pgpoolsafe.audit(conn)) == 2


def test_on_sqlalchemy(owner: psycopg.Connection[Any], postgres: Postgres) -> None:
    owner.execute(TENANT)
    engine = sqlalchemy.create_engine(postgres.url())
    with engine.connect() as conn:
        assert len(pgpoolsafe.audit(conn)) == 2
    engine.dispose()


async def test_on_sqlalchemys_asyncio(owner: psycopg.Connection[Any], postgres: Postgres) -> None:
    owner.execute(TENANT)
    engine = create_async_engine(postgres.url())
    async with engine.connect() as conn:
        assert len(await pgpoolsafe.audit(conn)) == 2
        assert len(await conn.run_sync(pgpoolsafe.audit)) == 2
    await engine.dispose()


@pytest.mark.parametrize("target", [None, "host=127.0.0.1", object()])
def test_anything_else_is_refused(target: Any) -> None:
    with pytest.raises(TypeError, match="expected a psycopg connection, or SQLAlchemy's"):
        pgpoolsafe.audit(target)


# 4,000 that do nothing of interest, and a chain of a thousand.
MANY = """
DO $$BEGIN
  FOR i IN 1..4000 LOOP
    EXECUTE format('CREATE FUNCTION lib.ordinary_%s() RETURNS void LANGUAGE plpgsql AS %L', i,
      'BEGIN UPDATE lib.t SET a = a + 1 WHERE b = 5; PERFORM count(*) FROM lib.t; END');
  END LOOP;
  FOR i IN 1..999 LOOP
    EXECUTE format('CREATE FUNCTION lib.chain_%s() RETURNS void LANGUAGE plpgsql AS %L', i,
      format('BEGIN PERFORM lib.chain_%s(); END', i - 1));
  END LOOP;
END$$
"""


def test_thousands_of_functions(owner: psycopg.Connection[Any]) -> None:
    """Only what can matter is read: seconds would be a loop in a loop."""
    owner.execute(function("lib.chain_0()", SET))
    owner.execute(MANY)
    begun = time.process_time()
    findings = pgpoolsafe.audit(owner)
    assert time.process_time() - begun < 10
    assert len(findings) == 1000
    longest = next(f for f in findings if f.location and f.location.file == "lib.chain_999()")
    assert longest.what == (
        "SET work_mem in lib.chain_0(), called by …, called by lib.chain_997(), called by"
        " lib.chain_998(), called by lib.chain_999() outlives the transaction"
    )
