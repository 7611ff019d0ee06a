"""The reader before the server and before the real grammar: our own statements.

`make oracle` does the same with PostgreSQL's whole regression suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pglast.parser import ParseError

from pgpoolsafe import Pooler, check
from pgpoolsafe.effects import EffectKind, Verb
from pgpoolsafe.judge import Trial
from pgpoolsafe.rules.policy import Policy
from pgpoolsafe.session.books import Books
from pgpoolsafe.sql.reader import read
from tests.conftest import without
from tests.oracle.at_hand import servers
from tests.oracle.claims import claims
from tests.oracle.excuses import Excuses
from tests.oracle.lexing import cuts_by_postgres, cuts_by_us, places_by_postgres, places_by_us
from tests.oracle.own import STATEMENTS, lines
from tests.oracle.settling import Case, Court, cases
from tests.oracle.states import Thing
from tests.oracle.tree import differences
from tests.servers import Postgres, ServerMissing

SEED = 20251121
SAMPLE = 0.1
"""How many of the statements are also sent in each of the less direct ways."""


def places() -> dict[int, Path]:
    try:
        return servers()
    except ServerMissing:
        return {}


@pytest.fixture(scope="module", params=sorted(places()) or [None])
def court(request: pytest.FixtureRequest) -> Iterator[Court]:
    """A session under watch on the oldest and on the newest PostgreSQL at hand."""
    if request.param is None:
        without(ServerMissing("no PostgreSQL to judge by"))
    with Postgres(places()[request.param], log_statement="none") as server:
        court = Court(server)
        yield court
        court.close()


@pytest.fixture(scope="module")
def excuses() -> Excuses:
    return Excuses("own/exceptions.tsv")


def disputed(court: Court, excuses: Excuses, case: Case) -> list[str]:
    found, _ = court.try_case(case)
    kept = [one for one in found if excuses.find(case.text, one) is None]
    return [f"{one.verdict}: {one.subject} :: {case.name}" for one in kept]


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_server_agrees(court: Court, excuses: Excuses, name: str) -> None:
    every = cases(lines(name, court.dsn), seed=SEED, sample=SAMPLE)
    assert [line for case in every for line in disputed(court, excuses, case)] == []


@pytest.mark.parametrize("way", ["alone", "statement by statement"])
def test_the_server_agrees_about_transactions(court: Court, excuses: Excuses, way: str) -> None:
    every = [Case(text, way) for text in lines("blocks")]
    assert [line for case in every for line in disputed(court, excuses, case)] == []


def test_no_excuse_is_left_over(court: Court) -> None:
    """Each line of the list is a disagreement that is still there."""
    excuses = Excuses("own/exceptions.tsv")
    for row in list(excuses.rows):
        disputed(court, excuses, Case(row.place.replace("@dsn@", court.dsn), "alone"))
    assert excuses.unused == []


@pytest.mark.parametrize("text", lines("hidden"))
def test_what_no_text_shows(court: Court, text: str) -> None:
    """The server sees it and the reader does not: the limit is where we say it is."""
    found, left = court.try_case(Case(text, "alone"))
    assert left
    assert "missed" in {one.verdict for one in found}


# check(): the finding falls due exactly where something is left.

TRACKS_NOTHING = Pooler("unknown", "a proxy")

_LEAVING = frozenset(
    {EffectKind.SETTING, EffectKind.ROLE, EffectKind.ADVISORY_LOCK, EffectKind.CHANNEL}
    | {EffectKind.PREPARED_STATEMENT, EffectKind.HELD_CURSOR, EffectKind.TEMP_OBJECT}
)


def only_acquires(text: str) -> bool:
    """Whether everything that the text does can be seen to be left."""
    effects = [effect for statement in read(text).statements for effect in statement.effects]
    acquires = all(one.kind in _LEAVING and one.verb is Verb.ACQUIRE for one in effects)
    return acquires and len(claims(effects)) == len(effects)


@pytest.mark.parametrize("name", [*STATEMENTS, "blocks"])
def test_check_finds_what_is_left_and_nothing_else(court: Court, name: str) -> None:
    known = {row.place for row in Excuses("own/exceptions.tsv").rows}
    wrong = []
    for text in lines(name, court.dsn):
        if text in known or not only_acquires(text):
            continue
        left, succeeded = court.residue(text)
        found = {finding.rule for finding in check(text, pooler=TRACKS_NOTHING)}
        rules = found - {"set-local-outside-transaction"}
        if succeeded and bool(rules) != bool(left):
            wrong.append((text, sorted(rules), named(left)))
    assert wrong == []


def named(left: list[Thing]) -> list[str]:
    return [str(thing) for thing in left]


# Where a parameter decides, the value that is sent does.

TRUTHS = "true TRUE t tr tru y ye yes on 1 false f fa n no of off 0".split()


@pytest.mark.parametrize("value", [*TRUTHS, " t ", "\tYES\n", None])
@pytest.mark.parametrize("argument", ["$1", "$1::boolean", "CAST($1 AS bool)", "NOT $1", "($1)"])
def test_a_parameter_decides_as_it_does_for_the_server(
    court: Court, argument: str, value: str | None
) -> None:
    text = f"SELECT set_config('work_mem', '8MB', {argument})"
    left = court.residue_with(text, [value])
    trial = Trial(text, read(text), [value], Books(), Policy(), TRACKS_NOTHING)
    trial.locate = lambda: None
    found = [finding.rule for finding in trial.run().findings]
    # An expression is not evaluated: that it may leave something is said of every value.
    assert found == (["session-set"] if left or argument == "NOT $1" else [])


# The grammar and the scanner, which need no server.


@pytest.mark.parametrize("name", [*STATEMENTS, "blocks", "hidden"])
def test_the_scanner_agrees(name: str) -> None:
    for text in lines(name):
        try:
            theirs = places_by_postgres(text), cuts_by_postgres(text)
        except ParseError:  # the server refuses it
            continue
        assert (places_by_us(text), cuts_by_us(text)) == theirs


@pytest.mark.parametrize("name", [*STATEMENTS, "blocks", "hidden"])
def test_the_grammar_agrees(name: str) -> None:
    """All but code in strings, which a syntax tree does not look into."""
    wrong = []
    for text in lines(name):
        try:
            wrong += [(text, *pair) for pair in differences(text)]
        except ParseError:  # the server refuses it
            continue
    assert wrong == []
