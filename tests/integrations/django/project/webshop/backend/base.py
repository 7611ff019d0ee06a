"""Django's backend, which says how many cursors it made."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Counts."""

    cursors = 0

    def create_cursor(self, name: Any = None) -> Any:
        self.cursors += 1
        return super().create_cursor(name=name)
