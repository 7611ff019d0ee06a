"""psycopg2: what a cursor and an error show of a text that settings went along with.

psycopg2 merges parameters into a text itself, so what the user's own became is read from what
was sent.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import extensions

from ..effects import Edit
from .positions import Sent
from .psycopg2_errors import show_own_text

_raw_query = extensions.cursor.query.__get__
_raw_status = extensions.cursor.statusmessage.__get__


@dataclass(frozen=True, slots=True)
class _Own:
    """The user's part of what a cursor has sent, and its command tag if that is another."""

    whole: bytes
    query: bytes
    tag: str | None


_shown: weakref.WeakKeyDictionary[Any, _Own] = weakref.WeakKeyDictionary()
"""By cursor: what it has sent last, where that was not the user's text alone."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The user's `text`, as it is sent: with these edits, behind `lead` and before `tail`.

    `is_merged`: psycopg2 writes parameters into it. `tag`: the command tag of the user's own.
    """

    text: str
    edits: tuple[Edit, ...]
    lead: str
    tail: str
    is_merged: bool
    tag: str | None = None

    def send(self, cursor: Any, send: Callable[[], Any]) -> Any:
        """Send it; afterwards the cursor, and an error, show the user's part alone."""
        try:
            return send()
        except psycopg2.Error as error:
            show_own_text(error, self._sent(cursor))
            raise
        finally:
            self._show(cursor)

    def _show(self, cursor: Any) -> None:
        whole = _raw_query(cursor)
        if whole is not None and (self.lead or self.tail or self.edits):
            _shown[cursor] = _Own(whole, self._own(cursor, whole), self.tag)

    def _own(self, cursor: Any, whole: bytes) -> bytes:
        encoding = encoding_of(cursor.connection)
        if not self.is_merged:
            return self.text.encode(encoding, "surrogateescape")
        lead, tail = (side.encode(encoding) for side in (self.lead, self.tail))
        return whole.removeprefix(lead).removesuffix(tail)

    def _sent(self, cursor: Any) -> Sent:
        """Edits behind the first parameter are left in: where they are is not known."""
        if not self.is_merged:
            text, _, _ = self.text.partition("\0")  # for C code it ends there
            return Sent(text, self.edits, len(self.lead))
        own = self._own(cursor, _raw_query(cursor) or b"")
        text = own.decode(encoding_of(cursor.connection), "surrogateescape")
        return Sent(text, (), len(self.lead))


def query_shown(cursor: Any) -> bytes | None:
    """`cursor.query`, without the settings that went along."""
    whole: bytes | None = _raw_query(cursor)
    own = _known(cursor)
    return whole if own is None else own.query


def status_shown(cursor: Any) -> str | None:
    """`cursor.statusmessage`, of the user's statement."""
    status: str | None = _raw_status(cursor)
    own = _known(cursor)
    return own.tag if own is not None and own.tag is not None and status else status


def _known(cursor: Any) -> _Own | None:
    own = _shown.get(cursor)
    return own if own is not None and own.whole == _raw_query(cursor) else None


def encoding_of(conn: Any) -> str:
    """Python's name of the encoding of a connection."""
    return str(extensions.encodings.get(conn.encoding, "utf-8"))
