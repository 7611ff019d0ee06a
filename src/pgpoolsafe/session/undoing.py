"""What takes back what a transaction holds and ROLLBACK would leave behind."""

from __future__ import annotations

import re
from typing import Any

from ..effects import EffectKind
from .books import Books, Key

_UNDONE_BY = {
    "replication origin": "SELECT pg_catalog.pg_replication_origin_session_reset()",
    "set_user": "SELECT reset_user()",
    "hypopg": "SELECT hypopg_reset()",
}
"""What takes back the session state of which there is one in a session (its key)."""

_UNLOCK_ALL = "SELECT pg_catalog.pg_advisory_unlock_all()"
_INTEGER = r"-?[0-9]+"


def releases(books: Books[Any]) -> list[str]:
    """What releases what is held and not allowed: locks first, for they never fail."""
    texts: list[str] = []
    for key, memos in sorted(books.surviving.items(), key=_locks_first):
        texts += [text for memo in memos if memo is not None for text in _release(key)]
    return list(dict.fromkeys(texts)) if _UNLOCK_ALL in texts else texts


def _locks_first(item: tuple[Key, object]) -> bool:
    return item[0][0] is not EffectKind.ADVISORY_LOCK


def _release(key: Key) -> list[str]:
    kind, name, shared = key
    if kind is EffectKind.ADVISORY_LOCK:
        return [_unlock(name, "_shared" if shared else "")]
    if kind is EffectKind.PREPARED_STATEMENT and name:
        return [f'DEALLOCATE "{name[0].replace(chr(34), chr(34) * 2)}"']
    if kind is EffectKind.SESSION_FUNCTION and name[:1] and name[0] in _UNDONE_BY:
        return [_UNDONE_BY[name[0]]]
    return []


def _unlock(key: tuple[str, ...], shared: str) -> str:
    """The very lock; where its key is an expression, all there are on the connection."""
    if key and all(re.fullmatch(_INTEGER, part) for part in key):
        return f"SELECT pg_catalog.pg_advisory_unlock{shared}({', '.join(key)})"
    return _UNLOCK_ALL
