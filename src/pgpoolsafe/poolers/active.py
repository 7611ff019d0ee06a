"""Prove by two short connections what a pooler does: no input or output here.

Only on request: unlike detection this opens connections, sends BEGIN, and sets things. What
it sets changes nothing for whoever meets it, and is taken back where it was left.

Sharing is proven if one server process served both clients while both were connected, or if
one client was served by two processes of the same server. Neither happens in session pooling,
nor on a direct connection: there is no false proof. That nothing was shown proves nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from .active_prepared import follow_statement
from .active_settings import follow_settings
from .active_steps import (
    PAUSE,
    WHO,
    Client,
    Connect,
    Identity,
    Pause,
    Refused,
    Row,
    Run,
    Steps,
    ask,
    do,
    identity,
    send,
)
from .answers import Pooler, PoolMode
from .products import pooler as pooler_of


class Sharing(Enum):
    """Whether server connections change hands while their clients are connected."""

    SHARED = "shared"
    """Proven."""
    NOT_SHOWN = "not shown"
    """No sign of it. Session pooling and direct connections look like this."""
    INCONCLUSIVE = "inconclusive"
    """The probe could not be finished: a full pool, a refused connection or question."""


@dataclass(frozen=True)
class ActiveAnswer:
    """What was proven. Nothing is in here by guess.

    `mode`: STATEMENT if the pooler said so when it refused BEGIN, else None. `prepared`:
    whether a protocol-level prepared statement followed its client. `restored`: by setting,
    whether its value followed the client that had set it. `leaked`: the settings whose value
    another client met. What is missing was not shown either way.
    """

    sharing: Sharing
    mode: PoolMode | None = None
    prepared: bool | None = None
    restored: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    leaked: frozenset[str] = frozenset()
    evidence: tuple[str, ...] = ()

    def applied_to(self, pooler: Pooler) -> Pooler:
        """What is known of the pooler with this proof added to what was detected."""
        if self.sharing is not Sharing.SHARED:
            return replace(pooler, evidence=pooler.evidence + self.evidence)
        if not pooler.shares_sessions:  # so it was said, and is not
            product = "unknown" if pooler.product == "direct" else pooler.product
            pooler = pooler_of(
                product, version=pooler.version, evidence=pooler.evidence, confidence="likely"
            )
        follows = {name for name, kept in self.restored.items() if kept} - self.leaked
        lost = {name for name, kept in self.restored.items() if not kept} | self.leaked
        return replace(
            pooler,
            mode=self.mode or pooler.mode,
            prepared=pooler.prepared if self.prepared is None else self.prepared,
            tracked=(pooler.tracked | follows) - lost,
            evidence=pooler.evidence + self.evidence,
        )


ROUNDS = 3
"""One is enough nearly always; on an idle pool of most products the first question is."""

_STATEMENT_POOLING = re.compile(r"statement pool(?:ing|er) mode")


def active_probe(random: str, *, can_close: bool = True) -> Steps[ActiveAnswer]:
    """Generator of steps; returns what they have proven.

    `random`: 8 to 40 lower-case letters and digits, never used before; ValueError else.
    `can_close`: whether the driver can send a protocol-level Close (libpq 17 can); without
    it no statement is prepared, since it would stay behind.
    """
    if not re.fullmatch(r"[0-9a-z]{8,40}", random):
        raise ValueError("a probe is named by 8 to 40 lower-case letters and digits")
    return _probe(random, can_close)


def _probe(random: str, can_close: bool) -> Steps[ActiveAnswer]:
    seen = _Seen()
    try:
        mode = yield from _sharing(seen)
    except Refused as refused:
        return ActiveAnswer(Sharing.INCONCLUSIVE, evidence=(f"the proof failed: {refused}",))
    if seen.proof is None:
        return ActiveAnswer(Sharing.NOT_SHOWN, evidence=("no server connection changed hands",))
    answer = ActiveAnswer(Sharing.SHARED, mode, evidence=(seen.proof,))
    try:
        if can_close:
            answer = yield from _with_prepared(answer, random)
        return (yield from _with_settings(answer, random))
    except Refused as refused:
        return _with(answer, f"the proof ended early: {refused}")


def _with(answer: ActiveAnswer, *texts: str) -> ActiveAnswer:
    return replace(answer, evidence=(*answer.evidence, *texts))


def _with_prepared(answer: ActiveAnswer, random: str) -> Steps[ActiveAnswer]:
    followed, reason = yield from follow_statement(random)
    return _with(replace(answer, prepared=followed), f"prepared statements: {reason}")


def _with_settings(answer: ActiveAnswer, random: str) -> Steps[ActiveAnswer]:
    found = yield from follow_settings(random)
    leaked = frozenset(found.leaked)
    return _with(replace(answer, restored=found.restored, leaked=leaked), f"settings: {found}")


class _Seen:
    """The server processes that served each client; both stay connected throughout.

    `proof`: why server connections must change hands, None as long as nothing proves it.
    """

    def __init__(self) -> None:
        self.proof: str | None = None
        self._by: dict[Client, set[Identity]] = {Client.A: set(), Client.B: set()}

    def note(self, client: Client, row: Row) -> None:
        """Note who served the client."""
        seen = identity(row)
        self._by[client].add(seen)
        same_server = {pid for pid, start in self._by[client] if start == seen[1]}
        if seen in self._by[client.other]:
            self.proof = "one server process served two clients while both were connected"
        elif len(same_server) > 1:
            self.proof = "one client was served by two server processes"


def _sharing(seen: _Seen) -> Steps[PoolMode | None]:
    """Fill `seen` until it proves something; returns the pool mode if that was said."""
    for client in Client:
        yield from do(Connect(client))
        yield from _look(client, seen)
    for _ in range(ROUNDS):
        for holder, first in itertools.product(Client, Client):
            if not seen.proof and (yield from _while_holding(holder, first, seen)):
                return PoolMode.STATEMENT
    return None


def _look(client: Client, seen: _Seen) -> Steps[None]:
    """Ask who serves the client; nothing more is asked once something is proven."""
    if not seen.proof:
        seen.note(client, (yield from ask(client, 2, Run(WHO))))


def _while_holding(holder: Client, first: Client, seen: _Seen) -> Steps[bool]:
    """Both clients hold their server connections by transactions, `holder` takes and gives
    back its own first; then `first` asks first. One of the four orders makes them meet,
    whether the pool prefers the connection that was given back first or last.

    If the holder's own proves something the other client does not ask: there may be but one
    server connection, and it would wait for it in vain. Returns whether BEGIN was refused in
    words that name statement pooling.
    """
    holding = []
    for client in (holder, holder.other):
        if not seen.proof:
            if (yield from _is_refused_begin(client, seen)):
                return True
            holding.append(client)
            yield from _look(client, seen)
    for client in holding:
        yield from send(client, Run(b"commit"))
    if not seen.proof:
        yield from do(Pause(PAUSE))
    for client in (first, first.other):
        yield from _look(client, seen)
    return False


def _is_refused_begin(client: Client, seen: _Seen) -> Steps[bool]:
    """Send BEGIN; whether it was refused in words that name statement pooling."""
    try:
        yield from send(client, Run(b"begin"))
    except Refused as refused:
        if not _STATEMENT_POOLING.search(refused.refusal.text):
            raise
        seen.proof = f"BEGIN was refused: {refused}"
        yield from do(Connect(client))
        return True
    return False
