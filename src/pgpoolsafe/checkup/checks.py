"""The doctor's judgement: facts in, checks out. Pure.

A check is a *finding* if something is wrong that somebody can put right; these make the exit
status 1. A *note* is worth knowing; *ok* is what was looked at and is fine. Each has a stable
name, so that a finding can be ignored by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from ..poolers.answers import Pooler, PoolMode
from ..poolers.startup import Reception, remedies
from ..startup_options import reason_for
from .facts import Client, Facts, Leftovers
from .residue import after_us, described, leaked_options


class Grade(Enum):
    """How serious a check's outcome is."""

    OK = "ok"
    NOTE = "note"
    FINDING = "finding"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `what`, `why` and `fix` are without a full stop; `fix`
    is one line per remedy, best first.
    """

    name: str
    grade: Grade
    what: str
    why: str = ""
    fix: tuple[str, ...] = ()


CHECKS = (
    "pooler",
    "named-prepare",
    "statement-mode-transaction",
    "startup-options",
    "residue",
    "connect-timeout",
    "pool-timeout",
    "connections",
    "waiting-clients",
    "idle-in-transaction",
    "url-parameters",
    "not-asked",
)
"""The names of all checks, in the order of the report."""


def checks(facts: Facts) -> list[Check]:
    """Everything that can be said about these facts, findings first."""
    found = [check for look in _LOOKS for check in look(facts)]
    grades = list(Grade)
    return sorted(found, key=lambda check: -grades.index(check.grade))


# what stands in between


def _pooler(facts: Facts) -> Iterable[Check]:
    pooler = facts.pooler
    if pooler.product == "unknown":
        yield Check(
            "pooler",
            Grade.NOTE,
            "the pooler could not be named",
            "it is judged as the worst of them, in transaction pooling",
            ("say what it is: --pooler pgbouncer --pool-mode transaction",),
        )
    elif pooler.product != "direct" and pooler.mode is None:
        yield Check(
            "pooler",
            Grade.NOTE,
            "the pool mode could not be told",
            f"{_who_tells(pooler)}; it is judged as transaction pooling",
            ("say what it is: --pool-mode transaction",),
        )


def _who_tells(pooler: Pooler) -> str:
    if pooler.product == "pgbouncer":
        return "PgBouncer tells it to its clients from 1.26 on, before that on its console only"
    return f"{pooler.title} does not tell it to its clients"


def _statement_mode(facts: Facts) -> Iterable[Check]:
    if facts.pooler.mode is PoolMode.STATEMENT:
        yield Check(
            "statement-mode-transaction",
            Grade.FINDING,
            "no transaction works here: the pool is in statement mode",
            f"{facts.pooler.title} gives every statement a server connection of its own",
            ("have the pool set to transaction mode", "or connect with autocommit, always"),
        )


# prepared statements


def prepares_are_safe(pooler: Pooler, client: Client) -> bool:
    """Whether psycopg may prepare statements by name here."""
    return not _prepare_trouble(pooler, client)


def _prepare_trouble(pooler: Pooler, client: Client) -> str:
    """Why psycopg's named prepared statements break; "" if they do not.

    psycopg sends DEALLOCATE ALL after a ROLLBACK, and closes a statement by the protocol
    only with libpq 17 (psycopg's documentation, chapter on prepared statements; PgBouncer's
    changelog of 1.21 and 1.22).
    """
    if not pooler.shares_sessions:
        return ""
    if not pooler.prepared:
        sure = (
            "does not track them"
            if pooler.prepared is False and pooler.mode
            else ("may not track them")
        )
        return (
            f"{pooler.title} {sure}: a name may not exist on the next server connection, or"
            " belong to another client's statement, whose rows then come back without an error"
        )
    if pooler.product == "pgbouncer" and pooler.version and pooler.version < (1, 22):
        return "PgBouncer before 1.22 does not understand the DEALLOCATE ALL that psycopg sends"
    if pooler.product == "supavisor":
        return "Supavisor closes the connection at the DEALLOCATE ALL that psycopg sends"
    if not client.closes_prepared and pooler.product != "pgdog":
        return (
            f"libpq {client.libpq_version} cannot close a prepared statement by the protocol, and"
            " DEALLOCATE names a statement that the pooler has renamed"
        )
    return ""


def _named_prepare(facts: Facts) -> Iterable[Check]:
    trouble = _prepare_trouble(facts.pooler, facts.client)
    if trouble:
        yield Check(
            "named-prepare",
            Grade.FINDING,
            "prepared statements are not safe with psycopg's defaults (prepare_threshold=5)",
            trouble,
            (
                "pgpoolsafe.install(engine) switches them off by itself",
                "or connect with prepare_threshold=None",
                *_upgrade(facts),
                *_mode_is_known(facts.pooler),
            ),
        )
    else:
        yield Check("named-prepare", Grade.OK, "named prepared statements are safe", _safe(facts))


def _safe(facts: Facts) -> str:
    if not facts.pooler.shares_sessions:
        return "the session is the client's own"
    client = facts.client
    return (
        f"{facts.pooler.title} tracks them, and psycopg {client.psycopg} with libpq"
        f" {client.libpq_version} closes them so that it can"
    )


def _mode_is_known(pooler: Pooler) -> tuple[str, ...]:
    """In session pooling they are safe; the user may know what does not show."""
    return () if pooler.mode else ("or say --pool-mode session, if that is what it is",)


def _upgrade(facts: Facts) -> tuple[str, ...]:
    if facts.pooler.prepared:
        return () if facts.client.closes_prepared else ("or use psycopg with libpq 17",)
    if facts.pooler.product == "pgbouncer":
        return ("or have it track them: PgBouncer 1.22 with max_prepared_statements = 200",)
    return ()


# settings in the options


def _startup(facts: Facts) -> Iterable[Check]:
    lost = (Reception.REJECTED, Reception.DROPPED)
    leaked = leaked_options(facts)
    for name, reception in facts.startup.items():
        if reception in lost or name in leaked:
            what = "reaches other clients" if name in leaked else "does not arrive"
            yield Check(
                "startup-options",
                Grade.FINDING,
                f"{name} in the connection's options {what}",
                reason_for(facts.pooler, name, reception),
                remedies(facts.pooler, name, facts.endpoint.user),
            )
    arriving = [n for n, what in facts.startup.items() if what not in lost and n not in leaked]
    unsure = [name for name in arriving if facts.startup[name] is Reception.UNKNOWN]
    if unsure:
        what = f"it cannot be told whether {', '.join(unsure)} in the options arrived"
        yield Check("startup-options", Grade.NOTE, what, "", ("look: SHOW " + unsure[0],))
    elif arriving:
        what = f"the settings in the options arrived: {', '.join(arriving)}"
        yield Check("startup-options", Grade.OK, what)


# residue


def _residue(facts: Facts) -> Iterable[Check]:
    left = [after_us(one, facts) for one in facts.leftovers]
    dirty = [one for one in left if described(one)]
    if dirty:
        yield Check(
            "residue",
            Grade.FINDING,
            "somebody leaks here: server connections carry what other clients left",
            "\n".join(f"server process {one.pid}: {', '.join(described(one))}" for one in dirty),
            _clean_up(facts, dirty),
        )
    elif left and facts.pooler.product != "direct":
        seen = f"{len(left)} server connection{'s' if len(left) > 1 else ''}"
        yield Check(
            "residue", Grade.OK, "nothing was left behind by other clients", f"{seen} looked at"
        )


def _clean_up(facts: Facts, dirty: list[Leftovers]) -> tuple[str, ...]:
    lines = ["find who does: pgpoolsafe.install(engine) in the programs that share this pool"]
    if facts.pooler.product == "pgbouncer":
        database = facts.endpoint.dbname
        lines.append(f"clean up once: RECONNECT {database} on PgBouncer's admin console")
    else:
        pids = ", ".join(str(one.pid) for one in dirty)
        lines.append(
            "clean up once, when nobody is in a transaction:"
            f" SELECT pg_terminate_backend(pid) on a direct connection, for {pids}"
        )
    return tuple(lines)


# what would hang


def _connect_timeout(facts: Facts) -> Iterable[Check]:
    if "connect_timeout" in facts.stated:
        yield Check("connect-timeout", Grade.OK, "a connect timeout is set")
    else:
        yield Check(
            "connect-timeout",
            Grade.NOTE,
            "no connect timeout is set",
            "psycopg 3 gives up after 130 s, psycopg2 and libpq never",
            ("connect_timeout=10",),
        )


def _pool_timeout(facts: Facts) -> Iterable[Check]:
    pool = facts.pool
    if pool is not None and pool.timeout is None:
        yield Check(
            "pool-timeout",
            Grade.FINDING,
            f"{pool.title} waits for ever when all its connections are in use",
            "a program that is stuck is told from one that is slow by nobody",
            ("pool_timeout=10" if "SQLAlchemy" in pool.title else "timeout=10",),
        )


def _waiting(facts: Facts) -> Iterable[Check]:
    console = facts.console
    if console is None:
        return
    if console.waiting:
        yield Check(
            "waiting-clients",
            Grade.FINDING,
            f"clients that wait for a server connection at this moment: {console.waiting}",
            f"the pool has {console.pool_size}",
            ("look for long and idle transactions", "or raise default_pool_size"),
        )
    if console.config.get("query_wait_timeout") == "0":
        yield Check(
            "waiting-clients",
            Grade.FINDING,
            "PgBouncer lets clients wait for a server connection for ever",
            "query_wait_timeout is 0",
            ("query_wait_timeout = 30 in pgbouncer.ini",),
        )


def _idle_in_transaction(facts: Facts) -> Iterable[Check]:
    if facts.server is None:
        return
    seconds = facts.server.timeouts.get("idle_in_transaction_session_timeout", 0) / 1000
    pooled = facts.console and facts.console.config.get("idle_transaction_timeout", "0")
    if seconds or pooled not in (None, "0", "0.0"):
        limit = f"{seconds:g} s" if seconds else f"{pooled} s, by PgBouncer"
        what = f"an idle transaction is ended after {limit}"
        yield Check("idle-in-transaction", Grade.OK, what)
        return
    costs = "a server connection that others wait for" if facts.pooler.shares_sessions else (
        "its locks, and keeps VACUUM from cleaning up"
    )  # fmt: skip
    role = facts.endpoint.user or "…"
    yield Check(
        "idle-in-transaction",
        Grade.NOTE,
        "nothing ends a transaction that a client leaves idle",
        f"idle_in_transaction_session_timeout is 0; such a client holds {costs}",
        (f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s'",),
    )


# how many connections there are


def _connections(facts: Facts) -> Iterable[Check]:
    server = facts.server
    if server is None:
        return
    limits = [limit for limit in (server.role_limit, server.database_limit) if limit >= 0]
    most = min([server.free_for_roles, *limits])
    for title, wanted in _pools(facts):
        if wanted > most:
            yield Check(
                "connections",
                Grade.FINDING,
                f"{title} may open {wanted} connections, the server lets in {most}",
                f"max_connections is {server.max_connections}, {server.reserved} of them are"
                " reserved" + (f"; a limit of {min(limits)} holds as well" if limits else ""),
                ("make the pools smaller, or raise max_connections",),
            )
    used = f"{server.used} in use, {server.role_used} by this role"
    yield Check("connections", Grade.OK, f"the server lets in {most} connections", used)


def _pools(facts: Facts) -> Iterable[tuple[str, int]]:
    if facts.console is not None:
        yield "PgBouncer", facts.console.pools
    pool = facts.pool
    if pool is not None and pool.most is not None and not facts.pooler.shares_sessions:
        yield pool.title, pool.most


# the rest


def _url_parameters(facts: Facts) -> Iterable[Check]:
    if facts.left_out:
        yield Check(
            "url-parameters",
            Grade.NOTE,
            f"left out, since libpq does not know it: {', '.join(facts.left_out)}",
            "psycopg refuses a URL with parameters that are meant for other drivers",
        )


def _not_asked(facts: Facts) -> Iterable[Check]:
    for silence in facts.silences:
        yield Check("not-asked", Grade.NOTE, silence)


_LOOKS: tuple[Callable[[Facts], Iterable[Check]], ...] = (
    _pooler,
    _named_prepare,
    _statement_mode,
    _startup,
    _residue,
    _connect_timeout,
    _pool_timeout,
    _connections,
    _waiting,
    _idle_in_transaction,
    _url_parameters,
    _not_asked,
)
