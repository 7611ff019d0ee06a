"""Where the suites come from: Debian's source packages and PyPI. Nothing of them is kept here.

`PGPOOLSAFE_PEERS_PSYCOPG=/path/to/psycopg` takes a checkout instead; so for each source.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.debian_sources import NoSources, original, run


@dataclass(frozen=True, slots=True)
class Source:
    """One archive. `release`: the Debian release whose source package it is; None: from PyPI.

    `marker`: a file by which its root is known.
    """

    name: str
    package: str
    release: str | None
    marker: str


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        # Its archive on PyPI has no tests.
        Source("psycopg", "psycopg3", "forky", "tests/fix_psycopg.py"),
        Source("sqlalchemy", "sqlalchemy==2.1.9", None, "test/engine/test_execute.py"),
    )
}


def folder_of(name: str, cache: Path) -> Path:
    """The unpacked sources, fetched once into `cache`. Raises NoSources."""
    source = SOURCES[name]
    chosen = os.environ.get(f"PGPOOLSAFE_PEERS_{name.upper()}")
    root = Path(chosen) if chosen else cache / name
    if not (root / source.marker).is_file():
        if chosen:
            raise NoSources(f"{chosen} has no {source.marker}")
        _fetch(source, cache, root)
    return root.resolve()


def _fetch(source: Source, cache: Path, root: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    with tempfile.TemporaryDirectory(prefix="pgpoolsafe-peers-") as place:
        if source.release is None:
            archive = _from_pypi(source, Path(place))
        else:
            archive = original(source.package, source.release, Path(place))
        _unpack(archive, root, source)


def _from_pypi(source: Source, place: Path) -> Path:
    only = ("--no-deps", "--no-binary=:all:")
    run([sys.executable, "-m", "pip", "download", "-q", *only, source.package], place)
    return next(place.glob("*.tar.gz"))


def _unpack(archive: Path, root: Path, source: Source) -> None:
    """Unpack an archive that has one folder, whatever that is called."""
    unpacked = archive.parent / "unpacked"
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    marked = next(unpacked.glob(f"*/{source.marker}"), None)
    if marked is None:
        raise NoSources(f"{archive.name} has no {source.marker}")
    top = unpacked / marked.relative_to(unpacked).parts[0]
    shutil.copytree(top, root, dirs_exist_ok=True)
