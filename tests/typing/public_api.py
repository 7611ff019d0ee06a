"""The public typing, for type checkers only: `mypy --strict tests/typing/public_api.py`.

Every line is what a user may write. Nothing here is run.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
import sqlalchemy
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import assert_type

import pgpoolsafe
from pgpoolsafe import (
    RULES,
    ConfigurationError,
    Finding,
    Installation,
    Pooler,
    Residue,
    Rule,
    SessionStateError,
    SessionStateWarning,
    WrongEndpointError,
    allow,
    audit,
    check,
    install,
    residue,
    uninstall,
)


def targets(
    engine: sqlalchemy.Engine,
    async_engine: AsyncEngine,
    conn: psycopg.Connection[tuple[object, ...]],
    async_conn: psycopg.AsyncConnection[dict[str, object]],
    pool: ConnectionPool[psycopg.Connection[tuple[object, ...]]],
    async_pool: AsyncConnectionPool[psycopg.AsyncConnection[tuple[object, ...]]],
) -> None:
    assert_type(install(), Installation)
    for target in (engine, async_engine, conn, async_conn, pool, async_pool, None):
        assert_type(install(target), Installation)
        uninstall(target)
    uninstall()


def options(engine: sqlalchemy.Engine) -> None:
    install(
        engine,
        mode="strict",
        rules={"listen": "raise", "temp-table": "ignore"},
        pooler="pgbouncer>=1.24",
        pool_mode="transaction",
        prepared="off",
        settings="leave",
        trust_comments=False,
    )
    install(engine, mode=None, rules=None, pooler=None, pool_mode=None, prepared=None)
    install(engine, settings=None, trust_comments=None)
    install(engine, audit=True)
    install(engine, audit="yes")  # type: ignore[arg-type]
    install(engine, mode="strict", residue=True)
    install(engine, mode="strict", residue="statement")
    install(engine, residue=1.5)  # type: ignore[arg-type]
    install(engine, "strict")  # type: ignore[call-arg]  # options are named
    install(engine, mode=1)  # type: ignore[arg-type]
    install(engine, rules=["listen"])  # type: ignore[arg-type]
    install(engine, rules={"listen": 1})  # type: ignore[dict-item]
    install(engine, trust_comments="no")  # type: ignore[arg-type]
    install(engine, colour="red")  # type: ignore[call-arg]


def installation(engine: sqlalchemy.Engine) -> None:
    with install(engine) as guarded:
        assert_type(guarded, Installation)
        assert_type(guarded.pooler, Pooler | None)
        assert_type(guarded.findings(), list[tuple[Finding, int]])
        assert_type(guarded.is_process_wide, bool)
        guarded.uninstall()


def checking(pooler: Pooler) -> None:
    assert_type(check("SELECT 1"), list[Finding])
    assert_type(check("SELECT 1", pooler="pgbouncer"), list[Finding])
    assert_type(check("SELECT 1", pooler=pooler), list[Finding])
    check(b"SELECT 1")  # type: ignore[arg-type]
    check("SELECT 1", "pgbouncer")  # type: ignore[call-arg]


def looking(
    conn: psycopg.Connection[tuple[object, ...]], connection: sqlalchemy.Connection
) -> None:
    for found in (residue(conn), residue(connection, settings=["app.tenant"])):
        assert_type(found, Residue)
        assert_type(bool(found), bool)
        assert_type([str(thing) for thing in found], list[str])
        assert_type(found.drawn, bool | None)
    residue("dbname=shop")  # type: ignore[call-overload]
    assert_type(audit(conn), list[Finding])
    assert_type(audit(connection), list[Finding])
    audit("dbname=shop")  # type: ignore[call-overload]


async def looking_later(
    conn: psycopg.AsyncConnection[tuple[object, ...]], connection: AsyncConnection
) -> None:
    assert_type(await residue(conn), Residue)
    assert_type(await residue(connection), Residue)
    assert_type(await audit(conn), list[Finding])
    assert_type(await audit(connection), list[Finding])


def findings(finding: Finding, rule: Rule) -> None:
    assert_type(finding.rule, str)
    assert_type(finding.what, str)
    assert_type(finding.statement, str)
    assert_type(finding.why, str)
    assert_type(finding.fix, str)
    assert_type(finding.allow, str)
    assert_type(finding.line, str)
    assert_type(finding.level, str)
    assert_type(finding.pooler, Pooler)
    if finding.location is not None:
        assert_type(finding.location.file, str)
        assert_type(finding.location.line, int)
        assert_type(finding.location.function, str)
    finding.level = "ignore"  # type: ignore[misc]  # values do not change
    assert_type(RULES, Mapping[str, Rule])
    assert_type(RULES["listen"].title, str)
    assert_type(rule.bad, tuple[str, ...])
    RULES["mine"] = rule  # type: ignore[index]


def errors(error: SessionStateError, warning: SessionStateWarning) -> None:
    assert_type(error.rule, str)
    assert_type(error.statement, str)
    assert_type(error.fix, str)
    assert_type(error.pooler, Pooler)
    assert_type(error.finding, Finding)
    if error.location is not None:
        assert_type(error.location.line, int)
    assert_type(warning.finding, Finding | None)
    wrong: list[type[ValueError]] = [ConfigurationError]
    others: list[type[Exception]] = [WrongEndpointError, *wrong]
    shown: type[UserWarning] = SessionStateWarning
    assert_type((others, shown), tuple[list[type[Exception]], type[UserWarning]])


@allow("listen")
def job(a: int, *, b: str = "") -> bytes:
    return f"{a}{b}".encode()


@allow("listen", "temp-table", reason="the pool is pinned here")
async def async_job(a: int) -> bytes:
    return bytes(a)


class Shop:
    @allow("listen")
    def open(self, door: int) -> str:
        return str(door)


async def allowing() -> None:
    with allow("listen") as block:
        assert_type(block, allow)
        assert_type(block.reason, str | None)
    async with allow("listen") as block:
        assert_type(block.rules, frozenset[str])
    assert_type(job(1, b="x"), bytes)
    assert_type(await async_job(1), bytes)
    assert_type(Shop().open(1), str)
    job("1")  # type: ignore[arg-type]
    Shop().open()  # type: ignore[call-arg]
    allow("listen", reason=1)  # type: ignore[arg-type]


def an_exception_in_an_allowed_block_is_not_swallowed() -> int:
    with allow("listen"):
        return 1


assert_type(pgpoolsafe.__version__, str)
