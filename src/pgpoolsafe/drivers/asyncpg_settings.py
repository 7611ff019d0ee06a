"""asyncpg: settings that go along with a statement that is prepared, outside a transaction.

asyncpg's messages cannot be added to, so the statement is put between a BEGIN, which the
settings follow, and a COMMIT: two more round trips. Statements without arguments that go out
as a simple Query need none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..session.settings import Carried
from ..sql.putting import local_statements
from .wire import Send

Work = Callable[[], Awaitable[Any]]


async def with_settings(protocol: Any, order: Send, work: Work) -> Any:
    """Do the work with the settings of an order in force."""
    if order.before or order.alone:
        return await _between(protocol, order.before, work)
    result = await work()
    if order.after:  # behind a BEGIN that was prepared
        text = "; ".join(local_statements(order.after.steps))
        await protocol._pgpoolsafe_base.query(protocol, text, None)
    return result


async def bracketed(protocol: Any, before: Carried, work: Work) -> Any:
    """Do the work with these settings in force, if there are any."""
    return await _between(protocol, before, work) if before else await work()


async def _between(protocol: Any, before: Carried, work: Work) -> Any:
    query = protocol._pgpoolsafe_base.query
    modes = " ".join(before.modes.values())
    begin = "; ".join([f"BEGIN {modes}".rstrip(), *local_statements(before.steps)])
    try:
        await query(protocol, begin, None)
        result = await work()
    except BaseException:
        if protocol.is_in_transaction():
            await query(protocol, "ROLLBACK", None)
        raise
    await query(protocol, "COMMIT", None)
    return result
