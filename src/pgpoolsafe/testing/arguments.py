"""The options of a guarded run on the command line of a runner that is not pytest."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .cases import strict_tests
from .ending import Ending
from .options import MODES, OFF, Options
from .supervision import Supervision

_RESIDUE: Mapping[str, bool | str] = {"off": False, "on": True, "statement": "statement"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add `--pgpoolsafe` and the rest, named as the pytest plugin has them."""
    group = parser.add_argument_group("pgpoolsafe", "session state behind a connection pooler")
    group.add_argument("--pgpoolsafe", choices=(OFF, *MODES), default="strict")
    group.add_argument("--pgpoolsafe-pooler", metavar="POOLER")
    group.add_argument("--pgpoolsafe-residue", choices=_RESIDUE, default="off")
    group.add_argument("--pgpoolsafe-baseline", type=Path, metavar="FILE")
    group.add_argument("--pgpoolsafe-update-baseline", action="store_true")
    group.add_argument("--pgpoolsafe-report", type=Path, metavar="FILE")


def options_of(arguments: Mapping[str, Any]) -> Options:
    """The options among parsed arguments, by their names in a Namespace."""
    return Options(
        mode=arguments["pgpoolsafe"],
        pooler=arguments["pgpoolsafe_pooler"],
        residue=_RESIDUE[arguments["pgpoolsafe_residue"]],
        baseline=arguments["pgpoolsafe_baseline"],
        update_baseline=arguments["pgpoolsafe_update_baseline"],
    )


@contextmanager
def strict_run(
    arguments: Mapping[str, Any], *, is_whole: bool = False
) -> Iterator[tuple[Supervision, Ending]]:
    """`strict_tests()` for a whole run; `is_whole`: of all the tests there are.

    Raises ConfigurationError for wrong options.
    """
    with strict_tests(options_of(arguments)) as supervision:
        yield supervision, Ending(supervision, arguments["pgpoolsafe_report"], is_whole=is_whole)


def finished(supervision: Supervision, ending: Ending) -> tuple[list[str], bool]:
    """Write what is to be written; the lines of the summary, and whether something came
    outside of all tests that fails the run. Raises ConfigurationError for files that cannot
    be written.
    """
    ending.gather(supervision.journal.take())
    outcome = ending.outcome()
    try:
        said = ending.write()
    except OSError as error:
        raise ConfigurationError(f"not written: {error}") from error
    head = f"pgpoolsafe: {outcome.mode}, as if behind {outcome.pooler}"
    return [head, *outcome.lines(), *said], outcome.fails_outside
