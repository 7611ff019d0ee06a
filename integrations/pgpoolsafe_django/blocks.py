"""`pgpoolsafe.settings(connection, …)` on a Django connection.

The block holds for the alias, in this context: for the transactions and statements of the
thread, and in an async view for those that Django runs in its executor. A transaction that is
open on this very connection gets the settings at once.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pgpoolsafe.drivers.blocks import Connection
from pgpoolsafe.session.settings import Carried
from pgpoolsafe.setting_blocks import Everywhere

Steps = Generator[str, Any, None]


class AliasScope:
    """Where a block on a DatabaseWrapper holds."""

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper
        self._everywhere = Everywhere(wrapper.pgpoolsafe)
        self._open: dict[int, Connection] = {}

    def entering(self, block: Carried) -> Steps:
        """An open transaction is given the settings first: where they are wrong, that fails."""
        wrapper = self._wrapper
        if wrapper.in_atomic_block and wrapper.connection is not None:
            scope = self._open[id(block)] = Connection(wrapper.connection)
            if not wrapper.pooler().shares_sessions:
                # The driver sends BEGIN with the first statement. What a session of our own
                # had before the block, only an open transaction can be asked for.
                yield "SELECT 1"
            yield from scope.entering(block)
        yield from self._everywhere.entering(block)

    def leaving(self, block: Carried) -> Steps:
        """It is given back what it had."""
        yield from self._everywhere.leaving(block)
        scope = self._open.pop(id(block), None)
        if scope is not None and self._wrapper.connection is not None:
            yield from scope.leaving(block)

    def run(self, text: str) -> Any:
        """The row that a text returns; what is wrong comes as Django's own error."""
        with self._wrapper.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchone()

    async def run_async(self, text: str) -> Any:
        """A transaction that is open here is this thread's."""
        return self.run(text)
