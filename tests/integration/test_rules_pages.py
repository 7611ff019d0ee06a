"""The code on the rules' pages, run in strict mode behind a real PgBouncer.

What a page calls unsafe is refused by that rule, or repaired so that nothing is left on the
server connection; what it calls safe passes without a word.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy

import pgpoolsafe
from pgpoolsafe import RULES, Installation, SessionStateError
from pgpoolsafe.rules.catalog import Level
from pgpoolsafe.rules.pages import PAGES
from tests.integration.sessions import session_of
from tests.servers import PgBouncer, Postgres

REPAIRED = [name for name, rule in RULES.items() if rule.default in (Level.REWRITE, Level.CARRY)]
# Found where a connection is looked at, not by the guard: tests/integration/test_detection.py.
FOUND_BY_LOOKING = ("startup-options",)
# Needs a session of its own, not a pooler: tests/integration/test_residue.py.
FOUND_IN_A_SESSION = ("residue",)
# Stands in the database, not in what is sent: tests/integration/test_audit_casts.py.
FOUND_BY_AUDIT = ("empty-custom-setting",)
# A matter of the settings that are in force: tests/integration/test_manners.py.
FOUND_WITH_SETTINGS = ("settings-not-carried",)
ELSEWHERE = (*FOUND_IN_A_SESSION, *FOUND_BY_AUDIT, *FOUND_WITH_SETTINGS)
HERE = [name for name in RULES if name not in ELSEWHERE]
REFUSED = [name for name in HERE if name not in (*REPAIRED, *FOUND_BY_LOOKING)]
# An option of install() is what these pages offer instead of a block that is allowed.
ALLOWED_BY_OPTION = ("named-prepare", "statement-mode-transaction", "startup-options")
# SQLAlchemy's dialect opens transactions by itself, so there is no safe block to run.
NOT_FOR_SQLALCHEMY = ("statement-mode-transaction",)

TABLES = (
    "CREATE TABLE orders (id serial PRIMARY KEY, tenant text, item text)",
    "INSERT INTO orders (tenant, item) VALUES ('acme', 'anvil')",
)


@dataclass
class Bench:
    """A guarded connection and engine on one server connection, and names for the blocks."""

    names: dict[str, Any]
    installations: tuple[Installation, ...]
    pooler: PgBouncer
    pid: int | None
    user: str

    def run(self, block: str) -> None:
        """Run a page's block; a warning of any kind fails the test."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(block, "<page>", "exec"), self.names)

    def levels(self) -> set[str]:
        """The levels of everything that was found."""
        return {f.level for installed in self.installations for f, _ in installed.findings()}

    def session(self) -> dict[str, Any] | None:
        """What stands in the session of the server connection, where one can be held."""
        if self.pid is None:
            return None
        return session_of(self.pooler, self.pid, user=self.user)


@pytest.fixture(scope="module", autouse=True)
def _tables(postgres: Postgres) -> Iterator[None]:
    """What the pages' statements are about, for as long as this module runs."""
    with postgres.connect(autocommit=True) as owner:
        for statement in TABLES:
            owner.execute(statement)
        yield
        owner.execute("DROP TABLE orders")


@pytest.fixture
def bench_for(pgbouncer_with: Callable[..., PgBouncer], postgres: Postgres) -> Callable[[str], Any]:
    @contextmanager
    def make(rule: str) -> Iterator[Bench]:
        mode = "statement" if rule == "statement-mode-transaction" else "transaction"
        user = "postgres" if rule == "load-library" else "app"
        pooler = pgbouncer_with(pool_mode=mode)
        pids = pooler.warm(user=user)
        # The rules that are off by themselves are on here.
        options: dict[str, Any] = {"pooler": "pgbouncer", "pool_mode": mode, "mode": "strict"}
        if RULES[rule].default is Level.IGNORE:
            options["rules"] = {rule: "raise"}
        engine = sqlalchemy.create_engine(pooler.url(user))
        with pooler.connect(user) as conn:
            installed = pgpoolsafe.install(conn, **options), pgpoolsafe.install(engine, **options)
            names = {
                "conn": conn,
                "engine": engine,
                "psycopg": psycopg,
                "pgpoolsafe": pgpoolsafe,
                "text": sqlalchemy.text,
                "create_engine": sqlalchemy.create_engine,
                "DIRECT_DSN": postgres.dsn(user),
                "DIRECT_URL": postgres.url(user),
                "print": lambda *_: None,
            }
            yield Bench(names, installed, pooler, pids[0] if pids else None, user)
            conn.rollback()
        engine.dispose()
        with postgres.connect("postgres", autocommit=True) as admin:
            admin.execute("ALTER ROLE reporting RESET session_preload_libraries")

    return make


@contextmanager
def on_one(bench: Bench) -> Iterator[None]:
    """All statements go to one server connection, where the pool mode lets one be held."""
    if bench.pid is None:
        yield
        return
    with bench.pooler.only(bench.pid, user=bench.user):
        yield


each_library = pytest.mark.parametrize("library", ("psycopg", "SQLAlchemy"))


@each_library
@pytest.mark.parametrize("rule", REFUSED)
def test_unsafe_is_refused(rule: str, library: str, bench_for: Callable[[str], Any]) -> None:
    with bench_for(rule) as bench:
        before = bench.session()
        with on_one(bench), pytest.raises(SessionStateError) as caught:
            bench.run(PAGES[rule].examples[library].unsafe)
        bench.names["conn"].rollback()
        assert caught.value.rule == rule
        assert bench.session() == before


@each_library
@pytest.mark.parametrize("rule", REPAIRED)
def test_unsafe_is_repaired(rule: str, library: str, bench_for: Callable[[str], Any]) -> None:
    with bench_for(rule) as bench:
        before = bench.session()
        with on_one(bench):
            bench.run(PAGES[rule].examples[library].unsafe)
            bench.names["conn"].commit()
        assert bench.levels() <= {"rewrite"}
        assert bench.session() == before


@each_library
@pytest.mark.parametrize("rule", HERE)
def test_safe_is_silent(rule: str, library: str, bench_for: Callable[[str], Any]) -> None:
    if library == "SQLAlchemy" and rule in NOT_FOR_SQLALCHEMY:
        with pytest.raises(NameError, match="TRANSACTION_URL"):  # no engine on this pool
            exec(PAGES[rule].examples[library].safe, {"create_engine": sqlalchemy.create_engine})
        return
    with bench_for(rule) as bench:
        before = bench.session()
        with on_one(bench):
            bench.run(PAGES[rule].examples[library].safe)
        bench.names["conn"].rollback()
        assert bench.levels() == set()
        assert bench.session() == before


@pytest.mark.parametrize("rule", [name for name in HERE if name not in ALLOWED_BY_OPTION])
def test_allow_lets_it_through(rule: str, bench_for: Callable[[str], Any]) -> None:
    with bench_for(rule) as bench, on_one(bench):
        bench.run(PAGES[rule].allow)
        bench.names["conn"].commit()
        assert bench.levels() == set()


@pytest.mark.parametrize("rule", ALLOWED_BY_OPTION)
def test_an_option_switches_it_off(rule: str, bench_for: Callable[[str], Any]) -> None:
    with bench_for(rule) as bench, on_one(bench):
        conn = bench.names["conn"]
        conn.prepare_threshold = 0
        bench.run(PAGES[rule].allow)
        conn.autocommit = True  # statement mode lets nothing else through
        conn.execute("SELECT 1")
        assert bench.levels() == set()
