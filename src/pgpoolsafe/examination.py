"""The doctor's visits: connections of its own, what they ask, and errors in one line.

What is asked stands in `checkup/questions.py`, `session/question.py` and `sql/stored.py`. No
step waits longer than the connect timeout. Without a connection there is nothing to look at;
what else cannot be asked becomes a silence, in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .checkup.facts import Console, Server
from .checkup.questions import CONSOLE, SERVER, console_in, server_in
from .checkup.residue import origin_behind
from .poolers.answers import Pooler
from .session.residue import Found, Snapshot, parameter, question, snapshot_in
from .sql.stored import StoredCode
from .targets import Address

if TYPE_CHECKING:
    from .drivers.psycopg_sight import Sight, Visitor

LOOKS = 4
"""How many connections look for what other clients have left, at the same moment."""


class NotReached(Exception):
    """There is no connection to be had, or no answer; the message is one line without secrets."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What one connection has found out. None: not understood, and a silence says why."""

    sight: Sight
    server: Server | None
    stored: StoredCode | None
    silences: tuple[str, ...]


def examine(address: Address, override: Pooler | None) -> Examination:
    """What stands there, its limits, and the code that its database keeps.

    `override`: what the user says that stands there. Raises NotReached.
    """
    from .drivers.psycopg_sight import come_without_what_is_refused, with_refused

    with errors_of(address):
        visitor, refused = come_without_what_is_refused(address.parameters, address.timeout)
        with visitor:
            sight = with_refused(visitor.look(override), refused)
            silences: list[str] = []
            server = _server(visitor, silences)
            stored = _stored(visitor, silences) if server is not None else None
    return Examination(sight, server, stored, tuple(map(address.scrubbed, silences)))


def _server(visitor: Visitor, silences: list[str]) -> Server | None:
    import psycopg

    try:
        return server_in(visitor.ask(SERVER))
    except (psycopg.DatabaseError, LookupError, TypeError) as error:
        if visitor.closed:
            raise
        silences.append(
            f"the server was not understood, so nothing else was looked at ({_first(error)})"
        )
        return None


def _stored(visitor: Visitor, silences: list[str]) -> StoredCode | None:
    import psycopg

    from .drivers.psycopg_audit import ask

    try:
        found: StoredCode = visitor.wait(ask(visitor))
    except (psycopg.Error, LookupError, TypeError, ValueError) as error:
        silences.append(f"the database's functions could not be read ({_first(error)})")
        return None
    return found


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


# errors in one line


@contextmanager
def errors_of(address: Address) -> Iterator[None]:
    """Turn the driver's errors into NotReached."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        # Without the cause, whose message nobody has scrubbed.
        raise NotReached(_one_line(error, address)) from None


def _one_line(error: Exception, address: Address) -> str:
    """What went wrong, as its first line says it; psycopg's own words around it are left out."""
    from psycopg.errors import ConnectionTimeout

    from .drivers.psycopg_sight import NoAnswer

    if isinstance(error, NoAnswer):
        said = f"connected, but {error}: perhaps every server connection of the pool is in use"
    elif isinstance(error, ConnectionTimeout):
        said = f"no answer within {address.timeout:g} s"
    else:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        several = len(lines) > 1 and lines[0].startswith("Multiple connection attempts failed")
        said = lines[-1 if several else 0] if lines else type(error).__name__
    return f"cannot look at {address.place}: {_NOISE.sub('', address.scrubbed(said))}"


_NOISE = re.compile(
    r"^(- host: \S+?, port: \S+?, hostaddr: \S+?: )?(connection failed: |connection is bad: )?"
    r"(consuming input failed: )?"
    r"(connection to server (at|on socket) \"[^\"]*\"( \([^)]*\))?(, port \d+)? failed: )?"
)


# what others have left


def leftovers(address: Address, pooler: Pooler) -> tuple[Snapshot, ...]:
    """What several server connections carry, each once; one on a direct connection."""
    import psycopg

    from .drivers.psycopg_sight import ask_at_once, come

    with ExitStack() as stack:
        visitors: list[Visitor] = []
        for _ in range(1 if pooler.product == "direct" else LOOKS):
            try:
                visitor = come(address.without_settings, address.timeout)
            except psycopg.OperationalError:  # too many clients: those that came will do
                break
            visitors.append(stack.enter_context(visitor))
        questions = [question(visitor.pgconn.server_version) for visitor in visitors]
        answers = ask_at_once(visitors, questions, parameter(Found()))
    return _each_once(answers, pooler)


def _each_once(answers: Sequence[Any], pooler: Pooler) -> tuple[Snapshot, ...]:
    origin = origin_behind(pooler)
    found = {answer["pid"]: snapshot_in(answer, origin) for answer in answers if answer}
    return tuple(found[pid] for pid in sorted(found))


# PgBouncer's admin console


def ask_console(address: Address, dbname: str) -> Console | None:
    """What the console says of a database; None where there is none, or not for this user,
    as for most applications.
    """
    import psycopg

    from .drivers.psycopg_sight import come

    parameters = {**address.without_settings, "dbname": "pgbouncer"}
    try:
        with come(parameters, address.timeout) as visitor:
            answers = [_rows(visitor, question) for question in CONSOLE]
        return console_in(dbname, *answers)
    except (psycopg.Error, LookupError, ValueError):
        return None


def _rows(visitor: Visitor, question: str) -> list[Mapping[str, Any]]:
    from psycopg.rows import dict_row

    return list(visitor.cursor(row_factory=dict_row).execute(question.encode()).fetchall())
