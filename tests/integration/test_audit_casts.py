"""Expressions in the database that cast a custom setting: what a server says of ''.

Every shape is judged twice: by the audit, and by the server, which is asked on a
connection where SET LOCAL has left '' behind.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg
import pytest

import pgpoolsafe
from pgpoolsafe import Finding
from pgpoolsafe.rules.pages import PAGES
from tests.servers import PgBouncer, Postgres

RULE = "empty-custom-setting"
TENANT = "7dc53df5-703e-49b3-8670-b1c468f47f1f"
ASKED = "current_setting('app.tenant', true)"
CAST, MENDED = f"{ASKED}::uuid", f"nullif({ASKED}, '')::uuid"

ORDERS = """
CREATE TABLE lib.orders (id int, tenant uuid);
INSERT INTO lib.orders VALUES (1, '7dc53df5-703e-49b3-8670-b1c468f47f1f');
GRANT USAGE, CREATE ON SCHEMA lib TO reporting;
GRANT SELECT, INSERT ON lib.orders TO reporting;
ALTER TABLE lib.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON lib.orders USING (true);
"""


class Shape(NamedTuple):
    """What is created, the statement that meets it, and what the finding calls it."""

    create: str
    use: str
    title: str


SHAPES = {
    "policy for reading": Shape(
        "CREATE POLICY mine ON lib.orders AS RESTRICTIVE FOR SELECT USING (tenant = {})",
        "SELECT * FROM lib.orders",
        "policy mine on lib.orders",
    ),
    "policy for writing": Shape(
        "CREATE POLICY mine ON lib.orders AS RESTRICTIVE FOR INSERT"
        " WITH CHECK ((tenant = {}) IS NOT FALSE)",
        "INSERT INTO lib.orders VALUES (2, NULL)",
        "policy mine on lib.orders",
    ),
    "view": Shape(
        "CREATE VIEW lib.mine AS SELECT id FROM lib.orders WHERE tenant = {};"
        "GRANT SELECT ON lib.mine TO reporting",
        "SELECT * FROM lib.mine",
        "view lib.mine",
    ),
    "materialized view": Shape(
        "CREATE MATERIALIZED VIEW lib.mine AS SELECT {} WITH NO DATA;"
        "ALTER MATERIALIZED VIEW lib.mine OWNER TO reporting",
        "REFRESH MATERIALIZED VIEW lib.mine",
        "view lib.mine",
    ),
    "default": Shape(
        "ALTER TABLE lib.orders ALTER tenant SET DEFAULT {}",
        "INSERT INTO lib.orders (id) VALUES (2)",
        "default of lib.orders.tenant",
    ),
    "check": Shape(
        "ALTER TABLE lib.orders ADD CONSTRAINT mine CHECK (tenant = {}) NOT VALID",
        "INSERT INTO lib.orders VALUES (2, NULL)",
        "check mine of lib.orders",
    ),
    "function in SQL": Shape(
        "CREATE FUNCTION lib.mine() RETURNS uuid LANGUAGE sql AS $$SELECT {}$$",
        "SELECT lib.mine()",
        "lib.mine()",
    ),
    "function with a body of its own": Shape(
        "CREATE FUNCTION lib.mine() RETURNS uuid LANGUAGE sql RETURN {}",
        "SELECT lib.mine()",
        "lib.mine()",
    ),
    "function in PL/pgSQL": Shape(
        "CREATE FUNCTION lib.mine() RETURNS uuid LANGUAGE plpgsql AS $$BEGIN RETURN {}; END$$",
        "SELECT lib.mine()",
        "lib.mine()",
    ),
}


@pytest.fixture
def orders(owner: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    owner.execute(ORDERS)
    return owner


def use(postgres: Postgres, shape: Shape) -> None:
    """On a connection that has had a tenant, in a transaction that is over."""
    with postgres.connect("reporting", autocommit=True) as conn:
        with conn.transaction():
            conn.execute(f"SET LOCAL app.tenant = '{TENANT}'")
        conn.execute(shape.use)


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape(name: str, orders: psycopg.Connection[Any], postgres: Postgres) -> None:
    shape = SHAPES[name]
    orders.execute(shape.create.format(CAST))
    [finding] = pgpoolsafe.audit(orders)
    title = f"{shape.title} casts app.tenant to uuid, which fails where the setting is ''"
    assert (finding.rule, finding.what) == (RULE, title)
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        use(postgres, shape)


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_mended(name: str, orders: psycopg.Connection[Any], postgres: Postgres) -> None:
    shape = SHAPES[name]
    orders.execute(shape.create.format(MENDED))
    assert pgpoolsafe.audit(orders) == []
    use(postgres, shape)


def test_a_policy_behind_a_pooler(orders: psycopg.Connection[Any], pgbouncer: PgBouncer) -> None:
    """The harm, between two clients of one server connection, and the remedy."""
    create, ask, _ = SHAPES["policy for reading"]
    first, second = pgbouncer.warm(user="reporting")
    options: dict[str, Any] = {"user": "reporting", "autocommit": True}
    with pgbouncer.connect(**options) as a, pgbouncer.connect(**options) as b:
        for cast, works in ((CAST, False), (MENDED, True)):
            orders.execute("DROP POLICY IF EXISTS mine ON lib.orders")
            orders.execute(create.format(cast))
            with pgbouncer.only(first, user="reporting"):
                with a.transaction():
                    a.execute(f"SET LOCAL app.tenant = '{TENANT}'")
                    assert len(a.execute(ask).fetchall()) == 1
                if works:
                    assert b.execute(ask).fetchall() == []
                else:
                    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                        b.execute(ask)
            with pgbouncer.only(second, user="reporting"):
                assert b.execute(ask).fetchall() == []


def test_a_finding_in_words(orders: psycopg.Connection[Any]) -> None:
    orders.execute(SHAPES["policy for reading"].create.format(CAST))
    [finding] = pgpoolsafe.audit(orders)
    assert str(finding) == (
        "empty-custom-setting: policy mine on lib.orders casts app.tenant to uuid, which fails"
        " where the setting is ''\n"
        "\n"
        "  (current_setting('app.tenant'::text, true))::uuid\n"
        "  at policy mine on lib.orders\n"
        "\n"
        "  why:   SET LOCAL of a custom setting leaves '' behind, not NULL, when its transaction"
        " is over; behind PgBouncer (transaction pooling) the next client on that server"
        " connection meets it: invalid input syntax\n"
        "  fix:   nullif(current_setting('app.tenant', true), '')::uuid\n"
        '  allow: with pgpoolsafe.allow("empty-custom-setting"): …\n'
        "  docs:  docs/rules/empty-custom-setting.md"
    )


BODY = "BEGIN\n  -- pgpoolsafe: allow {}\n  RETURN " + CAST + ";\nEND"
FUNCTION = f"CREATE OR REPLACE FUNCTION lib.f(int) RETURNS uuid LANGUAGE plpgsql AS $${BODY}$$"


def places(findings: list[Finding]) -> list[str]:
    return [str(finding.location) for finding in findings]


def test_a_function_by_its_line_and_its_comments(
    owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.execute(FUNCTION.format("listen"))
    assert places(pgpoolsafe.audit(owner)) == ["lib.f(integer), line 3"]
    owner.execute(FUNCTION.format(RULE))
    assert pgpoolsafe.audit(owner) == []
    monkeypatch.setenv("PGPOOLSAFE_TRUST_COMMENTS", "off")
    assert places(pgpoolsafe.audit(owner)) == ["lib.f(integer), line 3"]


def test_levels(owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    owner.execute(FUNCTION.format("listen"))
    assert [finding.level for finding in pgpoolsafe.audit(owner)] == ["warn"]
    monkeypatch.setenv("PGPOOLSAFE_RULES", f"{RULE}=ignore")
    assert pgpoolsafe.audit(owner) == []


@pytest.mark.parametrize("library", ["psycopg", "SQLAlchemy"])
@pytest.mark.parametrize("half, count", [("unsafe", 1), ("safe", 0)])
def test_the_code_on_the_page(
    half: str, count: int, library: str, owner: psycopg.Connection[Any], postgres: Postgres
) -> None:
    import sqlalchemy

    owner.execute("CREATE TABLE orders (tenant uuid)")
    engine = sqlalchemy.create_engine(postgres.url())
    try:
        names = {"conn": owner, "engine": engine, "text": sqlalchemy.text}
        exec(getattr(PAGES[RULE].examples[library], half), names)
        assert [finding.rule for finding in pgpoolsafe.audit(owner)] == [RULE] * count
        with postgres.connect("app", autocommit=True) as conn:
            names = {"conn": conn, "pgpoolsafe": pgpoolsafe}
            exec(PAGES[RULE].allow, names)
            assert names["findings"] == []
    finally:
        engine.dispose()
        owner.execute("DROP TABLE orders")
