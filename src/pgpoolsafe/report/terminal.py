"""The doctor's report for people: in colour on a terminal, plain in a file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ..checkup.advice import Advice
from ..checkup.behaviour import MEANINGS, Behaviour
from ..checkup.check import Check, Grade
from ..checkup.functions import title_of
from ..doctor import Diagnosis
from ..poolers.answers import Answer
from ..rules.findings import Finding

_COLOURS = {
    Answer.LEAKS: "bold red",
    Answer.LOST: "red",
    Answer.ERRORS: "yellow",
    Answer.UNKNOWN: "yellow",
    Answer.PINS: "cyan",
    Answer.TRACKED: "green",
    Answer.WORKS: "green",
}
_SIGNS = {Grade.FINDING: "✗", Grade.NOTE: "!", Grade.OK: "✓"}
_PLAIN_SIGNS = {Grade.FINDING: "x", Grade.NOTE: "!", Grade.OK: "+"}
_GRADE_COLOURS = {Grade.FINDING: "bold red", Grade.NOTE: "yellow", Grade.OK: "green"}
_INDENT = (0, 0, 0, 2)
_WIDEST = 120
_MOST_FUNCTIONS = 20
"""How many lines of functions are shown."""


def show(diagnosis: Diagnosis, console: Console, *, ignored: Collection[str] = ()) -> None:
    """Print the report. `ignored`: names of checks that do not count."""
    with console.capture() as capture:
        for part in _parts(diagnosis, console, frozenset(ignored)):
            console.print(part, width=min(console.width, _WIDEST))
    text = capture.get()
    if not console.is_terminal:  # tables are padded to their width
        text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    console.file.write(text)


def _parts(
    diagnosis: Diagnosis, console: Console, ignored: frozenset[str]
) -> Iterable[RenderableType]:
    yield Text(diagnosis.place, "bold")
    yield ""
    yield Padding(_who(diagnosis), _INDENT)
    yield _heading(_summary(diagnosis, ignored))
    yield Padding(_checks(diagnosis.checks, console, ignored), _INDENT)
    if diagnosis.facts.functions:
        yield _heading("Functions that leave session state")
        yield Padding(_functions(diagnosis.facts.functions), _INDENT)
    if diagnosis.pooler.product != "direct":
        yield _heading("What works and what breaks here")
        yield Padding(_behaviours(diagnosis.behaviours), _INDENT)
        if not diagnosis.pooler.measured:
            yield Padding(Text("\nas documented, not measured", "dim"), _INDENT)
    if diagnosis.way_around:
        yield _heading("Where a session of your own is to be had")
        yield Padding(Text(diagnosis.way_around), _INDENT)
    yield _heading("What to type here")
    yield from (Padding(_piece(piece), _INDENT) for piece in diagnosis.advice)


def _heading(title: str) -> Text:
    return Text(f"\n{title}\n", "bold")


def _summary(diagnosis: Diagnosis, ignored: frozenset[str]) -> str:
    count = len(diagnosis.findings(ignored))
    return {0: "Nothing found", 1: "1 finding"}.get(count, f"{count} findings")


def _who(diagnosis: Diagnosis) -> Table:
    facts = diagnosis.facts
    server = f"PostgreSQL {facts.server.version}" if facts.server else "a server"
    who = (
        f"{server}, without a pooler"
        if facts.pooler.product == "direct"
        else f"{facts.pooler} in front of {server}"
    )
    table = _pairs()
    table.add_row("connected to", Text(who, "bold"))
    table.add_row("how sure", _sure(facts.pooler.confidence))
    for number, evidence in enumerate(facts.pooler.evidence):
        table.add_row("" if number else "because", evidence)
    client = f"psycopg {facts.client.psycopg}, libpq {facts.client.libpq_version}"
    table.add_row("this end", f"{client}, Python {facts.client.python}")
    return table


def _sure(confidence: str) -> str:
    words = {
        "certain": "certain: it says so itself, or you did",
        "likely": "likely: the signs say so",
        "assumed": "assumed: there is too little to go by",
    }
    return words.get(confidence, confidence)


def _pairs() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


# checks


def _checks(checks: Iterable[Check], console: Console, ignored: frozenset[str]) -> Table:
    signs = _SIGNS if _can_draw(console) else _PLAIN_SIGNS
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        counts = check.grade is not Grade.FINDING or check.name not in ignored
        colour = _GRADE_COLOURS[check.grade] if counts else "dim"
        table.add_row(Text(signs[check.grade], colour), _check(check, colour, counts=counts))
    return table


def _check(check: Check, colour: str, *, counts: bool) -> Table:
    """One check: a line where all is well, else the message with its why and fix."""
    grid = Table.grid()
    if check.grade is Grade.OK:
        why = f" ({check.why})" if check.why else ""
        grid.add_row(Text.assemble(check.what, (why, "dim")))
        return grid
    mark = "" if counts else " (ignored)"
    grid.add_row(Text.assemble((f"{check.name}: ", colour), (check.what, "bold"), mark))
    pairs = _pairs()
    if check.why:
        pairs.add_row("why", check.why)
    for number, line in enumerate(check.fix):
        pairs.add_row("" if number else "fix", Text(line))
    grid.add_row(pairs)
    grid.add_row("")
    return grid


def _can_draw(console: Console) -> bool:
    return not console.options.ascii_only


# functions


def _functions(findings: Sequence[Finding]) -> Table:
    """By function: each line that leaves something, and what is to be done instead."""
    grid = Table.grid()
    for title, group in groupby(findings[:_MOST_FUNCTIONS], key=title_of):
        grid.add_row(Text(title, "bold"))
        pairs = _pairs()
        for finding in group:
            line = f"line {finding.location.line}" if finding.location else ""
            pairs.add_row(line, Text.assemble((f"{finding.rule}: ", "yellow"), finding.what))
            pairs.add_row("instead", Text(finding.fix))
        grid.add_row(Padding(pairs, _INDENT))
    more = len(findings) - _MOST_FUNCTIONS
    if more > 0:
        grid.add_row(Text(f"and {more} more: --json and pgpoolsafe.audit() list them all", "dim"))
    return grid


# the table


def _behaviours(rows: Collection[Behaviour]) -> Group:
    """Grouped by what becomes of it, the worst first."""
    width = max((len(row.what) for row in rows if row.instead), default=0)
    header = Text(f"  {'':<{width}}  instead", "dim") if width else Text("")
    parts: list[RenderableType] = [header]
    for answer, group in groupby(rows, key=lambda row: row.answer):
        heading = (answer.value, _COLOURS[answer]), (f": {MEANINGS[answer]}", "dim")
        parts += [Text.assemble(*heading), Padding(_group(list(group), width), _INDENT)]
    return Group(*parts)


def _group(rows: Collection[Behaviour], width: int) -> Table:
    """One answer's rows; what is to be done instead stands in line with the other groups'."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    if any(row.instead for row in rows):
        table.add_column(width=width)
        table.add_column(overflow="fold")
    for row in rows:
        cells = [Text(row.what), Text(row.instead)]
        table.add_row(*cells[: len(table.columns) or 1])
    return table


def _piece(piece: Advice) -> Table:
    grid = Table.grid()
    grid.add_row(Text(piece.library, "cyan"))
    grid.add_row(Syntax(piece.code, "python", theme="ansi_dark", background_color="default"))
    grid.add_row("")
    return grid
