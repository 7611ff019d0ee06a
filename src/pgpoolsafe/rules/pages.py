"""The page of each rule: its story, examples and remedy. Data only.

The catalogue says what a rule is, the pooler table what each pooler does; the pages that
are read (`docs/rules/`) are written from all three by `make docs`.
"""

from __future__ import annotations

from collections.abc import Mapping

from .catalog import RULES
from .page import Page
from .pages_carrying import CARRYING
from .pages_connections import CONNECTIONS
from .pages_locks import LOCKS
from .pages_objects import OBJECTS
from .pages_sessions import SESSIONS
from .pages_settings import SETTINGS
from .pages_statements import STATEMENTS

_BY_NAME = {**SETTINGS, **LOCKS, **OBJECTS, **SESSIONS, **STATEMENTS, **CONNECTIONS, **CARRYING}

PAGES: Mapping[str, Page] = {name: _BY_NAME[name] for name in RULES}
"""The page of every rule, in the order of the catalogue; a rule without one fails here."""
