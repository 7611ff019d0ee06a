"""The settings of one client, as a value: what is set, in which order, and as whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pgpoolsafe.session.settings import NOTHING, Carried, Step

Change = Callable[[Carried], Carried]


def put(name: str, value: str) -> Change:
    return lambda carried: carried.put(name, value)


def drop(name: str) -> Change:
    return lambda carried: carried.drop(name)


def after(*changes: Change, start: Carried = NOTHING) -> Carried:
    carried = start
    for change in changes:
        carried = change(carried)
    return carried


ALL: Change = Carried.drop_all
DISCARD: Change = Carried.discard

A, B, C = put("work_mem", "1MB"), put("search_path", "a"), put("work_mem", "2MB")
APP, OTHER = put("session_authorization", "app"), put("session_authorization", "other")
ROLE, NO_ROLE = put("role", "reporting"), put("role", "none")
LOG = put("log_statement", "all")  # a superuser's

# title, changes, the steps that put them in force
STEPS: list[tuple[str, list[Change], list[Step]]] = [
    ("nothing", [], []),
    ("one", [A], [("work_mem", "1MB")]),
    ("in their order", [A, B], [("work_mem", "1MB"), ("search_path", "a")]),
    ("set again: it is the last one now", [A, B, C], [("search_path", "a"), ("work_mem", "2MB")]),
    ("RESET", [A, B, drop("work_mem")], [("search_path", "a")]),
    ("RESET of what was not set", [B, drop("work_mem")], [("search_path", "a")]),
    ("RESET, and set again", [A, B, drop("work_mem"), A],
     [("search_path", "a"), ("work_mem", "1MB")]),
    ("RESET ALL", [A, B, ALL], []),
    ("the empty string is a value", [put("app.x", "")], [("app.x", "")]),
    # who one is
    ("a role", [ROLE], [("role", "reporting")]),
    ("the last role", [ROLE, put("role", "other")], [("role", "other")]),
    ("SET ROLE NONE", [ROLE, NO_ROLE], []),
    ("RESET ROLE", [ROLE, drop("role")], []),
    ("RESET ALL leaves the role", [A, ROLE, ALL], [("role", "reporting")]),
    ("an authorization", [APP], [("session_authorization", "app")]),
    ("an authorization and a role of it", [APP, ROLE],
     [("session_authorization", "app"), ("role", "reporting")]),
    ("a new authorization ends the role", [ROLE, APP], [("session_authorization", "app")]),
    ("the last authorization", [APP, OTHER], [("session_authorization", "other")]),
    ("RESET SESSION AUTHORIZATION ends the role", [APP, ROLE, drop("session_authorization")], []),
    ("RESET ROLE leaves the authorization", [APP, ROLE, drop("role")],
     [("session_authorization", "app")]),
    ("RESET ALL leaves the authorization", [APP, A, ALL], [("session_authorization", "app")]),
    ("DISCARD ALL leaves nothing", [APP, A, ROLE, DISCARD], []),
    # the identity comes last, for it may be one that could not set the rest
    ("set before", [A, ROLE], [("work_mem", "1MB"), ("role", "reporting")]),
    ("set under a role", [ROLE, A], [("work_mem", "1MB"), ("role", "reporting")]),
    # but for what only the one who set it may set
    ("a superuser's, before the role", [LOG, ROLE],
     [("log_statement", "all"), ("role", "reporting")]),
    ("a superuser's, under a role", [ROLE, LOG], [("role", "reporting"), ("log_statement", "all")]),
    ("a superuser's, under a role that was left", [ROLE, LOG, NO_ROLE],
     [("role", "reporting"), ("log_statement", "all"), ("role", "none")]),
    ("a superuser's, under an authorization that was left",
     [APP, ROLE, LOG, drop("session_authorization")],
     [("session_authorization", "app"), ("role", "reporting"), ("log_statement", "all"),
      ("session_authorization", None)]),
    ("one of anybody's, in between", [ROLE, LOG, A, NO_ROLE],
     [("role", "reporting"), ("log_statement", "all"), ("work_mem", "1MB"), ("role", "none")]),
    ("of an extension", [ROLE, put("auto_explain.log_analyze", "on")],
     [("role", "reporting"), ("auto_explain.log_analyze", "on")]),
]  # fmt: skip


@pytest.mark.parametrize("changes, steps", [row[1:] for row in STEPS], ids=[r[0] for r in STEPS])
def test_steps(changes: list[Change], steps: list[Step]) -> None:
    carried = after(*changes)
    assert list(carried.steps) == steps
    assert bool(carried) is bool(steps)


def test_a_value_never_changes() -> None:
    before = after(A, ROLE)
    steps = before.steps
    for change in (B, C, drop("work_mem"), ALL, DISCARD, NO_ROLE, APP):
        assert change(before) != before
    assert before.steps == steps
    assert not NOTHING


# what the client gave when it connected

GIVEN = Carried(given={"work_mem": "9MB", "app.x": "7"})

GIVEN_STEPS: list[tuple[str, list[Change], list[Step]]] = [
    ("first of all", [B], [("work_mem", "9MB"), ("app.x", "7"), ("search_path", "a")]),
    ("what is set takes its place", [A], [("app.x", "7"), ("work_mem", "1MB")]),
    ("RESET goes back to it", [A, drop("work_mem")], [("work_mem", "9MB"), ("app.x", "7")]),
    ("RESET ALL", [A, B, ALL], [("work_mem", "9MB"), ("app.x", "7")]),
    ("DISCARD ALL", [A, ROLE, DISCARD], [("work_mem", "9MB"), ("app.x", "7")]),
]


@pytest.mark.parametrize(
    "changes, steps", [row[1:] for row in GIVEN_STEPS], ids=[row[0] for row in GIVEN_STEPS]
)
def test_what_was_given_at_startup(changes: list[Change], steps: list[Step]) -> None:
    carried = after(*changes, start=GIVEN)
    assert list(carried.steps) == steps
    assert carried.only_given == GIVEN
    assert carried


# settings of a block around

BLOCKS: list[tuple[str, list[Change], list[Change], list[Step]]] = [
    ("both", [A], [B], [("work_mem", "1MB"), ("search_path", "a")]),
    ("the later one: the block's", [A], [C], [("work_mem", "2MB")]),
    ("the block's comes last", [A, B], [C], [("search_path", "a"), ("work_mem", "2MB")]),
    ("a role of the block", [ROLE], [put("role", "other")], [("role", "other")]),
    ("no role of the block", [ROLE], [A], [("work_mem", "1MB"), ("role", "reporting")]),
    ("an authorization of the block", [ROLE], [APP], [("session_authorization", "app")]),
    ("a superuser's, set by a block inside a role", [ROLE], [LOG],
     [("role", "reporting"), ("log_statement", "all")]),
]  # fmt: skip


@pytest.mark.parametrize(
    "own, block, steps", [row[1:] for row in BLOCKS], ids=[row[0] for row in BLOCKS]
)
def test_a_block_around(own: list[Change], block: list[Change], steps: list[Step]) -> None:
    """The client's own settings are older than the block."""
    settings = after(*own)
    assert list(settings.over(after(*block)).steps) == steps


def test_what_is_set_inside_the_block_counts() -> None:
    block = after(A, ROLE)
    inside = after(C, put("role", "other"))
    assert list(inside.over(block).steps) == [("work_mem", "2MB"), ("role", "other")]
    assert list(inside.over(NOTHING).steps) == list(inside.steps)


def test_a_block_leaves_what_was_given() -> None:
    assert GIVEN.over(after(A)).given == GIVEN.given


# the defaults for transactions

MODES: list[tuple[str, str, str]] = [
    ("default_transaction_isolation", "serializable", "ISOLATION LEVEL SERIALIZABLE"),
    ("default_transaction_isolation", "repeatable read", "ISOLATION LEVEL REPEATABLE READ"),
    ("default_transaction_read_only", "on", "READ ONLY"),
    ("default_transaction_read_only", "TRUE", "READ ONLY"),
    ("default_transaction_read_only", "1", "READ ONLY"),
    ("default_transaction_read_only", "off", "READ WRITE"),
    ("default_transaction_read_only", "no", "READ WRITE"),
    ("default_transaction_deferrable", "y", "DEFERRABLE"),
    ("default_transaction_deferrable", "0", "NOT DEFERRABLE"),
]


@pytest.mark.parametrize("name, value, words", MODES)
def test_defaults_of_transactions_are_said_by_begin(name: str, value: str, words: str) -> None:
    assert after(A, put(name, value)).modes == {name: words}
    assert Carried(given={name: value}).modes == {name: words}
    assert after(put(name, value), drop(name)).modes == {}


def test_what_is_set_counts_over_what_was_given() -> None:
    name = "default_transaction_read_only"
    given = Carried(given={name: "on"})
    assert after(put(name, "off"), start=given).modes == {name: "READ WRITE"}
    assert after(A).modes == {}


def test_the_names_for_people() -> None:
    carried = after(B, A, APP, ROLE, start=GIVEN)
    assert carried.names == ["work_mem", "app.x", "search_path", "session_authorization", "role"]
