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


def original_offset(edits: Iterable[Edit], offset: int) -> int:
    """Where a place of the edited text stands in the original (both from 0).

    A place within a replacement becomes the nearest one in what it replaced.
    """
    shift = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        start = edit.start + shift
        if offset < start:
            break
        if offset < start + len(edit.replacement):
            return max(min(edit.start + offset - start, edit.end - 1), edit.start)
        shift += len(edit.replacement) - (edit.end - edit.start)
    return offset - shift


def apart(edits: Iterable[Edit]) -> tuple[tuple[Edit, ...], str]:
    """Those within a single statement, and the text that others write behind it.

    For a driver that sends one statement at a time, and the rest in a message of its own.
    """
    edits = tuple(edits)
    behind = [edit for edit in edits if edit.start == edit.end and edit.replacement[:2] == "; "]
    within = tuple(edit for edit in edits if edit not in behind)
    return within, "".join(edit.replacement for edit in behind)[2:]
