"""For test suites: findings in a test's hand, a real PgBouncer, strict unittest cases.

With pytest, `--pgpoolsafe=strict` does the most of it; see docs/testing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .capture import assert_safe, capture_findings
from .cases import StrictTests, strict_tests
from .programs import ServerMissing

if TYPE_CHECKING:
    from .pgbouncer import PgBouncer as PgBouncer

__all__ = [
    "PgBouncer",
    "ServerMissing",
    "StrictTests",
    "assert_safe",
    "capture_findings",
    "strict_tests",
]


def __getattr__(name: str) -> Any:
    """`PgBouncer` needs psycopg, which the rest does not."""
    if name == "PgBouncer":
        from .pgbouncer import PgBouncer

        return PgBouncer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
