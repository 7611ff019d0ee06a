"""Findings in the hand of a test: all that come within a block, or those of one text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..check import check
from ..install import install_policy
from ..installation import ask_sessions, unsettled
from ..poolers.answers import Pooler
from ..rules.findings import Finding
from ..rules.reporting import ignored, reviewing
from .options import Options
from .supervision import expected


@contextmanager
def capture_findings(
    target: Any = None,
    *,
    pooler: str | None = None,
    rules: Mapping[str, str] | None = None,
    settings: str = "leave",
    prepared: str | None = None,
    residue: bool | str = False,
) -> Iterator[list[Finding]]:
    """Every finding that comes within the block, in whatever thread; none is raised.

    target: what `install()` takes; None: what the process opens within the block. What is
        guarded already is captured in any case.
    pooler: what a direct connection is judged by, as in "pgbouncer>=1.24 transaction";
        default: PgBouncer in transaction mode.
    rules, settings, prepared, residue: as `install()` takes them; nothing is repaired unless
        asked for.

    The list grows as findings come; at the end of the block come those of transactions that
    are still open and would leave something at COMMIT. Raises ConfigurationError for wrong
    options, TypeError for what cannot be guarded.
    """
    options = Options(
        pooler=pooler, rules=rules, settings=settings, prepared=prepared, residue=residue
    )
    found: list[Finding] = []

    def capture(finding: Finding) -> Finding:
        found.append(finding)
        return ignored(finding)

    before = unsettled()
    with install_policy(target, options.policy()), reviewing(capture):
        yield found
        ask_sessions()
        still_open = [one for one in unsettled() if not any(one is known for known in before)]
        found += still_open
        expected(still_open)


def assert_safe(sql: str, *, pooler: str | Pooler | None = None) -> None:
    """Assert that a text, sent as it is in autocommit, leaves nothing behind a pooler.

    Arguments and errors as those of `pgpoolsafe.check()`. Raises AssertionError with the
    messages of all findings.
    """
    findings = check(sql, pooler=pooler)
    if findings:
        raise AssertionError("\n\n".join(str(finding) for finding in findings))
