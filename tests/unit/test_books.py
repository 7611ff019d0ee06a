"""What one transaction holds, and what outlives it: locks, savepoints, resets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pgpoolsafe.effects import EffectKind as K
from pgpoolsafe.session.books import SURVIVES_ROLLBACK, Books, Key
from pgpoolsafe.session.settings import NOTHING

WORK_MEM: Key = (K.SETTING, ("work_mem",), False)
TIMEZONE: Key = (K.SETTING, ("timezone",), False)
ALL_SETTINGS: Key = (K.SETTING, (), False)
LOCK: Key = (K.ADVISORY_LOCK, ("1",), False)
SHARED: Key = (K.ADVISORY_LOCK, ("1",), True)
ALL_LOCKS: Key = (K.ADVISORY_LOCK, (), False)
CURSOR: Key = (K.HELD_CURSOR, ("c",), False)
TEMP: Key = (K.TEMP_OBJECT, ("t",), False)
PREPARED: Key = (K.PREPARED_STATEMENT, ("p",), False)

Step = Callable[[Books[str]], object]


def take(key: Key, memo: str = "it") -> Step:
    return lambda books: books.acquire(key, memo)


def give(key: Key) -> Step:
    return lambda books: books.release(key)


def undo(key: Key, memo: str = "reset") -> Step:
    return lambda books: books.undo(key, memo)


def savepoint(name: str) -> Step:
    return lambda books: books.savepoint(name)


def release(name: str) -> Step:
    return lambda books: books.release_savepoint(name)


def back_to(name: str) -> Step:
    return lambda books: books.rollback_to(name)


def after(*steps: Step) -> Books[str]:
    books: Books[str] = Books(in_block=True)
    for step in steps:
        step(books)
    return books


# steps, what a COMMIT lets out, what a ROLLBACK lets out
OUTLIVES: list[tuple[str, list[Step], list[str], list[str]]] = [
    ("nothing", [], [], []),
    ("a setting", [take(WORK_MEM)], ["it"], []),
    ("a setting set twice counts once", [take(WORK_MEM, "1"), take(WORK_MEM, "2")], ["2"], []),
    ("a setting made and undone", [take(WORK_MEM), give(WORK_MEM)], [], []),
    ("set, undone, set", [take(WORK_MEM), give(WORK_MEM), take(WORK_MEM, "2")], ["2"], []),
    ("two settings", [take(WORK_MEM, "m"), take(TIMEZONE, "z")], ["m", "z"], []),
    ("RESET ALL", [take(WORK_MEM), take(TIMEZONE), give(ALL_SETTINGS)], [], []),
    ("a RESET of what was not set", [undo(WORK_MEM)], ["reset"], []),
    ("that RESET twice counts once", [undo(WORK_MEM), undo(WORK_MEM, "2")], ["2"], []),
    ("SET and RESET do not undo a RESET", [undo(WORK_MEM), take(WORK_MEM), give(WORK_MEM)],
     ["reset"], []),
    ("nor does RESET ALL", [undo(WORK_MEM), give(ALL_SETTINGS)], ["reset"], []),
    ("a lock", [take(LOCK)], ["it"], ["it"]),
    ("a lock released", [take(LOCK), give(LOCK)], [], []),
    ("a lock taken twice, released once", [take(LOCK, "1"), take(LOCK, "2"), give(LOCK)],
     ["1"], ["1"]),
    ("taken twice, released twice", [take(LOCK), take(LOCK), give(LOCK), give(LOCK)], [], []),
    ("the shared lock is another lock", [take(LOCK), take(SHARED, "s"), give(LOCK)], ["s"], ["s"]),
    ("unlock_all takes them all, stacks too", [take(LOCK), take(LOCK), take(SHARED),
                                               give(ALL_LOCKS)], [], []),
    ("unlock_all leaves the other kinds", [take(LOCK), take(PREPARED, "p"), give(ALL_LOCKS)],
     ["p"], ["p"]),
    ("survivors come first", [take(TEMP, "t"), take(LOCK, "l")], ["l", "t"], ["l"]),
]  # fmt: skip


@pytest.mark.parametrize("title, steps, committed, rolled_back", OUTLIVES)
def test_what_outlives_the_transaction(
    title: str, steps: list[Step], committed: list[str], rolled_back: list[str]
) -> None:
    books = after(*steps)
    assert books.outlive(committed=True) == committed, title
    assert books.outlive(committed=False) == rolled_back, title


# steps, what a COMMIT lets out
SAVEPOINTS: list[tuple[str, list[Step], list[str]]] = [
    ("undone to before", [savepoint("a"), take(WORK_MEM), back_to("a")], []),
    ("made before, kept", [take(WORK_MEM), savepoint("a"), back_to("a")], ["it"]),
    ("the older value comes back", [take(WORK_MEM, "1"), savepoint("a"), take(WORK_MEM, "2"),
                                    back_to("a")], ["1"]),
    ("undone to the outer one", [savepoint("a"), take(WORK_MEM), savepoint("b"), take(TIMEZONE),
                                 back_to("a")], []),
    ("undone to the inner one", [savepoint("a"), take(WORK_MEM, "m"), savepoint("b"),
                                 take(TIMEZONE), back_to("b")], ["m"]),
    ("twice back to the same", [savepoint("a"), take(WORK_MEM), back_to("a"), take(TIMEZONE),
                                back_to("a")], []),
    ("same name: the newer one counts", [savepoint("a"), take(WORK_MEM, "m"), savepoint("a"),
                                         take(TIMEZONE), back_to("a")], ["m"]),
    ("same name: released, the older one shows", [savepoint("a"), take(WORK_MEM), savepoint("a"),
                                                  release("a"), back_to("a")], []),
    ("RELEASE keeps what was made", [savepoint("a"), take(WORK_MEM), release("a")], ["it"]),
    ("RELEASE of the outer one takes the inner ones", [savepoint("a"), take(WORK_MEM),
                                                       savepoint("b"), release("a"),
                                                       back_to("b")], ["it"]),
    ("RELEASE, then back to the outer", [savepoint("a"), savepoint("b"), take(WORK_MEM),
                                         release("b"), back_to("a")], []),
    ("going back takes the later ones", [savepoint("a"), take(WORK_MEM), savepoint("b"),
                                         back_to("a"), take(TIMEZONE, "z"), back_to("b")], ["z"]),
    ("an unknown name is the server's business", [take(WORK_MEM), back_to("x"), release("x")],
     ["it"]),
    ("a drop is undone", [take(TEMP), savepoint("a"), give(TEMP), back_to("a")], ["it"]),
    ("a RESET is undone", [take(WORK_MEM), savepoint("a"), give(WORK_MEM), back_to("a")], ["it"]),
    ("a RESET of what was not set, too", [savepoint("a"), undo(WORK_MEM), back_to("a")], []),
    ("a CLOSE is not undone", [take(CURSOR), savepoint("a"), give(CURSOR), back_to("a")], []),
    ("a cursor left open stays", [take(CURSOR), savepoint("a"), back_to("a")], ["it"]),
    ("a lock stays", [savepoint("a"), take(LOCK), back_to("a")], ["it"]),
    ("an unlock is not undone", [take(LOCK), savepoint("a"), give(LOCK), back_to("a")], []),
    ("a PREPARE stays", [savepoint("a"), take(PREPARED), back_to("a")], ["it"]),
]  # fmt: skip


@pytest.mark.parametrize("title, steps, left", SAVEPOINTS)
def test_savepoints(title: str, steps: list[Step], left: list[str]) -> None:
    assert after(*steps).outlive(committed=True) == left, title


@pytest.mark.parametrize("kind", list(K))
def test_each_kind_survives_rollback_or_does_not(kind: K) -> None:
    books = after(take((kind, ("x",), False)))
    assert books.outlive(committed=False) == (["it"] if kind in SURVIVES_ROLLBACK else [])
    assert books.outlive(committed=True) == ["it"]


@pytest.mark.parametrize("kind", list(K))
def test_each_kind_can_be_released_by_name_and_all_at_once(kind: K) -> None:
    key, everything = (kind, ("x",), False), (kind, (), False)
    for name in (key, everything):
        books = after(take(key))
        assert books.holds(key)
        assert books.release(name) is True
        assert not books.holds(key)
        assert books.release(name) is False


def test_holding_one_lock_of_a_stack_is_holding_it() -> None:
    books = after(take(LOCK), take(LOCK))
    assert books.release(LOCK)
    assert books.holds(LOCK)
    assert not books.holds(SHARED)


def test_a_draft_leaves_the_books_alone() -> None:
    books = after(take(WORK_MEM), take(LOCK), savepoint("a"))
    draft = books.copy()
    for step in (give(WORK_MEM), give(LOCK), take(TEMP), undo(TIMEZONE), savepoint("b")):
        step(draft)
    draft.end()
    assert books.in_block
    assert books.outlive(committed=True) == ["it", "it"]
    assert [name for name, *_ in books.savepoints] == ["a"]


def test_going_back_in_a_draft_leaves_the_savepoints_of_the_books_alone() -> None:
    books = after(take(WORK_MEM, "1"), savepoint("a"), take(WORK_MEM, "2"))
    draft = books.copy()
    back_to("a")(draft)
    take(WORK_MEM, "3")(draft)
    assert books.outlive(committed=True) == ["2"]
    back_to("a")(books)
    assert books.outlive(committed=True) == ["1"]


@pytest.mark.parametrize("in_block", [False, True])
def test_the_end_wipes_everything(in_block: bool) -> None:
    books = after(take(WORK_MEM), take(LOCK), undo(TIMEZONE), savepoint("a"))
    books.drawn = True
    assert not books.blank
    books.end(in_block=in_block)
    assert books == Books(in_block=in_block)
    assert books.blank


@pytest.mark.parametrize("step", [take(WORK_MEM), take(LOCK), undo(WORK_MEM), savepoint("a")])
def test_whatever_is_remembered_makes_the_books_not_blank(step: Step) -> None:
    assert not after(step).blank
    assert after().blank


@pytest.mark.parametrize(
    "steps, is_nothing",
    [
        ([], True),
        ([savepoint("a"), savepoint("b")], True),
        ([take(TEMP), give(TEMP)], True),
        ([savepoint("a"), take(TEMP), back_to("a")], True),
        ([take(TEMP)], False),
        ([take(LOCK)], False),
        ([undo(WORK_MEM)], False),
        ([lambda books: setattr(books, "settings", NOTHING.put("work_mem", "1MB"))], False),
    ],
)
def test_an_end_that_leaves_nothing(steps: list[Step], is_nothing: bool) -> None:
    books = after(*steps)
    books.in_block = books.drawn = True
    before = books.copy()
    assert books.end_with_nothing() is is_nothing
    assert books == (Books() if is_nothing else before)


def test_a_drawn_sequence_value_makes_the_books_not_blank() -> None:
    assert not Books[str](drawn=True).blank
