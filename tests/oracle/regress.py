"""PostgreSQL's own regression suite: fetched from Debian, run on a server of ours.

Nothing of it is kept in the repository. The scripts run one after the other on fresh
connections, in the order of the suite's schedule, without its C library (`regress.so`):
the functions that it would make are missing, as are what depends on them.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgpoolsafe.testing.account import server_account
from tests.debian_sources import NoSources as NoSources
from tests.debian_sources import original
from tests.servers import Postgres

from .running import connect_to, run_file
from .snapshots import prepare_database
from .watching import Disagreement, Tally
from .wire import Wire

PACKAGES = {
    15: ("postgresql-15", "bookworm"),
    17: ("postgresql-17", "trixie"),
    18: ("postgresql-18", "forky"),
}
"""Major version → Debian's source package and the release that has it."""

INSIDE = "src/test/regress/"
DATABASE = "regression"

SETTINGS: dict[str, Any] = {
    "log_statement": "none",
    "log_min_messages": "fatal",
    "statement_timeout": "30s",
    "shared_buffers": "128MB",
    "timezone": "America/Los_Angeles",
    "datestyle": "postgres, mdy",
}


def watched_server(folder: Path) -> Postgres:
    """A server for the suite, with the programs of a folder."""
    return Postgres(folder, **SETTINGS)


def sources(major: int, cache: Path) -> Path:
    """The suite's folder of a version, fetched once into `cache`. Raises NoSources.

    A version that Debian does not have is judged by the suite of the nearest older one.
    """
    major = max((known for known in PACKAGES if known <= major), default=min(PACKAGES))
    folder = cache / f"regress-{major}"
    if not (folder / "parallel_schedule").is_file():
        archive = _download(major, cache)
        _unpack(archive, folder)
    return folder


def _download(major: int, cache: Path) -> Path:
    package, release = PACKAGES[major]
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    return original(package, release, cache)


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            _, found, name = member.name.partition(INSIDE)
            if found and member.isfile() and not member.issym():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                content = tar.extractfile(member)
                assert content is not None
                target.write_bytes(content.read())


def schedule(folder: Path) -> list[str]:
    """The suite's tests in their order, groups of parallel ones flattened."""
    text = (folder / "parallel_schedule").read_text()
    return [name for tests in re.findall(r"^test:(.*)$", text, re.M) for name in tests.split()]


@dataclass(frozen=True)
class Script:
    """What came of one script of the suite."""

    name: str
    tally: Tally
    found: list[Disagreement]


class Suite:
    """The suite on one server: `for script in Suite(server, folder).run(): …`."""

    def __init__(self, server: Postgres, folder: Path) -> None:
        self.server = server
        self.folder = server.folder / "regress"
        self.libraries = server.version >= (18,)
        shutil.copytree(folder, self.folder)
        (self.folder / "results").mkdir(exist_ok=True)
        self._hand_over()
        self._make_database()

    def _hand_over(self) -> None:
        """The server reads data from the folder and writes results into it."""
        account = server_account()
        if account is not None:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, account.uid, account.gid)

    def _make_database(self) -> None:
        admin = Wire(self.server.dsn("postgres", "postgres"))
        admin.query(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
        admin.close()
        # Tests make databases of their own from template1.
        for database in ("template1", DATABASE):
            wire = Wire(self.server.dsn("postgres", database))
            prepare_database(wire, libraries=self.libraries)
            wire.close()

    def run(self, only: list[str] | None = None) -> Iterator[Script]:
        """Run the scripts, or some of them, always after the suite's set-up."""
        connect = connect_to(
            lambda database: self.server.dsn("postgres", database), libraries=self.libraries
        )
        for name in schedule(self.folder):
            if only and name not in (*only, "test_setup", "create_index"):
                continue
            path = self.folder / "sql" / f"{name}.sql"
            run = run_file(path, self._variables(), connect, DATABASE)
            tally = Tally()
            for watcher in run.watchers:
                tally.add(watcher.tally)
            found = [one for watcher in run.watchers for one in watcher.found]
            yield Script(name, tally, found)

    def _variables(self) -> dict[str, str]:
        """What psql would have, and what the scripts get from the environment."""
        place = str(self.folder)
        return {
            "DBNAME": DATABASE,
            "USER": "postgres",
            "HOST": "127.0.0.1",
            "PORT": str(self.server.port),
            "abs_srcdir": place,
            "abs_builddir": place,
            "libdir": place,
            "dlsuffix": ".so",
        }
