"""Session state to leave behind: how to make it, and how to see whether it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.errors import ObjectNotInPrerequisiteState

from pgpoolsafe.effects import EffectKind
from pgpoolsafe.poolers.answers import Answer
from tests.servers.turnstile import Turnstile

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class State:
    """One piece of session state. `seen` gives one boolean. `setting`: which, lower case."""

    name: str
    kind: EffectKind
    made_by: str
    seen: str
    user: str = "app"
    setting: str | None = None


def _setting(name: str, value: str, user: str = "app") -> State:
    return State(
        name,
        EffectKind.SETTING,
        f"SET {name} = '{value}'",
        f"SELECT coalesce(current_setting('{name}', true), '') = '{value}'",
        user,
        name.lower(),
    )


def random_after_seed(connection: Connection) -> str:
    """The first random number after `setseed(0.25)`, which each major version has its own."""
    connection.execute("SELECT setseed(0.25)")
    return str(value(connection, "SELECT random()::text"))


STATES = (
    State(
        "set_config",
        EffectKind.SETTING,
        "SELECT set_config('statement_timeout', '4712ms', false)",
        "SELECT current_setting('statement_timeout') = '4712ms'",
        setting="statement_timeout",
    ),
    State("role", EffectKind.ROLE, "SET ROLE reporting", "SELECT current_user = 'reporting'"),
    State(
        "advisory-lock",
        EffectKind.ADVISORY_LOCK,
        "SELECT pg_advisory_lock(4711)",
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
        " AND pid = pg_backend_pid())",
    ),
    State(
        "sql-prepare",
        EffectKind.PREPARED_STATEMENT,
        "PREPARE one AS SELECT 1",
        "SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'one')",
    ),
    State(
        "held-cursor",
        EffectKind.HELD_CURSOR,
        "DECLARE held CURSOR WITH HOLD FOR SELECT 1",
        "SELECT EXISTS (SELECT FROM pg_cursors WHERE name = 'held')",
    ),
    State(
        "listen",
        EffectKind.CHANNEL,
        "LISTEN news",
        "SELECT EXISTS (SELECT FROM pg_listening_channels())",
    ),
    State(
        "temp-table",
        EffectKind.TEMP_OBJECT,
        "CREATE TEMP TABLE basket (item text)",
        "SELECT to_regclass('pg_temp.basket') IS NOT NULL",
    ),
    State(
        "load",
        EffectKind.LIBRARY,
        "LOAD 'auto_explain'",
        "SELECT current_setting('auto_explain.log_format', true) IS NOT NULL",
        "postgres",
    ),
    State("sequence", EffectKind.SEQUENCE, "SELECT nextval('tickets')", "SELECT lastval() > 0"),
    State(
        "setseed",
        EffectKind.SESSION_FUNCTION,
        "SELECT setseed(0.25)",
        "SELECT random()::text = '{random}'",
    ),
    _setting("application_name", "mine"),
    _setting("client_encoding", "LATIN1"),
    _setting("DateStyle", "German, DMY"),
    _setting("TimeZone", "Asia/Tokyo"),
    _setting("standard_conforming_strings", "off"),
    _setting("IntervalStyle", "iso_8601"),
    _setting("default_transaction_read_only", "on"),
    _setting("search_path", "pg_catalog"),
    _setting("session_authorization", "reporting", "postgres"),
    _setting("statement_timeout", "4711ms"),
    _setting("lock_timeout", "4711ms"),
    _setting("idle_in_transaction_session_timeout", "4711ms"),
    _setting("work_mem", "4711kB"),
    _setting("extra_float_digits", "0"),
    _setting("default_transaction_isolation", "serializable"),
    _setting("row_security", "off"),
    _setting("app.tenant", "42"),
)
"""Everything that is measured on each pooler."""


def value(connection: Connection, sql: str) -> object:
    """The one value that a query gives."""
    row = connection.execute(sql, prepare=False).fetchone()
    if row is None:
        raise LookupError(f"{sql} returned no row")
    return row[0]


def sees(connection: Connection, question: str) -> bool:
    """Whether the state is there, on the server connection that answers."""
    try:
        return bool(value(connection, question))
    except ObjectNotInPrerequisiteState:  # lastval() before any nextval()
        return False


def measure(
    state: State, question: str, gate: Turnstile, mine: Connection, other: Connection
) -> Answer:
    """What the pooler does with a state that `mine` makes and `other` may meet.

    `question` is the state's, filled in. Cleans up on both server connections.
    """
    home, away = gate.pids()[:2]
    try:
        with gate.only(home):
            mine.execute(state.made_by.encode())
        with gate.only(away):
            follows = sees(mine, question)
        with gate.only(home):
            leaks = sees(other, question)
    finally:
        for pid in (home, away):
            for client in (mine, other):
                with gate.only(pid):
                    client.execute("DISCARD ALL")
    if leaks:
        return Answer.LEAKS
    return Answer.TRACKED if follows else Answer.LOST
