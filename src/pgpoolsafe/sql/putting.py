"""The texts that put settings in force for one transaction, and ask for them.

`SET LOCAL …` statements take no snapshot, so that SET TRANSACTION may still follow. One
`SELECT set_config(…, true), …` is what a pipeline can begin with, where a leading SET
LOCAL would draw a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from .setting_values import NAME_LISTS, listed_names, quoted_name

Steps = tuple[tuple[str, str | None], ...]
"""Settings and their values, in order; None: that of the login."""


@lru_cache(maxsize=1024)
def local_statements(steps: Steps) -> tuple[str, ...]:
    """One SET LOCAL for each step."""
    return tuple(_set_local(name, value) for name, value in steps)


@lru_cache(maxsize=1024)
def quiet_statements(steps: Steps) -> tuple[str, ...]:
    """The same without any result, for a Query in which the user's results come last or first.

    A row there would pass for one of theirs. MOVE runs a query and returns none; a cursor needs
    a transaction block, as which a Query of several statements counts.
    """
    said = zip(steps, local_statements(steps), strict=True)
    return tuple(one for step, text in said for one in _quietly(step, text))


def answers(steps: Steps) -> bool:
    """Whether `local_statements` of them return rows."""
    return any(map(_is_query, local_statements(steps)))


def _is_query(text: str) -> bool:
    return text.startswith("SELECT")


def _quietly(step: tuple[str, str | None], text: str) -> tuple[str, ...]:
    if not _is_query(text):
        return (text,)
    query = f"SELECT WHERE {_set_config(*step)} IS NULL"  # never, so that the MOVE counts no row
    declared = f"DECLARE {_CURSOR} CURSOR FOR {query}"
    return declared, f"MOVE ALL {_CURSOR}", f"CLOSE {_CURSOR}"


_CURSOR = "_pgpoolsafe_setting"


def lasting_statement(name: str, value: str) -> str:
    """A SET for the session, of a setting as it is given in a connection's options."""
    names = listed_names(value) if name in NAME_LISTS else None
    said = ", ".join(map(literal, names)) if names else literal(value)
    return f"SET {_spelled(name)} TO {said}"


@lru_cache(maxsize=1024)
def local_query(steps: Steps) -> str:
    """The same as one SELECT, which returns one row of no interest."""
    return f"SELECT {', '.join(_set_config(name, value) for name, value in steps)}".rstrip()


def replacing_query(steps: Steps) -> str:
    """The same, each setting with what it was before: old and new values in turns."""
    calls = [
        f"pg_catalog.current_setting({literal(name)}, true), {_set_config(name, value)}"
        for name, value in steps
    ]
    return f"SELECT {', '.join(calls)}"


def asking_query(names: Iterable[str]) -> str:
    """The query for the values of settings, in one row; NULL for one that does not exist."""
    calls = ", ".join(f"pg_catalog.current_setting({literal(name)}, true)" for name in names)
    return f"SELECT {calls}"


def literal(value: str) -> str:
    """A string constant that means the same under any standard_conforming_strings."""
    doubled = value.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in doubled else f"'{doubled}'"


def encoded(text: str, encoding: str) -> bytes:
    """A text of ours as the client sends it, though its encoding may lack a character of a value.

    The server reads the escape in its own (PostgreSQL documentation, 4.1.2.2), and is not to send
    the value back. `encoding` is Python's name of it.
    """
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        escaped = re.sub(_QUOTED, lambda found: _escaped(found[0], encoding), text)
        hidden = f"SELECT FROM ({escaped}) AS ours" if _is_query(text) else escaped
        return hidden.encode(encoding, "surrogateescape")


_QUOTED = r"""(?s)"(?:[^"]|"")*"|E?'(?:[^']|'')*'"""


def _escaped(quoted: str, encoding: str) -> str:
    if quoted[0] == '"':
        return quoted
    body = quoted[2:-1] if quoted[0] == "E" else quoted[1:-1].replace("\\", "\\\\")
    return f"E'{''.join(_in(one, encoding) for one in body)}'"


def _in(character: str, encoding: str) -> str:
    try:
        character.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return f"\\U{ord(character):08x}"
    return character


def _set_config(name: str, value: str | None) -> str:
    new = "NULL" if value is None else literal(value)
    return f"pg_catalog.set_config({literal(name)}, {new}, true)"


def _set_local(name: str, value: str | None) -> str:
    if value is None:
        return f"SET LOCAL {_spelled(name)} TO DEFAULT"
    if name not in NAME_LISTS:
        return f"SET LOCAL {_spelled(name)} TO {literal(value)}"
    names = listed_names(value) or []
    if not names or ", ".join(map(quoted_name, names)) != value:
        # Not what SET makes of any list: an empty one, or one in somebody's own spelling.
        return local_query(((name, value),))
    return f"SET LOCAL {name} TO {', '.join(map(literal, names))}"


def _spelled(name: str) -> str:
    """A setting's name as SQL: in quotes, part by part, where it is not plain."""
    parts = name.split(".")
    if len(parts) == 1:
        return name if name.isascii() and name.isidentifier() else _quoted(name)
    return ".".join(map(_quoted, parts))


def _quoted(part: str) -> str:
    doubled = part.replace('"', '""')
    return f'"{doubled}"'
