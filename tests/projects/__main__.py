"""Run each project's suite: plainly, then under the plugin, then behind a real PgBouncer.

    python -m tests.projects [--update]

Under the plugin exactly the findings that stand in `findings/<project>.txt` must come (they
are baseline files; `--update` writes them anew). Behind PgBouncer the tests marked `harm` show
that they are right.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pgpoolsafe.testing.baseline import Entry, read
from tests.servers import Postgres

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class Project:
    """A project on PyPI, and the pooler that its findings are judged for."""

    name: str
    suite: str
    pooler: str


PROJECTS = (
    Project("procrastinate", "suite_procrastinate.py", "pgbouncer>=1.24 transaction"),
    Project("langgraph-checkpoint-postgres", "suite_langgraph.py", "pgbouncer>=1.18 transaction"),
    Project("django-tenants", "suite_tenants.py", "pgbouncer>=1.24 transaction"),
)


def run(project: Project, shop: str, *words: str) -> int:
    """The exit status of a pytest of its own."""
    paths = (ROOT, ROOT / "src", ROOT / "integrations", *sys.path)
    environment = {
        **os.environ,
        "SHOP": shop,
        "PGPOOLSAFE_DSN": shop,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "LANGSMITH_TRACING": "false",
    }
    plugins = ("-p", "pgpoolsafe_pytest.plugin", "-p", "pytest_asyncio.plugin")
    config = ("-c", str(HERE / "pytest.ini"), "-p", "no:cacheprovider", "-q")
    command = [sys.executable, "-m", "pytest", *config, *plugins, *words, project.suite]
    return subprocess.run(command, cwd=HERE, env=environment, check=False).returncode


def known(project: Project) -> Path:
    """The file with the findings of a project."""
    return HERE / "findings" / f"{project.name}.txt"


def report_of(project: Project) -> Path:
    """Where the run under the plugin writes what it finds."""
    return Path(tempfile.gettempdir()) / f"pgpoolsafe-{project.name}.json"


def found(project: Project) -> frozenset[Entry]:
    """What the run under the plugin has found."""
    findings = json.loads(report_of(project).read_text())["findings"]
    return frozenset(
        Entry(f["rule"], f["file"] or "", f["function"] or "", f["normalised"]) for f in findings
    )


def check(project: Project, shop: str, *, update: bool) -> list[str]:
    """What went wrong."""
    strict = ("--pgpoolsafe=strict", f"--pgpoolsafe-pooler={project.pooler}", "-m", "not harm")
    baseline = (f"--pgpoolsafe-baseline={known(project)}",)
    report = (f"--pgpoolsafe-report={report_of(project)}", "-v")
    if update:
        known(project).unlink(missing_ok=True)
        run(project, shop, *strict, *baseline, "--pgpoolsafe-update-baseline")
    steps = {
        "fails plainly": run(project, shop, "-m", "not harm"),
        "has findings that are not recorded": run(project, shop, *strict, *baseline, *report),
        "has other findings than those recorded": read(known(project)) != found(project),
        "is not found at fault without them": 1 - run(project, shop, *strict, "--tb=no"),
        "shows no harm behind PgBouncer": run(project, shop, "-m", "harm"),
    }
    return [f"{project.name} {what}" for what, status in steps.items() if status]


def main(words: list[str]) -> int:
    """1 when anything went wrong, and says what."""
    failures: list[str] = []
    for project in PROJECTS:
        print(f"== {project.name} {importlib.metadata.version(project.name)}", flush=True)
        with Postgres() as postgres:
            failures += check(project, postgres.dsn(), update="--update" in words)
    print("\n".join(failures) or "every finding is as recorded, and harms")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
