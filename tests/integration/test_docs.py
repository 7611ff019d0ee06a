"""Every block of code in the documentation runs, and prints what stands below it."""

from __future__ import annotations

import asyncio
import io
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

import pgpoolsafe
from pgpoolsafe.drivers.psycopg_classes import LAYOUT
from pgpoolsafe.rules.policy import make_policy
from tests.servers import PgBouncer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest needs it there, too

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
URL = "postgresql+psycopg://app@127.0.0.1:6432/shop"
DSN = "host=127.0.0.1 port=6432 user=app dbname=shop"
OPTIONS = {
    *("mode", "rules", "pooler", "pool_mode", "prepared", "settings", "trust_comments"),
    *("residue", "audit", "fuse_begin"),
}
PREFIX = "PGPOOLSAFE_"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `output` is the `text` block right below it."""

    language: str
    text: str
    line: int
    output: str | None = None


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page in their order; the expected outputs belong to their programs."""
    found = list(re.finditer(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S))
    for here, after in zip(found, [*found[1:], None], strict=True):
        if here[1] == "text":
            continue
        shows = after is not None and after[1] == "text"
        line = here.string.count("\n", 0, here.start()) + 1
        yield Block(here[1], here[2], line, after[2] if after and shows else None)


def python_of(page: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python"]


def commands() -> list[list[str]]:
    """The commands of getting-started, as a shell splits them."""
    consoles = [b.text for b in blocks("getting-started.md") if b.language == "console"]
    lines = "".join(consoles).splitlines()
    return [shlex.split(line.removeprefix("$ ")) for line in lines]


@pytest.fixture
def names() -> Iterator[dict[str, Any]]:
    """The variables of a page's blocks; what they opened is closed at the end."""
    variables: dict[str, Any] = {"__name__": "shop"}
    yield variables
    pgpoolsafe.uninstall()
    if "engine" in variables:
        variables["engine"].dispose()
    for name in ("conn", "pool"):
        if name in variables:
            variables[name].close()


def run(
    block: Block, names: dict[str, Any], pgbouncer: PgBouncer, page: str = "getting-started.md"
) -> str:
    """What a block prints when it talks to the test's pooler; warnings are errors."""
    code = block.text.replace(URL, pgbouncer.url()).replace(DSN, pgbouncer.dsn())
    # The traceback of a failure has the line of the page.
    program = compile("\n" * block.line + code, page, "exec")
    printed = io.StringIO()
    with redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(program, names)
    return printed.getvalue()


@pytest.mark.parametrize("page, least", [("getting-started.md", 18), ("settings.md", 8)])
def test_a_page_runs(page: str, least: int, names: dict[str, Any], pgbouncer: PgBouncer) -> None:
    shown = python_of(page)
    for block in shown:
        with pgbouncer.only(pgbouncer.warm()[0]):  # what it leaves is met again, and shows
            printed = run(block, names, pgbouncer, page)
        assert printed == (block.output or ""), f"line {block.line}"
    assert len(shown) >= least


def settings_page(names: dict[str, Any], what: str, pgbouncer: PgBouncer) -> Any:
    """What a block of settings.md defines, and an engine for it, which is guarded."""
    names["pgpoolsafe"] = pgpoolsafe
    run(next(b for b in python_of("settings.md") if what in b.text), names, pgbouncer)
    return names[what]


def test_one_timeout_for_a_wsgi_request(names: dict[str, Any], pgbouncer: PgBouncer) -> None:
    names["engine"] = engine = sqlalchemy.create_engine(pgbouncer.url())
    pgpoolsafe.install(engine)

    def timeout() -> str:
        with engine.connect() as connection:
            return str(connection.scalar(sqlalchemy.text("SHOW statement_timeout")))

    def app(_environ: Any, _start_response: Any) -> Iterator[str]:
        yield timeout()
        yield timeout()

    limited = settings_page(names, "with_statement_timeout", pgbouncer)(app, engine, "1500ms")
    assert list(limited({}, None)) == ["1500ms", "1500ms"]
    assert timeout() == "0"
    begun = limited({}, None)
    assert next(begun) == "1500ms"
    begun.close()  # the client is gone
    assert timeout() == "0"


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "broken off"])
def test_the_wsgi_response_is_closed(
    is_read: bool, names: dict[str, Any], pgbouncer: PgBouncer
) -> None:
    class Response(list[str]):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    response = Response(["one", "two"])
    names["engine"] = engine = sqlalchemy.create_engine(pgbouncer.url())
    pgpoolsafe.install(engine)
    limited = settings_page(names, "with_statement_timeout", pgbouncer)
    begun = limited(lambda *_: response, engine, "1500ms")({}, None)
    assert next(begun) == "one"
    if is_read:
        assert list(begun) == ["two"]
    begun.close()
    assert response.closed == 1


async def test_one_timeout_for_an_asgi_request(names: dict[str, Any], pgbouncer: PgBouncer) -> None:
    engine = create_async_engine(pgbouncer.url())
    pgpoolsafe.install(engine)
    seen: list[str] = []

    async def app(*_: Any) -> None:
        async with engine.connect() as connection:
            seen.append(await connection.scalar(sqlalchemy.text("SHOW statement_timeout")))

    limited = settings_page(names, "StatementTimeout", pgbouncer)(app, engine, "1500ms")
    await asyncio.gather(limited({}, None, None), app())
    await app()
    await engine.dispose()
    assert sorted(seen) == ["0", "0", "1500ms"]


def test_the_function_in_getting_started_works(names: dict[str, Any], pgbouncer: PgBouncer) -> None:
    decorated = next(b for b in python_of("getting-started.md") if "def with_the_lock" in b.text)
    names["pgpoolsafe"] = pgpoolsafe
    run(decorated, names, pgbouncer)
    with pgbouncer.only(pgbouncer.warm()[0]), pgbouncer.connect() as connection:
        with pgpoolsafe.install(connection, mode="strict") as installation:
            names["with_the_lock"](connection)
            assert installation.findings() == []


def variables() -> list[dict[str, str]]:
    """The environment of each command that sets one."""
    lines = [words[: words.index("python")] for words in commands() if "python" in words]
    return [dict(word.split("=", 1) for word in words) for words in lines]


_SWITCHES = ("trust_comments", "residue", "audit", "fuse_begin")


def as_option(name: str, value: str) -> tuple[str, Any]:
    """An environment variable as the argument of install() that says the same."""
    option = name.removeprefix(PREFIX).lower()
    if option == "rules":
        return option, dict(pair.split("=") for pair in value.split(","))
    return option, value != "off" if option in _SWITCHES else value


@pytest.mark.parametrize("environment", variables(), ids=" ".join)
def test_the_environment_says_what_an_option_says(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = make_policy(**dict(as_option(name, value) for name, value in environment.items()))
    assert said != make_policy()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert make_policy() == said


def test_every_option_has_its_variable() -> None:
    assert {n.removeprefix(PREFIX).lower() for e in variables() for n in e} == OPTIONS


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


def test_the_extras_of_getting_started_exist() -> None:
    text = (DOCS / "getting-started.md").read_text()
    extras = project()["optional-dependencies"]
    groups = re.findall(r"pgpoolsafe\[([\w,]+)\]", text)
    asked = {extra for group in groups for extra in group.split(",")}
    tabled = set(re.findall(r"^\| `(\w+)` \| (?:psycopg|those|SQLAlchemy)", text, re.M))
    assert tabled == {"psycopg", "pool", "sqlalchemy"}
    assert asked | tabled <= set(extras)


def test_every_dependency_is_explained() -> None:
    text = (DOCS / "dependencies.md").read_text().replace("\\", "")
    extras = project()["optional-dependencies"]
    for extra, requirements in extras.items():
        for requirement in requirements:
            package = re.split(r"[<>=]", requirement)[0]
            if not package.startswith("pgpoolsafe"):
                assert re.search(rf"^\|.*`{extra}`.*\|.*{re.escape(package)}", text, re.M), package


def test_drivers_names_all_that_the_guard_stands_on() -> None:
    text = (DOCS / "drivers.md").read_text()
    for cls, attributes in LAYOUT.items():
        assert f"`{cls.__name__}`" in text
        for attribute in attributes:
            assert f"`{attribute}`" in text, attribute


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (DOCS / target).is_file(), target
