"""Prove by two short connections what a pooler does: no input or output here.

Only on request: unlike detection this opens connections, sends BEGIN, and sets things. What
it sets changes nothing for whoever meets it, and is taken back where it was left.

Sharing is proven if one server process served both clients while both were connected, or if
one client was served by two processes of the same server. Neither happens in session pooling,
nor on a direct connection: there is no false proof. That nothing was shown proves nothing.
"""

from __future__ import annotations

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
    Refusal,
    Refused,
    Row,
    Run,
    Steps,
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
        if pooler.product == "direct":
            pooler = pooler_of("unknown", evidence=pooler.evidence, confidence="likely")
        follows = {name for name, kept in self.restored.items() if kept} - self.leaked
        lost = {name for name, kept in self.restored.items() if not kept} | self.leaked
        return replace(
            pooler,
            mode=self.mode or (None if pooler.mode is PoolMode.SESSION else pooler.mode),
            prepared=pooler.prepared if self.prepared is None else self.prepared,
            tracked=(pooler.tracked | follows) - lost,
            evidence=pooler.evidence + self.evidence,
        )


ROUNDS = 5
"""With sets of all processes seen, these left nothing unproven in thousands of runs."""

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
    try:
        proof = yield from _sharing()
    except Refused as refused:
        return _unfinished(refused.refusal)
    if proof is None:
        return ActiveAnswer(Sharing.NOT_SHOWN, evidence=("no server connection changed hands",))
    answer = ActiveAnswer(Sharing.SHARED, evidence=(proof,))
    try:
        if can_close:
            answer = yield from _with_prepared(answer, random)
        return (yield from _with_settings(answer, random))
    except Refused as refused:
        return _with(answer, f"the proof ended early: {refused}")


def _unfinished(refusal: Refusal) -> ActiveAnswer:
    if _STATEMENT_POOLING.search(refusal.text):
        said = f"BEGIN was refused: {refusal.text}"
        return ActiveAnswer(Sharing.SHARED, PoolMode.STATEMENT, evidence=(said,))
    return ActiveAnswer(Sharing.INCONCLUSIVE, evidence=(f"the proof failed: {refusal.text}",))


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
    """The server processes that served each client; both stay connected throughout."""

    def __init__(self) -> None:
        self._by: dict[Client, set[Identity]] = {Client.A: set(), Client.B: set()}

    def proof(self, client: Client, row: Row) -> str | None:
        """Note who served the client; what that proves, if anything."""
        seen = identity(row)
        self._by[client].add(seen)
        if seen in self._by[client.other]:
            return "one server process served two clients while both were connected"
        same_server = {pid for pid, start in self._by[client] if start == seen[1]}
        if len(same_server) > 1:
            return "one client was served by two server processes"
        return None


def _sharing() -> Steps[str | None]:
    """What proves it; None if nothing does."""
    seen = _Seen()
    for client in Client:
        yield from do(Connect(client))
        if proof := seen.proof(client, (yield from send(client, Run(WHO)))):
            return proof
    for _ in range(ROUNDS):
        for holder in (Client.B, Client.A):
            if proof := (yield from _while_holding(holder, seen)):
                return proof
        yield from do(Pause(PAUSE))
    return None


def _while_holding(holder: Client, seen: _Seen) -> Steps[str | None]:
    """One client holds its server connection by a transaction; which one gets the other?

    Asked only as long as nothing is proven: if there is but one server connection, the
    other client would wait for it in vain.
    """
    proof = seen.proof(holder, (yield from send(holder, Run(b"begin"), Run(WHO))))
    if proof is None:
        proof = seen.proof(holder.other, (yield from send(holder.other, Run(WHO))))
    yield from send(holder, Run(b"commit"))
    return proof
