"""Write the generated pages of docs/: a page for each rule, their index, and the poolers.

    python scripts/make_docs.py [--check]

The pages come from the catalogue (`rules/catalog.py`), the words and examples of each rule
(`rules/pages.py`) and the pooler table (`poolers/products.py`). With --check nothing is
written; the exit status is 1 if a page is not what it would be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pgpoolsafe.effects import EffectKind
from pgpoolsafe.poolers.answers import Answer, PoolMode
from pgpoolsafe.poolers.endpoints import ROWS as ENDPOINTS
from pgpoolsafe.poolers.products import COLUMNS, PRODUCTS, ROWS, TITLES, Row
from pgpoolsafe.rules.catalog import RULES, Level, Rule
from pgpoolsafe.rules.page import Example
from pgpoolsafe.rules.pages import PAGES

DOCS = Path(__file__).resolve().parent.parent / "docs"
GENERATED = "<!-- Written by `make docs`; a change here is lost. -->"

MEANING = {
    Answer.LEAKS: "it stays on the server connection, where other clients meet it",
    Answer.LOST: "the pooler resets it, so that the client that made it misses it",
    Answer.TRACKED: "the pooler restores it for its client and for nobody else",
    Answer.PINS: "the client keeps the server connection from then on",
    Answer.ERRORS: "the pooler refuses it",
    Answer.WORKS: "as on a direct connection",
    Answer.UNKNOWN: "neither measured nor documented; judged as *leaks*",
}

PREPARED = {True: "tracked", False: "not tracked", None: "as configured"}

LEVELS = {
    Level.IGNORE: "nothing",
    Level.OBSERVE: "a line in the log",
    Level.WARN: "`SessionStateWarning`, once for each place",
    Level.RAISE: "`SessionStateError`, before it is sent or before COMMIT",
    Level.REWRITE: "repaired, and a line in the log at level INFO; what cannot be repaired"
    " warns, or raises in strict mode",
    Level.CARRY: "it works as on a connection of one's own: see [settings](../settings.md); what"
    " cannot be carried warns, or raises in strict mode",
}


ASKED_FOR = {
    "residue": "Looked for in strict mode, with `residue=True`.",
    "empty-custom-setting": "Listed by `audit()`.",
}
"""The rules that no statement of the program breaks, and who looks for them."""

AUDIT_LEVELS = dict.fromkeys(LEVELS, "listed under that level") | {Level.IGNORE: "not listed"}

SESSION_LEVELS = {
    **LEVELS,
    Level.RAISE: "`SessionStateError`, from the statement that ends the transaction",
}
"""For what is found when the transaction is over."""


# Markdown


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; the cells are Markdown themselves."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(title: str, *paragraphs: str) -> str:
    """A section with its heading; empty paragraphs are left out, and so is an empty section."""
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return f"## {title}\n\n{body}" if body else ""


def code(text: str, language: str = "python") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def document(title: str, *parts: str) -> str:
    """A whole file."""
    body = "\n\n".join(part for part in parts if part)
    return f"# {title}\n\n{GENERATED}\n\n{body}\n"


# A rule's page


def rule_page(rule: Rule) -> str:
    """The page of one rule."""
    page = PAGES[rule.name]
    return document(
        rule.name,
        f"{rule.title}. {told(rule)}",
        section("What happens", page.story),
        section("Unsafe and safe", *(shown(name, e) for name, e in page.examples.items())),
        section("What to do", page.remedy),
        section("What each pooler does", *poolers_of(rule), page.elsewhere),
        section("When it is fine", page.fine, code(page.allow), comment_line(rule)),
        section("What is not detected", page.undetected),
        section("Found, and not found", *statements_of(rule)),
        section("Levels", levels_of(rule)),
        section("References", "\n".join(f"- <{link}>" for link in rule.references)),
    )


def told(rule: Rule) -> str:
    """What the rule does when nobody asked for anything else, in one sentence."""
    if rule.default is Level.IGNORE:
        return "Off unless asked for."
    if rule.name in ASKED_FOR:
        return ASKED_FOR[rule.name]
    if rule.default is Level.REWRITE:
        return "Repaired where it can be; otherwise warned of, or refused in strict mode."
    return "Warned of, and refused in strict mode."


def shown(library: str, example: Example) -> str:
    """Both halves of an example."""
    return (
        f"### {library}\n\n**Unsafe**\n\n{code(example.unsafe)}\n\n**Safe**\n\n{code(example.safe)}"
    )


def comment_line(rule: Rule) -> str:
    """How to allow one statement from within its text, for rules that statements break."""
    if not rule.bad:
        return ""
    where = "body of the function" if rule.name in ASKED_FOR else "statement itself"
    cover = f' An `allow("{rule.under}")` covers it too.' if rule.under else ""
    return f"In the {where}: `/* pgpoolsafe: allow {rule.name} */`.{cover}"


def statements_of(rule: Rule) -> Iterator[str]:
    """SQL that the rule finds, and that it does not, each sent in autocommit."""
    for title, texts in (("Found", rule.bad), ("Not found", rule.good)):
        if texts:
            yield f"{title}:"
            yield code("\n".join(f"{text};" for text in texts), "sql")


def levels_of(rule: Rule) -> str:
    """The levels it may be set to."""
    meaning = {"residue": SESSION_LEVELS, "empty-custom-setting": AUDIT_LEVELS}.get(
        rule.name, LEVELS
    )
    rows = [[f"`{level.value}`", meaning[level]] for level in rule.levels]
    option = f'`pgpoolsafe.install(target, rules={{"{rule.name}": "{rule.levels[-1].value}"}})`'
    return f"{option}, one of:\n\n{table(['level', 'what it does'], rows)}"


# What poolers do


def poolers_of(rule: Rule) -> Iterator[str]:
    """The table of what each pooler does with what the rule is about."""
    if rule.name == "named-prepare":
        yield prepared_table()
        return
    kinds = list(dict.fromkeys(kind for kind, _ in rule.matches))
    if not kinds:
        return
    yield answers_table(kinds[0])
    yield legend({row.answers[kinds[0]] for row in ROWS})
    yield "In session mode all of it works, and nothing is reported."


def answers_table(kind: EffectKind) -> str:
    """One line for each product, or for each group of versions that differ."""
    is_setting = kind is EffectKind.SETTING
    rows = []
    for product in PRODUCTS:
        said = [
            (row, (row.answers[kind].value, tracked(row) if is_setting else ""))
            for row in rows_of(product)
        ]
        rows += [
            [TITLES[product], versions, answer, *([kept] if is_setting else [])]
            for versions, (answer, kept) in grouped(said)
        ]
    head = [
        "pooler",
        "versions",
        "what it does",
        *(["restored for each client"] if is_setting else []),
    ]
    return table(head, rows)


def prepared_table() -> str:
    """What each product does with the driver's named prepared statements."""
    rows = [
        [TITLES[product], versions, answer[0]]
        for product in PRODUCTS
        for versions, answer in grouped(
            [(row, (PREPARED[row.prepared], "")) for row in rows_of(product)]
        )
    ]
    return table(["pooler", "versions", "named prepared statements"], rows)


def rows_of(product: str) -> list[Row]:
    """The rows of a product that know their versions; the row for an unstated version only
    where there is no other."""
    rows = [row for row in ROWS if row.product == product]
    return [row for row in rows if row.since is not None] or rows


def grouped(
    said: list[tuple[Row, tuple[str, str]]],
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Neighbouring rows that say the same, as one, with the versions of all."""
    groups: list[tuple[list[Row], tuple[str, str]]] = []
    for row, answer in said:
        if groups and groups[-1][1] == answer:
            groups[-1][0].append(row)
        else:
            groups.append(([row], answer))
    for rows, answer in groups:
        yield versions_of(rows[0], rows[-1]), answer


def versions_of(first: Row, last: Row) -> str:
    """The versions from one row to another, in words."""
    since = ".".join(map(str, first.since or ()))
    before = ".".join(map(str, last.before or ()))
    if since and before:
        return f"{since} until before {before}"
    if since:
        return f"from {since}"
    return f"before {before}" if before else "all"


def tracked(row: Row) -> str:
    """The settings that the pooler restores for each client."""
    names = ", ".join(f"`{name}`" for name in sorted(row.tracked))
    if row.if_reported is None:
        return ", ".join(filter(None, [names, "whatever else the server reports"]))
    if row.if_reported:
        more = ", ".join(f"`{name}`" for name in sorted(row.if_reported))
        return f"{names}; {more} if the server reports them"
    return names or "–"


def legend(answers: set[Answer]) -> str:
    """What the words in a table mean, in the order of the enumeration."""
    return "\n".join(f"- *{a.value}*: {MEANING[a]}." for a in Answer if a in answers)


# Index and poolers


def index_page() -> str:
    """The list of all rules."""
    rows = [[f"[{rule.name}]({rule.name}.md)", rule.title, told(rule)] for rule in RULES.values()]
    return document(
        "Rules",
        "A rule is a kind of session state that does not survive a transaction pooler. Its"
        " name is what `allow()`, `rules={…}` and `/* pgpoolsafe: allow … */` take.",
        table(["rule", "finds", "by default"], rows),
        "The examples on the pages use `conn`, an open `psycopg.Connection` (not in autocommit"
        " unless it says so), and `engine`, a SQLAlchemy engine on psycopg. The tests run"
        " psycopg's and SQLAlchemy's behind a real PgBouncer: the unsafe ones are refused or"
        " repaired, the safe ones pass in strict mode without a word.",
    )


def poolers_page() -> str:
    """What is known of every pooler."""
    return document(
        "What each pooler does",
        "Transaction pooling, by kind of session state. `/` separates what different versions"
        " do. In session mode everything works, as on a direct connection.",
        overview(),
        legend(set(Answer) - {Answer.TRACKED, Answer.WORKS}),
        section(
            "Settings and prepared statements",
            "Which settings are restored for each client, and whether the driver's named"
            " prepared statements follow it.",
            details(),
        ),
        section("Sources", sources()),
        section(
            "Endpoints of managed services",
            "Recognised by the address alone. Where the mode is not stated, the operator"
            " chooses it.",
            endpoints(),
        ),
    )


def overview() -> str:
    """Kinds of state by product, in the pool mode that shares server connections."""
    products = [p for p in PRODUCTS if PoolMode.TRANSACTION in modes_of(p)]
    rows = [[kind.value, *(" / ".join(answers_of(p, kind)) for p in products)] for kind in COLUMNS]
    return table(["", *(TITLES[p] for p in products)], rows)


def modes_of(product: str) -> set[PoolMode]:
    return {mode for row in rows_of(product) for mode in row.modes}


def answers_of(product: str, kind: EffectKind) -> Mapping[str, None]:
    """The different answers of a product's versions, in their order."""
    return dict.fromkeys(row.answers[kind].value for row in rows_of(product))


def details() -> str:
    """One line for each row of the pooler table."""
    rows = [
        [
            TITLES[row.product],
            versions_of(row, row),
            ", ".join(mode.value for mode in row.modes),
            tracked(row),
            PREPARED[row.prepared],
        ]
        for product in PRODUCTS
        for row in rows_of(product)
    ]
    head = ["pooler", "versions", "modes", "settings restored", "named prepared statements"]
    return table(head, rows)


def sources() -> str:
    """Where the rows come from."""
    lines = [
        f"- {TITLES[row.product]}, {versions_of(row, row)}: {row.source}"
        for product in PRODUCTS
        for row in rows_of(product)
    ]
    return "\n".join(lines)


def endpoints() -> str:
    """What the address of a managed service tells."""
    rows = [
        [
            row.provider,
            f"`{row.host.replace('|', chr(92) + '|')}`",
            ", ".join(map(str, row.ports)) or "any",
            TITLES.get(row.product, "no pooler"),
            row.mode.value if row.mode else "",
        ]
        for row in ENDPOINTS
    ]
    return table(["provider", "host", "port", "pooler", "mode"], rows)


# Files


def files() -> dict[Path, str]:
    """Every generated file with its text."""
    pages = {DOCS / "rules" / f"{rule.name}.md": rule_page(rule) for rule in RULES.values()}
    return {
        DOCS / "rules" / "README.md": index_page(),
        DOCS / "poolers.md": poolers_page(),
        **pages,
    }


def stale(wanted: Mapping[Path, str]) -> list[Path]:
    """The files that are missing or not what they should be, and the pages of no rule."""
    differ = [p for p, text in wanted.items() if not p.exists() or p.read_text("utf-8") != text]
    return differ + sorted(set((DOCS / "rules").glob("*.md")) - set(wanted))


def main() -> int:
    """Write or check the pages; returns the exit status."""
    parser = argparse.ArgumentParser(description="write the generated pages of docs/")
    parser.add_argument("--check", action="store_true", help="only tell what is not up to date")
    only_check = parser.parse_args().check
    wanted = files()
    paths = stale(wanted)
    for path in paths:
        print(f"{'not up to date' if only_check else 'written'}: {path.relative_to(DOCS)}")
        if not only_check:
            put(path, wanted.get(path))
    return 1 if only_check and paths else 0


def put(path: Path, text: str | None) -> None:
    """Write a file, or remove the page of a rule that is no more."""
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
