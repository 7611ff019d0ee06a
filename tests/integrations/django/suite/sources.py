"""Django's own test suite, from its source distribution on PyPI; nothing of it is kept here."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import django

CACHE = Path(__file__).parents[4] / ".django-suite"


class NoSources(Exception):
    """The suite cannot be had; the message says why."""


def source(cache: Path = CACHE) -> Path:
    """The unpacked distribution of the installed version, fetched once. Raises NoSources."""
    name = f"django-{django.get_version()}"
    folder = cache / name
    if not (folder / "tests" / "runtests.py").is_file():
        archive = _download(cache, name)
        with tarfile.open(archive) as tar:
            tar.extractall(cache, filter="data")
    return folder


def _download(cache: Path, name: str) -> Path:
    archive = cache / f"{name}.tar.gz"
    if archive.is_file():
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    wanted = f"django=={django.get_version()}"
    done = subprocess.run(
        [*command, "--dest", str(cache), wanted], capture_output=True, text=True, check=False
    )
    if not archive.is_file():
        raise NoSources(f"pip could not download {name}.tar.gz from PyPI:\n{done.stderr}")
    return archive
