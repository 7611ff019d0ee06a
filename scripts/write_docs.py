"""Write docs/rules: one page per rule of the catalogue, and their list.

    python scripts/write_docs.py [--check]

With --check nothing is written; the exit status is 1 if a page is not what it would be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pgpoolsafe
from pgpoolsafe.poolers.products import ROWS, TITLES, Row
from pgpoolsafe.rules.catalog import RULES, Rule

PAGES = Path(__file__).parent.parent / "docs" / "rules"
GENERATED = "<!-- Written by `make docs` from rules/catalog.py and poolers/products.py. -->"

MEANING = {
    "leaks": "it stays on the server connection, where other clients meet it",
    "lost": "the pooler resets it, and the client that made it misses it",
    "tracked": "the pooler restores it for its client and for nobody else",
    "pins": "the client keeps the server connection from then on",
    "errors": "the pooler refuses it",
    "works": "as on a direct connection",
    "unknown": "neither measured nor documented; judged as *leaks*",
}


def page(rule: Rule) -> str:
    """The page of one rule, as Markdown."""
    parts = [
        f"# {rule.name}\n\n{GENERATED}\n\n{rule.title}.",
        reasons(rule),
        examples("Found", rule.bad),
        examples("Not found", rule.good),
        message(rule),
        poolers(rule),
        levels(rule),
        references(rule),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def reasons(rule: Rule) -> str:
    """Why it breaks, by what the pooler does, and what to type instead."""
    said = [(answer.value, fill(text)) for answer, text in rule.why.items()]
    lines = [f"- A pooler where it **{answer}**: {text}." for answer, text in said]
    why = f"{capital(said[0][1])}." if len(said) == 1 else "\n".join(lines)
    return f"## What happens\n\n{why}\n\n## What to do\n\n{capital(fill(rule.fix))}."


def fill(template: str) -> str:
    """A template of the catalogue in general words."""
    return template.format(
        subject="the statement",
        name="what it changed",
        pooler="the pooler",
        local="the LOCAL form",
        statement="the statement",
    )


def capital(sentence: str) -> str:
    """The sentence with a capital at its start, unless it starts with code."""
    first = sentence.split(" ", 1)[0]
    return sentence if "_" in first else sentence[:1].upper() + sentence[1:]


def examples(title: str, texts: tuple[str, ...]) -> str:
    """SQL texts as sent in autocommit."""
    return f"## {title}\n\n```sql\n{chr(10).join(f'{t};' for t in texts)}\n```" if texts else ""


def message(rule: Rule) -> str:
    """The message for the first example that is found by default."""
    for text in rule.bad:
        for finding in pgpoolsafe.check(text):
            if finding.rule == rule.name:
                return f"## The message\n\n```\n{finding}\n```"
    return ""


def poolers(rule: Rule) -> str:
    """The table of what each pooler does with this kind of session state."""
    kinds = list(dict.fromkeys(kind for kind, _ in rule.matches))
    rows = [(row, row.answers[kinds[0]].value) for row in ROWS] if kinds else []
    if not rows:
        return ""
    used = dict.fromkeys(answer for _, answer in rows)
    lines = [f"| {TITLES[row.product]} | {versions(row)} | {answer} |" for row, answer in rows]
    legend = "\n".join(f"- *{answer}*: {MEANING[answer]}." for answer in used)
    head = "| pooler | versions | |\n|---|---|---|\n"
    note = "Settings that a pooler tracks are fine there.\n\n" if tracks(rule) else ""
    return f"## Poolers\n\n{head}{chr(10).join(lines)}\n\n{note}{legend}"


def tracks(rule: Rule) -> bool:
    return rule.name.startswith("session-set")


def versions(row: Row) -> str:
    """The versions a row speaks for, in words."""
    since, before = (".".join(map(str, v)) if v else "" for v in (row.since, row.before))
    if row.since is None:
        return "not known"
    if since and before:
        return f"{since} to before {before}"
    return f"from {since}" if since else f"before {before}" if before else "all"


def levels(rule: Rule) -> str:
    """How to set the rule's level, and how to let one place pass."""
    known = ", ".join(f"`{level.value}`" for level in rule.levels)
    default = f"`{rule.default.value}`" if rule.default else "`warn`, and `raise` in strict mode"
    return (
        f"## Level\n\nOne of {known}; by default {default}.\n\n"
        f'```python\npgpoolsafe.install(engine, rules={{"{rule.name}": "raise"}})\n```\n\n'
        "To let one place pass:\n\n"
        f'```python\nwith pgpoolsafe.allow("{rule.under or rule.name}"):\n    ...\n```\n\n'
        f"or `/* pgpoolsafe: allow {rule.under or rule.name} */` in the statement."
    )


def references(rule: Rule) -> str:
    """Links to the documents the rule comes from."""
    links = "\n".join(f"- <{link}>" for link in rule.references)
    return f"## References\n\n{links}" if links else ""


def index() -> str:
    """The list of all rules."""
    rows = "\n".join(f"| [{r.name}]({r.name}.md) | {r.title} |" for r in RULES.values())
    return f"# Rules\n\n{GENERATED}\n\n| rule | finds |\n|---|---|\n{rows}\n"


def pages() -> Iterator[tuple[Path, str]]:
    """Every file of docs/rules with its text."""
    yield PAGES / "README.md", index()
    for rule in RULES.values():
        yield PAGES / f"{rule.name}.md", page(rule)


def main() -> int:
    """Write or check the pages; returns the exit status."""
    parser = argparse.ArgumentParser(description="write docs/rules from the catalogue")
    parser.add_argument("--check", action="store_true", help="only tell what is not up to date")
    only_check = parser.parse_args().check
    wanted = dict(pages())
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    strays = sorted(set(PAGES.glob("*.md")) - set(wanted))
    for path in stale + strays:
        print(f"{'not up to date' if only_check else 'written'}: {path.relative_to(PAGES.parent)}")
    if only_check:
        return 1 if stale or strays else 0
    PAGES.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(wanted[path])
    for path in strays:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
