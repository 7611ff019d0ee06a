"""A traceback that ends at the line that caused the finding."""

from __future__ import annotations

from types import TracebackType

from pgpoolsafe.errors import SessionStateError
from pgpoolsafe.rules.findings import is_plumbing


def end_at_users_line(error: BaseException) -> None:
    """Cut the way from the user's line through the driver to the guard off a traceback."""
    if not isinstance(error, SessionStateError):
        return
    last: TracebackType | None = None
    step = error.__traceback__
    while step is not None:
        if not is_plumbing(step.tb_frame):
            last = step
        step = step.tb_next
    if last is not None:
        last.tb_next = None
