"""Which pooler stands in between: evidence in, `Pooler` out, no input or output here.

A driver fills a `Greeting` from what the connection already knows and asks `first_look`.
Where that says None it runs the one-round-trip `Probe` and hands the answer to `conclude`;
where the probe cannot be run it hands over None. Every step leaves its evidence.

A wrong answer is worse than "unknown": a product is named only by a sign that nothing else
gives. What each sign is worth was measured on PgBouncer 1.18 to 1.26, Odyssey 1.5, pgagroal
1.6 and 2.1 and Pgpool-II 4.7; the documentation of the others was read.

Not told apart: Pgpool-II from a direct connection (it keeps a client's session anyway); an
old PgBouncer's session pool from its transaction pool (judged as the latter); a pgagroal that
reports an empty application_name from a direct connection, if the client asked for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from . import endpoints
from .answers import Pooler, PoolMode
from .probe import (
    PID_MAX,
    PROBED_PARAMETERS,
    Greeting,
    Probe,
    ProbeAnswer,
    new_probe,
    number_in,
)
from .products import DIRECT, SHOWN_BY_MANY, TRACKED_BY_MOST, pooler, version_in

__all__ = [
    "GIVEN_NAMES",
    "PROBED_PARAMETERS",
    "Greeting",
    "Probe",
    "ProbeAnswer",
    "conclude",
    "first_look",
    "new_probe",
]

T = TypeVar("T")

GIVEN_NAMES = ("pgagroal",)
"""What a client is told that its application_name is, where it asked for another."""

_IN_HOT_STANDBY_SINCE = 140000


def first_look(greeting: Greeting) -> Pooler | None:
    """What can be told without a round trip; None: there is more to learn, run the probe."""
    return _console(greeting) or _announced(greeting) or _addressed(greeting) or _signed(greeting)


def conclude(greeting: Greeting, answer: ProbeAnswer | None) -> Pooler:
    """The pooler, from all there is; `answer` None: the probe failed or could not be run.

    A proxy that cannot be named is "unknown"; so is everything without a probe's answer,
    since a plausible process id proves nothing.
    """
    known = first_look(greeting)
    if known is not None:
        return known
    clues = [clue for look in _CLUES if (clue := look(greeting, answer)) is not None]
    evidence = tuple(clue.text for clue in clues)
    if any(clue.proxy for clue in clues):
        return _proxy(greeting, clues, evidence)
    if answer is None:
        return pooler("unknown", evidence=(*evidence, "the probe gave no answer"))
    return replace(DIRECT, evidence=evidence, confidence="likely")


# What the connection says by itself


def _console(greeting: Greeting) -> Pooler | None:
    """PgBouncer's admin console, a server by itself. It drops a client that sends it the
    extended query protocol, so it is asked nothing.
    """
    if not greeting.parameters.get("server_version", "").endswith("/bouncer"):
        return None
    return replace(DIRECT, evidence=(_CONSOLE,), confidence="certain")


_CONSOLE = "PgBouncer's admin console"


def is_console(pooler: Pooler) -> bool:
    """Whether this is no PostgreSQL at all, and takes none of its questions."""
    return _CONSOLE in pooler.evidence


def _announced(greeting: Greeting) -> Pooler | None:
    """PgBouncer 1.26 and later report their version and configuration as parameters."""
    said = {name.lower(): value for name, value in greeting.parameters.items()}
    if not any(name.startswith("pgbouncer.") for name in said):
        return None
    mode = _mode(said.get("pgbouncer.pool_mode", ""))
    limit = number_in(said.get("pgbouncer.max_prepared_statements"))
    return pooler(
        "pgbouncer",
        version=version_in(said.get("pgbouncer.version", "")) or (1, 26),
        mode=mode,
        reported=greeting.reported,
        prepared=mode is PoolMode.SESSION or bool(limit),
        evidence=tuple(
            f"{name} is {said[name]}" for name in sorted(said) if name.startswith("pgbouncer.")
        ),
        confidence="certain",
    )


def _addressed(greeting: Greeting) -> Pooler | None:
    """A provider's address, unless it leaves open what becomes of prepared statements.

    It outweighs the process id: a provider's gateway may replace that on any connection.
    """
    match = endpoints.match(greeting.endpoint)
    if match is None:
        return None
    if match.product == "direct":
        return replace(DIRECT, evidence=(match.evidence,), confidence="likely")
    if match.prepared is None and match.mode is not PoolMode.SESSION:
        return None
    return pooler(
        match.product,
        mode=match.mode,
        reported=greeting.reported,
        prepared=match.prepared,
        evidence=(match.evidence,),
        confidence="likely",
    )


def _signed(greeting: Greeting) -> Pooler | None:
    """pgagroal gives its own application_name to every client; it never tells the mode."""
    reported = greeting.parameters.get("application_name")
    if reported not in GIVEN_NAMES or greeting.requested_application_name == reported:
        return None
    return pooler(
        "pgagroal",
        reported=greeting.reported,
        evidence=("the application_name is pgagroal's own",),
        confidence="likely",
    )


# What the signs say together


class _Clue(NamedTuple):
    """One sign, for people, and what it stands for. `proxy`: it proves that there is one."""

    text: str
    product: str | None = None
    mode: PoolMode | None = None
    prepared: bool | None = None
    proxy: bool = False


_REWRITTEN = (
    (r"PGBOUNCER_\d+", "pgbouncer"),
    (r"odyssey_pstmt_[0-9a-f]+", "odyssey"),
    (r"DOORMAN_\d+", "pg_doorman"),
    (r"__pgdog_\d+", "pgdog"),
)


def is_poolers_name(name: str) -> bool:
    """Whether a prepared statement has its name from a pooler that tracks statements."""
    return _renamer(name) is not None


def _renamer(name: str) -> str | None:
    return next((product for shape, product in _REWRITTEN if re.fullmatch(shape, name)), None)


def _name_clue(greeting: Greeting, answer: ProbeAnswer | None) -> _Clue | None:
    """A pooler that tracks prepared statements gives each a name of its own.

    In session pooling none of them does, so the mode shows as well; transaction and
    statement pooling look the same.
    """
    if answer is None or not greeting.can_close_prepared:
        return None
    name = answer.prepared_name
    if name is None:
        return _Clue("the server does not show a statement just prepared", proxy=True)
    if not answer.renamed:
        return _Clue("a prepared statement kept its name", prepared=False)
    return _Clue(
        f"a prepared statement was renamed to {name}",
        product=_renamer(name),
        mode=PoolMode.TRANSACTION,
        prepared=True,
        proxy=True,
    )


def _address_clue(greeting: Greeting, _: ProbeAnswer | None) -> _Clue | None:
    match = endpoints.match(greeting.endpoint)
    if match is None:
        return None
    product = None if match.product == "unknown" else match.product
    return _Clue(match.evidence, product, match.mode, match.prepared, proxy=True)


def _standby_clue(greeting: Greeting, answer: ProbeAnswer | None) -> _Clue | None:
    """Odyssey drops a parameter that servers report since PostgreSQL 14, and its process id
    is random. Either alone may be somebody else's.
    """
    missing = greeting.parameters and "in_hot_standby" not in greeting.parameters
    if not missing or greeting.server_version < _IN_HOT_STANDBY_SINCE:
        return None
    random_pid = greeting.backend_pid > PID_MAX and not _same_pid(greeting, answer)
    return _Clue(
        "in_hot_standby is not reported",
        product="odyssey" if random_pid else None,
        proxy=random_pid,
    )


def _application_name_clue(greeting: Greeting, answer: ProbeAnswer | None) -> _Clue | None:
    """Some builds of pgagroal open server connections without an application_name, and hand
    out their true process id. Other proxies do the former, none known does both.
    """
    reported = greeting.parameters.get("application_name")
    if reported != "" or not greeting.requested_application_name:
        return None
    through = _same_pid(greeting, answer) and _ports_differ(greeting, answer)
    return _Clue(
        "the requested application_name did not arrive",
        product="pgagroal" if through else None,
        proxy=through,
    )


def _pid_clue(greeting: Greeting, answer: ProbeAnswer | None) -> _Clue | None:
    if answer is None:
        if greeting.impossible_pid:
            return _Clue("the announced process id is none of a server's", proxy=True)
        return None
    if _same_pid(greeting, answer):
        return _Clue("the server's process id is the announced one")
    return _Clue("the server's process id is not the announced one", proxy=True)


def _port_clue(greeting: Greeting, answer: ProbeAnswer | None) -> _Clue | None:
    """Network address translation changes ports as well: never a proof."""
    if not _ports_differ(greeting, answer):
        return None
    return _Clue("the server sees other ports: a proxy or an address translation")


_CLUES: tuple[Callable[[Greeting, ProbeAnswer | None], _Clue | None], ...] = (
    _name_clue,
    _address_clue,
    _standby_clue,
    _application_name_clue,
    _pid_clue,
    _port_clue,
)
"""The first clue that knows a thing decides it."""


def _proxy(greeting: Greeting, clues: Sequence[_Clue], evidence: tuple[str, ...]) -> Pooler:
    product = _first(clue.product for clue in clues) or "unknown"
    found = _pooler_of(product, greeting, clues, evidence)
    # Only poolers that restore these settings are known to announce such a process id. To
    # take them for lost would make local what a program counts on, such as its TimeZone.
    if product == "unknown" and greeting.impossible_pid and greeting.backend_pid:
        return replace(found, tracked=TRACKED_BY_MOST, shown=SHOWN_BY_MANY)
    return found


def _pooler_of(
    product: str, greeting: Greeting, clues: Sequence[_Clue], evidence: tuple[str, ...]
) -> Pooler:
    return pooler(
        product,
        mode=_first(clue.mode for clue in clues),
        reported=greeting.reported,
        prepared=_first(clue.prepared for clue in clues),
        evidence=evidence,
        confidence="likely",
    )


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def _same_pid(greeting: Greeting, answer: ProbeAnswer | None) -> bool:
    return answer is not None and answer.backend_pid == greeting.backend_pid


def _ports_differ(greeting: Greeting, answer: ProbeAnswer | None) -> bool:
    """Whether the server's own connection has other ports, or has ports at all where the
    client has none.
    """
    if answer is None:
        return False
    if greeting.endpoint.host.startswith(("/", "@")):
        return answer.client_port is not None
    pairs = (
        (greeting.local_port, answer.client_port),
        (greeting.dialled_port, answer.server_port),
    )
    return any(own is not None and own != seen for own, seen in pairs)


def _mode(text: str) -> PoolMode | None:
    return next((mode for mode in PoolMode if mode.value == text.strip().lower()), None)
