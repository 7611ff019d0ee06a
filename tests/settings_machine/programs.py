"""Random programs: values that can be printed, kept, and played again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from . import values

Step = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """What one client does. `repr` gives it back.

    `user`: "app" or the superuser "postgres"; `is_async`: on psycopg's async connection;
    `autocommit`: how it begins; `watches`: it looks at all settings after every step;
    `options`: settings at start-up; `fuses`: BEGIN goes with the first statement.
    """

    steps: tuple[Step, ...]
    user: str = "app"
    is_async: bool = False
    autocommit: bool = True
    watches: bool = True
    options: tuple[tuple[str, str], ...] = ()
    fuses: bool = False

    def __str__(self) -> str:
        flags = f"user={self.user!r}, is_async={self.is_async}, autocommit={self.autocommit}"
        flags += f", watches={self.watches}, options={self.options!r}, fuses={self.fuses}"
        steps = "".join(f"        {step!r},\n" for step in self.steps)
        return f"Program(\n    (\n{steps}    ),\n    {flags},\n)"


KINDS = ("plain",) * 6 + ("client", "raw", "binary")
"""Which cursor sends a statement."""


def _sent(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Step]:
    return st.builds(
        lambda kind, text: ("execute", kind, text, None), st.sampled_from(KINDS), texts
    )


def _change(name: str) -> st.SearchStrategy[str]:
    value = st.sampled_from(values.VALUES[name])
    scope = st.sampled_from(("", "", "", "SESSION ", "LOCAL ", "LOCAL "))
    sets = st.builds(
        lambda s, v, to: f"SET {s}{name} {to} {v}", scope, value, st.sampled_from("= TO".split())
    )
    return st.one_of(
        sets,
        sets,
        sets,
        st.builds(lambda s: f"SET {s}{name} TO DEFAULT", scope),
        st.just(f"RESET {name}"),
        st.builds(_set_config(name), value, st.sampled_from(("true", "false"))),
    )


def _set_config(name: str) -> Callable[[str, str], str]:
    def text(value: str, local: str) -> str:
        literal = value if value.startswith("'") and value.endswith("'") else None
        literal = literal or "'" + value.replace("'", "''") + "'"
        return f"SELECT set_config('{name}', {literal}, {local})"

    return text


COMMON = ("statement_timeout", "work_mem", "search_path", "app.user_id")

changes = st.sampled_from(COMMON * 4 + tuple(values.VALUES)).flatmap(_change)

bound = st.builds(
    lambda kind, row: ("execute", kind, *row),
    st.sampled_from(KINDS),
    st.sampled_from(values.PARAMETERS),
)

drivers_own = st.sampled_from(
    (
        ("commit",),
        ("rollback",),
        ("autocommit", True),
        ("autocommit", False),
        ("isolation", 4),
        ("isolation", None),
        ("read_only", True),
        ("read_only", None),
        ("deferrable", True),
        ("reconnect",),
        ("tpc_begin", "machine"),
        ("tpc_prepare",),
        ("tpc_commit",),
        ("tpc_rollback",),
    )
)

copies = st.one_of(
    st.builds(lambda text: ("copy_out", text), st.sampled_from(values.COPIES_OUT)),
    st.builds(lambda row: ("copy_in", *row), st.sampled_from(values.COPIES_IN)),
    st.builds(lambda row: ("many", *row), st.sampled_from(values.MANY)),
    st.builds(lambda row: ("stream", *row), st.sampled_from(values.STREAMED)),
)

named = st.sampled_from(
    (
        ("declare", "SELECT current_setting('work_mem')"),
        ("declare", "SELECT who FROM place"),
        ("fetch",),
        ("close",),
    )
)

settings_steps = st.one_of(
    _sent(changes),
    _sent(changes),
    _sent(changes),
    _sent(st.sampled_from(values.SPECIAL)),
    bound,
)
other_steps = st.one_of(
    _sent(st.sampled_from(values.READS)),
    _sent(st.sampled_from(values.DOINGS)),
    _sent(st.sampled_from(values.MIXED)),
    _sent(st.sampled_from(values.BAD)),
    copies,
)
control_steps = st.one_of(
    _sent(st.sampled_from(values.SAVEPOINTS)),
    _sent(st.sampled_from(values.BLOCKS + values.ENDS + values.PREPARED)),
    drivers_own,
    named,
    st.sampled_from((("enter", "transaction"), ("enter", "pipeline"), ("leave", ""))),
)
looks = st.just(("look",))
inner_steps = st.one_of(
    settings_steps, settings_steps, other_steps, looks, _sent(st.sampled_from(values.SAVEPOINTS))
)

Steps = tuple[Step, ...]


def _block(begin: Step, inner: list[Step], end: Step) -> Steps:
    return (begin, *inner, end)


inners = st.lists(inner_steps, max_size=6)

by_text = st.builds(
    _block,
    _sent(st.sampled_from(values.BLOCKS)),
    inners,
    _sent(st.sampled_from(values.ENDS[:2] * 3 + values.ENDS)),
)
by_manager = st.builds(
    _block,
    st.just(("enter", "transaction")),
    inners,
    st.sampled_from((("leave", ""), ("leave", ""), ("leave", "error"))),
)
by_savepoint = st.builds(
    _block,
    _sent(st.just("SAVEPOINT s")),
    inners,
    _sent(st.sampled_from(("ROLLBACK TO SAVEPOINT s", "RELEASE s"))),
)
in_pipeline = st.builds(
    _block,
    st.just(("enter", "pipeline")),
    st.lists(st.one_of(inner_steps, st.just(("sync",)), control_steps), max_size=6),
    st.just(("leave", "")),
)
alone = st.builds(
    lambda step: (step,),
    st.one_of(settings_steps, settings_steps, other_steps, control_steps, looks),
)

parts = st.lists(
    st.one_of(alone, alone, alone, by_text, by_manager, by_savepoint, in_pipeline), max_size=14
)

options = st.sampled_from(
    ((), (), (), (("statement_timeout", "61s"),), (("app.user_id", "1"), ("work_mem", "3MB")))
)

programs: st.SearchStrategy[Program] = st.builds(
    lambda parts, **flags: Program(tuple(step for part in parts for step in part), **flags),
    parts,
    user=st.sampled_from(("app", "app", "postgres")),
    is_async=st.booleans(),
    autocommit=st.sampled_from((True, True, False)),
    watches=st.booleans(),
    options=options,
    fuses=st.booleans(),
)
"""Programs of any length up to about fifty steps."""
