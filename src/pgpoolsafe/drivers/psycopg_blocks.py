"""psycopg: the settings of `settings()` blocks on one connection."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from ..errors import ConfigurationError
from ..session.settings import Carried
from .blocks import Connection as OnConnection
from .psycopg import is_async

if TYPE_CHECKING:
    from .psycopg_lent import Lent  # not every program has psycopg_pool


class Connection(OnConnection):
    """The blocks on one psycopg connection, until a pool that has lent it has it back."""

    def __init__(self, conn: Any) -> None:
        super().__init__(conn)
        self._lent: dict[int, Lent] = {}

    def entering(self, block: Carried) -> Generator[str, Any, None]:
        """As on any connection."""
        yield from super().entering(block)
        if getattr(self._conn, "_pool", None) is not None:
            from .psycopg_lent import watched

            lent = watched(self._conn, id(block), lambda: self.drop(block))
            if lent is not None:
                self._lent[id(block)] = lent

    def leaving(self, block: Carried) -> Generator[str, Any, None]:
        """As on any connection; nothing if the pool has it back."""
        lent = self._lent.pop(id(block), None)
        if lent is not None:
            lent.forget(id(block))
        yield from super().leaving(block)

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
