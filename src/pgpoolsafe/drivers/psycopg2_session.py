"""psycopg2: what a connection's methods send by themselves, and questions of our own.

In autocommit mode `set_session()` and the attributes it stands for make psycopg2 send a
session-wide SET (`SET default_transaction_isolation TO …`); otherwise they only change the
text of the next BEGIN, which is local. Observed on 2.9, as its connection_int.c has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import psycopg2
from psycopg2 import extensions

from ..session.settings import Carried
from ..sql.putting import quiet_statements

logger = logging.getLogger("pgpoolsafe")

Judge = Callable[[Any, str, Callable[[], Any]], Any]
"""Judges a text that a method of a connection makes psycopg2 send, and calls the method."""

CHARACTERISTICS = ("isolation_level", "readonly", "deferrable")
_SETTINGS = {
    "isolation_level": "default_transaction_isolation",
    "readonly": "default_transaction_read_only",
    "deferrable": "default_transaction_deferrable",
}


def overrides(cls: Any, judge: Judge) -> dict[str, Any]:
    """The methods and attributes of a connection that change the session."""
    return {
        "set_session": _set_session(cls, judge),
        "set_isolation_level": _set_isolation_level(cls, judge),
        **{name: _attribute(cls, name, judge) for name in CHARACTERISTICS},
        "set_client_encoding": _set_client_encoding(cls, judge),
        "reset": _reset(cls, judge),
    }


def _set_session(cls: Any, judge: Judge) -> Any:
    def set_session(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip((*CHARACTERISTICS, "autocommit"), args, strict=False), **kwargs)
        send = partial(cls.set_session, self, *args, **kwargs)
        return _judged(self, given, send, judge)

    return set_session


def _set_isolation_level(cls: Any, judge: Judge) -> Any:
    def set_isolation_level(self: Any, level: Any) -> Any:
        if level == extensions.ISOLATION_LEVEL_AUTOCOMMIT:
            return _ended_first(self, partial(cls.set_isolation_level, self, level))
        given = {"isolation_level": level, "autocommit": False}
        send = partial(cls.set_isolation_level, self, level)
        return _ended_first(self, partial(_judged, self, given, send, judge))

    return set_isolation_level


def _ended_first(conn: Any, then: Callable[[], Any]) -> Any:
    """psycopg2 rolls back without a word; by its own method the guard hears of it."""
    if conn.get_transaction_status() != extensions.TRANSACTION_STATUS_IDLE and not conn.closed:
        conn.rollback()
    return then()


def _attribute(cls: Any, name: str, judge: Judge) -> property:
    own = getattr(cls, name)

    def set_value(self: Any, value: Any) -> None:
        _judged(self, {name: value}, partial(own.__set__, self, value), judge)

    return property(own.__get__, set_value, doc=own.__doc__)


def _judged(conn: Any, given: dict[str, Any], send: Callable[[], Any], judge: Judge) -> Any:
    texts = changes(conn, given)
    return judge(conn, "; ".join(texts), send) if texts else send()


def changes(conn: Any, given: dict[str, Any]) -> list[str]:
    """The session-wide SETs that psycopg2 sends for this; none outside autocommit mode.

    `given`: the characteristics that are set, and `autocommit`.
    """
    autocommit = given.get("autocommit")
    if not (conn.autocommit if autocommit is None else autocommit):
        return []  # what it sends when autocommit ends only takes back
    return [
        f"SET {_SETTINGS[name]} TO {'DEFAULT' if _is_default(value) else _literal(value)}"
        for name, value in given.items()
        if name in _SETTINGS and value is not None and value != getattr(conn, name)
    ]


def _is_default(value: Any) -> bool:
    return isinstance(value, str) and value.lower() == "default"


_LEVELS = {1: "read committed", 2: "repeatable read", 3: "serializable", 4: "read uncommitted"}


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "'" + str(_LEVELS.get(value, value)).lower().replace("'", "''") + "'"


def _set_client_encoding(cls: Any, judge: Judge) -> Any:
    def set_client_encoding(self: Any, encoding: str) -> Any:
        send = partial(cls.set_client_encoding, self, encoding)
        if str(encoding).upper() == self.encoding:
            return send()
        quoted = str(encoding).replace("'", "''")
        return judge(self, f"SET client_encoding TO '{quoted}'", send)

    return set_client_encoding


def _reset(cls: Any, judge: Judge) -> Any:
    def reset(self: Any) -> Any:
        text = "ROLLBACK; RESET ALL; SET SESSION AUTHORIZATION DEFAULT"
        return judge(self, text, partial(cls.reset, self))

    return reset


# BEGIN, and what goes with a text


def begin_of(conn: Any) -> str:
    """The BEGIN that psycopg2 sends, with what was asked for by set_session()."""
    level = conn.isolation_level
    words = ["BEGIN"]
    if level is not None:
        words.append(f"ISOLATION LEVEL {_LEVELS[level].upper()}")
    if conn.readonly is not None:
        words.append("READ ONLY" if conn.readonly else "READ WRITE")
    if conn.deferrable is not None:
        words.append("DEFERRABLE" if conn.deferrable else "NOT DEFERRABLE")
    return " ".join(words)


def sides(head: Sequence[str], text: str, after: Carried) -> tuple[str, str, str]:
    """What stands before a text that goes along with settings, the text, and what follows it."""
    tail = "".join(f"; {one}" for one in quiet_statements(after.steps))
    return "".join(f"{one}; " for one in head), text.rstrip().rstrip(";") if tail else text, tail


def merged(lead: str, text: str, tail: str, *, doubled: bool) -> str:
    """The three as one; `doubled`: psycopg2 will take %% for %."""
    if doubled:
        lead, tail = (side.replace("%", "%%") for side in (lead, tail))
    return lead + text + tail


# our own messages


def ask(conn: Any, question: str) -> list[str | None]:
    """The one row of a question, as texts. The connection is idle, and so it stays.

    One round trip; three within `with conn:`, and where isolation is set, for then psycopg2
    would change the session on the way into autocommit mode and back.
    """
    has_own = any(getattr(conn, name) is not None for name in CHARACTERISTICS)
    if conn.autocommit or has_own:
        return _asked(conn, question)
    _autocommit(conn, True)
    try:
        return _asked(conn, question)
    finally:
        _autocommit(conn, False)


def ask_within(conn: Any, question: str) -> list[str | None]:
    """The same in the open transaction."""
    cursor = extensions.cursor(conn)
    cursor.execute(question)
    row = cursor.fetchone() or ()
    return [None if value is None else str(value) for value in row]


def _asked(conn: Any, question: str) -> list[str | None]:
    try:
        return ask_within(conn, question)
    finally:
        # Within `with conn:` psycopg2 begins a transaction in autocommit mode, too.
        if not conn.closed and conn.status != extensions.STATUS_READY:
            extensions.connection.rollback(conn)


def _autocommit(conn: Any, value: bool) -> None:
    if not conn.closed:
        extensions.connection.autocommit.__set__(conn, value)


def end(conn: Any, text: str) -> None:
    """Send what ends the transaction, in one message, and let psycopg2 know that it is over.

    Within a two-phase transaction psycopg2 is left as it is when the server refuses PREPARE
    TRANSACTION: the program calls tpc_rollback().
    """
    if text != "ROLLBACK":
        _send(conn, text)
    try:
        extensions.connection.rollback(conn)
    except psycopg2.ProgrammingError:
        _send(conn, "ROLLBACK")


def _send(conn: Any, text: str) -> None:
    try:
        extensions.cursor(conn).execute(text)
    except psycopg2.Error as error:
        # What follows the ROLLBACK may find nothing to release.
        logger.debug("after a transaction that was refused: %s", error)
