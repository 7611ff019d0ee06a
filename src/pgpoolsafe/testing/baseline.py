"""The findings of old code that are known: a file that is read by people and merged by git.

One line for each, sorted, without values and line numbers, so that it holds until the
statement itself changes or moves to another function.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigurationError
from ..rules.catalog import RULES
from ..rules.findings import Finding

_HEADER = """\
# pgpoolsafe baseline 1: findings that were there already, and do not fail the tests.
# rule, file, function, statement; tabs between. Written by --pgpoolsafe-update-baseline.
"""

_PACKAGES = ("site-packages", "dist-packages")


class Entry(NamedTuple):
    """A known finding: the rule, where it is, and the statement without its values."""

    rule: str
    file: str
    function: str
    statement: str

    @property
    def line(self) -> str:
        """As it stands in the file."""
        return "\t".join(self)


def entry_of(finding: Finding, root: Path) -> Entry:
    """What is to be known of a finding. `root`: files are named from there."""
    place = finding.location
    return Entry(
        finding.rule,
        relative(place.file, root) if place else "",
        _one_line(place.function) if place else "",
        _statement(finding) or "?",
    )


def _statement(finding: Finding) -> str:
    if finding.rule == "named-prepare":  # is about the connection, and quotes no SQL
        return finding.statement
    from .normal import normalised  # most runs find nothing

    several = "\n" in finding.statement  # residue, of one among several statements
    return normalised(finding.what if several else finding.statement)


def relative(file: str, root: Path) -> str:
    """A file's name that is the same on every machine.

    From `root` where it lies below it, from its package where that is installed.
    """
    path = Path(file)
    for folder in _PACKAGES:
        if folder in path.parts:
            after = len(path.parts) - path.parts[::-1].index(folder)
            return _one_line(Path(*path.parts[after:]).as_posix())
    try:
        return _one_line(path.relative_to(root).as_posix())
    except ValueError:
        return _one_line(path.as_posix())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def read(path: Path) -> frozenset[Entry]:
    """The entries of a file; none where there is no file yet.

    Raises ConfigurationError that names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"the baseline {path} cannot be read: {error}") from None
    numbered = enumerate(lines, 1)
    return frozenset(_entry(line, f"{path}:{n}") for n, line in numbered if _is_entry(line))


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _entry(line: str, where: str) -> Entry:
    fields = line.split("\t")
    if len(fields) != 4:
        raise ConfigurationError(
            f"{where}: expected rule, file, function and statement with tabs between"
            f" ({len(fields)} fields here)"
        )
    if fields[0] not in RULES:
        raise ConfigurationError(
            f"{where}: unknown rule {fields[0]!r}; known rules: {', '.join(RULES)}"
        )
    return Entry(*fields)


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Write the file anew, in one piece. Raises OSError."""
    lines = "".join(f"{entry.line}\n" for entry in sorted(entries))
    unfinished = path.with_name(f"{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_text(_HEADER + lines, encoding="utf-8")
    unfinished.replace(path)
