"""Random programs for SQLAlchemy's connections, on any driver."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from . import programs as psycopgs
from . import values
from .programs import Program, Step


def _sent(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Step]:
    return st.builds(lambda text: ("execute", text), texts)


def _some(texts: tuple[str, ...]) -> st.SearchStrategy[Step]:
    return _sent(st.sampled_from(texts))


PARAMETERS = tuple(row for row in values.PARAMETERS if "%%" not in row[0])
MANY = tuple(row for row in values.MANY if not row[0].startswith("SELECT"))
DOINGS = tuple(text for text in values.DOINGS if text)

bound = st.builds(lambda row: ("bound", *row), st.sampled_from(PARAMETERS))
many = st.builds(lambda row: ("many", *row), st.sampled_from(MANY))

settings_steps = st.one_of(
    _sent(psycopgs.changes), _sent(psycopgs.changes), _some(values.SPECIAL), bound
)
other_steps = st.one_of(
    _some(values.READS), _some(DOINGS), _some(values.MIXED), _some(values.BAD), many
)
ends = st.sampled_from((("commit",), ("commit",), ("rollback",)))
control_steps = st.one_of(
    ends,
    ends,
    _some(values.SAVEPOINTS + values.BLOCKS + values.ENDS),
    st.sampled_from((("nest",), ("nest",), ("leave", "commit"), ("leave", "rollback"))),
    st.sampled_from(
        (
            ("autocommit", True),
            ("autocommit", False),
            ("isolation", "SERIALIZABLE"),
            ("isolation", "REPEATABLE READ"),
            ("checkout",),
            ("two_phase",),
            ("prepare",),
        )
    ),
)
steps = st.one_of(
    settings_steps, settings_steps, settings_steps, other_steps, control_steps, st.just(("look",))
)

stretches = st.builds(lambda some, end: (*some, end), st.lists(steps, max_size=8), ends)

engine_programs: st.SearchStrategy[Program] = st.builds(
    lambda parts, **flags: Program(tuple(step for part in parts for step in part), **flags),
    st.lists(stretches, max_size=10),
    user=st.sampled_from(("app", "app", "postgres")),
    autocommit=st.booleans(),
    watches=st.booleans(),
    options=psycopgs.options,
)


def fitting(program: Program, driver: str) -> Program:
    """The program as far as a driver can say it: pg8000 has no word for start-up settings."""
    return dataclasses.replace(program, options=()) if driver == "pg8000" else program
