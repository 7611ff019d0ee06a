"""Where programs of servers are, and which version they have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

PGBOUNCER_VARIABLE = "PGPOOLSAFE_PGBOUNCER"

SYSTEM_PGBOUNCER = (
    "/usr/sbin/pgbouncer",  # Debian's, not on everybody's PATH
    "/usr/bin/pgbouncer",
    "/opt/homebrew/bin/pgbouncer",
    "/usr/local/bin/pgbouncer",
)


class ServerMissing(Exception):
    """A server program is not installed; the message says what to install or to set."""


def pgbouncer_program() -> Path:
    """The `pgbouncer` program: `PGPOOLSAFE_PGBOUNCER`, PATH, usual places.

    Raises ServerMissing.
    """
    chosen = os.environ.get(PGBOUNCER_VARIABLE) or shutil.which("pgbouncer")
    candidates = [Path(chosen)] if chosen else [Path(place) for place in SYSTEM_PGBOUNCER]
    for program in candidates:
        if program.is_file():
            return program
    raise ServerMissing(f"no PgBouncer: install pgbouncer, or set {PGBOUNCER_VARIABLE}")


def program_version(*command: str | Path) -> tuple[int, ...]:
    """The version that `command --version` prints, as numbers: (1, 18, 0), (18, 6)."""
    # Not `check`: pgagroal 2.1 prints its version and exits with 1.
    done = subprocess.run(
        [*command, "--version"], capture_output=True, text=True, check=False, timeout=30
    )
    output = done.stdout + done.stderr
    match = re.search(r"\d+(?:\.\d+)+", output)
    if match is None:
        raise ValueError(f"{command[-1]} --version printed no version: {output!r}")
    return tuple(int(part) for part in match[0].split("."))
