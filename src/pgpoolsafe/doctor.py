"""`pgpoolsafe doctor`: look at one target, and say what it is and what breaks there.

This module goes and asks; what is asked stands in `checkup/questions.py`, what is thought of
the answers in `checkup/checks.py` and its neighbours, how it is shown in `report/`.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .checkup.advice import Advice, advice, way_around
from .checkup.behaviour import Behaviour, behaviours
from .checkup.check import Check, Grade
from .checkup.checks import checks
from .checkup.facts import Client, Console, Facts, Leftovers, Server
from .checkup.prepares import prepares_are_safe
from .checkup.questions import CONSOLE, LEFTOVERS, SERVER, console_in, leftovers_in, server_in
from .endpoint_check import shown
from .poolers.answers import Pooler, PoolMode
from .poolers.endpoints import match
from .poolers.products import pooler as known_pooler
from .poolers.products import version_in
from .program_pools import pool_of, text_of
from .targets import Address, address_of

if TYPE_CHECKING:
    from .drivers.psycopg_sight import Sight, Visitor

LOOKS = 4
"""How many connections look for what other clients have left, at the same moment."""

DIRECT_VARIABLES = (
    "DIRECT_URL",
    "DIRECT_DATABASE_URL",
    "DATABASE_URL_UNPOOLED",
    "DATABASE_UNPOOLED_URL",
    "POSTGRES_URL_NON_POOLING",
    "MIGRATION_DATABASE_URL",
)
"""What providers and programs call the address without the pooler."""


class NotReached(Exception):
    """There is no connection to be had, or no answer; the message is one line without secrets."""


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
    with _errors_of(address):
        sight, server, silences = _examine(address, override)
    facts = Facts(
        endpoint=sight.endpoint,
        pooler=sight.pooler,
        client=client(),
        startup=sight.startup,
        stated=address.stated,
        left_out=address.left_out,
        server=server,
        pool=pool_of(target),
        direct_variables=tuple(name for name in DIRECT_VARIABLES if os.environ.get(name)),
        silences=silences,
    )
    if console:
        facts = _with_console(facts, address, told=override is not None)
    if probe:
        facts = _with_proof(facts, address, told=override is not None)
    if server is not None:
        facts = replace(facts, leftovers=_leftovers(address, facts.pooler))
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


# asking


@contextmanager
def _errors_of(address: Address) -> Iterator[None]:
    """Turn the driver's errors into one line."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        # Without the cause, whose message nobody has scrubbed.
        raise NotReached(_one_line(error, address)) from None


def _one_line(error: Exception, address: Address) -> str:
    """What went wrong, as its first line says it; psycopg's own words around it are left out."""
    from psycopg.errors import ConnectionTimeout

    from .drivers.psycopg_sight import NoAnswer

    if isinstance(error, NoAnswer):
        said = f"connected, but {error}: perhaps every server connection of the pool is in use"
    elif isinstance(error, ConnectionTimeout):
        said = f"no answer within {address.timeout:g} s"
    else:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        several = len(lines) > 1 and lines[0].startswith("Multiple connection attempts failed")
        said = lines[-1 if several else 0] if lines else type(error).__name__
    return f"cannot look at {address.place}: {_NOISE.sub('', address.scrubbed(said))}"


_NOISE = re.compile(
    r"^(- host: \S+?, port: \S+?, hostaddr: \S+?: )?(connection failed: |connection is bad: )?"
    r"(consuming input failed: )?"
    r"(connection to server (at|on socket) \"[^\"]*\"( \([^)]*\))?(, port \d+)? failed: )?"
)


def _examine(
    address: Address, override: Pooler | None
) -> tuple[Sight, Server | None, tuple[str, ...]]:
    from .drivers.psycopg_sight import come_without_what_is_refused, with_refused

    visitor, refused = come_without_what_is_refused(address.parameters, address.timeout)
    with visitor:
        sight = with_refused(visitor.look(override), refused)
        server, silence = _server(visitor)
    return sight, server, (silence,) if silence else ()


def _server(visitor: Visitor) -> tuple[Server | None, str]:
    import psycopg

    try:
        return server_in(visitor.ask(SERVER)), ""
    except (psycopg.DatabaseError, LookupError, TypeError) as error:
        if visitor.closed:
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return None, f"the server was not understood, so its limits were not looked at ({first})"


def _leftovers(address: Address, pooler: Pooler) -> tuple[Leftovers, ...]:
    """What several server connections carry, each once; one on a direct connection."""
    import psycopg

    from .drivers.psycopg_sight import ask_at_once, come

    parameters = address.without_settings
    with ExitStack() as stack:
        visitors = []
        for _ in range(1 if pooler.product == "direct" else LOOKS):
            try:
                visitors.append(stack.enter_context(come(parameters, address.timeout)))
            except psycopg.OperationalError:  # too many clients: those that came will do
                break
        answers = ask_at_once(visitors, LEFTOVERS)
    found = {left.pid: left for left in map(leftovers_in, filter(None, answers))}
    return tuple(found[pid] for pid in sorted(found))


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
    console = _console(address, facts.endpoint.dbname)
    if console is None:
        return facts
    found = pooler if told else _pooler_of(console, pooler)
    return replace(facts, console=console, pooler=found)


def _console(address: Address, dbname: str) -> Console | None:
    import psycopg

    from .drivers.psycopg_sight import come

    parameters = {**address.without_settings, "dbname": "pgbouncer"}
    try:
        with come(parameters, address.timeout) as visitor:
            answers = [_rows(visitor, question) for question in CONSOLE]
        return console_in(dbname, *answers)
    except (psycopg.Error, LookupError, ValueError):
        # No console, or not for this user: most applications' case.
        return None


def _rows(visitor: Visitor, question: str) -> list[Mapping[str, Any]]:
    from psycopg.rows import dict_row

    return list(visitor.cursor(row_factory=dict_row).execute(question.encode()).fetchall())


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
