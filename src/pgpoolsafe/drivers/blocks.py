"""The settings of `settings()` blocks on one connection of whatever driver."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from importlib import import_module
from typing import Any

from ..errors import ConfigurationError
from ..guard import Guard
from ..session.blocks import Former
from ..session.settings import AUTHORIZATION, ROLE, Carried
from ..sql.putting import local_query, replacing_query
from .kinds import driver_name, fitting_of, not_lent
from .reported import reported

# These still say of a closed connection that its transaction is open.
_IS_CLOSED: Mapping[str, Callable[[Any], bool]] = {
    "pg8000": lambda conn: conn._sock is None,
    "asyncpg": lambda conn: conn.is_closed(),
}

Steps = tuple[tuple[str, "str | None"], ...]


class Connection:
    """The blocks on one connection of a driver, for scopes that stand on one."""

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self._reported: dict[int, dict[str, str]] = {}
        _seat(conn)

    def entering(self, block: Carried) -> Generator[str, Any, None]:
        """An open transaction is given the settings at once."""
        if self._is_open:
            row = yield replacing_query(block.steps)
            names = [name for name, _ in block.steps]
            former = dict(zip(names, row[::2], strict=True))
            seat = _seat(self._conn)
            seat.formers[id(block)] = (seat.guard.books.number, former)
        else:
            names = [name for name, _ in block.steps]
            self._reported[id(block)] = reported(self._conn, names)
        _seat(self._conn).enter(block)

    def leaving(self, block: Carried) -> Generator[str, Any, None]:
        """An open transaction is given back what it had, or what it would have had."""
        seat = _seat(self._conn)
        own = seat.guard.books.settings
        inside = seat.inside(block)
        seat.leave(block)
        former = seat.formers.pop(id(block), None)
        told = self._reported.pop(id(block), {})
        if inside is not None and self._is_open:
            session = {**_kept(seat.guard, told), **dict(own.steps)}
            back = _steps_back(seat.guard, block, former, own, session)
            steps = _unless_inside(back, former, inside, seat)
            if steps:
                yield local_query(steps)

    def drop(self, block: Carried) -> None:
        """The block is over for this connection, which is nobody's at the moment."""
        self._reported.pop(id(block), None)
        seat = fitting_of(self._conn).seat_of(self._conn)
        if seat is not None:  # the guard may be gone
            seat.formers.pop(id(block), None)
            seat.leave(block)

    def is_on(self, other: Connection) -> bool:
        """Whether both are on the same connection."""
        return self._conn is other._conn

    @property
    def _is_open(self) -> bool:
        is_closed = _IS_CLOSED.get(driver_name(self._conn) or "")
        if is_closed is not None and is_closed(self._conn):
            return False
        return bool(fitting_of(self._conn).is_open(self._conn))


class DbApi(Connection):
    """The blocks on a connection of pg8000."""

    def run(self, text: str) -> Any:
        """The row that a text returns."""
        cursor = self._cursor()
        cursor.execute(text)
        return cursor.fetchone()

    def _cursor(self) -> Any:
        return self._conn.cursor()

    async def run_async(self, text: str) -> Any:
        """The same."""
        return self.run(text)


class Psycopg2(DbApi):
    """The blocks on a connection of psycopg2."""

    def _cursor(self) -> Any:
        # Not that of the user's cursor_factory, whose rows may be anything.
        return self._conn.cursor(cursor_factory=import_module("psycopg2.extensions").cursor)


class Asyncpg(Connection):
    """The blocks on a connection of asyncpg, until a pool that has lent it has it back."""

    def entering(self, block: Carried) -> Generator[str, Any, None]:
        """As on any connection; what the pool has lent it as tells when that is over."""
        yield from super().entering(block)
        if self._conn._proxy is not None:
            _seat(self._conn).own.lent.append((block, self._conn._proxy))

    def leaving(self, block: Carried) -> Generator[str, Any, None]:
        """As on any connection; nothing if the pool has it back."""
        seat = _seat(self._conn)
        seat.own.end_blocks(seat, block)
        yield from super().leaving(block)

    def run(self, text: str) -> Any:
        """What a text returns has to be awaited."""
        raise ConfigurationError(
            "settings(): a transaction is open on this Connection of asyncpg: use `async with`"
        )

    async def run_async(self, text: str) -> Any:
        """The row that a text returns."""
        plain = import_module("asyncpg").Record  # the connection's own may be anything
        return tuple(await self._conn.fetchrow(text, record_class=plain))


def scope_of(target: Any) -> Any:
    """The scope of a connection of a driver; None for what is none."""
    target = not_lent(target)
    name = driver_name(target)
    if name == "psycopg":
        from .psycopg_blocks import Connection as Psycopg

        return Psycopg(target)
    return None if name is None else _SCOPES[name](target)


_SCOPES = {"psycopg2": Psycopg2, "pg8000": DbApi, "asyncpg": Asyncpg}


def _seat(conn: Any) -> Any:
    seat = fitting_of(conn).seat_of(conn)
    if seat is None:
        raise ConfigurationError(
            "settings(): this connection is not guarded; call pgpoolsafe.install() on it, on"
            " its pool or on its engine first"
        )
    return seat


def _kept(guard: Guard, told: Mapping[str, str]) -> Mapping[str, str]:
    """Of what was reported, what is the client's own: behind a pooler what that restores."""
    pooler = guard.pooler
    if pooler is None or not pooler.shares_sessions:
        return told
    return {name: value for name, value in told.items() if name in pooler.tracked}


def _steps_back(
    guard: Guard,
    block: Carried,
    former: Former | None,
    own: Carried,
    session: Mapping[str, str | None],
) -> Steps:
    """What an open transaction is to have after the block; what was SET inside it stays.

    `session`: what the session is set to, as far as it is known. Where only the server would
    know (on a direct connection a SET before all blocks of what is not reported, if the
    transaction began inside) that is taken to be what the connection was opened with.
    """
    number, known = former or (-1, {})
    before = {**session, **dict(guard.in_force.steps)}
    if number == guard.books.number:
        before |= {name: value for name, value in known.items() if value is not None}
    left = dict(block.unless_set(own).steps)
    # Whoever the client was before the block may set what was set before it became another.
    who = [name for name in (AUTHORIZATION, ROLE) if name in left]
    rest = [name for name in left if name not in who]
    return tuple((name, before.get(name)) for name in (*who, *rest))


def _unless_inside(
    back: Steps, former: Former | None, inside: Sequence[Carried], seat: Any
) -> Steps:
    """Without what blocks set that were entered inside and are still there.

    The first of them goes back to what this one would have gone back to.
    """
    number, known = former or (-1, {})
    steps = []
    for name, value in back:
        holder = next((block for block in inside if name in dict(block.steps)), None)
        if holder is None:
            steps.append((name, value))
            continue
        formerly: dict[str, str | None] = seat.formers.get(id(holder), (-1, {}))[1]
        formerly.pop(name, None)
        if number == seat.guard.books.number and name in known:
            formerly[name] = known[name]
    return tuple(steps)
