"""The example of the README does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.servers import PgBouncer

README = Path(__file__).parents[2] / "README.md"
URL = "postgresql+psycopg://app@127.0.0.1:6432/shop"


def example() -> str:
    found = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found, "the README has no Python example"
    return found[1]


def test_the_example_runs_and_repairs_and_refuses(
    pgbouncer: PgBouncer, capsys: pytest.CaptureFixture[str]
) -> None:
    code = example()
    assert code.count(URL) == 1
    with pgbouncer.postgres.connect(autocommit=True) as owner:
        owner.execute("CREATE TABLE orders (item text)")
        owner.execute("INSERT INTO orders VALUES ('anvil')")
        mark = pgbouncer.postgres.log_mark()
        names: dict[str, object] = {}
        try:
            exec(code.replace(URL, pgbouncer.url()), names)
        finally:
            owner.execute("DROP TABLE orders")
    names["engine"].dispose()
    assert names["orders"] == [("anvil",)]
    assert capsys.readouterr().out.startswith("advisory-lock -> pg_advisory_xact_lock(…)")
    assert pgbouncer.postgres.log_contains("SET LOCAL app.tenant_id = 'acme'", since=mark)
    assert not pgbouncer.postgres.log_contains("statement: SET app.tenant_id", since=mark)
