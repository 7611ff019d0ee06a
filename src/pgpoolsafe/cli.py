"""The console script `pgpoolsafe`. Needs the extra: `pip install 'pgpoolsafe[cli]'`."""

from __future__ import annotations

import sys

_EXTRA = ("click", "rich", "psycopg")


def main() -> int:
    """Run the command line; returns the exit status."""
    try:
        import psycopg  # noqa: F401  # so that a missing libpq shows here

        from .commands import run
    except ImportError as missing:
        return _explain(missing)
    return run()


def _explain(missing: ImportError) -> int:
    """One line instead of a traceback, where the reader can put it right."""
    if isinstance(missing, ModuleNotFoundError):
        package = (missing.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise missing
        line = f"the command line needs {package}: pip install 'pgpoolsafe[cli]'"
    elif "no pq wrapper available" in str(missing):
        line = "psycopg finds no libpq: pip install 'psycopg[binary]'"
    else:
        raise missing
    sys.stderr.write(f"pgpoolsafe: {line}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
