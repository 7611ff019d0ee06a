"""The same two sides for an engine of SQLAlchemy's, on any driver: programs of its own words."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

from .engine_programs import fitting
from .playing import FINISH, LOOK, LOOK_ROUND, NAMES, Noticed
from .programs import Program, Step
from .sides import Direct, Pooled, Side

DRIVERS = ("psycopg", "psycopg_async", "psycopg2", "pg8000", "asyncpg")
CLOSE: Step = ("close",)
_ON_A_LOOP = ("psycopg_async", "asyncpg")
_TYPES: dict[type, str] = {bool: "boolean", int: "int", str: "text"}


class EnginePlayer:
    """One program on the connections of an engine, which has one of them."""

    def __init__(self, program: Program, engine: sa.Engine) -> None:
        self.program = program
        self._engine = engine
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._has_autocommit = program.autocommit
        self._nested: list[Any] = []
        self._opened: list[Any] = []
        sa.event.listen(engine, "connect", lambda opened, _: self._opened.append(opened))
        self._conn = self._checked_out()

    def play(self, after_step: Callable[[], None]) -> list[Noticed]:
        """Everything that was noticed, step by step; `after_step` is called after each."""
        noticed = []
        try:
            for step in (*self.program.steps, FINISH, LOOK_ROUND, CLOSE):
                noticed.append((step, self._take(step)))
                after_step()
                if self.program.watches and step != CLOSE:
                    noticed.append((LOOK_ROUND, self._take(LOOK_ROUND)))
                    after_step()
        finally:
            self._let_go()
        return noticed

    def _let_go(self) -> None:
        """One that the pool could not take back would keep a server connection for itself."""
        for one in self._opened:
            with contextlib.suppress(self._driver_error):
                one.close()

    def _take(self, step: Step) -> Noticed:
        try:
            noticed: Noticed = getattr(self, f"_{step[0]}")(*step[1:])
        except (sa.exc.SQLAlchemyError, self._driver_error, TypeError, ValueError) as error:
            return described(error)
        return noticed

    def _checked_out(self) -> sa.Connection:
        self._nested.clear()
        conn = self._engine.connect()
        return (
            conn.execution_options(isolation_level="AUTOCOMMIT") if self._has_autocommit else conn
        )

    # statements

    def _execute(self, text: str) -> Noticed:
        return _read(self._conn.exec_driver_sql(text))

    def _bound(self, text: str, params: tuple[Any, ...]) -> Noticed:
        named = {f"p{at}": value for at, value in enumerate(params)}
        return _read(self._conn.execute(_typed(text, params), named))

    def _many(self, text: str, rows: tuple[Any, ...]) -> Noticed:
        return _read(self._conn.execute(_typed(text, rows[0]), [{"p0": row[0]} for row in rows]))

    def _look(self) -> Noticed:
        row = self._conn.exec_driver_sql(LOOK).one()
        return tuple(f"{k}={v}" for k, v in zip(("user", "login", *NAMES), row, strict=True))

    # transactions and checkouts

    def _commit(self) -> Noticed:
        self._nested.clear()
        self._conn.commit()
        return ("committed",)

    def _rollback(self) -> Noticed:
        self._nested.clear()
        self._conn.rollback()
        return ("rolled back",)

    def _finish(self) -> Noticed:
        return self._rollback()

    def _close(self) -> Noticed:
        self._conn.close()
        return ("closed",)

    def _nest(self) -> Noticed:
        self._nested.append(self._conn.begin_nested())
        return ("nested",)

    def _leave(self, how: str) -> Noticed:
        if not self._nested:
            return ("outside",)
        getattr(self._nested.pop(), how)()
        return ("left",)

    def _autocommit(self, value: bool) -> Noticed:
        if self._conn.in_transaction():
            return ("not now",)
        self._conn.close()
        self._has_autocommit = value
        self._conn = self._checked_out()
        return ("set",)

    def _isolation(self, level: str) -> Noticed:
        if self._has_autocommit or self._conn.in_transaction():
            return ("not now",)
        self._conn = self._conn.execution_options(isolation_level=level)
        return ("set",)

    def _checkout(self) -> Noticed:
        self._conn.close()
        self._conn = self._checked_out()
        return ("checked out",)

    def _two_phase(self) -> Noticed:
        if self._has_autocommit or self._conn.in_transaction():
            return ("not now",)
        self._conn.begin_twophase("machine")
        return ("begun",)

    def _prepare(self) -> Noticed:
        open_one = self._conn.get_transaction()
        if not isinstance(open_one, sa.TwoPhaseTransaction):
            return ("not now",)
        open_one.prepare()
        return ("prepared",)


def _typed(text: str, params: tuple[Any, ...]) -> sa.TextClause:
    """`%s` as named parameters with their types, which some drivers have to be told."""
    casts = (f"CAST(:p{at} AS {_TYPES[type(value)]})" for at, value in enumerate(params))
    return sa.text(re.sub("%s", lambda _: next(casts), text).replace("::", r"\:\:"))


def _read(result: sa.CursorResult[Any]) -> Noticed:
    if result.returns_rows:
        return ("rows", list(result.keys()), [tuple(row) for row in result])
    return ("count", result.rowcount)


def described(error: Exception) -> Noticed:
    """What a program can tell one error from another by, on any driver."""
    names = type(error).__name__, type(getattr(error, "orig", None)).__name__
    return ("error", *names, *_of_the_driver(getattr(error, "orig", None) or error))


def _of_the_driver(error: BaseException) -> Noticed:
    if getattr(error, "diag", None) is not None:  # psycopg and psycopg2
        sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        return (sqlstate, error.diag.message_primary or _plain(error))  # type: ignore[attr-defined]
    fields = error.args[0] if error.args else None
    if isinstance(fields, dict):  # pg8000
        return tuple(fields.get(letter) for letter in "CMP")
    return (getattr(error, "sqlstate", None), _plain(error.__cause__ or error))


def _plain(error: BaseException) -> str:
    return re.sub(r" at 0x[0-9a-f]+|__asyncpg_\w+", "", str(error))


class _Engines(Side):
    """A side whose programs are played on an engine. `driver`: one of DRIVERS."""

    driver = "psycopg"
    _loop: asyncio.AbstractEventLoop | None = None

    def _noticed(self, program: Program) -> list[Noticed]:
        program = fitting(program, self.driver)
        target = self._engine(program)
        installed = self._installed(target)
        try:
            return self._do(target, lambda engine: self._played(program, engine))
        finally:
            self._do(target, lambda engine: engine.dispose())
            for one in installed:
                one.uninstall()

    def _played(self, program: Program, engine: sa.Engine) -> list[Noticed]:
        return EnginePlayer(program, engine).play(self._after_step(program))

    def _installed(self, target: Any) -> list[pgpoolsafe.Installation]:
        if self._guard is None:
            return []
        made = pgpoolsafe.install(target, **self._guard)
        self._installations.append(made)
        return [made]

    def _engine(self, program: Program) -> Any:
        parameters = self._server.parameters()
        url = sa.URL.create(
            f"postgresql+{self.driver}",
            username=program.user,
            host=parameters["host"],
            port=parameters["port"],
            database=self._database,
        )
        if self.driver == "asyncpg":  # its own caches do not survive a DISCARD ALL
            url = url.update_query_dict({"prepared_statement_cache_size": "0"})
        make = create_async_engine if self.driver in _ON_A_LOOP else sa.create_engine
        return make(url, connect_args=self._arguments(program), pool_size=1, max_overflow=0)

    def _arguments(self, program: Program) -> dict[str, Any]:
        if self.driver == "asyncpg":
            return {"server_settings": dict(program.options), "statement_cache_size": 0}
        words = " ".join(f"-c {name}={value}" for name, value in program.options)
        own = {"prepare_threshold": None} if self.driver.startswith("psycopg_") else {}
        own = {"prepare_threshold": None} if self.driver == "psycopg" else own
        return {**own, "options": words} if words else own

    def _do(self, target: Any, work: Callable[[sa.Engine], Any]) -> Any:
        if self.driver not in _ON_A_LOOP:
            return work(target)
        self._loop = self._loop or asyncio.new_event_loop()
        return self._loop.run_until_complete(greenlet_spawn(work, target.sync_engine))

    def close(self) -> None:
        """Disconnect, and close the event loop."""
        super().close()
        if self._loop is not None:
            self._loop.close()


class DirectEngine(_Engines, Direct):
    """An engine whose one connection has a server connection of its own."""

    def __init__(self, postgres: Postgres, driver: str) -> None:
        super().__init__(postgres)
        self.driver = driver


class PooledEngine(_Engines, Pooled):
    """A guarded engine behind PgBouncer in transaction mode, among bystanders."""

    def __init__(
        self, postgres: Postgres, pooler: PgBouncer, guard: dict[str, Any] | None, driver: str
    ) -> None:
        super().__init__(postgres, pooler, guard)
        self.driver = driver
