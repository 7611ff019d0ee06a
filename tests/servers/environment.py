"""The environment that clients of the test servers see."""

from __future__ import annotations

import os


def forget_libpq_environment() -> None:
    """Drop PGHOST, PGOPTIONS, PGSSLMODE …: clients go where they are told, as they are told."""
    for name in [n for n in os.environ if n.startswith("PG") and not n.startswith("PGPOOLSAFE")]:
        del os.environ[name]
