"""The settings of one client: what a session of its own would hold, as a value.

A `Carried` never changes; SET, RESET and the like make a new one, so that a savepoint or
a transaction is undone by going back to the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import NamedTuple

ROLE = "role"
AUTHORIZATION = "session_authorization"
NO_ROLE = "none"

_MODES: Mapping[str, Callable[[str], str]] = {
    "default_transaction_isolation": lambda value: f"ISOLATION LEVEL {value.upper()}",
    "default_transaction_read_only": lambda value: _flagged(value, "READ ONLY", "READ WRITE"),
    "default_transaction_deferrable": lambda value: _flagged(value, "DEFERRABLE", "NOT DEFERRABLE"),
}

# Settings that only a superuser (or who was granted SET on them) may change: they are put
# in force under the role that set them. pg_settings.context = 'superuser', 15 to 18.
_PRIVILEGED = frozenset(
    """
    allow_in_place_tablespaces allow_system_table_mods backtrace_functions commit_delay
    composite_type_mismatch compute_query_id deadlock_timeout debug_discard_caches
    dynamic_library_path event_triggers extension_control_path extension_destdir
    ignore_checksum_failure jit_dump_bitcode lc_messages lo_compat_privileges log_duration
    log_error_verbosity log_executor_stats log_lock_failures log_lock_waits
    log_min_duration_sample log_min_duration_statement log_min_error_statement log_min_messages
    log_parameter_max_length log_parser_stats log_planner_stats log_replication_commands
    log_statement log_statement_sample_rate log_statement_stats log_temp_files
    log_transaction_sample_rate max_stack_depth output_plugin_libraries
    session_preload_libraries session_replication_role temp_file_limit
    track_activities track_cost_delay_timing track_counts track_functions track_io_timing
    track_wal_io_timing update_process_title wal_compression wal_consistency_checking
    wal_init_zero wal_recycle zero_damaged_pages
    """.split()
)
_PRIVILEGED_PREFIXES = ("auto_explain.", "pg_stat_statements.", "pgaudit.")

_serials = count(1)

Identity = tuple[str | None, str | None]
"""Session authorization and role, as they were set; None: those of the login."""

LOGIN: Identity = (None, None)

Step = tuple[str, str | None]
"""A setting and its value; None: that of the login."""


class Entry(NamedTuple):
    """One setting: its value, who had set it, and when (for which of two came later)."""

    value: str
    under: Identity
    serial: int


@dataclass(frozen=True)
class Carried:
    """Settings in the order in which they were set, and the identity in force.

    `given` are the values of the start-up `options`: what RESET goes back to.
    """

    values: Mapping[str, Entry] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    identity: Identity = LOGIN
    identity_serial: int = 0

    def __bool__(self) -> bool:
        return bool(self.values or self.given or self.identity != LOGIN)

    # what changes it

    def put(self, name: str, value: str) -> Carried:
        """SET name TO value; `role` and `session_authorization` too."""
        if name == ROLE:
            return self._as((self.identity[0], None if value == NO_ROLE else value))
        if name == AUTHORIZATION:
            return self._as((value, None))
        values = {key: entry for key, entry in self.values.items() if key != name}
        values[name] = Entry(value, self.identity, next(_serials))
        return replace(self, values=values)

    def drop(self, name: str) -> Carried:
        """RESET name."""
        if name == ROLE:
            return self._as((self.identity[0], None))
        if name == AUTHORIZATION:
            return self._as(LOGIN)
        values = {key: entry for key, entry in self.values.items() if key != name}
        return replace(self, values=values)

    def drop_all(self) -> Carried:
        """RESET ALL, which leaves role and session authorization alone (GUC_NO_RESET_ALL)."""
        return replace(self, values={})

    def discard(self) -> Carried:
        """DISCARD ALL."""
        return Carried(given=self.given)

    def without(self, name: str) -> Carried:
        """The setting is somebody else's now, and so is what RESET goes back to."""
        given = {key: value for key, value in self.given.items() if key != name}
        return replace(self.drop(name), given=given)

    def also_given(self, more: Mapping[str, str]) -> Carried:
        """RESET goes back to these, too."""
        return replace(self, given={**more, **self.given})

    def without_role(self) -> Carried:
        """SET ROLE NONE as a block says it: it counts over the role that the session has."""
        return self._as((self.identity[0], NO_ROLE))

    def _as(self, identity: Identity) -> Carried:
        return replace(self, identity=identity, identity_serial=next(_serials))

    def over(self, frame: Carried) -> Carried:
        """These settings and those of a block around them; of two the later one counts."""
        values = dict(self.values)
        for name, entry in frame.values.items():
            own = values.get(name)
            if own is None or own.serial < entry.serial:
                values.pop(name, None)
                values[name] = entry._replace(under=self.identity)
        identity, serial = self.identity, self.identity_serial
        if frame.identity != LOGIN and frame.identity_serial > serial:
            identity, serial = frame.identity, frame.identity_serial
        return Carried(values, self.given, identity, serial)

    def unless_set(self, own: Carried) -> Carried:
        """These settings of a block, without those that the session has set since."""
        values = {
            name: entry
            for name, entry in self.values.items()
            if name not in own.values or own.values[name].serial < entry.serial
        }
        identity = self.identity if self.identity_serial > own.identity_serial else LOGIN
        return replace(self, values=values, identity=identity)

    # what puts it in force

    @property
    def names(self) -> list[str]:
        """The settings in force, for people."""
        known = {**dict.fromkeys(self.given), **dict.fromkeys(self.values)}
        who = [
            name for name, part in zip((AUTHORIZATION, ROLE), self.identity, strict=True) if part
        ]
        return [*known, *who]

    @property
    def only_given(self) -> Carried:
        """What RESET goes back to."""
        return Carried(given=self.given)

    @cached_property
    def modes(self) -> Mapping[str, str]:
        """What BEGIN has to say so that the defaults for transactions count for this one."""
        values = {**self.given, **{name: entry.value for name, entry in self.values.items()}}
        return {name: say(values[name]) for name, say in _MODES.items() if name in values}

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What to set to what, in this order."""
        return tuple(self._steps())

    def _steps(self) -> Iterator[Step]:
        now = LOGIN
        for name, value in self.given.items():
            if name not in self.values:
                yield name, value
        for name, entry in self.values.items():
            if entry.under != now and _is_privileged(name):
                yield from _switch(now, entry.under)
                now = entry.under
            yield name, entry.value
        yield from _switch(now, self.identity)


NOTHING = Carried()
"""A client that has set nothing."""


def _switch(now: Identity, then: Identity) -> Iterator[Step]:
    """From one identity to another; a new session authorization ends the role."""
    role = now[1]
    if now[0] != then[0]:
        yield AUTHORIZATION, then[0]
        role = None
    if role != then[1]:
        yield ROLE, then[1] or NO_ROLE


def _is_privileged(name: str) -> bool:
    return name in _PRIVILEGED or name.startswith(_PRIVILEGED_PREFIXES)


def _flagged(value: str, on: str, off: str) -> str:
    return on if value.lower() in _TRUE else off


_TRUE = frozenset({"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"})
