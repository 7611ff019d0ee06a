"""What must hold for every text whatsoever. Raises AssertionError where it does not."""

from __future__ import annotations

import time
from pathlib import Path

from pgpoolsafe.effects import Effect, EffectKind
from pgpoolsafe.sql.lexer import scan
from pgpoolsafe.sql.phrases import source
from pgpoolsafe.sql.reader import read, read_body

FINDINGS = sorted(Path(__file__).with_name("findings").glob("*.sql"))
"""Texts that once broke one of the rules below."""

HAZARD = "\n;SET fuzz.hazard = 1"

LONG = 5_000
"""Characters to which short texts are repeated, past what the cache keeps."""

SLOWEST = 50e-6
"""Seconds a character at most, many times what an ordinary text takes."""
GRACE = 0.05
"""Seconds that say nothing: a pause of the machine."""


def check_text(text: str) -> None:
    """Everything, for one text."""
    check_reading(text)
    check_hazard(text)
    check_time(text)


def check_reading(text: str) -> None:
    """It never raises, and what it says of places is within the text."""
    reading = read(text)
    at = 0
    for statement in reading.statements:
        assert at <= statement.start < statement.end <= len(text)
        at = statement.end
        edits = [edit for effect in statement.effects for edit in effect.edits or ()]
        assert all(statement.start <= edit.start <= edit.end <= at for edit in edits)
    assert reading.plain == (not any(one.effects or one.control for one in reading.statements))
    for language in ("plpgsql", "sql"):
        assert isinstance(read_body(text, language), tuple)


def check_hazard(text: str) -> None:
    """A hazard behind a text that is closed is found; behind any other it is not called safe."""
    if "\0" in text:  # libpq sends nothing of what follows
        return
    found = _effects(text + HAZARD)
    if is_closed(text):
        assert any(effect.key == ("fuzz.hazard",) for effect in found)
    elif not scan(text).complete:
        assert any(effect.kind is EffectKind.UNREADABLE for effect in found)


def is_closed(text: str) -> bool:
    """Whether a statement can begin behind it."""
    code = source(text)
    is_paired = all(end < len(code.tokens) for end in code.closing.values())
    return code.complete and is_paired and "atomic" not in code.words


def check_time(text: str) -> None:
    """It takes time in proportion to its length, also when it is said again and again."""
    longer = text * (LONG // max(len(text), 1)) or text
    took = min(_seconds(longer + " " * run) for run in (1, 2))
    assert took < GRACE + SLOWEST * len(longer), f"{took:.3f} s for {len(longer)} characters"


def _seconds(text: str) -> float:
    begin = time.process_time()
    read(text)
    return time.process_time() - begin


def _effects(text: str) -> list[Effect]:
    return [effect for statement in read(text).statements for effect in statement.effects]
