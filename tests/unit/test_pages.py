"""The page of each rule: complete, its code compiles, and what is committed is what is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from pgpoolsafe.rules.catalog import RULES
from pgpoolsafe.rules.pages import PAGES
from scripts import make_docs

PARTS = ("story", "remedy", "fine", "undetected")
LIBRARIES = ("psycopg", "SQLAlchemy", "Django")


def blocks() -> Iterator[tuple[str, str]]:
    """Every block of Python of every page, with a name."""
    for rule, page in PAGES.items():
        yield f"{rule}, allow", page.allow
        for library, example in page.examples.items():
            yield f"{rule}, {library}, unsafe", example.unsafe
            yield f"{rule}, {library}, safe", example.safe


BLOCKS = dict(blocks())


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert list(PAGES) == list(RULES)
    assert len(make_docs.PAGES) == len(RULES)


@pytest.mark.parametrize("rule", PAGES)
def test_page_is_complete(rule: str) -> None:
    page = PAGES[rule]
    assert tuple(page.examples) == LIBRARIES
    for part in PARTS:
        text = getattr(page, part)
        assert text.endswith((".", "`", ")")), part
        assert not re.search(r"^[ \t]", text, re.MULTILINE), part  # dedented as a whole
    assert page.examples["psycopg"].unsafe != page.examples["psycopg"].safe


@pytest.mark.parametrize("name", BLOCKS)
def test_block_compiles(name: str) -> None:
    tree = ast.parse(BLOCKS[name], filename=name)
    assert tree.body
    assert max(map(len, BLOCKS[name].splitlines())) <= 95


@pytest.mark.parametrize("rule", PAGES)
def test_allow_names_its_rule(rule: str) -> None:
    assert f'"{rule}"' in PAGES[rule].allow


@pytest.mark.parametrize("rule", PAGES)
def test_a_rule_about_no_kind_of_state_says_what_poolers_do(rule: str) -> None:
    assert PAGES[rule].elsewhere or RULES[rule].matches


@pytest.mark.parametrize("rule", PAGES)
def test_links_between_pages_lead_somewhere(rule: str) -> None:
    text = make_docs.rule_page(RULES[rule])
    targets = re.findall(r"\]\(([\w-]+)\.md\)", text)
    assert set(targets) <= set(RULES)


def test_what_is_committed_is_what_the_generator_writes() -> None:
    stale = make_docs.stale(make_docs.files())
    assert [path.name for path in stale] == [], "run `make docs`"


def test_tables_have_as_many_cells_in_each_row() -> None:
    for path, text in make_docs.files().items():
        for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, (path.name, block)
