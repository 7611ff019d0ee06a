"""The doctor's judgement: facts in, checks out. Pure.

A check is a *finding* if something is wrong that somebody can put right; these make the exit
status 1. A *note* is worth knowing; *ok* is what was looked at and is fine. Each has a stable
name, so that a finding can be ignored by it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ..poolers.active import Sharing
from ..poolers.answers import Pooler, PoolMode
from ..poolers.startup import Reception, remedies
from ..startup_options import reason_for
from .check import Check, Grade
from .facts import Facts
from .functions import functions
from .limits import connect_timeout, connections, idle_in_transaction, pool_timeout, waiting
from .prepares import named_prepare
from .residue import described, leaked_options, left_by_others

CHECKS = (
    "pooler",
    "probe",
    "named-prepare",
    "statement-mode-transaction",
    "startup-options",
    "residue",
    "functions",
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


def _probe(facts: Facts) -> Iterable[Check]:
    """What two connections have proven, where that was asked for."""
    if facts.proof is None:
        return
    why = "; ".join(facts.proof.evidence)
    if facts.proof.sharing is Sharing.SHARED:
        what = "it is proven that server connections change hands within a client's session"
        yield Check("probe", Grade.OK, what, why)
    elif facts.proof.sharing is Sharing.INCONCLUSIVE:
        yield Check("probe", Grade.NOTE, "the active probe could not be finished", why)
    elif facts.pooler.shares_sessions:
        what = "the active probe saw no server connection change hands"
        fix = "if the pool is in session mode, say so: --pool-mode session"
        yield Check("probe", Grade.NOTE, what, "session pooling looks like this", (fix,))
    else:
        yield Check("probe", Grade.OK, "no server connection changed hands")


def _statement_mode(facts: Facts) -> Iterable[Check]:
    if facts.pooler.mode is PoolMode.STATEMENT:
        yield Check(
            "statement-mode-transaction",
            Grade.FINDING,
            "no transaction works here: the pool is in statement mode",
            f"{facts.pooler.title} gives every statement a server connection of its own",
            ("have the pool set to transaction mode", "or connect with autocommit, always"),
        )


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
    said = {s.pid: described(left_by_others(s, facts), s) for s in facts.leftovers}
    dirty = {pid: words for pid, words in said.items() if words}
    if dirty:
        yield Check(
            "residue",
            Grade.FINDING,
            "somebody leaks here: server connections carry what other clients left",
            "\n".join(f"server process {pid}: {', '.join(dirty[pid])}" for pid in dirty),
            _clean_up(facts, dirty),
        )
    elif said and facts.pooler.product != "direct":
        seen = f"{len(said)} server connection{'s' if len(said) > 1 else ''}"
        yield Check(
            "residue", Grade.OK, "nothing was left behind by other clients", f"{seen} looked at"
        )


def _clean_up(facts: Facts, dirty: Collection[int]) -> tuple[str, ...]:
    lines = ["find who does: pgpoolsafe.install(engine) in the programs that share this pool"]
    if facts.pooler.product == "pgbouncer":
        database = facts.endpoint.dbname
        lines.append(f"clean up once: RECONNECT {database} on PgBouncer's admin console")
    else:
        lines.append(
            "clean up once, when nobody is in a transaction: SELECT pg_terminate_backend(pid)"
            f" on a direct connection, for {', '.join(map(str, dirty))}"
        )
    return tuple(lines)


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
    _probe,
    named_prepare,
    _statement_mode,
    _startup,
    _residue,
    functions,
    connect_timeout,
    pool_timeout,
    connections,
    waiting,
    idle_in_transaction,
    _url_parameters,
    _not_asked,
)
