"""A client whose settings are carried, before a server that says yes to everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pgpoolsafe.effects import ControlVerb
from pgpoolsafe.guard import Guard
from pgpoolsafe.plan import Plan
from pgpoolsafe.poolers.answers import Pooler
from pgpoolsafe.poolers.products import named
from pgpoolsafe.rules.policy import make_policy
from pgpoolsafe.rules.reporting import Reporter
from pgpoolsafe.session.settings import Carried
from pgpoolsafe.sql.reader import read

ENDS = (ControlVerb.COMMIT, ControlVerb.ROLLBACK, ControlVerb.PREPARE_TRANSACTION)


def in_words(carried: Carried) -> str:
    """`{work_mem=1MB, role=reporting}`; a value of the login's is `-`."""
    steps = (f"{name}={'-' if value is None else value}" for name, value in carried.steps)
    return f"{{{', '.join(steps)}}}"


def on_the_wire(text: str, plan: Plan) -> str:
    """What a plan sends: `{before} text {after} ?asked`, in a Query `Q:`; `#1` is hidden."""
    parts = ["Q:"] if plan.as_query and plan.travels else []
    parts += [in_words(plan.before)] if plan.before is not None else []
    parts.append(text if plan.text is None else plan.text)
    parts += [in_words(plan.after)] if plan.after else []
    parts += [f"?{name}" for name in plan.ask]
    parts += [f"#{at}" for at in plan.hidden]
    return " ".join(parts)


@dataclass
class Carrier:
    """One guarded client. `answers`: what the server says a setting is, when it is asked."""

    guard: Guard
    answers: dict[str, str] = field(default_factory=dict)
    in_block: bool = False
    failed: bool = False

    @classmethod
    def behind(cls, pooler: Pooler | None = None, **options: Any) -> Carrier:
        guard = Guard(make_policy(**options), Reporter())
        guard.meet(pooler or named("pgbouncer", "transaction"))
        return cls(guard)

    def plan(self, text: str, params: Any = None, **how: Any) -> Plan:
        return self.guard.plan(
            text,
            read(text),
            params,
            in_block=self.in_block,
            failed=self.failed,
            locate=lambda: None,
            **how,
        )

    def send(self, text: str, params: Any = None, **how: Any) -> str:
        """Send a text that succeeds; what went over the wire."""
        plan = self.plan(text, params, **how)
        if plan.ask:
            self.guard.told(plan, [self.answers.get(name) for name in plan.ask])
        self.in_block, self.failed = self._is_open(plan), False
        self.guard.done(plan, in_block=self.in_block)
        return on_the_wire(text, plan)

    def fail(self, text: str) -> str:
        """Send a text that the server refuses."""
        plan = self.plan(text)
        self.failed = self.in_block
        self.guard.failed(plan, in_block=self.in_block)
        return on_the_wire(text, plan)

    def send_all(self, texts: Sequence[str]) -> list[str]:
        """A text that begins with `!` fails."""
        return [self.fail(text[1:]) if text[:1] == "!" else self.send(text) for text in texts]

    def _is_open(self, plan: Plan) -> bool:
        is_open = self.in_block
        for statement in plan.reading.statements:
            control = statement.control
            if control is not None and control.verb in ENDS:
                is_open = control.chain
            elif control is not None and control.verb is ControlVerb.BEGIN:
                is_open = True
        return is_open

    @property
    def settings(self) -> str:
        """What the client has set, as it is now."""
        return in_words(self.guard.books.settings)

    @property
    def found(self) -> list[str]:
        return [f"{found.rule} {found.level}" for found, _ in self.guard.reporter.findings()]
