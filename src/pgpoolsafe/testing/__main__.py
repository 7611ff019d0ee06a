"""`python -m pgpoolsafe.testing [options] …`: unittest, guarded; the rest is unittest's own."""

from __future__ import annotations

import sys
import unittest
from argparse import ArgumentParser

from ..errors import ConfigurationError
from .arguments import add_arguments, finished, strict_run


def main(words: list[str]) -> int:
    """Run tests; the exit status is 0 when all have passed, 1 when not, 2 for wrong options."""
    parser = ArgumentParser(
        prog="python -m pgpoolsafe.testing",
        description="Run unittest with every PostgreSQL connection judged as if behind a pooler.",
        epilog="What is not listed here goes to unittest: discover -s tests, names of tests, …",
    )
    add_arguments(parser)
    arguments, rest = parser.parse_known_args(words)
    try:
        with strict_run(vars(arguments), is_whole=not rest or rest == ["discover"]) as run:
            program = unittest.main(module=None, argv=["unittest", *rest], exit=False)
            lines, fails = finished(*run)
    except ConfigurationError as error:
        sys.stderr.write(f"pgpoolsafe: {error}\n")
        return 2
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return 0 if program.result.wasSuccessful() and not fails else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
