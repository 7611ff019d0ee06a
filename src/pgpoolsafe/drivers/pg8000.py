"""pg8000: its connections, guarded where they send.

Everything that pg8000 sends passes three methods of its connection, so its cursors, `run()` of
the native connection and the commits all do. Its BEGIN is held back until the statement it is
for has been judged, so that a refusal leaves no transaction open.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from pg8000 import core
from pg8000.exceptions import DatabaseError, InterfaceError

from ..effects import PLAIN, EffectKind
from ..errors import ConfigurationError
from ..poolers.endpoints import Endpoint
from ..poolers.probe import PROBED_PARAMETERS, Greeting
from ..rules.catalog import RULES, Level
from ..rules.policy import Mode, Prepared
from . import pg8000_names as names
from . import pg8000_sending as sending
from .fitting import Fitting
from .pg8000_begin import BEGIN, Characteristics
from .positions import Sent
from .seat import ATTRIBUTE, RETIRED, Seat
from .steps import statement
from .wire import AS_IT_IS, Ask, End, Order, Send, run

_ENDS = frozenset({"commit", "rollback"})


class _Own:
    """What this module keeps in a seat.

    `begin`: pg8000's BEGIN is held back. `at_once`: the messages of a statement go out as one,
    for behind a pooler each would be a transaction of its own, on any server connection.
    """

    __slots__ = ("at_once", "begin", "characteristics", "endpoint")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.begin = False
        self.at_once = False
        self.characteristics = Characteristics()


class _Fitting(Fitting):
    def is_open(self, conn: Any) -> bool:
        return bool(conn._transaction_status == core.IN_TRANSACTION)

    def check(self, conn: Any) -> None:
        missing = [name for name in names.LAYOUT if not hasattr(conn, name)]
        if missing:
            raise ConfigurationError(
                f"pg8000 {core.ver} is not supported: it has no {', '.join(missing)}"
            )

    def note(self, conn: Any) -> _Own:
        return _Own(names.endpoint_of(conn))

    def detach(self, conn: Any, owner: Any) -> None:
        super().detach(conn, owner)
        if self.seat_of(conn) is None:
            conn.__dict__.pop(names.ENDPOINT, None)

    def give_back(self, conn: Any, seat: Seat) -> None:
        seat.own.at_once = False
        if seat.own.begin:
            _begin(conn, seat)


class _Wire:
    """What pg8000 knows of a connection."""

    errors: tuple[type[BaseException], ...] = (DatabaseError, InterfaceError)

    def __init__(self, conn: Any, own: _Own) -> None:
        self._conn = conn
        self._own = own

    @property
    def in_block(self) -> bool:
        return sending.in_block(self._conn)

    @property
    def failed(self) -> bool:
        return bool(self._conn._transaction_status == core.IN_FAILED_TRANSACTION)

    @property
    def begins(self) -> bool:
        return self._own.begin

    @property
    def begin(self) -> str:
        return self._own.characteristics.begin

    @property
    def free(self) -> bool:
        return not self.in_block

    def greeting(self) -> Greeting:
        said = names.parameters_of(self._conn)
        return Greeting(
            endpoint=self._own.endpoint,
            backend_pid=names.backend_pid_of(self._conn),
            parameters={name: said[name] for name in PROBED_PARAMETERS if name in said},
            server_version=names.version_number(said.get("server_version", "")),
            local_port=names.port_of(self._conn._usock.getsockname()),
            dialled_port=self._own.endpoint.port or None,
            can_close_prepared=False,
        )

    @property
    def asked(self) -> Mapping[str, str]:
        return {}  # pg8000 forgets it

    @property
    def named(self) -> Mapping[str, str]:
        return {}  # this, too

    def met(self, seat: Seat) -> None:
        """A statement is parsed and run in transactions of their own, unless it goes at once."""
        policy, pooler = seat.guard.policy, seat.guard.pooler
        changes = policy.mode in (Mode.WARN, Mode.STRICT) and policy.prepared is not Prepared.LEAVE
        self._own.at_once = changes and pooler is not None and pooler.shares_sessions

    def is_false(self, result: Any) -> bool:
        return bool(result.rows == [[False]])

    def sqlstate(self, error: BaseException) -> str | None:
        fields = error.args[0] if error.args else None
        return fields.get("C") if isinstance(fields, dict) else None


# sending


def _overrides(cls: Any) -> dict[str, Any]:
    return {
        "execute_simple": _simple_override(cls.execute_simple),
        "execute_unnamed": _unnamed_override(cls.execute_unnamed),
        "execute_named": _named_override(cls.execute_named),
        "_pgpoolsafe_simple": cls.execute_simple,
    }


def _simple_override(send: Any) -> Any:
    def execute_simple(self: Any, statement: Any) -> Any:
        seat: Seat = getattr(self, ATTRIBUTE, RETIRED)
        if statement == BEGIN and _is_own_begin(self, seat):
            seat.own.begin = True
            return core.Context(statement)
        if type(statement) is str and seat.known(statement) is PLAIN:
            if seat is not RETIRED and seat.own.begin:
                _begin(self, seat)
            return send(self, statement)
        return _judged_simple(self, seat, statement)

    return execute_simple


def _judged_simple(conn: Any, seat: Seat, statement: Any) -> Any:
    text = _without_session_wide(conn, seat, statement)
    return _judged(conn, seat, text, None, lambda text, order: sending.simple(conn, text, order))


def _without_session_wide(conn: Any, seat: Seat, text: Any) -> Any:
    """SET SESSION CHARACTERISTICS in a form that leaves nothing behind.

    It is SQLAlchemy that sends it, whatever the user does, so it goes by no rule's level.
    """
    if seat is RETIRED or not isinstance(text, str) or getattr(conn, "autocommit", True):
        return text
    guard = seat.guard
    is_kept = guard.judged_as.answer(EffectKind.SETTING, "default_transaction_isolation").safe
    if is_kept or not guard.watching or guard.policy.mode is Mode.OBSERVE:
        return text
    if guard.carries and guard.policy.level(RULES["session-set"]) is Level.CARRY:
        return text  # the guard carries it, and says it in each BEGIN
    return seat.own.characteristics.local_form(text) or text


def _is_own_begin(conn: Any, seat: Seat) -> bool:
    is_due = not getattr(conn, "autocommit", True) and not sending.in_block(conn)
    return is_due and seat is not RETIRED and seat.guard.watching and conn._sock is not None


def _unnamed_override(send: Any) -> Any:
    def execute_unnamed(
        self: Any, statement: Any, vals: Any = (), oids: Any = (), stream: Any = None
    ) -> Any:
        seat: Seat = getattr(self, ATTRIBUTE, RETIRED)

        def send_text(text: str) -> Any:
            if seat is not RETIRED and seat.own.at_once and not sending.in_block(self):
                return sending.at_once(self, text, vals, oids, stream)
            return send(self, text, vals=vals, oids=oids, stream=stream)

        if statement.__class__ is str and seat.known(statement) is PLAIN:
            _begin(self, seat)
            return send_text(statement)
        if statement in _ENDS and seat.rests and seat is not RETIRED:
            seat.guard.books.in_block = False
            wire = _Wire(self, seat.own)
            return _noting_the_end(wire, seat.own, statement, lambda: send_text(statement))
        return _judged(
            self,
            seat,
            statement,
            vals,
            lambda text, order: sending.extended(
                self, text, order, vals, oids, stream, lambda: send_text(text)
            ),
        )

    return execute_unnamed


def _named_override(send: Any) -> Any:
    def execute_named(
        self: Any, name: Any, params: Any, columns: Any, input_funcs: Any, statement: Any
    ) -> Any:
        seat: Seat = getattr(self, ATTRIBUTE, RETIRED)

        def send_prepared(*_: Any) -> Any:
            return send(self, name, params, columns, input_funcs, statement)

        if statement.__class__ is str and seat.known(statement) is PLAIN:
            _begin(self, seat)
            return send_prepared()
        return _judged(self, seat, statement, params, send_prepared, editable=False)

    return execute_named


def _begin(conn: Any, seat: Seat, text: str | None = None) -> None:
    """Send the BEGIN that was held back, or this one in its place."""
    if seat is not RETIRED and seat.own.begin:
        seat.own.begin = False
        sending.begin(conn, text or seat.own.characteristics.begin)
        seat.guard.books.in_block = True


def _judged(
    conn: Any,
    seat: Seat,
    text: str,
    params: Any,
    send: Callable[[str, Send], Any],
    *,
    editable: bool = True,
) -> Any:
    if conn._sock is None or seat is RETIRED or not isinstance(text, str):
        return send(text, AS_IT_IS)  # pg8000 says so in its own words

    def perform(order: Order) -> Any:
        if isinstance(order, Ask):
            return sending.asked(conn, order.sql)
        if isinstance(order, End):
            return sending.end(conn, order.text)
        _begin(conn, seat, order.begin.whole if order.begin else None)
        with_lead = (params is None and sending.merges(order)) or bool(order.after)
        sent = Sent(text, order.edits, len(order.lead) if with_lead else 0)
        try:
            return send(text if order.text is None else order.text, order)
        except DatabaseError as error:
            sending.show_own_text(error, sent)
            raise

    masked = sys.exc_info()[1] is not None
    wire = _Wire(conn, seat.own)
    can_add = editable and not _needs_begin(seat, params)
    steps = statement(seat, wire, text, params, editable=editable, can_add=can_add, masked=masked)
    try:
        return _noting_the_end(wire, seat.own, text, lambda: run(steps, perform))
    finally:
        seat.own.begin = False


def _needs_begin(seat: Seat, params: Any) -> bool:
    """Whether settings could only go along behind a BEGIN, which statement mode does not have."""
    if not seat.judges_begin:
        return False
    return params is not None or not sending.merges(Send(before=seat.guard.in_force))


def _noting_the_end(wire: _Wire, own: _Own, text: str, work: Callable[[], Any]) -> Any:
    """Do the work; if a transaction ends by it, its characteristics are kept or dropped."""
    commits = text.strip(" ;").lower() == "commit" and not wire.failed
    try:
        result = work()
    except BaseException:
        commits = False
        raise
    finally:
        if not wire.in_block:
            own.characteristics.ended(committed=commits)
    return result


FITTING = _Fitting(_overrides)
