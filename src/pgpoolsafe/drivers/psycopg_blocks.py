"""psycopg: the settings of `settings()` blocks on one connection."""

from __future__ import annotations

from typing import Any

from psycopg.rows import tuple_row

from ..errors import ConfigurationError
from .blocks import Connection as OnConnection
from .psycopg import is_async


class Connection(OnConnection):
    """The blocks on one psycopg connection."""

    def run(self, text: str) -> Any:
        """The row that a text returns."""
        if is_async(type(self._conn)):
            raise ConfigurationError(
                "settings(): a transaction is open on this AsyncConnection: use `async with`"
            )
        return self._conn.cursor(row_factory=tuple_row).execute(text).fetchone()

    async def run_async(self, text: str) -> Any:
        """The same, on an AsyncConnection."""
        if not is_async(type(self._conn)):
            return self.run(text)
        cursor = await self._conn.cursor(row_factory=tuple_row).execute(text)
        return await cursor.fetchone()
