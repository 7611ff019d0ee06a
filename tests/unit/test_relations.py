"""Which relations a text uses, by name, with what hides them."""

from __future__ import annotations

import pytest

from pgpoolsafe.sql.relations import relations

CART = frozenset({"cart", "Cart Items"})

USES = [
    "SELECT * FROM cart",
    "select a.x from orders a, cart b",
    "SELECT * FROM orders o JOIN cart ON cart.id = o.id",
    "SELECT * FROM orders, cart",
    "SELECT * FROM f(1, 2) g, cart",
    "SELECT (SELECT count(*) FROM CART)",
    'INSERT INTO "cart" VALUES (1)',
    "INSERT INTO cart (a, b) SELECT 1, 2",
    "UPDATE cart SET a = 1",
    "UPDATE ONLY cart SET a = 1",
    "DELETE FROM cart USING orders",
    "DELETE FROM orders USING cart",
    "MERGE INTO orders USING cart ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE orders, cart",
    "COPY cart FROM STDIN",
    "COPY (SELECT * FROM cart) TO STDOUT",
    "DROP TABLE cart",
    "DROP TABLE IF EXISTS orders, cart",
    "ALTER TABLE IF EXISTS cart ADD c int",
    "CREATE INDEX ON cart (a)",
    "CREATE TABLE copy AS SELECT * FROM cart",
    "VACUUM cart",
    "ANALYZE cart",
    "LOCK TABLE cart",
    "SELECT * FROM pg_temp.cart",
    "SELECT * FROM pg_temp_3.cart",
    "WITH x AS (SELECT * FROM cart) SELECT * FROM x",
    "SELECT 1; SELECT * FROM cart",
    "EXPLAIN SELECT * FROM cart",
    "TABLE cart",
]

USES_NOT = [
    "SELECT cart FROM orders",
    "SELECT cart, x FROM orders",
    "SELECT cart.x FROM orders cart",
    "SELECT * FROM public.cart",
    "SELECT * FROM cart.items",
    "WITH cart AS (SELECT 1) SELECT * FROM cart",
    "WITH RECURSIVE cart (n) AS (SELECT 1 UNION SELECT n + 1 FROM cart) SELECT * FROM cart",
    "CREATE TABLE cart (a int)",
    "CREATE TEMP TABLE IF NOT EXISTS cart (a int)",
    "SELECT 'FROM cart'",
    "SELECT 1 -- FROM cart",
    "INSERT INTO orders (cart, x) VALUES (1, 2)",
    "SELECT * FROM orders WHERE cart IN (1, 2)",
    "SELECT * FROM carts",
]


@pytest.mark.parametrize("text", USES)
def test_used(text: str) -> None:
    assert relations(text, CART) == {"cart"}


@pytest.mark.parametrize("text", USES_NOT)
def test_not_used(text: str) -> None:
    assert relations(text, CART) == frozenset()


def test_quoted_names() -> None:
    assert relations('SELECT * FROM "Cart Items", cart', CART) == CART
