"""Random programs notice no difference between a session of their own and a carried one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from tests.servers import PgBouncer, Postgres
from tests.settings_machine.engine_programs import engine_programs
from tests.settings_machine.engines import DRIVERS, DirectEngine, PooledEngine
from tests.settings_machine.judging import Judge
from tests.settings_machine.kept import KEPT
from tests.settings_machine.programs import Program, programs
from tests.settings_machine.sides import CARRY, POOL, Direct, Pooled, Side, databases

SLICE, ENGINE_SLICE = 250, 40
"""Programs in the test run; `make settings-machine` plays tens of thousands."""

SETTINGS: dict[str, Any] = {
    "derandomize": True,  # the same programs in each run: a failure is met again
    "database": None,
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
SEARCH = settings(**SETTINGS, max_examples=200, phases=[Phase.generate])

SideOf = Callable[[str], Side]


@pytest.fixture(scope="module")
def sides(postgres: Postgres, pgbouncer_with: Callable[..., PgBouncer]) -> Iterator[SideOf]:
    """The sides by name; each is made when it is first asked for."""
    pgbouncer_with()  # where the servers are missing, the tests end here
    with ExitStack() as stack:
        # Of their own: what thousands of programs say would bury the log of a failing test.
        postgres = stack.enter_context(Postgres(log_statement="none"))
        stack.enter_context(databases(postgres))
        pooler = stack.enter_context(PgBouncer(postgres, **POOL))
        stack.callback(pooler.stop)  # its server connections go before the databases
        made: dict[str, Side] = {}
        makers: dict[str, Callable[[], Side]] = {
            "alone": lambda: Direct(postgres),
            "guarded": lambda: Direct(postgres, CARRY),
            "carrying": lambda: Pooled(postgres, pooler, CARRY),
            "leaving": lambda: Pooled(postgres, pooler, {**CARRY, "settings": "leave"}),
            "bare": lambda: Pooled(postgres, pooler, None),
        }

        for driver in DRIVERS:
            makers[f"{driver} alone"] = partial(DirectEngine, postgres, driver)
            makers[f"{driver} carrying"] = partial(PooledEngine, postgres, pooler, CARRY, driver)

        def side(name: str) -> Side:
            if name not in made:
                for other in made.values():  # a new one closes what is open behind the pooler
                    other.renew()
                made[name] = makers[name]()
                stack.callback(made[name].close)
            return made[name]

        yield side


@settings(**SETTINGS, max_examples=SLICE)
@given(program=programs)
def test_a_program_cannot_tell_the_pooler_from_its_own(program: Program, sides: SideOf) -> None:
    difference = Judge(sides("alone"), sides("carrying")).difference(program)
    assert difference is None, str(difference)


@settings(**SETTINGS, max_examples=SLICE // 4)
@given(program=programs)
def test_a_guard_stands_aside_on_a_connection_of_its_own(program: Program, sides: SideOf) -> None:
    difference = Judge(sides("alone"), sides("guarded")).difference(program)
    assert difference is None, str(difference)


@pytest.mark.parametrize("driver", DRIVERS)
def test_engines_notice_no_difference_either(driver: str, sides: SideOf) -> None:
    judge = Judge(sides(f"{driver} alone"), sides(f"{driver} carrying"))

    @settings(**SETTINGS, max_examples=ENGINE_SLICE, phases=[Phase.generate])
    @given(program=engine_programs)
    def play(program: Program) -> None:
        difference = judge.difference(program)
        assert difference is None, str(difference)

    play()


@pytest.mark.parametrize("program", KEPT, ids=range(len(KEPT)))
def test_what_once_differed_does_so_no_more(program: Program, sides: SideOf) -> None:
    judge = Judge(sides("alone"), sides("carrying"))
    for _ in range(3):  # some did so as time went
        difference = judge.difference(program)
        assert difference is None, str(difference)


@pytest.mark.parametrize("name", ["leaving", "bare"])
def test_the_machine_finds_what_is_not_carried(name: str, sides: SideOf) -> None:
    judge = Judge(sides("alone"), sides(name))
    found = find(programs, lambda p: judge.difference(p) is not None, settings=SEARCH)
    assert len(found.steps) >= 1


@pytest.mark.parametrize("name", ["leaving", "bare"])
def test_the_machine_sees_what_bystanders_see(name: str, sides: SideOf) -> None:
    program = Program((("execute", "plain", "SET work_mem = '5MB'", None),), watches=False)
    side = sides(name)
    noticed = dict(side.play(program)[-2:])
    side.renew()
    assert noticed["bystanders",] == ["a bystander saw work_mem=5MB, not 4MB"]
