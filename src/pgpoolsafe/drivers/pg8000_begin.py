"""pg8000: SET SESSION CHARACTERISTICS, kept for the client and put into its BEGINs.

That is how SQLAlchemy sets the isolation level and READ ONLY on pg8000, and how it takes an
AUTOCOMMIT back. It would change the server connection for whoever gets it next. Here it is
sent as SET LOCAL, which the server checks and forgets, and every later BEGIN states what was
asked for. A ROLLBACK takes it back, as it does on a plain connection.
"""

from __future__ import annotations

import re

BEGIN = "begin transaction"
"""What pg8000 sends by itself before the first statement of a transaction."""

_PARTS = {
    r"isolation\s+level\s+(serializable|repeatable\s+read|read\s+committed|read\s+uncommitted)": (
        "default_transaction_isolation"
    ),
    r"read\s+(only|write)": "default_transaction_read_only",
    r"(not\s+)?deferrable": "default_transaction_deferrable",
}
_TEXT = re.compile(
    r"\s*set\s+session\s+characteristics\s+as\s+transaction\s+(?P<parts>[a-z\s,]+?)\s*;?\s*",
    re.IGNORECASE,
)


class Characteristics:
    """What one client has asked for, by setting: the words of SET SESSION CHARACTERISTICS."""

    __slots__ = ("_committed", "_proposed")

    def __init__(self) -> None:
        self._committed: dict[str, str] = {}
        self._proposed: dict[str, str] = {}

    @property
    def begin(self) -> str:
        """pg8000's BEGIN, with what the client has asked for."""
        return " ".join([BEGIN, ", ".join(self._committed.values())]).rstrip()

    def local_form(self, text: str) -> str | None:
        """The text to send instead, if it is one SET SESSION CHARACTERISTICS; it is noted."""
        parts = parts_of(text)
        if not parts:
            return None
        self._proposed.update(parts)
        return "; ".join(f"SET LOCAL {name} TO {_value(words)}" for name, words in parts.items())

    def ended(self, *, committed: bool) -> None:
        """The transaction is over."""
        if committed:
            self._committed.update(self._proposed)
        self._proposed.clear()


def parts_of(text: str) -> dict[str, str]:
    """The characteristics of one SET SESSION CHARACTERISTICS; empty for any other text."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return {}
    parts: dict[str, str] = {}
    rest = found["parts"].strip().lower()
    while rest:
        name, words = _first(rest)
        if name is None:
            return {}
        parts[name] = " ".join(words.split()).upper()
        rest = rest[len(words) :].lstrip(" \t\r\n,")
    return parts


def _first(rest: str) -> tuple[str | None, str]:
    for pattern, name in _PARTS.items():
        found = re.match(rf"(?:{pattern})\b", rest)
        if found is not None:
            return name, found[0]
    return None, ""


def _value(words: str) -> str:
    if words.startswith("ISOLATION"):
        return f"'{words.partition('LEVEL ')[2].lower()}'"
    return "on" if words in ("READ ONLY", "DEFERRABLE") else "off"
