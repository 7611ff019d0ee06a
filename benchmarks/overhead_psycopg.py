"""What the guard costs on psycopg, sync and async, beside OpenTelemetry's instrumentation.

    python benchmarks/overhead_psycopg.py [--quick]

Bare, guarded, instrumented and bare again take turns block by block, so that what the machine
does meanwhile hits all; the figures are medians of the differences to bare, and the last one,
bare against bare, is the noise. Over a unix socket the guard is in strict mode (in its default
mode it leaves a direct connection alone), and through PgBouncer as well. `cold` means texts
that were never sent before. `cpu` is the time on the processor of this thread.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import pgpoolsafe

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import PgBouncer, Postgres

try:
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
except ModuleNotFoundError:  # then its column is missing
    PsycopgInstrumentor = TracerProvider = None

Work = Callable[[int], None]
Make = Callable[[str, str], Work]
KINDS = ("bare", "guarded", "telemetry", "control")
_numbers = itertools.count()


class Base(orm.DeclarativeBase):
    """Of the one table."""


class Wide(Base):
    """Twenty columns."""

    __tablename__ = "wide"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    locals().update({f"c{n}": orm.mapped_column(sa.Text) for n in range(19)})


QUERY = sa.select(Wide).limit(1)


def warm() -> str:
    """The same text every time."""
    return "SELECT 1"


def cold() -> str:
    """A text that nobody has seen."""
    return f"SELECT {next(_numbers)}"


# connections


@contextmanager
def _watched(kind: str) -> Iterator[None]:
    """What is connected inside is guarded, instrumented, or neither."""
    if kind == "guarded":
        with pgpoolsafe.install(mode="strict"):
            yield
    elif kind == "telemetry" and PsycopgInstrumentor is not None:
        PsycopgInstrumentor().instrument(tracer_provider=TracerProvider())
        try:
            yield
        finally:
            PsycopgInstrumentor().uninstrument()
    else:
        yield


def _guard(target: Any, kind: str) -> Any:
    if kind == "guarded":
        pgpoolsafe.install(target, mode="strict")
    return target


def sync(text: Callable[[], str]) -> Make:
    """`cursor.execute` in autocommit."""

    def make(dsn: str, kind: str) -> Work:
        with _watched(kind if kind == "telemetry" else "bare"):
            conn = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
        cursor = _guard(conn, kind).cursor()

        def work(size: int) -> None:
            execute = cursor.execute
            for _ in range(size):
                execute(text())

        return work

    return make


def asynchronous(text: Callable[[], str]) -> Make:
    """The same on asyncio."""

    def make(dsn: str, kind: str) -> Work:
        loop = asyncio.new_event_loop()

        async def connect() -> Any:
            with _watched(kind if kind == "telemetry" else "bare"):
                return await psycopg.AsyncConnection.connect(
                    dsn, autocommit=True, prepare_threshold=None
                )

        cursor = _guard(loop.run_until_complete(connect()), kind).cursor()

        async def statements(size: int) -> None:
            for _ in range(size):
                await cursor.execute(text())

        return lambda size: loop.run_until_complete(statements(size))

    return make


def entity(dsn: str, kind: str) -> Work:
    """One object of twenty columns, by SQLAlchemy's ORM, in a transaction of ten queries."""
    with _watched(kind if kind == "telemetry" else "bare"):
        engine = _guard(sa.create_engine("postgresql+psycopg://", **_connecting(dsn)), kind)
        engine.connect().close()

    def work(size: int) -> None:
        for _ in range(size // 10):
            with orm.Session(engine) as session:
                for _ in range(10):
                    session.execute(QUERY).scalars().all()

    return work


def entity_async(dsn: str, kind: str) -> Work:
    """The same with AsyncSession."""
    loop = asyncio.new_event_loop()
    url = "postgresql+psycopg_async://"
    engine = _guard(create_async_engine(url, **_connecting(dsn)), kind)

    async def statements(size: int) -> None:
        for _ in range(size // 10):
            async with AsyncSession(engine) as session:
                for _ in range(10):
                    (await session.execute(QUERY)).scalars().all()

    def work(size: int) -> None:
        with _watched(kind if kind == "telemetry" else "bare"):  # its one connection is pooled
            loop.run_until_complete(statements(size))

    return work


def _connecting(dsn: str) -> dict[str, Any]:
    # What the bare one would be without: errors, behind a pooler that does not bring them along.
    arguments = {**psycopg.conninfo.conninfo_to_dict(dsn), "prepare_threshold": None}
    return {"connect_args": arguments}


CASES: tuple[tuple[str, Make, int], ...] = (
    ("SELECT 1", sync(warm), 300),
    ("SELECT n, cold", sync(cold), 300),
    ("SELECT 1, async", asynchronous(warm), 200),
    ("SELECT n, cold, async", asynchronous(cold), 200),
    ("20 columns, ORM", entity, 100),
    ("20 columns, ORM, async", entity_async, 60),
)
"""Name, how to make the work, statements a block."""

# measuring


def measured(works: dict[str, Work], blocks: int, size: int) -> dict[str, tuple[float, float]]:
    """Nanoseconds a statement, wall and cpu: of bare itself, and what the others add to it."""
    for work in works.values():
        work(size)
    spent: dict[str, list[tuple[float, float]]] = {kind: [] for kind in works}
    kinds = list(works)
    for block in range(blocks):
        shift = block % len(kinds)
        for kind in kinds[shift:] + kinds[:shift]:
            spent[kind].append(_timed(works[kind], size))
    bare = spent["bare"]
    return {
        kind: _medians(
            times if kind == "bare" else [_minus(a, b) for a, b in zip(times, bare, strict=True)]
        )
        for kind, times in spent.items()
    }


def _timed(work: Work, size: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
    work(size)
    return (time.perf_counter_ns() - wall) / size, (time.thread_time_ns() - cpu) / size


def _minus(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return a[0] - b[0], a[1] - b[1]


def _medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def main() -> None:
    """Start the servers, run the cases, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the blocks")
    blocks = 20 if parser.parse_args().quick else 200
    kinds = [kind for kind in KINDS if kind != "telemetry" or PsycopgInstrumentor is not None]
    postgres = Postgres(log_statement="none")
    postgres.settings["unix_socket_directories"] = str(postgres.folder)
    with postgres, PgBouncer(postgres, pool_size=8) as pgbouncer:
        _make_table(postgres)
        places = {
            "unix socket": postgres.dsn(host=str(postgres.folder)),
            "PgBouncer": pgbouncer.dsn(),
        }
        for place, dsn in places.items():
            print(f"\n{place}, ns a statement: wall (cpu)")
            print(f"{'':26}" + "".join(f"{kind:>22}" for kind in kinds) + f"{'guarded/bare':>14}")
            for name, make, size in CASES:
                works = {kind: make(dsn, kind) for kind in kinds}
                _print(name, measured(works, blocks, size))


def _print(name: str, found: dict[str, tuple[float, float]]) -> None:
    cells = []
    for kind, (wall, cpu) in found.items():
        sign = "" if kind == "bare" else "+"
        cells.append(f"{f'{wall:{sign},.0f} ({cpu:{sign},.0f})':>22}")
    ratio = 1 + found["guarded"][0] / found["bare"][0]
    print(f"{name:26}" + "".join(cells) + f"{ratio:14.3f}", flush=True)


def _make_table(postgres: Postgres) -> None:
    engine = sa.create_engine(postgres.url())
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(Wide(id=1, **{f"c{n}": "text" for n in range(19)}))
        session.commit()
    engine.dispose()


if __name__ == "__main__":
    main()
