"""The PostgreSQL servers of this machine, by major version: the oldest and the newest."""

from __future__ import annotations

from pathlib import Path

from pgpoolsafe.testing.programs import program_version
from tests.servers import ServerMissing
from tests.servers.binaries import SYSTEM_POSTGRES, postgres_bin


def servers() -> dict[int, Path]:
    """Major version → folder of its programs, at most two. Raises ServerMissing if none is."""
    places = [path for pattern in SYSTEM_POSTGRES for path in Path("/").glob(pattern[1:])]
    found = {_major(path): path for path in places if (path / "postgres").is_file()}
    try:
        usual = postgres_bin()
        found[_major(usual)] = usual
    except ServerMissing:
        if not found:
            raise
    ends = {min(found), max(found)}
    return {major: found[major] for major in sorted(ends)}


def _major(folder: Path) -> int:
    return program_version(folder / "postgres")[0]
