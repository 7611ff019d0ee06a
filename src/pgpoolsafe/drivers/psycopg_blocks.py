"""psycopg: the settings of `settings()` blocks on one connection."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from psycopg import pq
from psycopg._connection_base import BaseConnection
from psycopg.rows import tuple_row

from ..errors import ConfigurationError
from ..session.settings import Carried
from ..sql.putting import local_query, replacing_query
from .psycopg import is_async, seat_of
from .psycopg_seat import Seat

Former = tuple[int, dict[str, "str | None"]]
"""The number of a transaction, and the values that it had before the block."""


def scope_of(target: Any) -> Connection | None:
    """The scope of a psycopg connection; None for what is none."""
    return Connection(target) if isinstance(target, BaseConnection) else None


class Connection:
    """The blocks on one psycopg connection; `scope` of others that stand on one, too."""

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self._former: dict[int, Former] = {}
        _seat(conn)

    def entering(self, block: Carried) -> Generator[str, Any, None]:
        """An open transaction is given the settings at once."""
        if self._is_open:
            row = yield replacing_query(block.steps)
            names = [name for name, _ in block.steps]
            former = dict(zip(names, row[::2], strict=True))
            self._former[id(block)] = (_seat(self._conn).guard.books.number, former)
        _seat(self._conn).enter(block)

    def leaving(self, block: Carried) -> Generator[str, Any, None]:
        """An open transaction is given back what it had, or what it would have had."""
        seat = _seat(self._conn)
        seat.leave(block)
        former = self._former.pop(id(block), None)
        if self._is_open:
            steps = _steps_back(seat, block, former)
            if steps:
                yield local_query(steps)

    def drop(self, block: Carried) -> None:
        """The block is over for this connection, which is nobody's at the moment."""
        self._former.pop(id(block), None)
        _seat(self._conn).leave(block)

    def is_on(self, other: Connection) -> bool:
        """Whether both are on the same connection."""
        return self._conn is other._conn

    @property
    def _is_open(self) -> bool:
        return bool(self._conn.pgconn.transaction_status == pq.TransactionStatus.INTRANS)

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


def _seat(conn: BaseConnection[Any]) -> Seat:
    seat = seat_of(conn)
    if seat is None:
        raise ConfigurationError(
            "settings(): this connection is not guarded; call pgpoolsafe.install() on it, on"
            " its pool or on its engine first"
        )
    return seat


def _steps_back(
    seat: Seat, block: Carried, former: Former | None
) -> tuple[tuple[str, str | None], ...]:
    """What an open transaction is to have after the block.

    Where only the session would know (a direct connection, a transaction that began inside
    the block) the settings stay to its end.
    """
    guard = seat.guard
    after = dict(guard.in_force.steps)
    number, known = former or (-1, {})
    is_same = number == guard.books.number
    steps: list[tuple[str, str | None]] = []
    for name, _ in block.steps:
        if is_same and known.get(name) is not None:
            steps.append((name, known[name]))
        elif name in after:
            steps.append((name, after[name]))
        elif is_same or guard.carries_for_real:
            steps.append((name, None))
    return tuple(steps)
