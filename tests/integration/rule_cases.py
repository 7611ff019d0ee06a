"""One hazard or more for each rule, and a sound transaction beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAKE_ORIGIN = (
    "SELECT pg_replication_origin_create('shop')"
    " WHERE NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = 'shop')"
)


@dataclass(frozen=True, slots=True)
class Case:
    """A hazard of one rule.

    `hazard` is a finding alone and in a transaction, `sound` one transaction that is none.
    `before`: what some other client sent to this server connection; `prelude`: what the
    guarded client sends first, which is no finding. `seen`: whether the hazard leaves
    something that `session_of` sees, with `trace` if need be. `rewritten`: what asks for
    the value inside the transaction, and the value it has there.
    `rules`: the level at which a rule is switched on that is off by itself.
    """

    rule: str
    hazard: str
    sound: tuple[str, ...]
    before: tuple[str, ...] = ()
    prelude: tuple[str, ...] = ()
    seen: bool = True
    trace: str = "SELECT NULL"
    rewritten: tuple[str, str] | None = None
    user: str = "app"
    off: bool = False
    alone_only: bool = False
    name: str = ""

    def rules(self, level: str) -> Mapping[str, str]:
        """The `rules=` that switch the rule on, where it is off by itself."""
        return {self.rule: level} if self.off else {}

    def __str__(self) -> str:
        return self.name or self.rule


CASES = (
    Case(
        "session-set",
        "SET statement_timeout = '4711ms'",
        sound=("SET LOCAL statement_timeout = '4711ms'", "RESET statement_timeout"),
        rewritten=("SHOW statement_timeout", "4711ms"),
    ),
    Case(
        "session-set",
        "SELECT set_config('app.tenant', 'acme', false)",
        sound=("SELECT set_config('app.tenant', 'acme', true)",),
        rewritten=("SELECT current_setting('app.tenant')", "acme"),
        name="session-set by set_config",
    ),
    Case(
        "session-set",
        "UPDATE pg_settings SET setting = '4711' WHERE name = 'statement_timeout'",
        sound=(
            "SAVEPOINT s",
            "UPDATE pg_settings SET setting = '4711' WHERE name = 'statement_timeout'",
            "ROLLBACK TO s",
        ),
        name="session-set by pg_settings",
    ),
    Case(
        "session-role",
        "SET ROLE reporting",
        sound=("SET LOCAL ROLE reporting", "RESET ROLE"),
        rewritten=("SELECT current_user", "reporting"),
    ),
    Case(
        "set-local-outside-transaction",
        "SET LOCAL statement_timeout = '4711ms'",
        sound=("SET LOCAL statement_timeout = '4711ms'",),
        seen=False,
        off=True,
        alone_only=True,
    ),
    Case(
        "advisory-lock",
        "SELECT pg_advisory_lock(42)",
        sound=("SELECT pg_advisory_lock(42)", "SELECT pg_advisory_unlock(42)"),
    ),
    Case(
        "advisory-lock",
        "SELECT pg_try_advisory_lock_shared(4, 2)",
        sound=(
            "SELECT pg_try_advisory_lock_shared(4, 2)",
            "SELECT pg_advisory_unlock_shared(4, 2)",
        ),
        name="advisory-lock by trial, shared",
    ),
    Case(
        "unlock-not-held",
        "SELECT pg_advisory_unlock(42)",
        before=("SELECT pg_advisory_lock(42)",),
        sound=("SELECT pg_advisory_lock(42)", "SELECT pg_advisory_unlock(42)"),
    ),
    Case("listen", "LISTEN jobs", sound=("LISTEN jobs", "NOTIFY jobs", "UNLISTEN jobs")),
    Case(
        "temp-table",
        "CREATE TEMP TABLE basket (item text)",
        sound=("CREATE TEMP TABLE basket (item text)", "DROP TABLE basket"),
    ),
    Case(
        "temp-table",
        "SELECT 1 AS id INTO TEMP basket",
        sound=("CREATE TEMP TABLE basket (item text) ON COMMIT DROP", "TABLE basket"),
        name="temp-table by SELECT INTO",
    ),
    Case(
        "hold-cursor",
        "DECLARE page CURSOR WITH HOLD FOR SELECT 1",
        sound=("DECLARE page CURSOR WITH HOLD FOR SELECT 1", "FETCH page", "CLOSE page"),
    ),
    Case(
        "sql-prepare",
        "PREPARE price AS SELECT 1",
        sound=("PREPARE price AS SELECT 1", "EXECUTE price", "DEALLOCATE price"),
    ),
    Case(
        "sql-prepare",
        "DEALLOCATE ALL",
        before=("PREPARE price AS SELECT 1",),
        sound=("PREPARE price2 AS SELECT 1", "EXECUTE price2", "DEALLOCATE price2"),
        name="sql-prepare by DEALLOCATE",
    ),
    Case(
        "load-library",
        "LOAD 'auto_explain'",
        # Nothing undoes a LOAD; only what looks like one is sound.
        sound=("SELECT 'LOAD ''auto_explain'''",),
        user="postgres",
    ),
    Case(
        "sequence-state",
        "SELECT currval('ticket')",
        before=("CREATE SEQUENCE IF NOT EXISTS ticket", "SELECT nextval('ticket')"),
        sound=("SELECT nextval('ticket')", "SELECT currval('ticket')", "SELECT lastval()"),
        seen=False,
    ),
    Case(
        "session-function",
        "SELECT setseed(0.5)",
        sound=("SELECT random()",),
        seen=False,
    ),
    Case(
        "session-function",
        "SELECT pg_replication_origin_session_setup('shop')",
        before=(MAKE_ORIGIN,),
        sound=(
            "SELECT pg_replication_origin_session_setup('shop')",
            "SELECT pg_replication_origin_session_reset()",
        ),
        trace="SELECT pg_replication_origin_session_is_setup()",
        user="postgres",
        name="session-function with an end",
    ),
    Case(
        "discard",
        "DISCARD TEMP",
        before=("CREATE TEMP TABLE basket (item text)",),
        # Nothing undoes a DISCARD; without one there is nothing to clean up either.
        sound=("CREATE TEMP TABLE purse (item text) ON COMMIT DROP", "TABLE purse"),
    ),
    Case(
        "opaque-code",
        "DO $$BEGIN EXECUTE current_setting('app.todo'); END$$",
        before=("SET app.todo = 'SET statement_timeout = 4711'",),
        sound=("DO $$BEGIN EXECUTE 'SET LOCAL statement_timeout = 4711'; END$$",),
        off=True,
    ),
    Case(
        "unreadable-statement",
        r"SELECT 'it\'s A', set_config('app.note', 'A', false)",
        prelude=("SET standard_conforming_strings = off",),
        sound=("SELECT 'it''s A; SET'",),
    ),
)
"""`named-prepare` and `statement-mode-transaction` are no statements: they have tests."""
