"""`@pytest.mark.pgpoolsafe(allow=["listen"], reason="…")`."""

from __future__ import annotations

import pytest

from pgpoolsafe.errors import ConfigurationError
from pgpoolsafe.rules.allowing import check_names

NAME = "pgpoolsafe"
_SHAPE = '@pytest.mark.pgpoolsafe(allow=["listen"], reason="why this test may")'


def allowed_by(item: pytest.Item) -> tuple[frozenset[str], str]:
    """The rules that the marks of a test, its class and its module let through.

    And what is wrong with a mark, for the test that has it; else an empty text.
    """
    allowed: frozenset[str] = frozenset()
    for mark in item.iter_markers(NAME):
        try:
            allowed |= _names(mark)
        except ConfigurationError as error:
            return frozenset(), str(error)
    return allowed, ""


def _names(mark: pytest.Mark) -> frozenset[str]:
    unknown = sorted(set(mark.kwargs) - {"allow", "reason"})
    names, reason = mark.kwargs.get("allow"), mark.kwargs.get("reason")
    if mark.args or unknown or not isinstance(names, (list, tuple, set, frozenset)):
        raise ConfigurationError(f"mark pgpoolsafe: expected {_SHAPE}")
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigurationError(f"mark pgpoolsafe: say why, in reason=: {_SHAPE}")
    return check_names(names, where="mark pgpoolsafe")
