"""What a driver hands to detection: what a connection knows, a probe, and its answer.

Values only. The driver looks up `PROBED_PARAMETERS`, fills a `Greeting`, and runs a `Probe`
if it is asked for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .endpoints import Endpoint

PROBED_PARAMETERS: tuple[str, ...] = (
    "pgbouncer.version",
    "pgbouncer.pool_mode",
    "pgbouncer.max_prepared_statements",
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "scram_iterations",
    "search_path",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
)
"""The parameters that a driver looks up (libpq cannot list them), as servers spell them."""

PID_MAX = 4194304
"""The highest process id Linux gives; PgBouncer and Odyssey announce random 31 bits."""


class Greeting(NamedTuple):
    """What a new connection knows without a round trip.

    `backend_pid`: from the backend key data, 0 if none came. `parameters`: those of
    `PROBED_PARAMETERS` that were reported. `server_version`: as in 150018, 0 if not known.
    `requested_application_name`: None if not known. `local_port`: the client's own TCP port,
    None over a Unix socket. `dialled_port`: the port it connected to. `can_close_prepared`:
    whether the driver can send a protocol-level Close (libpq 17 can).
    """

    endpoint: Endpoint
    backend_pid: int
    parameters: Mapping[str, str]
    server_version: int = 0
    requested_application_name: str | None = None
    local_port: int | None = None
    dialled_port: int | None = None
    can_close_prepared: bool = True

    @property
    def reported(self) -> frozenset[str]:
        """The settings that the server reports, in lower case."""
        names = (name.lower() for name in self.parameters)
        return frozenset(name for name in names if not name.startswith("pgbouncer."))

    @property
    def impossible_pid(self) -> bool:
        """Whether no server process can have the announced id."""
        return not 0 < self.backend_pid <= PID_MAX


class ProbeAnswer(NamedTuple):
    """What came back. The ports are those of the server's own connection, None over a Unix
    socket. `prepared_name`: the name under which the server shows the statement that was
    parsed for the probe; None: it shows none, or none was parsed.
    """

    backend_pid: int
    client_port: int | None
    server_port: int | None
    prepared_name: str | None = None

    @classmethod
    def from_row(cls, row: Sequence[str | bytes | None]) -> ProbeAnswer:
        """The answer in the question's one row, in text format. ValueError if it is none."""
        columns = [value.decode() if isinstance(value, bytes) else value for value in row]
        pid = number_in(columns[0]) if len(columns) == 4 else None
        if pid is None:
            raise ValueError("this row does not answer the probe's question")
        return cls(pid, number_in(columns[1]), number_in(columns[2]), columns[3])

    @property
    def prepared_seen(self) -> bool:
        """Whether the server shows the statement that was parsed for the probe."""
        return self.prepared_name is not None

    @property
    def renamed(self) -> bool:
        """Whether the server shows the statement under a name that the probe did not give."""
        return self.prepared_name is not None and not re.fullmatch(_NAME_KEPT, self.prepared_name)


_NAME = "pgpoolsafe_"
_NAME_KEPT = rf"{_NAME}[0-9a-z]+"
_QUESTION = (
    "select pg_catalog.pg_backend_pid(), pg_catalog.inet_client_port(),"
    " pg_catalog.inet_server_port(), {name}"
)
_PREPARED_NAME = (
    "(select name from pg_catalog.pg_prepared_statements where statement = '{statement}')"
)


class Probe(NamedTuple):
    """One round trip, in one libpq pipeline with one Sync and outside a transaction:
    Parse `parsed_sql` as `name`, run `question_sql`, Close `name`.

    `name` None: run the question only. The question takes no parameters and gives one row
    of four columns, for `ProbeAnswer.from_row`.
    """

    name: bytes | None
    parsed_sql: bytes
    question_sql: bytes


def new_probe(random: str, *, with_prepare: bool = True) -> Probe:
    """A probe of its own for `random`: 8 to 40 letters and digits, never used before.

    The statement's text is new as well: a pooler that tracks statements knows them by their
    text. `with_prepare` False: for a driver that could not close the statement, which would
    then stay behind. Raises ValueError on other characters.
    """
    if not re.fullmatch(r"[0-9a-z]{8,40}", random):
        raise ValueError("a probe is named by 8 to 40 lower-case letters and digits")
    if not with_prepare:
        return Probe(None, b"", _QUESTION.format(name="null").encode())
    name = f"{_NAME}{random}"
    statement = f"select 1 as {name}"
    question = _QUESTION.format(name=_PREPARED_NAME.format(statement=statement))
    return Probe(name.encode(), statement.encode(), question.encode())


def number_in(text: str | None) -> int | None:
    """A whole number, None if the text is none."""
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text.strip()) else None
