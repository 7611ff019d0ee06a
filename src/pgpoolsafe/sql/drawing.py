"""Which statement drew the value that currval and lastval ask for.

They answer for the session: sound only after a draw of the same transaction. In doubt a
whole statement counts as drawing for those after it, but not for itself, since an INSERT
computes its values before (and whether or not) a default draws one.
"""

from __future__ import annotations

import re

_COMMANDS = frozenset({"INSERT", "MERGE", "COPY", "CALL", "DO", "EXECUTE"})
_WORDS = ("insert", "merge", "nextval", "setval", "default", "identity", "serial")
# Not compiled here: few programs come to it, and all of them import this.
_TARGET = r'insert\s+into\s+(?:[\w"]+\s*\.\s*)?"?(\w+)'


def may_draw(text: str, command: str) -> bool:
    """Whether a statement may draw a sequence value, for the statements after it."""
    low = text.lower()
    return command in _COMMANDS or any(word in low for word in _WORDS)


def draws_for_itself(text: str, function: str, sequence: str | None) -> bool:
    """Whether a statement has drawn before it calls currval or lastval itself.

    It calls nextval or setval too; or the call stands after RETURNING; or it inserts into
    the table that the sequence is named for, as in `VALUES (DEFAULT, currval('node_id_seq'))`.
    """
    low = text.lower()
    if "nextval" in low or "setval" in low:
        return True
    returning = low.rfind("returning")
    if returning >= 0 and low.find(function, returning) >= 0:
        return True
    target = re.search(_TARGET, text, re.IGNORECASE)
    name = (sequence or "").rpartition(".")[2].strip('"')
    return target is not None and name.startswith(f"{target[1]}_")
