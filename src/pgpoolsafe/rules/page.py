"""What stands on a rule's page beside what the catalogue and the pooler table know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent


@dataclass(frozen=True)
class Example:
    """Python code that breaks the rule, and the same task done safely.

    psycopg's blocks use `conn`, an open `psycopg.Connection`; SQLAlchemy's use `engine`.
    """

    unsafe: str
    safe: str

    @classmethod
    def of(cls, unsafe: str, safe: str) -> Example:
        """From indented text, as it stands in the source."""
        return cls(dedent(unsafe).strip() + "\n", dedent(safe).strip() + "\n")


@dataclass(frozen=True)
class Page:
    """The words of one rule's page; Markdown, without headings.

    `story`: two clients and one server connection. `examples`: by library, in the order
    of the page. `remedy`: the fix in words. `fine`: when the finding does not matter, and
    `allow` the line that says so. `undetected`: what the rule does not see. `elsewhere`:
    for a rule about no kind of session state, what poolers do.
    """

    story: str
    examples: Mapping[str, Example]
    remedy: str
    fine: str
    allow: str
    undetected: str
    elsewhere: str = ""

    @classmethod
    def of(
        cls,
        *,
        story: str,
        psycopg: Example,
        sqlalchemy: Example,
        django: Example,
        remedy: str,
        fine: str,
        allow: str,
        undetected: str,
        elsewhere: str = "",
    ) -> Page:
        """From indented text, as it stands in the source."""
        return cls(
            story=_flowing(story),
            examples={"psycopg": psycopg, "SQLAlchemy": sqlalchemy, "Django": django},
            remedy=_flowing(remedy),
            fine=_flowing(fine),
            allow=dedent(allow).strip() + "\n",
            undetected=_flowing(undetected),
            elsewhere=_flowing(elsewhere),
        )


def _flowing(text: str) -> str:
    return dedent(text).strip()
