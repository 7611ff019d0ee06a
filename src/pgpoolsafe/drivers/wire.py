"""What a guarded connection can do, and what it knows of itself: orders, and who takes them.

The steps of a statement (`steps`, `meeting`) are generators that do no input or output. Each
yields what is to be done on the wire and is resumed with what came back, errors included.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..effects import Edit
from ..poolers.probe import Greeting
from ..session.settings import NOTHING, Carried
from ..sql.putting import local_statements, quiet_statements
from .seat import Seat


@dataclass(frozen=True, slots=True)
class Begin:
    """The BEGIN that a driver sends by itself, and the settings that follow it."""

    text: str
    after: Carried = NOTHING

    @property
    def whole(self) -> str:
        """As one simple Query."""
        return "; ".join([self.text, *local_statements(self.after.steps)])


@dataclass(frozen=True, slots=True)
class Send:
    """Send what the driver was to send; with this text instead, if it is not None.

    Settings may go with it, in the message that carries it: `before`, in its own transaction
    and in force for it; `after`, behind a BEGIN. `alone`: it has no effect by itself (SET
    LOCAL), so that something has to stand before it. `begin`: the driver's BEGIN goes first.
    `edits`: what made the text of the user's.
    """

    text: str | None = None
    before: Carried = NOTHING
    after: Carried = NOTHING
    alone: bool = False
    begin: Begin | None = None
    edits: tuple[Edit, ...] = ()

    @property
    def travels(self) -> bool:
        """Whether anything goes along with the text."""
        return bool(self.before or self.after or self.alone)

    @property
    def head(self) -> tuple[str, ...]:
        """What stands before the text, as statements of one simple Query."""
        modes = self.before.modes
        first = (f"SET TRANSACTION {' '.join(modes.values())}",) if modes else ()
        head = (*first, *local_statements(self.before.steps))
        return head or (("SELECT WHERE false",) if self.alone else ())

    @property
    def lead(self) -> str:
        """The same, up to where the text begins."""
        return "".join(f"{one}; " for one in self.head)

    def around(self, text: str) -> str:
        """The text with all that goes along, as one simple Query."""
        tail = quiet_statements(self.after.steps)
        body = text.rstrip().rstrip(";") if tail else text
        return self.lead + "; ".join([body, *tail])


@dataclass(frozen=True, slots=True)
class Ask:
    """Run a query of ours; its one row of texts comes back.

    `within`: in the open transaction; otherwise the connection is free, and stays so.
    """

    sql: str
    within: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """End the transaction by this text, in one message."""

    text: str


Order = Send | Ask | End
Steps = Generator[Order, Any, Any]

AS_IT_IS = Send()


class Wire(Protocol):
    """What a driver knows of its connection without a word to the server.

    `in_block`, `failed`: the transaction's state; `begins`: the driver opens a block before
    the next statement, by `begin`; `free`: a question can be asked without touching what is
    under way. `errors` are the driver's own, as opposed to ours.
    """

    errors: tuple[type[BaseException], ...]

    @property
    def in_block(self) -> bool: ...
    @property
    def failed(self) -> bool: ...
    @property
    def begins(self) -> bool: ...
    @property
    def begin(self) -> str: ...
    @property
    def free(self) -> bool: ...

    def greeting(self) -> Greeting:
        """What the connection has shown since it was opened."""

    @property
    def asked(self) -> Mapping[str, str]:
        """The settings that the connection was opened with."""

    @property
    def named(self) -> Mapping[str, str]:
        """Those of them that libpq has parameters for, which poolers know."""

    def met(self, seat: Seat) -> None:
        """The pooler is known: bring the driver's prepared statements in line with it."""

    def is_false(self, result: Any) -> bool:
        """Whether the one value that came back is false."""

    def sqlstate(self, error: BaseException) -> str | None:
        """The server's code for an error, if it is the server's."""


# driving the steps


def run(steps: Steps, perform: Callable[[Order], Any]) -> Any:
    """Carry the steps out; what the last one returned."""
    try:
        order = next(steps)
        while True:
            try:
                result = perform(order)
            except BaseException as error:  # noqa: BLE001  # handed on
                order = steps.throw(error)
            else:
                order = steps.send(result)
    except StopIteration as end:
        return end.value


async def run_async(steps: Steps, perform: Callable[[Order], Awaitable[Any]]) -> Any:
    """As `run`, for a driver whose calls are awaited."""
    try:
        order = next(steps)
        while True:
            try:
                result = await perform(order)
            except BaseException as error:  # noqa: BLE001  # handed on
                order = steps.throw(error)
            else:
                order = steps.send(result)
    except StopIteration as end:
        return end.value
