"""pgpoolsafe: code written for a plain PostgreSQL connection, safe behind a pooler.

engine = sqlalchemy.create_engine("postgresql+psycopg://…")
pgpoolsafe.install(engine)
"""

from .audit import audit
from .check import check
from .detection import detect, require
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
