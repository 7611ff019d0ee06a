"""What becomes of settings in the connection string: `options=-c statement_timeout=2s`.

PostgreSQL applies them for the session. A pooler shares its server connections among clients
that asked for different things, so most of them refuse such settings, or drop them. One row
per product and versions; what an operator may have configured otherwise can be seen once the
connection stands (`arrived`).

Values are read to compare them with what the server says, and are never in a message.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from ..effects import ENCODING
from .answers import Pooler
from .products import Version
from .products import pooler as known_pooler


class Reception(Enum):
    """What becomes of one setting that a client asks for when it connects."""

    APPLIED = "applied"
    """It is in force for this client."""
    REJECTED = "rejected"
    """The pooler refuses the connection."""
    DROPPED = "dropped"
    """The pooler accepts the connection and forgets the setting, without a word."""
    UNKNOWN = "unknown"
    """Nobody has measured or documented it, or the version decides."""


_FIVE = frozenset(
    {"application_name", "client_encoding", "datestyle", "standard_conforming_strings", "timezone"}
)
_SIX = _FIVE | {"intervalstyle"}
_REPORTED = _SIX | {
    "default_transaction_read_only",
    "scram_iterations",
    "search_path",
    "session_authorization",
}
# Not search_path: of a list it makes one name.
_ODYSSEY = _FIVE | {
    "statement_timeout",
    "work_mem",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "default_table_access_method",
    "default_toast_compression",
    "check_function_bodies",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "default_transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "role",
}


class StartupRow(NamedTuple):
    """What one product does, from version `since` up to but not including `before`.

    `since` None: the row for a version nobody has stated. `applied`: settings (lower case)
    that arrive; `unsure`: those that arrive in some versions; `others`: what becomes of all
    other settings.
    """

    product: str
    others: Reception
    source: str
    since: Version | None = ()
    before: Version | None = None
    applied: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()

    def covers(self, pooler: Pooler) -> bool:
        """Whether the row speaks for this pooler."""
        if self.product != pooler.product:
            return False
        if self.since is None:
            return pooler.version is None
        if pooler.version is None:
            return self.since == () and self.before is None
        return self.since <= pooler.version and (
            self.before is None or pooler.version < self.before
        )


_PGBOUNCER = "pgbouncer.org/config.html: ignore_startup_parameters, track_extra_parameters"

ROWS: tuple[StartupRow, ...] = (
    StartupRow(
        "direct", Reception.APPLIED, "postgresql.org/docs/current/libpq-connect.html: options"
    ),
    # Before 1.20 it refuses `options` as a whole, whatever stands in it.
    StartupRow("pgbouncer", Reception.REJECTED, f"measured (1.18); {_PGBOUNCER}", before=(1, 20)),
    StartupRow(
        "pgbouncer", Reception.REJECTED, f"measured (1.24.1); {_PGBOUNCER}",
        since=(1, 20), before=(1, 26), applied=_SIX,
    ),
    StartupRow(
        "pgbouncer", Reception.REJECTED, f"measured (1.26.1); {_PGBOUNCER}",
        since=(1, 26), applied=_REPORTED,
    ),
    StartupRow(
        "pgbouncer", Reception.REJECTED, f"measured (1.18, 1.24.1, 1.26.1); {_PGBOUNCER}",
        since=None, unsure=_REPORTED,
    ),
    StartupRow(
        "odyssey", Reception.DROPPED, "measured (1.5.2); github.com/yandex/odyssey",
        applied=_ODYSSEY,
    ),
    StartupRow("pgagroal", Reception.DROPPED, "measured (1.6.0, 2.1.0)"),
    StartupRow("pgpool", Reception.APPLIED, "measured (4.7.3)"),
    StartupRow("pgdog", Reception.APPLIED, "docs.pgdog.dev"),
    # It reads `options` itself, for the tenant's name among others.
    StartupRow(
        "supavisor", Reception.DROPPED, "github.com/supabase/supavisor",
        applied=frozenset({"search_path", "jit"}),
    ),
    # All of them arrive only with sync_server_parameters, which is off by default.
    StartupRow(
        "pg_doorman", Reception.DROPPED, "github.com/ozontech/pg_doorman", applied=_SIX
    ),
    StartupRow("rds-proxy", Reception.REJECTED, "docs.aws.amazon.com: RDS Proxy limitations"),
)  # fmt: skip
"""A product without a row: UNKNOWN."""


def received(pooler: Pooler, name: str) -> Reception:
    """What this pooler does with a setting in `options`, as far as is known of its product."""
    row = next((row for row in ROWS if row.covers(pooler)), None)
    if row is None or name.lower() in row.unsure:
        return Reception.UNKNOWN
    return Reception.APPLIED if name.lower() in row.applied else row.others


def left_out(pooler: Pooler, asked: Mapping[str, str]) -> dict[str, str]:
    """The settings that a connection was opened with, where this pooler leaves them out.

    Without `client_encoding`: the driver has connected without it and goes by what it was told.
    """
    if not pooler.shares_sessions:
        return {}
    left = {n: v for n, v in asked.items() if received(pooler, n) is not Reception.APPLIED}
    left.pop(ENCODING, None)
    return left


def kept(pooler: Pooler, asked: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """Of what a connection was opened with, what this pooler keeps for it.

    RESET, which the server does, knows nothing of it. `asked`: in the options; `named`: by
    parameters of the connection.
    """
    if not pooler.shares_sessions:
        return {}
    applied = {n: v for n, v in asked.items() if received(pooler, n) is Reception.APPLIED}
    found = {n: v for n, v in {**applied, **named}.items() if n in pooler.tracked}
    # Alone, an order would leave the style as it is (check_datestyle); initdb writes ISO.
    if re.fullmatch(r"(?i)(y|mdy|us|noneuro|dmy|euro)\w*", found.get("datestyle", "")):
        found["datestyle"] = f"ISO, {found['datestyle']}"
    return found


def arrived(pooler: Pooler, name: str, source: str | None, *, equal: bool) -> Reception:
    """The same once a connection with the setting stands.

    `source`: of the setting in pg_settings, None if it is not listed there; `equal`: whether
    the server shows the value that was asked for. PgBouncer sends SET only for what differs
    on the server connection, so the source alone proves little.
    """
    expected = received(pooler, name)
    if expected is Reception.APPLIED or equal or source == "client":
        return Reception.APPLIED
    if source is None or source == "session":
        # Not listed; or set by a SET: the pooler's for this client, or another client's.
        return Reception.UNKNOWN
    return Reception.DROPPED


# options


def settings_in(options: str) -> Mapping[str, str]:
    """The settings that a string like `-c work_mem=1MB --search_path=app` asks for.

    Names in lower case. Split as the server does (pg_split_opts): at white space, a backslash
    takes the next character as it is. A word without a dash is for the provider's routing
    (`endpoint=…`); a switch that is no setting (`-e`) is taken as its own name.
    """
    return {part.name: part.value for part in _parts(options) if part.name is not None}


def without(options: str, names: Collection[str]) -> str:
    """The options without these settings; all else as it was written."""
    return " ".join(part.text for part in _parts(options) if part.name not in names)


class _Part(NamedTuple):
    """One setting of the options as it is written, or (`name` None) a word of another kind."""

    text: str
    name: str | None = None
    value: str = ""


def _parts(options: str) -> Iterator[_Part]:
    words = iter(re.findall(r"(?:\\.|[^\s\\])+", options))
    for written in words:
        word = re.sub(r"\\(.)", r"\1", written)
        if word == "-c":
            following = next(words, "")
            name, _, value = re.sub(r"\\(.)", r"\1", following).partition("=")
            yield _Part(f"{written} {following}", name.lower(), value)
        elif word.startswith(("--", "-c")):
            name, _, value = word[2:].partition("=")
            yield _Part(written, name.lower().replace("-", "_"), value)
        else:
            yield _Part(written, word if word.startswith("-") else None)


# what a pooler says when it refuses


class Refusal(NamedTuple):
    """A connection that was refused for a startup parameter.

    `product` is who says such a thing, and `words` what it said; `name` the parameter, None
    if the text names none (or names `options` as a whole).
    """

    product: str
    name: str | None
    words: str = ""


_NAME = r"(?P<name>[\w.]*\w)"
_REFUSALS: tuple[tuple[str, str], ...] = (
    ("pgbouncer", rf"unsupported startup parameter in options: {_NAME}"),
    ("pgbouncer", "unsupported options startup parameter: only '-c config=val'"),
    # PgBouncer before 1.20.
    ("pgbouncer", "unsupported startup parameter: options"),
    ("pgbouncer", f"unsupported startup parameter: {_NAME}"),
    ("rds-proxy", "RDS Proxy currently doesn.t support command-line options"),
    ("rds-proxy", f"RDS Proxy currently doesn.t support the option {_NAME}"),
)


def refusal_in(error: str) -> Refusal | None:
    """What an error at connect says about startup parameters; None if it is about others.

    An error at connect has no SQLSTATE (libpq keeps the text only), hence the text.
    """
    for product, pattern in _REFUSALS:
        found = re.search(pattern, error)
        if found:
            return Refusal(product, found.groupdict().get("name"), found[0])
    return None


def named_by_refusal(pooler: Pooler, refusal: Refusal) -> Pooler:
    """A proxy that could not be named otherwise, by the words in which it refused.

    Nobody else has these words (Odyssey's begin with its name, servers have others).
    """
    if pooler.product != "unknown":
        return pooler
    known = known_pooler(
        refusal.product,
        mode=pooler.mode,
        prepared=pooler.prepared,
        evidence=(f"it refused: {refusal.words}", *pooler.evidence),
        confidence="likely",
    )
    return replace(known, tracked=known.tracked | pooler.tracked)


# what to do about it


def remedies(pooler: Pooler, name: str, role: str = "") -> tuple[str, ...]:
    """What to do instead, best first; one line each.

    `role` is the login role. `name` may be a switch that is no setting (`-e`).
    """
    if name.startswith("-"):
        return (f"leave {name} out of options: only -c name=value is known to poolers",)
    quoted = (
        role if re.fullmatch(r"[a-z_][a-z0-9_]*", role) else '"' + role.replace('"', '""') + '"'
    )
    return (
        f"ALTER ROLE {quoted if role else '…'} SET {name} = …, and take it out of options",
        f"SET LOCAL {name} = … in the transactions that need it",
        *_in_pgbouncer(pooler, name),
    )


def _in_pgbouncer(pooler: Pooler, name: str) -> tuple[str, ...]:
    """What its operator can do, by version; a version not stated gets what holds for all."""
    if pooler.product != "pgbouncer":
        return ()
    version = pooler.version or ()
    lines = []
    if version >= (1, 26):
        lines.append(f"track_extra_parameters = {name} in pgbouncer.ini applies it per client")
    elif version >= (1, 20):
        lines.append(
            f"track_extra_parameters = {name} in pgbouncer.ini helps only if the server reports"
            " it to clients; else PgBouncer before 1.26 drops it without a word"
        )
    # Before 1.20 it knows no setting inside `options`; `options` as a whole works in all.
    ignored = name if version >= (1, 20) else "options"
    lines.append(
        f"ignore_startup_parameters = {ignored} in pgbouncer.ini lets the client in, without"
        " the setting"
    )
    return tuple(lines)
