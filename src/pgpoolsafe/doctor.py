"""`pgpoolsafe doctor`: look at one target, and say what it is and what breaks there.

This module says in which order; who goes and asks stands in `examination.py`, what is thought
of the answers in `checkup/`, how it is shown in `report/`.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from typing import Any

from .checkup.advice import Advice, advice, way_around
from .checkup.behaviour import Behaviour, behaviours
from .checkup.check import Check, Grade
from .checkup.checks import checks
from .checkup.facts import Client, Console, Facts
from .checkup.prepares import prepares_are_safe
from .code_findings import judged_code
from .endpoint_check import shown
from .examination import NotReached, ask_console, examine, leftovers
from .guard import STAND_IN
from .poolers.answers import Pooler, PoolMode
from .poolers.endpoints import match
from .poolers.products import pooler as known_pooler
from .poolers.products import version_in
from .program_pools import pool_of, text_of
from .rules.findings import Finding
from .rules.policy import make_policy
from .sql.stored import StoredCode
from .targets import Address, address_of

__all__ = ["Diagnosis", "NotReached", "client", "diagnose", "judged"]

DIRECT_VARIABLES = (
    "DIRECT_URL",
    "DIRECT_DATABASE_URL",
    "DATABASE_URL_UNPOOLED",
    "DATABASE_UNPOOLED_URL",
    "POSTGRES_URL_NON_POOLING",
    "MIGRATION_DATABASE_URL",
)
"""What providers and programs call the address without the pooler."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor has to say about one target; `place` is its address without a password."""

    place: str
    facts: Facts
    behaviours: tuple[Behaviour, ...]
    checks: tuple[Check, ...]
    advice: tuple[Advice, ...]
    way_around: str

    @property
    def pooler(self) -> Pooler:
        """What the target leads to."""
        return self.facts.pooler

    def findings(self, ignored: frozenset[str] = frozenset()) -> list[Check]:
        """The checks that found something wrong, without those ignored by name."""
        return [c for c in self.checks if c.grade is Grade.FINDING and c.name not in ignored]


def diagnose(
    target: Any,
    *,
    override: Pooler | None = None,
    connect_timeout: int | None = None,
    console: bool = True,
    probe: bool = False,
) -> Diagnosis:
    """Look at a target: a DSN, a URL, a service's name, an Engine, or a pool.

    override: what the user says that stands there, instead of what is detected.
    connect_timeout: in seconds; default: the target's own, else 10. Every question is given
        as much.
    console: whether PgBouncer's admin console is tried, with the same user.
    probe: whether two connections are to prove what the pooler does; they open transactions
        and set things, which nobody notices.

    Opens short connections of its own, at most four at once. Raises NotReached where there is
    no connection or no answer in time, ConfigurationError on a text that cannot be read,
    TypeError on another target.
    """
    address = address_of(text_of(target), connect_timeout=connect_timeout)
    found = examine(address, override)
    facts = Facts(
        endpoint=found.sight.endpoint,
        pooler=found.sight.pooler,
        client=client(),
        startup=found.sight.startup,
        stated=address.stated,
        left_out=address.left_out,
        server=found.server,
        pool=pool_of(target),
        direct_variables=tuple(name for name in DIRECT_VARIABLES if os.environ.get(name)),
        silences=found.silences,
    )
    if console:
        facts = _with_console(facts, address, told=override is not None)
    if probe:
        facts = _with_proof(facts, address, told=override is not None)
    if found.server is not None:
        facts = _with_leftovers(facts, address)
    if found.stored is not None:
        facts = replace(facts, functions=_functions(found.stored, facts.pooler))
    return judged(facts)


def judged(facts: Facts) -> Diagnosis:
    """The diagnosis that follows from the facts; pure."""
    safe = prepares_are_safe(facts.pooler, facts.client)
    return Diagnosis(
        place=shown(facts.endpoint),
        facts=facts,
        behaviours=tuple(behaviours(facts.pooler, prepares_are_safe=safe)),
        checks=tuple(checks(facts)),
        advice=tuple(advice(facts.endpoint, facts.pooler, prepares_are_safe=safe)),
        way_around=way_around(facts.endpoint, facts.pooler, facts.direct_variables),
    )


def client() -> Client:
    """The libraries at this end."""
    import psycopg

    version = psycopg.pq.version()
    return Client(platform.python_version(), psycopg.__version__.partition("+")[0], version)


# what others have left, and what the database's own code would leave


def _with_leftovers(facts: Facts, address: Address) -> Facts:
    found = leftovers(address, facts.pooler)
    if found:
        return replace(facts, leftovers=found)
    silence = "no server connection could be asked what other clients have left on it"
    return replace(facts, silences=(*facts.silences, silence))


def _functions(stored: StoredCode, pooler: Pooler) -> tuple[Finding, ...]:
    """Where each session is a client's own, they are judged as if it were not."""
    judge = pooler if pooler.shares_sessions else STAND_IN
    return tuple(judged_code(stored, make_policy(), judge))


# the active probe


def _with_proof(facts: Facts, address: Address, *, told: bool) -> Facts:
    """With what two connections have proven; the user's word stands, whatever it is."""
    from psycopg.conninfo import make_conninfo

    from .drivers.psycopg_active import prove

    answer = prove(make_conninfo("", **address.without_settings), seconds=address.timeout)
    evidence = tuple(address.scrubbed(line) for line in answer.evidence)
    answer = replace(answer, evidence=evidence)
    pooler = facts.pooler if told else answer.applied_to(facts.pooler)
    return replace(facts, proof=answer, pooler=pooler)


# PgBouncer's admin console


def _with_console(facts: Facts, address: Address, *, told: bool) -> Facts:
    """With what the console says, where it may be asked; it knows more than any sign."""
    pooler = facts.pooler
    proven = pooler.product == "unknown" and pooler.confidence != "assumed"
    if pooler.product != "pgbouncer" and not (proven and match(facts.endpoint) is None):
        return facts
    console = ask_console(address, facts.endpoint.dbname)
    if console is None:
        return facts
    found = pooler if told else _pooler_of(console, pooler)
    return replace(facts, console=console, pooler=found)


def _pooler_of(console: Console, before: Pooler) -> Pooler:
    version = version_in(console.version.removeprefix("PgBouncer").strip())
    mode = next((mode for mode in PoolMode if mode.value == console.mode), before.mode)
    limit = console.config.get("max_prepared_statements", "0")
    said = f"its admin console says {console.version}, pool_mode {console.mode}"
    return known_pooler(
        "pgbouncer",
        version=version,
        mode=mode,
        reported=before.tracked if version and version >= (1, 26) else frozenset(),
        prepared=mode is PoolMode.SESSION or limit != "0",
        evidence=(said, *before.evidence),
        confidence="certain",
    )
