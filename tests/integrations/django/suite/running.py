"""One run of Django's suite: which backend, which endpoint, and what came of each test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import PgBouncer, Postgres

from .runner import RESULTS, WARM

ROOT = Path(__file__).parents[4]
HERE = Path(__file__).parent
PLAIN, GUARDED = "django.db.backends.postgresql", "pgpoolsafe_django"
POOL_SIZE = 4


@dataclass(frozen=True, slots=True)
class Way:
    """How a run reaches the database. `pooled`: through PgBouncer, in rotation."""

    name: str
    engine: str
    pooled: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


WAYS = {
    way.name: way
    for way in (
        Way("plain", PLAIN),
        Way("guarded", GUARDED),
        Way("plain-pooled", PLAIN, pooled=True),
        Way("pooled", GUARDED, pooled=True, options={"pooler": "pgbouncer"}),
    )
}


def labels() -> list[str]:
    """The parts of the suite that touch the database."""
    return (HERE / "labels.txt").read_text().split()


def pooler(postgres: Postgres) -> PgBouncer:
    """PgBouncer for every database, also those the suite makes."""
    return PgBouncer(
        postgres, pool_size=POOL_SIZE, databases=("*",), min_pool_size=0, max_db_connections=0
    )


def run(way: Way, source: Path, parts: Iterable[str], postgres: Postgres, results: Path) -> Path:
    """Run parts of the suite one way; the outcomes stand in a file, one JSON line each."""
    outcomes = results / f"{way.name}.jsonl"
    outcomes.unlink(missing_ok=True)
    with (results / f"{way.name}.log").open("w") as log:
        if not way.pooled:
            _run(way, source, parts, postgres.port, None, outcomes, log)
            return outcomes
        with pooler(postgres) as pgbouncer:
            _run(way, source, parts, pgbouncer.port, postgres.port, outcomes, log)
    return outcomes


def _run(
    way: Way,
    source: Path,
    parts: Iterable[str],
    port: int,
    direct: int | None,
    outcomes: Path,
    log: Any,
) -> None:
    suite = {"engine": way.engine, "port": port, "direct": direct, "options": dict(way.options)}
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "src", "integrations")),
        "PGPOOLSAFE_SUITE": json.dumps(suite),
        RESULTS: str(outcomes),
        WARM: str(POOL_SIZE if way.pooled else 0),
    }
    settings = "--settings=tests.integrations.django.suite.settings"
    command = [sys.executable, "runtests.py", settings, "--parallel=1", "--noinput", *parts]
    subprocess.run(
        command, cwd=source / "tests", env=environment, stdout=log, stderr=log, check=False
    )


def outcomes_in(path: Path) -> dict[str, tuple[str, str]]:
    """How each test came out, and what was said; a failed subtest makes its test fail."""
    found: dict[str, tuple[str, str]] = {}
    for line in path.read_text().splitlines():
        test, outcome, detail = json.loads(line)
        if found.get(test, ("passed", ""))[0] in ("passed", "skipped"):
            found[test] = (outcome, detail)
    return found
