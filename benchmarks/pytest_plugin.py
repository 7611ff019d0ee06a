"""What strict mode costs a test suite: 1,000 tests, with the plugin and without.

    python benchmarks/pytest_plugin.py [PAIRS]

Half of the tests send ten statements in a transaction of a pool's; half work with objects in
a SQLAlchemy session that is rolled back, as its documentation has it.

The two runs of a pair go on at the same time, each with a server of its own, and share one
processor: so whatever else the machine does hits both, where runs one after the other differ by a
tenth by themselves. What is compared is the time on the processor: of pytest and its server, which
is the run time where nothing waits, and of pytest alone. Prints the medians of the ratios, with the
smallest and the largest; the last line compares without and without. And what importing the plugin
costs a run that does not ask for it. For Linux.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import Postgres

HERE = Path(__file__).parent.parent
CACHE = str(Path(tempfile.gettempdir()) / "pgpoolsafe-benchmark-cache")
PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")

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
VARIANTS = {
    "strict": STRICT,
    "strict, residue": (*STRICT, "--pgpoolsafe-residue=on"),
    "(without)": (),
}
COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
PLUGIN = ("-p", "pgpoolsafe_pytest.plugin")


def environment(shop: str) -> dict[str, str]:
    paths = [str(HERE / "src"), str(HERE / "integrations")]
    more = {"SHOP": shop, "PYTHONPATH": os.pathsep.join(paths), "PYTHONPYCACHEPREFIX": CACHE}
    # As on anybody's machine, imports read compiled modules.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, **more, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def both(folder: Path, servers: list[Postgres], words: tuple[str, ...]) -> tuple[float, float]:
    """The ratios of a pair of runs: of pytest with its server, and of pytest alone."""
    idle = [seconds_of(server) for server in servers]
    variants = ((), words)
    started = [
        subprocess.Popen(
            [*COMMAND, *PLUGIN, *variant, "test_suite.py"],
            cwd=folder,
            env=environment(server.dsn()),
            stdout=subprocess.DEVNULL,
        )
        for server, variant in zip(servers, variants, strict=True)
    ]
    without, with_it = map(seconds_to_end, started)
    spent = [seconds_of(server) - before for server, before in zip(servers, idle, strict=True)]
    return (with_it + spent[1]) / (without + spent[0]), with_it / without


def seconds_to_end(process: subprocess.Popen[bytes]) -> float:
    """On the processor, of a process that ends well."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.args
    return usage.ru_utime + usage.ru_stime


def seconds_of(server: Postgres) -> float:
    """On the processor, of a server and all its backends up to now."""
    table: dict[str, list[str]] = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            table[folder.name] = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    assert server._process is not None
    family = {str(server._process.pid)}
    while more := {pid for pid, row in table.items() if row[1] in family} - family:
        family |= more
    return sum(int(ticks) for pid in family for ticks in table[pid][11:15]) / TICK


def compare(folder: Path, servers: list[Postgres], words: tuple[str, ...], pairs: int) -> list[str]:
    """The median ratios of pairs, and their ranges."""
    ratios = []
    for _ in range(pairs):
        servers.reverse()
        ratios.append(both(folder, servers, words))
    return [
        f"{statistics.median(column):.3f} ({min(column):.3f}-{max(column):.3f})"
        for column in zip(*ratios, strict=True)
    ]


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
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    servers = [Postgres(log_statement="none") for _ in range(2)]
    with tempfile.TemporaryDirectory() as name, servers[0], servers[1]:
        folder = Path(name)
        (folder / "test_suite.py").write_text(SUITE)
        both(folder, servers, STRICT)  # modules are compiled now
        print("| mode | pytest and its server | pytest |\n|---|---|---|")
        for title, words in VARIANTS.items():
            print(f"| {title} | {' | '.join(compare(folder, servers, words, pairs))} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
