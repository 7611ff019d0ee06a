"""A slice of Django's own test suite; `make django-suite` runs all that touches the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import without
from tests.servers import Postgres, ServerMissing

from .suite.running import WAYS, outcomes_in, run
from .suite.sources import NoSources, source
from .suite.verdict import FAILED, judge, listed_for

SLICE = ("transactions", "transaction_hooks")


@pytest.fixture(scope="module")
def django_source() -> Path:
    try:
        return source()
    except NoSources as missing:
        without(ServerMissing(str(missing)))


@pytest.mark.parametrize("name", ["guarded", "pooled"])
def test_nothing_fails_that_django_alone_passes(
    django_source: Path, postgres: Postgres, tmp_path: Path, name: str
) -> None:
    found = outcomes_in(run(WAYS[name], django_source, SLICE, postgres, tmp_path))
    failed = {test: said for test, (outcome, said) in found.items() if outcome in FAILED}
    assert failed == {}
    assert len(found) > 100


PLAIN = {"a": ("passed", ""), "b": ("failed", "as ever"), "c": ("passed", ""), "d": ("passed", "")}


def test_the_verdict() -> None:
    found = {"a": ("failed", "new"), "b": ("failed", "as ever"), "c": ("error", "known")}
    verdict = judge("pooled", found, PLAIN, {"c": "a reason"})
    assert not verdict.is_fine
    assert verdict.lines() == [
        "pooled: 1 error, 2 failed",
        "  a: new",
        "  d: was not run",
        "  c: as listed: a reason",
    ]
    assert judge("guarded", PLAIN, PLAIN, {}).is_fine


def test_the_list_has_a_reason_for_each(tmp_path: Path) -> None:
    assert all(listed_for(name) for name in WAYS)
    path = tmp_path / "failures.tsv"
    path.write_text("# why\npooled\tone\tbecause\nany\ttwo\talways\n")
    assert listed_for("pooled", path) == {"one": "because", "two": "always"}
    assert listed_for("guarded", path) == {"two": "always"}
