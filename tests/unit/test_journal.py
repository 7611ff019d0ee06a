"""What is collected in a run, how it travels, and what is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread

import pytest

from pgpoolsafe import check
from pgpoolsafe.rules.findings import Finding
from pgpoolsafe.testing.baseline import Entry, read
from pgpoolsafe.testing.journal import Journal, Occasion, Record, Verdict
from pgpoolsafe.testing.report import Outcome, groups, stale, update

ROOT = Path("/")


def listening(channel: str = "orders") -> Finding:
    (found,) = check(f"LISTEN {channel}")
    return found


def noted(*notes: tuple[Finding, Verdict, Occasion]) -> list[Record]:
    journal = Journal(ROOT)
    for finding, verdict, occasion in notes:
        journal.note(finding, journal.entry(finding), verdict, occasion)
    return journal.take()


ONE = Occasion("t.py::test_one", "call")
TWO = Occasion("t.py::test_two", "setup", "conn")


def test_the_same_again_is_counted_and_taken_once() -> None:
    journal = Journal(ROOT)
    for _ in range(3):
        journal.note(listening(), journal.entry(listening()), Verdict.FAILS, ONE)
    journal.note(listening(), journal.entry(listening()), Verdict.FAILS, TWO)
    assert [(r.count, r.occasion) for r in journal.take()] == [(3, ONE), (1, TWO)]
    assert journal.take() == []


def test_threads_lose_nothing() -> None:
    journal = Journal(ROOT)
    entry = journal.entry(listening())

    def work() -> None:
        for _ in range(500):
            journal.note(listening(), entry, Verdict.FAILS, ONE)

    workers = [Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [record.count for record in journal.take()] == [2000]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_record_survives_its_way_as_json(verdict: Verdict) -> None:
    (record,) = noted((listening(), verdict, TWO))
    assert Record.from_plain(json.loads(json.dumps(record.plain()))) == record


def outcome(*notes: tuple[Finding, Verdict, Occasion], **more: object) -> Outcome:
    return Outcome("strict", "PgBouncer", noted(*notes), **more)  # type: ignore[arg-type]


def test_a_group_has_all_tests_of_a_finding() -> None:
    found = groups(
        noted(
            (listening(), Verdict.KNOWN, ONE),
            (listening("b"), Verdict.FAILS, ONE),
            (listening("b"), Verdict.FAILS, TWO),
        )
    )
    assert [(g.record.verdict, g.count, g.tests, g.fixtures) for g in found] == [
        (Verdict.FAILS, 2, [ONE.test, TWO.test], ["conn"]),
        (Verdict.KNOWN, 1, [ONE.test], []),
    ]


def test_the_summary() -> None:
    made = outcome(
        (listening(), Verdict.FAILS, ONE),
        (listening(), Verdict.FAILS, TWO),
        (listening("b"), Verdict.KNOWN, ONE),
        (listening("c"), Verdict.REPAIRED, ONE),
        stale=(Entry("listen", "a.py", "run", "LISTEN gone"),),
        baseline="known.txt",
    )
    assert made.lines() == [
        "listen  2x  (place unknown)",
        "  LISTEN orders needs a session of its own",
        "  LISTEN orders",
        "  fixture conn",
        "    t.py::test_one",
        "    t.py::test_two",
        "no longer found (known.txt; --pgpoolsafe-update-baseline removes them):",
        "  listen  a.py run()  LISTEN gone",
        "2 failed at 1 place, 1 known at 1 place, 1 repaired at 1 place",
    ]
    shown = made.lines(verbose=True)
    assert "listen  1x  (place unknown)  (known)" in shown
    assert "listen  1x  (place unknown)  (repaired)" in shown


def test_what_a_marked_test_found_is_expected() -> None:
    journal = Journal(ROOT)
    for verdict, occasion in ((Verdict.FAILS, ONE), (Verdict.KNOWN, ONE), (Verdict.FAILS, TWO)):
        finding = listening()
        journal.note(finding, journal.entry(finding), verdict, occasion)
    journal.expect_failure(ONE.test)
    made = Outcome("strict", "PgBouncer", journal.take())
    assert (
        made.lines()[-1] == "1 failed at 1 place, 1 known at 1 place, 1 expected to fail at 1 place"
    )
    assert "listen  1x  (place unknown)  (expected)" in made.lines(verbose=True)


def test_many_tests_are_cut_short() -> None:
    tests = [Occasion(f"t.py::test_{number}", "call") for number in range(5)]
    made = outcome(*((listening(), Verdict.TOLD, test) for test in tests))
    assert made.lines()[3:] == [
        *("    t.py::test_0", "    t.py::test_1", "    t.py::test_2", "    and 2 more"),
        "5 told at 1 place",
    ]
    assert "    t.py::test_4" in made.lines(verbose=True)


def test_nothing_found() -> None:
    assert outcome().lines() == ["nothing found"]


@pytest.mark.parametrize(
    "verdict, occasion, fails",
    [
        (Verdict.FAILS, Occasion(phase="collection"), True),
        (Verdict.FAILS, ONE, False),
        (Verdict.KNOWN, Occasion(), False),
    ],
)
def test_what_came_outside_of_all_tests(verdict: Verdict, occasion: Occasion, fails: bool) -> None:
    assert outcome((listening(), verdict, occasion)).fails_outside is fails


def test_what_a_baseline_keeps(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    old = Entry("listen", "a.py", "run", "LISTEN gone")
    records = noted(
        (listening(), Verdict.TOLD, ONE),
        (listening("b"), Verdict.KNOWN, ONE),
        (listening("c"), Verdict.REPAIRED, ONE),
    )
    new = {Entry("listen", "", "", f"LISTEN {name}") for name in ("orders", "b")}
    assert update(path, [old], records, whole=True) == 2
    assert read(path) == new
    assert update(path, [old], records, whole=False) == 3
    assert read(path) == {old, *new}
    assert stale([old, *new], records) == (old,)
