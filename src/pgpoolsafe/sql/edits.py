"""Carrying out the edits that make a session-wide setting local."""

from __future__ import annotations

from collections.abc import Iterable

from ..effects import Edit


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit made; their order does not matter, they never overlap.

    Edits at one and the same place keep the order in which they are given.
    """
    parts: list[str] = []
    pos = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += (text[pos : edit.start], edit.replacement)
        pos = edit.end
    parts.append(text[pos:])
    return "".join(parts)
