"""What a test suite asks for, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import ConfigurationError
from ..poolers.answers import Pooler
from ..poolers.products import named
from ..rules.policy import Mode, Policy, make_policy
from .baseline import Entry, read

MODES = ("warn", "strict")

OFF = "off"
"""What a runner takes beside these: then nothing is guarded."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a guarded test run.

    mode: "strict" (a hazard fails the test) or "warn" (it is only summed up).
    pooler: what production has, as in "pgbouncer>=1.24 transaction"; None: PgBouncer in
        transaction mode, of a version that is not known.
    rules: level per rule, as `install()` takes them.
    settings, prepared: "leave" judges the code as it stands; "local", "carry" and "auto" are for
        a program whose own guard repairs SET and prepared statements in production. prepared
        None: "leave" where a pooler was named.
    residue: True or "statement": ask each session after each transaction what code that no
        text shows has left in it.
    baseline: the file of known findings; update_baseline: let everything pass, and note it.
    """

    mode: str = "strict"
    pooler: str | None = None
    rules: Mapping[str, str] | None = None
    settings: str = "leave"
    prepared: str | None = None
    residue: bool | str = False
    baseline: Path | None = None
    update_baseline: bool = False
    root: Path = field(default_factory=Path.cwd)

    def policy(self) -> Policy:
        """What `install()` is to do. Raises ConfigurationError, which names the option."""
        if self.mode not in MODES:
            known = ", ".join(map(repr, MODES))
            raise ConfigurationError(f"mode={self.mode!r}: expected one of {known}")
        if self.update_baseline and self.baseline is None:
            raise ConfigurationError("update_baseline: name the file of the baseline")
        policy = make_policy(
            mode=Mode.STRICT.value,  # others leave direct connections alone
            rules=self.rules,
            pooler="auto",
            pool_mode="",
            prepared=self.prepared or ("leave" if self.pooler else "auto"),
            settings=self.settings,
            residue=self.residue,
        )
        return replace(policy, stand_in=self.stand_in())

    def stand_in(self) -> Pooler:
        """The pooler that direct connections are judged by."""
        pooler = named(self.pooler or "pgbouncer")
        if not pooler.shares_sessions:
            raise ConfigurationError(
                f"pooler={self.pooler!r} hands no session to anybody else:"
                " there is nothing to find behind it"
            )
        return pooler

    @property
    def lacks_baseline(self) -> bool:
        """Whether there is no file yet that could hold known findings."""
        return self.baseline is not None and not (self.update_baseline or self.baseline.exists())

    def known(self) -> frozenset[Entry]:
        """The entries of the baseline."""
        return frozenset() if self.baseline is None else read(self.baseline)
