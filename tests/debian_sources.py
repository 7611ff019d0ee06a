"""Original archives from Debian's source packages, fetched with an apt of our own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class NoSources(Exception):
    """The sources cannot be had; the message says what is missing."""


def original(package: str, release: str, folder: Path) -> Path:
    """The original archive of a source package, fetched into `folder`. Raises NoSources."""
    if shutil.which("apt-get") is None or not Path(KEYRING).is_file():
        raise NoSources(f"{package} comes from Debian's source packages: no apt-get here")
    with tempfile.TemporaryDirectory(prefix="pgpoolsafe-apt-") as place:
        options = _apt_options(Path(place), release)
        for command in (("update",), ("source", "--download-only", package)):
            run(["apt-get", *options, "-q", *command], cwd=folder)
    archives = sorted(folder.glob(f"{package}_*.orig.tar.*"))
    found = [archive for archive in archives if archive.suffix != ".asc"]  # its signature
    if not found:
        raise NoSources(f"{package} of {release} came without its original archive")
    return found[-1]


def _apt_options(place: Path, release: str) -> list[str]:
    """An apt of its own, which leaves the machine's lists and settings alone."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (place / folder).mkdir(parents=True)
    line = f"deb-src [signed-by={KEYRING}] http://deb.debian.org/debian {release} main\n"
    (place / "sources.list").write_text(line)
    settings = {
        "Dir::Etc::sourcelist": place / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": place / "state",
        "Dir::Cache": place / "cache",
        "APT::Sandbox::User": "",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def run(command: list[str], cwd: Path) -> None:
    """Run a program that fetches something. Raises NoSources with what it said."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoSources(f"{' '.join(command[-2:])} failed:\n{done.stderr}")
