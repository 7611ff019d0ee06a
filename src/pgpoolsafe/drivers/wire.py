"""What a guarded connection can do, and what it knows of itself: orders, and who takes them.

The steps of a statement (`steps`, `meeting`) are generators that do no input or output. Each
yields what is to be done on the wire and is resumed with what came back, errors included.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from ..poolers.probe import Greeting
from .seat import Seat


@dataclass(frozen=True, slots=True)
class Send:
    """Send what the driver was to send; with this text instead, if it is not None."""

    text: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Run a query outside any transaction; its one row of texts comes back."""

    sql: str


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
    the next statement; `free`: a question can be asked without touching what is under way.
    `errors` are the driver's own, as opposed to ours.
    """

    errors: tuple[type[BaseException], ...]

    @property
    def in_block(self) -> bool: ...
    @property
    def failed(self) -> bool: ...
    @property
    def begins(self) -> bool: ...
    @property
    def free(self) -> bool: ...

    def greeting(self) -> Greeting:
        """What the connection has shown since it was opened."""

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
