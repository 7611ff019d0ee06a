"""Arrows point down only: which module may import which, and what importing does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import pgpoolsafe

PACKAGE = Path(pgpoolsafe.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

MOST_LINES = 450

DRIVERS = ("psycopg", "psycopg_pool", "psycopg2", "sqlalchemy", "django", "asyncpg", "pg8000")

VALUES = ("effects", "errors")
"""Known to everybody, since they know nothing."""

# What a part of the package may import of the package, beside itself and VALUES. The
# errors name the types of what they carry, for type checkers only.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "effects": (),
    "errors": ("poolers.answers", "rules.findings"),
    "sql": (),
    "session": (),
    "poolers": (),
    "rules": ("poolers.answers",),
    "carrying": ("session", "sql"),
    "judge": ("carrying", "poolers", "rules", "session", "sql"),
    "plan": ("judge", "rules", "session"),
    "guard": ("carrying", "judge", "plan", "poolers", "rules", "session", "sql"),
    "check": ("guard", "judge", "poolers", "rules", "session", "sql"),
    "sent": ("rules", "session"),
    "blame": ("guard", "poolers", "rules", "sent", "session"),
    "drivers": ("blame", "sent", "guard", "plan", "poolers", "rules", "session", "sql"),
    "installation": ("drivers", "guard", "poolers", "rules", "session"),
    "install": ("drivers", "installation", "rules"),
    "startup_options": ("poolers", "rules"),
    "endpoint_check": ("poolers",),
    "testing": ("check", "install", "installation", "poolers", "rules", "sql", "targets"),
    "checkup": ("poolers", "rules", "session", "startup_options"),
}

FREE_OF_DRIVERS = tuple(
    part for part in MAY_IMPORT if part not in ("drivers", "install", "installation", "testing")
)


def part_of(module: str) -> str:
    return module.partition("/")[0].removesuffix(".py")


def imports_of(module: str) -> set[str]:
    """Absolute names of the modules a module imports, wherever the import stands.

    `from ..poolers import answers` counts as `pgpoolsafe.poolers.answers` when that is a
    module, and as `pgpoolsafe.poolers` when it is not.
    """
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    package = ["pgpoolsafe", *module.split("/")[:-1]]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            found.update(_module_named(source, alias.name) for alias in node.names)
    return found


def _module_named(source: str, name: str) -> str:
    path = f"{source}.{name}".removeprefix("pgpoolsafe.").replace(".", "/")
    known = source.startswith("pgpoolsafe") and f"{path}.py" in MODULES
    return f"{source}.{name}" if known else source


def within(name: str, parts: tuple[str, ...]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) in MAY_IMPORT])
def test_arrows_point_down(module: str) -> None:
    own = part_of(module)
    allowed = (own, *VALUES, *MAY_IMPORT[own])
    ours = {name for name in imports_of(module) if within(name, ("pgpoolsafe",))}
    wrong = {name for name in ours if not within(name.removeprefix("pgpoolsafe."), allowed)}
    assert wrong == set()


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) in FREE_OF_DRIVERS])
def test_the_core_knows_no_driver(module: str) -> None:
    assert {n for n in imports_of(module) if within(n, (*DRIVERS, "pgpoolsafe.drivers"))} == set()


def test_every_part_of_the_core_is_under_these_rules() -> None:
    assert {part_of(module) for module in MODULES} >= set(MAY_IMPORT)
    core = {"effects", "errors", "sql", "session", "poolers", "rules", "judge", "plan", "guard"}
    assert core <= set(FREE_OF_DRIVERS)


@pytest.mark.parametrize(
    "module, imported",
    [
        ("guard.py", "pgpoolsafe.judge"),
        ("rules/findings.py", "pgpoolsafe.poolers.answers"),
        ("drivers/psycopg.py", "psycopg"),
        ("drivers/psycopg.py", "pgpoolsafe.drivers.psycopg_classes"),
        ("install.py", "pgpoolsafe.drivers.process"),
    ],
)
def test_imports_are_found(module: str, imported: str) -> None:
    assert imported in imports_of(module)


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_long(module: str) -> None:
    lines = (PACKAGE / module).read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES


PROBE = """
import json, sys, threading
before = set(sys.modules)
import pgpoolsafe
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps([sorted(new), threading.active_count()]))
"""


def test_importing_does_nothing() -> None:
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    packages, threads = json.loads(done.stdout)
    assert set(packages).isdisjoint(DRIVERS)
    assert set(packages) <= {*sys.stdlib_module_names, "pgpoolsafe"}
    assert threads == 1
    assert done.stderr == ""


SEEN = "import sys, pgpoolsafe; print(*[name for name in sys.modules if 'pgpoolsafe' in name])"
SELDOM = {
    "pgpoolsafe.code_findings",
    "pgpoolsafe.sql.empty_casts",
    "pgpoolsafe.sql.routine_code",
    "pgpoolsafe.sql.routine_reader",
    "pgpoolsafe.sql.routines",
    "pgpoolsafe.sql.stored",
}
"""What only audits need; a sixth of the time that the import took with it."""


def test_what_few_need_is_imported_when_it_is_needed() -> None:
    done = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "pgpoolsafe.guard" in imported
    assert not imported & SELDOM
    assert {name.replace(".", "/") + ".py" for name in SELDOM} <= {
        f"pgpoolsafe/{module}" for module in MODULES
    }


def test_the_public_names() -> None:
    assert pgpoolsafe.__all__ == sorted(pgpoolsafe.__all__, key=lambda n: (not n.isupper(), n))
    assert all(hasattr(pgpoolsafe, name) for name in pgpoolsafe.__all__)
    names = {name for name in vars(pgpoolsafe) if not name.startswith("_")}
    submodules = {part_of(module) for module in MODULES}
    assert names - submodules <= set(pgpoolsafe.__all__)
