"""The fuzzer: `make fuzz`, or `python -m tests.fuzz.target [libFuzzer's options] [corpus]`.

What it finds goes, made small, into `findings/`, where the tests read it for ever.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

from tests.oracle.own import STATEMENTS, lines

with atheris.instrument_imports():
    from tests.fuzz.checks import check_text

# Fragments make more of a text than bytes do: each byte below their number is one of them.
FRAGMENTS_WORDS = r"""
    SET LOCAL SESSION RESET ROLE = TO 'a' ' '' E' U&' U&" " $$ $a$ ( ) [ ] ; , . :: -- /* */ %s
    %(a)s $1 SELECT INSERT WITH AS x UPDATE pg_settings WHERE name IN set_config pg_advisory_lock
    true false NULL 1 - + CREATE TEMP TABLE FUNCTION BEGIN ATOMIC END CASE DO EXECUTE format
    || IF THEN LOOP DECLARE CURSOR HOLD LISTEN PREPARE EXPLAIN ANALYZE INTO pg_temp UESCAPE '!' \\
    DROP CAST bool => := LANGUAGE plpgsql COMMIT ROLLBACK SAVEPOINT
"""
FRAGMENTS = [*FRAGMENTS_WORDS.split(), " ", "\n", "\\", "é", "\ud800", "\0"]


def text_of(data: bytes) -> str:
    """A text: fragments for small bytes, characters for the others."""
    return "".join(_piece(byte) for byte in data)


def _piece(byte: int) -> str:
    return f" {FRAGMENTS[byte]}" if byte < len(FRAGMENTS) else chr(byte)


def one_input(data: bytes) -> None:
    """One run: the same bytes as fragments, and as they are."""
    check_text(text_of(data))
    check_text(data.decode("utf-8", "surrogateescape"))


def seed(corpus: Path) -> None:
    """Begin an empty corpus with our own statements."""
    corpus.mkdir(parents=True, exist_ok=True)
    if any(corpus.iterdir()):
        return
    for number, text in enumerate(text for name in STATEMENTS for text in lines(name)):
        (corpus / f"own-{number}").write_text(text, encoding="utf-8")


def main() -> None:
    """Hand over to libFuzzer, which does not come back."""
    for argument in sys.argv[1:]:
        if not argument.startswith("-"):
            seed(Path(argument))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
