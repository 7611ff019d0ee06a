"""`check()`: what a text would leave in the session, without a connection."""

from __future__ import annotations

from .guard import STAND_IN
from .judge import Trial
from .poolers.answers import Pooler
from .poolers.products import named
from .rules.findings import Finding
from .rules.policy import Policy, Settings
from .session.books import Books
from .sql.reader import read

_POLICY = Policy(settings=Settings.LEAVE)


def check(sql: str, *, pooler: str | Pooler | None = None) -> list[Finding]:
    """What a text, sent as it is in autocommit, would lose or leak behind a pooler.

    sql: one or several statements; BEGIN … COMMIT inside it are counted, and what is
        acquired and released within one transaction is no finding.
    pooler: "pgbouncer", "pgbouncer>=1.24", … or a Pooler; by default PgBouncer in
        transaction mode.

    Returns the findings in the order in which they fall due; [] means none known.
    Raises ConfigurationError for an unknown pooler, TypeError for what is no text.
    """
    if not isinstance(sql, str):
        raise TypeError(f"check(): expected a string, not {type(sql).__name__}")
    if isinstance(pooler, str):
        pooler = named(pooler, None)
    trial = Trial(sql, read(sql), None, Books(), _POLICY, pooler or STAND_IN, locate=lambda: None)
    trial.run()
    if trial.draft.in_block:  # left open: judged as if it were committed
        trial.ended_unseen()
    return trial.findings
