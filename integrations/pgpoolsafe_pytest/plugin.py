"""What pytest loads in every run: options, the marker, two fixtures. Inert unless asked.

Whatever costs something to import stands in modules that are imported when it is wanted.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pgpoolsafe.testing import PgBouncer

RUN = pytest.StashKey[Any]()

MODES = ("off", "warn", "strict")

MARKER = (
    "pgpoolsafe(allow=[...], reason=...): let the test break these rules of pgpoolsafe;"
    " see docs/testing.md"
)

NOTHING_TO_WRITE = (
    "update_baseline: without --pgpoolsafe=strict (or warn) nothing is guarded, so that there is"
    " nothing to write"
)

# Name, what follows it on the command line, help. Each is an ini option too, with
# underscores: pgpoolsafe_pooler.
OPTIONS = (
    ("pooler", "POOLER", "what production has: 'pgbouncer>=1.24 transaction'"),
    ("residue", "WHEN", "also ask sessions what hidden code has left: on, statement, off"),
    ("settings", "WHAT", "leave (as it stands), or local or carry: production's guard repairs SET"),
    ("prepared", "WHAT", "leave (as the code stands), or auto: production's guard turns them off"),
    ("baseline", "FILE", "known findings, which do not fail"),
    ("report", "FILE", "write the findings there as JSON"),
    ("dsn", "DSN", "the database that the fixture pgbouncer is put in front of"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--pgpoolsafe=strict`, and the rest."""
    group = parser.getgroup("pgpoolsafe", "session state behind a connection pooler")
    group.addoption(
        "--pgpoolsafe",
        choices=MODES,
        default=None,
        help="judge every PostgreSQL connection as if it went through a pooler",
    )
    parser.addini("pgpoolsafe", "off, warn or strict: as --pgpoolsafe", default="")
    for name, value, text in OPTIONS:
        dest = f"pgpoolsafe_{name}"
        group.addoption(f"--pgpoolsafe-{name}", dest=dest, metavar=value, default=None, help=text)
        parser.addini(dest, f"{text} (as --pgpoolsafe-{name})", default="")
    group.addoption(
        "--pgpoolsafe-update-baseline",
        action="store_true",
        help="let everything pass, and write what is found into the baseline",
    )
    parser.addini("pgpoolsafe_rules", "levels of rules: listen = ignore", type="linelist")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Guard before any conftest is imported: what that imports may open a pool at once."""
    namespace = early_config.known_args_namespace
    if not (getattr(namespace, "help", False) or getattr(namespace, "version", False)):
        _start(early_config, namespace)


def pytest_configure(config: pytest.Config) -> None:
    """The marker is known in inert runs as well, so that strict ones find it in place."""
    config.addinivalue_line("markers", MARKER)
    if not config.option.help:
        _start(config, config.option)  # loaded by a conftest: the hook above was not called


def _start(config: pytest.Config, namespace: Namespace) -> None:
    mode = namespace.pgpoolsafe or config.getini("pgpoolsafe") or "off"
    if mode not in MODES:
        known = ", ".join(map(repr, MODES))
        raise pytest.UsageError(f"pgpoolsafe: mode={mode!r}: expected one of {known}")
    if namespace.pgpoolsafe_update_baseline and not (namespace.pgpoolsafe or mode != "off"):
        raise pytest.UsageError(f"pgpoolsafe: {NOTHING_TO_WRITE}")
    if mode == "off" or RUN in config.stash:
        return
    from .guarding import start

    config.stash[RUN] = start(config, namespace, mode)


# fixtures


@pytest.fixture
def pgpoolsafe_dsn(request: pytest.FixtureRequest) -> str:
    """The database that `pgbouncer` is put in front of: override it to say so in Python.

    By default `--pgpoolsafe-dsn`, the ini option, `PGPOOLSAFE_DSN`, the test database of
    pytest-django, or the one of pytest-postgresql's fixture `postgresql`.
    """
    from .dsn import find

    return find(request)


@pytest.fixture(scope="session")
def pgbouncer_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., PgBouncer]]:
    """`pgbouncer_factory(dsn, pool_mode="session", …)`: a running `testing.PgBouncer`.

    One process for each DSN and set of options serves the whole run; each call closes all
    its connections and opens fresh server connections.
    """
    from .poolers import Poolers

    with Poolers(request.config) as poolers:
        yield poolers.before


@pytest.fixture
def pgbouncer(
    pgbouncer_factory: Callable[..., PgBouncer], pgpoolsafe_dsn: str
) -> Iterator[PgBouncer]:
    """A running PgBouncer in front of the test database: transaction mode, in rotation."""
    server = pgbouncer_factory(pgpoolsafe_dsn)
    yield server
    server.disconnect()
