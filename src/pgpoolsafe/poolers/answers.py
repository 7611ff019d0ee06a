"""What a pooler does with session state, and what we know about the pooler at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..effects import EffectKind


class Answer(Enum):
    """What becomes of session state when the pooler takes the server connection back."""

    LEAKS = "leaks"
    """It stays on the server connection, where other clients meet it."""
    LOST = "lost"
    """The pooler resets it, so that the client that made it misses it."""
    TRACKED = "tracked"
    """The pooler restores it for its client and for nobody else."""
    PINS = "pins"
    """The client keeps the server connection from then on."""
    ERRORS = "errors"
    """The pooler refuses it."""
    WORKS = "works"
    """As on a direct connection."""
    UNKNOWN = "unknown"
    """Nobody has measured or documented it: judged as LEAKS."""

    @property
    def safe(self) -> bool:
        """Whether a program may count on the state (PINS costs, but holds)."""
        return self in (Answer.TRACKED, Answer.WORKS, Answer.PINS)


class PoolMode(Enum):
    """When the pooler hands the server connection to somebody else."""

    SESSION = "session"
    TRANSACTION = "transaction"
    STATEMENT = "statement"


# session_authorization is a role and a setting that the server reports.
_SETTINGS = (EffectKind.SETTING, EffectKind.ROLE)


@dataclass(frozen=True)
class Pooler:
    """What stands at an endpoint, as far as it is known, and how it is known.

    `product`: a key of `products.PRODUCTS` ("pgbouncer", …), "direct" for a plain
    server, "unknown" for a proxy that could not be named. `mode` None: not known
    (judged as transaction pooling, unless the product is "direct").
    `prepared`: whether protocol-level prepared statements follow the client; None:
    not known (judged as False). `tracked`: settings (lower case) the pooler restores
    for each client. `answers`: what it does with each kind of state, in this mode.
    `confidence`: "certain" (the pooler said so, or the user did), "likely", "assumed".
    `measured`: whether its answers were observed on a real one, rather than read in its
    documentation or source; where they were not, its name says so. `begin_with_set`: what
    becomes of `BEGIN; SET LOCAL …` in one message. `shown`: those of `tracked` that also
    show to a client which has none of its own, or come back as something else: better carried
    than left to the pooler.
    """

    product: str
    title: str
    version: tuple[int, ...] | None = None
    mode: PoolMode | None = None
    prepared: bool | None = None
    tracked: frozenset[str] = frozenset()
    answers: Mapping[EffectKind, Answer] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    confidence: str = "assumed"
    measured: bool = True
    begin_with_set: Answer = Answer.WORKS
    shown: frozenset[str] = frozenset()

    @property
    def shares_sessions(self) -> bool:
        """Whether the server connection changes hands within a client's session."""
        return self.product != "direct" and self.mode is not PoolMode.SESSION

    def answer(self, kind: EffectKind, name: str | None = None) -> Answer:
        """What becomes of state of this kind; `name` is the setting's, lower case."""
        if not self.shares_sessions:
            return Answer.WORKS
        if kind in _SETTINGS and name is not None and name in self.tracked:
            return Answer.TRACKED
        return self.answers.get(kind, Answer.UNKNOWN)

    def __getstate__(self) -> dict[str, Any]:
        # The rows' answers are read-only views, which do not pickle; errors carry poolers.
        return {**self.__dict__, "answers": dict(self.answers)}

    @property
    def label(self) -> str:
        """`PgBouncer 1.26.1, transaction pooling`: for use inside parentheses."""
        return ", ".join(self._words)

    def __str__(self) -> str:
        """`PgBouncer 1.26.1 (transaction pooling)`: for use inside a sentence."""
        name, *more = self._words
        return f"{name} ({'; '.join(more)})" if more else name

    @property
    def _words(self) -> list[str]:
        if self.product == "direct":
            return ["a direct connection"]
        version = ".".join(map(str, self.version)) if self.version else ""
        mode = f"{self.mode.value} pooling" if self.mode else "pool mode unknown"
        origin = [] if self.measured else ["documented, not measured"]
        return [f"{self.title} {version}".strip(), mode, *origin]
