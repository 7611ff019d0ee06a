"""pgpoolsafe: code written for a plain PostgreSQL connection, safe behind a pooler.

engine = sqlalchemy.create_engine("postgresql+psycopg://…")
pgpoolsafe.install(engine)
"""

from .check import check
from .detection import detect, require
from .errors import (
    ConfigurationError,
    SessionStateError,
    SessionStateWarning,
    WrongEndpointError,
)
from .install import Installation, install, uninstall
from .poolers.answers import Pooler
from .rules.allowing import allow
from .rules.catalog import RULES, Rule
from .rules.findings import Finding

__version__ = "0.1.0"

__all__ = [
    "RULES",
    "ConfigurationError",
    "Finding",
    "Installation",
    "Pooler",
    "Rule",
    "SessionStateError",
    "SessionStateWarning",
    "WrongEndpointError",
    "allow",
    "check",
    "detect",
    "install",
    "require",
    "uninstall",
]
