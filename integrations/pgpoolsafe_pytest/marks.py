"""`@pytest.mark.pgpoolsafe(allow=["listen"], reason="…")`."""

from __future__ import annotations

import pytest

from pgpoolsafe.errors import ConfigurationError
from pgpoolsafe.rules.allowing import check_names

NAME = "pgpoolsafe"
_SHAPE = '@pytest.mark.pgpoolsafe(allow=["listen"], reason="why this test may")'


def allowed_by(item: pytest.Item) -> frozenset[str]:
    """The rules that the marks of a test, its class and its module let through.

    A mark that is wrong fails the test that has it.
    """
    allowed: frozenset[str] = frozenset()
    wrong = ""
    for mark in item.iter_markers(NAME):
        try:
            allowed |= _names(mark)
        except ConfigurationError as error:
            wrong = str(error)
    if wrong:
        pytest.fail(wrong, pytrace=False)
    return allowed


def _names(mark: pytest.Mark) -> frozenset[str]:
    unknown = sorted(set(mark.kwargs) - {"allow", "reason"})
    names, reason = mark.kwargs.get("allow"), mark.kwargs.get("reason")
    if mark.args or unknown or not isinstance(names, (list, tuple, set, frozenset)):
        raise ConfigurationError(f"mark pgpoolsafe: expected {_SHAPE}")
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigurationError(f"mark pgpoolsafe: say why, in reason=: {_SHAPE}")
    return check_names(names, where="mark pgpoolsafe")
