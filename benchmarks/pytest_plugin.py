"""What strict mode costs a test suite: 1,000 tests, with the plugin and without, in turn.

    python benchmarks/pytest_plugin.py [PAIRS]

Half of the tests send ten statements in a transaction of a pool's; half work with objects in
a SQLAlchemy session that is rolled back, as its documentation has it. Prints the median of the
ratios of wall time and of processor time, with the smallest and the largest, for strict mode and
for strict mode with residue; and what importing the plugin costs a run that does not ask for it.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import Postgres

HERE = Path(__file__).parent.parent
CACHE = str(Path(tempfile.gettempdir()) / "pgpoolsafe-benchmark-cache")

SUITE = """
import os

import psycopg
import psycopg_pool
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

DSN = os.environ["SHOP"]


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]


@pytest.fixture(scope="session")
def pool():
    with psycopg_pool.ConnectionPool(DSN, min_size=1, max_size=2) as pool:
        with pool.connection() as conn:
            conn.execute("DROP TABLE IF EXISTS orders")  # no run is to scan what the last left
            conn.execute("CREATE TABLE orders (id serial primary key, item text)")
        yield pool


@pytest.fixture(scope="session")
def engine():
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(DSN))
    yield engine
    engine.dispose()


@pytest.fixture
def session(pool, engine):
    with engine.connect() as connection:
        outer = connection.begin()
        yield Session(connection, join_transaction_mode="create_savepoint")
        outer.rollback()


@pytest.mark.parametrize("number", range(500))
def test_pool(pool, number):
    with pool.connection() as conn:
        conn.execute("INSERT INTO orders (item) VALUES (%s)", [str(number)])
        for _ in range(8):
            conn.execute("SELECT count(*) FROM orders WHERE item = %s", [str(number)]).fetchone()
        assert conn.execute("SELECT max(id) FROM orders").fetchone()


@pytest.mark.parametrize("number", range(500))
def test_session(session, number):
    session.add_all([Order(item=f"{number}-{place}") for place in range(5)])
    session.commit()
    orders = session.scalars(sa.select(Order).where(Order.item.like(f"{number}-%"))).all()
    assert len(orders) >= 5
    orders[0].item = "changed"
    session.commit()
    assert session.scalar(sa.select(sa.func.count()).where(Order.item == "changed"))
"""

STRICT = ("--pgpoolsafe=strict", "--pgpoolsafe-pooler=pgbouncer>=1.24 transaction")
VARIANTS = {"strict": STRICT, "strict, residue": (*STRICT, "--pgpoolsafe-residue=on")}


def environment(shop: str) -> dict[str, str]:
    paths = [str(HERE / "src"), str(HERE / "integrations")]
    more = {"SHOP": shop, "PYTHONPATH": os.pathsep.join(paths), "PYTHONPYCACHEPREFIX": CACHE}
    # As on anybody's machine, imports read compiled modules.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, **more, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run(folder: Path, shop: str, words: tuple[str, ...]) -> tuple[float, float]:
    """Seconds of wall time and of processor time of one run of the suite."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, "-p", "pgpoolsafe_pytest.plugin", *words, "test_suite.py"],
        cwd=folder,
        env=environment(shop),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(folder: Path, shop: str, words: tuple[str, ...], pairs: int) -> list[str]:
    """The median ratio of pairs that run one after the other, in both orders, and its range."""
    ratios: list[tuple[float, float]] = []
    for pair in range(pairs):
        order = ((), words) if pair % 2 else (words, ())
        took = {chosen: run(folder, shop, chosen) for chosen in order}
        ratios.append(tuple(took[words][i] / took[()][i] for i in (0, 1)))  # type: ignore[arg-type]
    cells = []
    for column in zip(*ratios, strict=True):
        middle = statistics.median(column)
        cells.append(f"{middle:.3f} ({min(column):.3f}-{max(column):.3f})")
    return cells


IMPORT = "import time, pytest; s = time.perf_counter(); {}; print(time.perf_counter() - s)"


def import_cost(statement: str, runs: int = 20) -> float:
    """The median of the milliseconds that a statement takes where pytest is imported."""
    took = []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT.format(statement)],
            env=environment(""),
            check=True,
            capture_output=True,
            text=True,
        )
        took.append(float(done.stdout) * 1000)
    return statistics.median(took)


def main(pairs: int) -> None:
    print(f"import of the plugin: {import_cost('import pgpoolsafe_pytest.plugin'):.2f} ms")
    with tempfile.TemporaryDirectory() as name, Postgres() as postgres:
        folder = Path(name)
        (folder / "test_suite.py").write_text(SUITE)
        run(folder, postgres.dsn(), ())
        wall, _ = run(folder, postgres.dsn(), ())
        print(f"1,000 tests without: {wall:.1f} s")
        print("| mode | wall time | processor time |\n|---|---|---|")
        for title, words in VARIANTS.items():
            cells = compare(folder, postgres.dsn(), words, pairs)
            print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
