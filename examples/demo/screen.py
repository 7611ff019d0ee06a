"""Two performances side by side, on a terminal of 80 to 100 columns or in a plain file."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from itertools import zip_longest

from .scenes import Outcome, Scene
from .stage import Line

WIDTH = max(80, min(100, shutil.get_terminal_size((96, 24)).columns))
COLUMN = (WIDTH - 3) // 2

BOLD, RED, GREEN, DIM = "1", "31", "32", "2"

Cell = tuple[str, str]
"""Text of at most COLUMN characters, and its colour."""


def show_text(text: str = "") -> None:
    """Print a paragraph that fits the screen."""
    print(textwrap.fill(text, WIDTH), flush=True)


def show_scene(
    number: int, scene: Scene, plain: tuple[list[Line], Outcome], safe: tuple[list[Line], Outcome]
) -> None:
    """Print one scene: its title, both transcripts beside each other, both outcomes."""
    print("\n" + colour(f"{number}. {scene.title}", BOLD))
    print(textwrap.fill(scene.story, WIDTH, initial_indent="   ", subsequent_indent="   "))
    print_row(("without the guard", BOLD), ("with pgpoolsafe", BOLD))
    print("─" * COLUMN + "─┼─" + "─" * (WIDTH - COLUMN - 3))
    print_columns(transcript(plain[0]), transcript(safe[0]))
    print_columns(verdict(plain[1]), verdict(safe[1]))
    sys.stdout.flush()


def transcript(lines: list[Line]) -> list[Cell]:
    """The lines of a transcript as cells, wrapped."""
    return [cell for line in lines for cell in cells_of(line)]


def cells_of(line: Line) -> Iterator[Cell]:
    """`A/1  select 1` for what was said, `     = 1` for the answer."""
    lead = " " * 5 + "= " if line.answer else f"{line.who:<5}"
    for text in wrapped(line.text, lead):
        yield text, DIM if line.answer else ""


def verdict(outcome: Outcome) -> list[Cell]:
    """The outcome as cells: a cross or a tick, and what happened."""
    mark, shade = ("✗ ", RED) if outcome.harmed else ("✓ ", GREEN)
    return [(text, shade) for text in wrapped(outcome.text, mark)]


def wrapped(text: str, lead: str) -> list[str]:
    """The text in lines of the column's width, the first one beginning with `lead`."""
    return textwrap.wrap(
        text, COLUMN, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False
    )


def print_columns(left: list[Cell], right: list[Cell]) -> None:
    """Print two lists of cells beside each other."""
    for one, other in zip_longest(left, right, fillvalue=("", "")):
        print_row(one, other)


def print_row(left: Cell, right: Cell) -> None:
    """Print two cells beside each other."""
    text, shade = left
    print(colour(f"{text:<{COLUMN}}", shade) + " │ " + colour(*right))


def colour(text: str, shade: str) -> str:
    """The text in a colour, where there is a terminal that wants colours."""
    if not shade or not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\x1b[{shade}m{text}\x1b[0m"
