"""The account a server runs as, and what that account can reach.

PostgreSQL and PgBouncer refuse to run as root, which is who one is in most containers.
"""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNPRIVILEGED = ("postgres", "nobody")
"""Accounts to run servers as when the caller is root, best first."""


@dataclass(frozen=True, slots=True)
class Account:
    """A system account other than root."""

    uid: int
    gid: int

    def reaches(self, path: Path) -> bool:
        """Whether the account may enter every folder on the way to `path` and read it."""
        folders = path.resolve().parents
        return all(self._may(f, stat.S_IXUSR) for f in folders) and self._may(path, stat.S_IRUSR)

    def writes(self, folder: Path) -> bool:
        """Whether the account reaches `folder` and may make files in it."""
        return self.reaches(folder) and self._may(folder, stat.S_IWUSR | stat.S_IXUSR)

    def _may(self, path: Path, owner_bits: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            wanted = owner_bits
        elif status.st_gid == self.gid:
            wanted = owner_bits >> 3
        else:
            wanted = owner_bits >> 6
        return status.st_mode & wanted == wanted


def server_account() -> Account | None:
    """The account to switch to; None when the caller is not root and stays who it is.

    Raises LookupError when root finds none of `UNPRIVILEGED`.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            return Account(known[name].pw_uid, known[name].pw_gid)
    raise LookupError(f"no account to run servers as: none of {', '.join(UNPRIVILEGED)} exists")


def switch_to(account: Account | None) -> dict[str, Any]:
    """Keyword arguments with which `subprocess` runs a program as `account`."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def make_folder(name: str) -> Path:
    """A new private folder that belongs to the account servers run as."""
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix=f"pgpoolsafe-{name}-", dir=_base(account)))
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    return folder


def _base(account: Account | None) -> Path:
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    if account is None:
        return candidates[0]
    for folder in candidates:
        if folder.is_dir() and account.writes(folder):
            return folder
    raise LookupError("no temporary folder that an unprivileged account may write to")


def server_environment(home: Path) -> dict[str, str]:
    """The environment of a server: nothing of the caller's but where programs are."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"HOME": str(home), "PATH": path, "LC_ALL": "C", "TZ": "UTC"}
