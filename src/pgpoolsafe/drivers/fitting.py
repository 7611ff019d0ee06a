"""Putting the guard on a connection of a driver and taking it off again.

As on psycopg, a guarded object is given a subclass of its own class that is made on the fly
(`obj.__class__ = …`): that works on connections that are open, for classes of the user's
too, changes nothing global, and is undone by assigning the class back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigurationError
from ..guard import Guard
from ..rules.policy import Policy
from .copying import reduce_override
from .reclassing import give_class
from .seat import ATTRIBUTE, Seat

Overrides = Callable[[Any], dict[str, Any]]
"""What a guarded subclass of a class overrides."""


class Classes:
    """The guarded subclasses of one kind of object, by the class they are made of."""

    def __init__(self, overrides: Overrides) -> None:
        self._overrides = overrides
        self._made: dict[type, type] = {}
        self._guarded: set[type] = set()

    def of(self, cls: type) -> type:
        """The guarded subclass of a class (which may be one already)."""
        if cls in self._guarded:
            return cls
        found = self._made.get(cls)
        if found is None:
            found = self._made[cls] = subclass(cls, self._overrides(cls))
            self._guarded.add(found)
        return found

    @property
    def made(self) -> Mapping[type, type]:
        """The guarded subclasses that there are, by their classes."""
        return self._made

    def is_guarded(self, cls: type) -> bool:
        """Whether a class is one of these."""
        return cls in self._guarded


def subclass(cls: type, overrides: dict[str, Any]) -> type:
    """A subclass that looks like its one base; no new slot, so that __class__ can change.

    Raises ConfigurationError where the class takes no subclass.
    """
    names = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__slots__": (),
        "__reduce_ex__": reduce_override(cls),
        **overrides,
    }
    try:
        made: type = type(cls)(cls.__name__, (cls,), names)
    except TypeError as error:
        raise ConfigurationError(
            f"{cls.__module__}.{cls.__qualname__} cannot be guarded: it takes no subclass ({error})"
        ) from error
    return made


class Fitting:
    """How the connections of one driver are guarded; the same four calls for each driver."""

    def __init__(self, overrides: Overrides) -> None:
        self.classes = Classes(overrides)

    def carrier(self, conn: Any) -> Any:
        """The object whose class is changed, and which carries the seat."""
        return conn

    def check(self, conn: Any) -> None:
        """Raise ConfigurationError for a connection that cannot be guarded wholly."""

    def is_open(self, conn: Any) -> bool:
        """Whether a transaction is open, and not aborted."""
        raise NotImplementedError

    def note(self, conn: Any) -> Any:
        """What the driver's module keeps in the seat."""

    def give_back(self, conn: Any, seat: Seat) -> None:
        """Undo what the wire has changed in the driver when it met the pooler."""

    def seat_of(self, conn: Any) -> Seat | None:
        """The seat of a guarded connection."""
        seat: Seat | None = getattr(self.carrier(conn), ATTRIBUTE, None)
        return seat

    def attach(
        self, conn: Any, owner: Any, *, refused_options: Mapping[str, str] | None = None
    ) -> None:
        """Guard a connection for an installation; harmless if that one guards it already.

        `owner` gives `policy`, `reporter` and `override` (see `install.Installation`).
        `refused_options`: the settings that it had to be opened without.
        Raises ConfigurationError for a connection that cannot be guarded.
        """
        seat = self.seat_of(conn)
        if seat is not None and owner in seat.owners:
            return
        if seat is None:
            seat = self._seated(conn, owner)
        seat.refused_options.update(refused_options or {})
        owner.guards(conn)
        seat.owners.append(owner)
        self._obey(conn, seat)

    def _seated(self, conn: Any, owner: Any) -> Seat:
        self.check(conn)
        carrier = self.carrier(conn)
        guarded = self.classes.of(type(carrier))
        seat = carrier.__dict__[ATTRIBUTE] = Seat(
            Guard(owner.policy, owner.reporter), self.note(conn)
        )
        give_class(carrier, guarded)
        return seat

    def detach(self, conn: Any, owner: Any) -> None:
        """Take an installation's guard off; with the last one the connection is as it was."""
        seat = self.seat_of(conn)
        if seat is None or owner not in seat.owners:
            return
        seat.owners.remove(owner)
        if seat.owners:
            self._obey(conn, seat)
            return
        self.give_back(conn, seat)
        carrier = self.carrier(conn)
        give_class(carrier, type(carrier).__mro__[1])
        del carrier.__dict__[ATTRIBUTE]

    def _obey(self, conn: Any, seat: Seat) -> None:
        """Follow the installation that came last."""
        owner = seat.owners[-1]
        books = seat.guard.books
        seat.guard = Guard(owner.policy, owner.reporter)
        seat.guard.books = books
        seat.met = False
        self.give_back(conn, seat)
        seat.settle()


def check_policy(policy: Policy) -> None:
    """Refuse what only the guard of psycopg can do."""
    if policy.checks_residue:
        raise ConfigurationError(
            "residue=True looks at the sessions of psycopg only; leave it out on another driver"
        )


class One:
    """The attachment of a single connection."""

    def __init__(self, fitting: Fitting, conn: Any, installation: Any) -> None:
        self._fitting = fitting
        self._installation = installation

    def attach(self) -> None:
        """Guard the connection."""
        check_policy(self._installation.policy)
        self._fitting.attach(self._installation.target, self._installation)

    def detach(self) -> None:
        """Nothing but the connection was changed."""
