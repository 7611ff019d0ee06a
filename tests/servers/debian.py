"""The Debian releases of the lab: folders with the servers that a release has.

`scripts/lab.sh` builds them. Their programs run by chroot, as an account of the release's,
and share the loopback interface with everybody.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgpoolsafe.testing.account import Account
from pgpoolsafe.testing.place import Place
from pgpoolsafe.testing.programs import ServerMissing

VARIABLE = "PGPOOLSAFE_LAB"
"""The folder that holds the releases; the tests of the lab run if it is set."""

ACCOUNT = "lab"
HOME = "srv/lab"
STAMP = "lab-packages"

# pgagroal and Odyssey want a /proc. Mounted in a namespace of the server's own, it is gone
# with the server.
_ENTER = """
root=$1 who=$2; shift 2
mount -t proc proc "$root/proc" && exec chroot --userspec="$who" "$root" "$@"
"""


@dataclass(frozen=True)
class Release(Place):
    """One release, in `root`. Raises ServerMissing if it is not built or cannot be entered."""

    root: Path

    def __post_init__(self) -> None:
        if not (self.root / STAMP).is_file():
            raise ServerMissing(f"no {self.root}: `make lab` builds it")
        if os.geteuid() != 0:
            raise ServerMissing(f"only root can start the servers of {self.root}")

    @property
    def account(self) -> Account:
        for line in (self.root / "etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == ACCOUNT:
                return Account(int(uid), int(gid))
        raise ServerMissing(f"{self.root} has no account {ACCOUNT}: build it again")

    def new_folder(self, name: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root / HOME))
        os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def inside(self, path: Path) -> Path:
        return Path("/") / path.relative_to(self.root)

    def command(self, *words: str | Path) -> list[str | Path]:
        who = f"{self.account.uid}:{self.account.gid}"
        return ["unshare", "--mount", "sh", "-c", _ENTER, "sh", self.root, who, *words]

    def switching(self) -> dict[str, Any]:
        return {}


def release(name: str) -> Release:
    """The release of that name in the lab's folder. Raises ServerMissing."""
    return Release(Path(os.environ.get(VARIABLE, ".lab")).resolve() / name)
