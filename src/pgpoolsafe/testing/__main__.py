"""`python -m pgpoolsafe.testing [options] …`: unittest, guarded; the rest is unittest's own."""

from __future__ import annotations

import sys
import unittest
from argparse import ArgumentParser

from ..errors import ConfigurationError
from .arguments import add_arguments, finished, strict_run
from .options import OFF


def main(words: list[str]) -> int:
    """Run tests; the exit status is 0 when all have passed, 1 when not, 2 for wrong options."""
    parser = ArgumentParser(
        prog="python -m pgpoolsafe.testing",
        description="Run unittest with every PostgreSQL connection judged as if behind a pooler.",
        epilog="What is not listed here goes to unittest: discover -s tests, names of tests, …",
    )
    add_arguments(parser)
    arguments, rest = parser.parse_known_args(words)
    if arguments.pgpoolsafe == OFF:
        return 0 if _unittest(rest) else 1
    try:
        with strict_run(vars(arguments), is_whole=not rest or rest == ["discover"]) as run:
            passed = _unittest(rest)
            lines, fails = finished(*run)
    except ConfigurationError as error:
        sys.stderr.write(f"pgpoolsafe: {error}\n")
        return 2
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return 0 if passed and not fails else 1


def _unittest(words: list[str]) -> bool:
    """Whether all tests have passed."""
    program = unittest.main(module=None, argv=["unittest", *words], exit=False)
    return program.result.wasSuccessful()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
