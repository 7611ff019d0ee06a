"""pgpoolsafe: code written for a plain PostgreSQL connection, safe behind a pooler.

engine = sqlalchemy.create_engine("postgresql+psycopg://…")
pgpoolsafe.install(engine)
"""

import typing as _typing

from .audit import audit
from .check import check
from .errors import (
    ConfigurationError,
    SessionStateError,
    SessionStateWarning,
    WrongEndpointError,
)
from .install import install, uninstall
from .installation import Installation
from .poolers.answers import Pooler
from .residue import residue
from .rules.allowing import allow
from .rules.catalog import RULES, Rule
from .rules.findings import Finding

if _typing.TYPE_CHECKING:
    from .detection import detect, require
    from .session.residue import Residue
    from .setting_blocks import settings

__version__ = "0.1.0"

__all__ = [
    "RULES",
    "ConfigurationError",
    "Finding",
    "Installation",
    "Pooler",
    "Residue",
    "Rule",
    "SessionStateError",
    "SessionStateWarning",
    "WrongEndpointError",
    "allow",
    "audit",
    "check",
    "detect",
    "install",
    "require",
    "residue",
    "settings",
    "uninstall",
]

# Guarding needs none of these, and a test suite feels what is imported at its start.
_LATER = {
    "Residue": "session.residue",
    "detect": "detection",
    "require": "detection",
    "settings": "setting_blocks",
}


def __getattr__(name: str) -> _typing.Any:
    """Import what few programs ask for when it is asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
