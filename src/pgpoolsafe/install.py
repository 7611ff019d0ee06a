"""`install()` and `uninstall()`: which target is guarded how."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from .errors import ConfigurationError
from .installation import Driver, Installation, as_tested, changing, installation_of
from .rules.policy import Policy, make_policy

ENGINE_DRIVERS = ("psycopg", "psycopg_async", "psycopg2", "pg8000", "asyncpg")


def install(
    target: Any = None,
    *,
    mode: str | None = None,
    rules: Mapping[str, str] | None = None,
    pooler: str | None = None,
    pool_mode: str | None = None,
    prepared: str | None = None,
    settings: str | None = None,
    trust_comments: bool | None = None,
    audit: bool | None = None,
    residue: bool | str | None = None,
    fuse_begin: bool | None = None,
) -> Installation:
    """Guard a target: what would be lost or leak behind its pooler is told before it is sent.

    target: a SQLAlchemy Engine or AsyncEngine, a connection of psycopg, psycopg2, pg8000 or
        asyncpg, a pool of psycopg_pool (sync, async, null) or asyncpg; None: every connection
        that this process opens from now on, by whatever library, on any of these drivers.
    mode: "warn" (default), "strict" (raise, on direct connections too), "observe" (log
        only, change nothing), "off".
    rules: level per rule: "ignore", "observe", "warn", "raise", and where the rule has
        it "rewrite".
    pooler, pool_mode: "auto" (detect), or a product such as "pgbouncer>=1.24" or
        "direct", and "transaction", "session" or "statement".
    prepared: "auto" (protocol-level prepared statements are off where the pooler does
        not track them), "off", "leave".
    settings: "carry" (default: what the program SETs stays in force for this connection,
        and for no other: it travels with each of its transactions), "local" (a session-wide
        SET inside a transaction becomes SET LOCAL, and ends with it) or "leave" (it is only
        reported).
    trust_comments: whether `/* pgpoolsafe: allow rule */` in a statement counts.
    audit: True: ask the database once, at the first connection, for its own functions and
        procedures, so that calls of those that leave session state are found as well; one
        round trip for each endpoint. What is created later is not known.
    residue: True: ask the session after each transaction what code that no text shows has
        left in it, and name the statement (strict mode, on a direct connection to a test
        database; one round trip for each transaction); "statement": also after each
        statement of a transaction, so that it is always one that is named.
    fuse_begin: True: the BEGIN that psycopg sends for the first statement of a transaction
        goes with that statement in one pipeline, which saves a round trip; on a direct
        connection too. What cannot be pipelined is sent as ever.

    An option that is not given comes from the environment (`PGPOOLSAFE_MODE`, …).
    Installing again on the same target replaces the options; at the end of a `with` block
    the former ones are back. Raises TypeError on another target, ConfigurationError on a
    wrong option; then nothing is installed.
    """
    policy = make_policy(
        mode=mode,
        rules=rules,
        pooler=pooler,
        pool_mode=pool_mode,
        prepared=prepared,
        settings=settings,
        trust_comments=trust_comments,
        audit=audit,
        residue=residue,
        fuse_begin=fuse_begin,
    )
    return install_policy(target, as_tested(policy))


def install_policy(target: Any, policy: Policy) -> Installation:
    """`install()` with its options as a value."""
    target = canonical(target)
    driver = _driver_of(target)
    installation = Installation(target, policy)
    with changing:
        previous = installation_of(target)
        if previous is None:
            installation.begin(driver)
        elif previous.policy == policy:
            return previous.again()
        else:
            installation.replace(previous, driver)
    return installation


def uninstall(target: Any = None) -> None:
    """Take the guard off a target (None: the process-wide one); harmless without one.

    Raises TypeError for what can never have been a target.
    """
    target = canonical(target)
    _driver_of(target)
    installation = installation_of(target)
    if installation is not None:
        installation.uninstall()


def canonical(target: Any) -> Any:
    """One thing, however the user holds it: the engine that owns the pool.

    That is the one behind an AsyncEngine, and behind engine.execution_options(…).
    """
    if "sqlalchemy.ext.asyncio" in sys.modules:
        from sqlalchemy.ext.asyncio import AsyncEngine

        if isinstance(target, AsyncEngine):
            target = target.sync_engine
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.engine.base import OptionEngineMixin

        while isinstance(target, OptionEngineMixin):
            target = target._proxied
    from .drivers.kinds import not_lent

    return not_lent(target)


def _driver_of(target: Any) -> Driver:
    """The driver that guards such a target. Imports only what the target already needed."""
    try:
        return _process_driver() if target is None else _target_driver(target)
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"pgpoolsafe guards psycopg, and there is no {missing.name} here:"
            " pip install 'pgpoolsafe[psycopg]'"
        ) from missing


def _process_driver() -> Driver:
    from .drivers.process import Process

    return Process


def _target_driver(target: Any) -> Driver:
    for find in (_framework_target, _engine_target, _pool_target, _connection_target):
        driver = find(target)
        if driver is not None:
            return driver
    raise TypeError(
        f"pgpoolsafe: cannot guard a {type(target).__module__}."
        f"{type(target).__qualname__}; expected a SQLAlchemy Engine or AsyncEngine, a connection"
        " of psycopg, psycopg2, pg8000 or asyncpg, a pool of psycopg_pool or asyncpg, or nothing"
        " (every connection from now on)"
    )


def _framework_target(target: Any) -> Driver | None:
    """That of an integration, which knows where its framework's connections come from."""
    return getattr(type(target), "pgpoolsafe_driver", None)


def _engine_target(target: Any) -> Driver | None:
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.engine import Engine

        if isinstance(target, Engine):
            return _engine_driver(target)
    return None


def _pool_target(target: Any) -> Driver | None:
    if "psycopg_pool" in sys.modules:
        from psycopg_pool.base import BasePool

        if isinstance(target, BasePool):
            from .drivers.psycopg_pool import Pool

            return Pool
    if "asyncpg" in sys.modules:
        from asyncpg.pool import Pool as AsyncpgPool

        if isinstance(target, AsyncpgPool):
            from .drivers.asyncpg_pool import Pool as OfAsyncpg

            return OfAsyncpg
    return None


def _connection_target(target: Any) -> Driver | None:
    from .drivers.kinds import driver_name

    name = driver_name(target)
    return None if name is None else _one(name)


def _one(name: str) -> Driver:
    if name == "psycopg":
        from .drivers.psycopg import One

        return One
    from .drivers.fitting import One as OneFitted
    from .drivers.kinds import fitting

    return partial(OneFitted, fitting(name))


def _engine_driver(engine: Any) -> Driver:
    dialect = engine.dialect
    if dialect.name != "postgresql" or dialect.driver not in ENGINE_DRIVERS:
        raise TypeError(
            f"pgpoolsafe: cannot guard an engine on {dialect.name}+{dialect.driver}; expected one"
            " of " + ", ".join(f"postgresql+{name}" for name in ENGINE_DRIVERS)
        )
    from .drivers.sqlalchemy import engines

    return engines(dialect.driver)
