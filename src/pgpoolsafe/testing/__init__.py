"""For test suites: findings in a test's hand, a real PgBouncer, strict unittest cases.

With pytest, `--pgpoolsafe=strict` does the most of it; see docs/testing.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .capture import assert_safe, capture_findings
    from .cases import StrictTests, strict_tests
    from .pgbouncer import PgBouncer
    from .programs import ServerMissing

__all__ = [
    "PgBouncer",
    "ServerMissing",
    "StrictTests",
    "assert_safe",
    "capture_findings",
    "strict_tests",
]

# The plugin needs none of these at the start of a run, and `PgBouncer` needs psycopg.
_LATER = {
    "PgBouncer": "pgbouncer",
    "ServerMissing": "programs",
    "StrictTests": "cases",
    "assert_safe": "capture",
    "capture_findings": "capture",
    "strict_tests": "cases",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
