"""What each rule is about, without the guard: the harm, on a real PgBouncer.

Two clients and two server connections. `only(pid)` decides which server connection the
next statement gets, so every harm shows every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import errors

from pgpoolsafe import RULES
from pgpoolsafe.testing.bouncer import backend_pid
from tests.servers import PgBouncer, Postgres

Harm = Callable[["Scene"], None]

HARMS: dict[str, Harm] = {}


@dataclass
class Scene:
    """Two clients of one pooler that never heard of the guard, and its server connections."""

    pooler: PgBouncer
    postgres: Postgres
    first: int
    second: int
    clients: list[psycopg.Connection[Any]] = field(default_factory=list)

    def client(self, **options: Any) -> psycopg.Connection[Any]:
        """A new client connection in autocommit."""
        options = {"autocommit": True, "prepare_threshold": None, **options}
        connection = self.pooler.connect(**options)
        self.clients.append(connection)
        return connection

    def on_first(
        self, client: psycopg.Connection[Any], sql: str, *params: Any, user: str = "app"
    ) -> Any:
        """The one value (or None) that a client is answered on the first server connection."""
        with self.pooler.only(self.first, user=user):
            return value(client, sql, *params)

    def on_second(
        self, client: psycopg.Connection[Any], sql: str, *params: Any, user: str = "app"
    ) -> Any:
        """The one value that a client is answered on the second server connection."""
        with self.pooler.only(self.second, user=user):
            return value(client, sql, *params)


def value(client: psycopg.Connection[Any], sql: str, *params: Any) -> Any:
    cursor = client.execute(sql, params or None)
    row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


@pytest.fixture
def scene(pgbouncer: PgBouncer, postgres: Postgres) -> Iterator[Scene]:
    first, second = pgbouncer.warm()
    made = Scene(pgbouncer, postgres, first, second)
    yield made
    for client in made.clients:
        client.close()


def harm_of(rule: str) -> Callable[[Harm], Harm]:
    """Register the play that shows what a rule is about."""

    def register(play: Harm) -> Harm:
        HARMS[rule] = play
        return play

    return register


def test_every_rule_has_its_harm() -> None:
    assert sorted(HARMS) == sorted(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_harm(rule: str, scene: Scene) -> None:
    HARMS[rule](scene)


@harm_of("session-set")
def setting_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    scene.on_first(a, "SET statement_timeout = '4711ms'")
    assert scene.on_first(b, "SHOW statement_timeout") == "4711ms"
    assert scene.on_second(a, "SHOW statement_timeout") == "0"


@harm_of("session-role")
def privileges_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    scene.on_first(a, "SET ROLE reporting")
    assert scene.on_first(b, "SELECT current_user") == "reporting"
    assert scene.on_second(a, "SELECT current_user") == "app"


@harm_of("set-local-outside-transaction")
def setting_without_effect(scene: Scene) -> None:
    a = scene.client()
    heard: list[str | None] = []
    a.add_notice_handler(lambda notice: heard.append(notice.sqlstate))
    scene.on_first(a, "SET LOCAL statement_timeout = '4711ms'")
    assert scene.on_first(a, "SHOW statement_timeout") == "0"
    assert heard == ["25P01"]  # a notice, which no program reads


@harm_of("settings-not-carried")
def statement_without_its_settings(scene: Scene) -> None:
    a = scene.client()
    a.execute(
        "CREATE OR REPLACE PROCEDURE archive(INOUT timeout text) LANGUAGE plpgsql AS"
        " $$BEGIN COMMIT; timeout := current_setting('lock_timeout'); END$$"
    )
    scene.on_first(a, "SET lock_timeout = '4711ms'")
    assert scene.on_second(a, "CALL archive(NULL)") == "0"
    # A transaction, which could carry the setting, is what it cannot be in.
    with pytest.raises(errors.InvalidTransactionTermination), a.transaction():
        a.execute("SET LOCAL lock_timeout = '4711ms'")
        a.execute("CALL archive(NULL)")
    a.execute("DROP PROCEDURE archive")


@harm_of("empty-custom-setting")
def empty_setting_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    ask = "SELECT current_setting('app.tenant', true)::uuid"
    with scene.pooler.only(scene.first), a.transaction():
        a.execute("SET LOCAL app.tenant = '7dc53df5-703e-49b3-8670-b1c468f47f1f'")
    assert scene.on_second(b, ask) is None
    with pytest.raises(errors.InvalidTextRepresentation, match='type uuid: ""'):
        scene.on_first(b, ask)
    assert scene.on_first(b, "SELECT nullif(current_setting('app.tenant', true), '')::uuid") is None


@harm_of("advisory-lock")
def lock_for_ever(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    scene.on_first(a, "SELECT pg_advisory_lock(42)")
    assert scene.on_second(a, "SELECT pg_advisory_unlock(42)") is False
    a.close()
    # Its client is gone, the lock is not: whoever comes next is locked out …
    assert scene.on_second(b, "SELECT pg_try_advisory_lock(42)") is False
    # … or shares it with the dead.
    assert scene.on_first(b, "SELECT pg_try_advisory_lock(42)") is True


@harm_of("unlock-not-held")
def lock_of_another_released(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    scene.on_first(b, "SELECT pg_advisory_lock(42)")
    assert scene.on_first(a, "SELECT pg_advisory_unlock(42)") is True
    # B is still at work, and no longer alone.
    assert scene.on_second(a, "SELECT pg_try_advisory_lock(42)") is True


@harm_of("listen")
def notification_for_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    scene.on_first(a, "LISTEN jobs")
    heard_by_b: list[str] = []
    b.add_notify_handler(lambda notify: heard_by_b.append(notify.payload))
    # A server connection notifies itself before it answers, so there is nothing to wait for.
    scene.on_first(b, "NOTIFY jobs, 'job 7'")
    assert heard_by_b == ["job 7"]
    assert [notify.payload for notify in a.notifies(timeout=0)] == []


@harm_of("temp-table")
def table_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    scene.on_first(a, "CREATE TEMP TABLE basket AS SELECT 'insulin of A' AS item")
    scene.on_first(b, "CREATE TEMP TABLE IF NOT EXISTS basket (item text)")
    assert scene.on_first(b, "SELECT item FROM basket") == "insulin of A"
    with pytest.raises(errors.UndefinedTable):
        scene.on_second(a, "SELECT item FROM basket")


@harm_of("hold-cursor")
def rows_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    scene.on_first(a, "DECLARE page CURSOR WITH HOLD FOR VALUES ('row 1'), ('row 2')")
    assert scene.on_first(b, "FETCH page") == "row 1"
    with pytest.raises(errors.InvalidCursorName):
        scene.on_second(a, "FETCH page")


@harm_of("sql-prepare")
def statement_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    scene.on_first(a, "PREPARE price AS SELECT 'price for A'")
    scene.on_second(b, "PREPARE price AS SELECT 'price for B'")
    assert scene.on_first(b, "EXECUTE price") == "price for A"
    scene.on_first(b, "DEALLOCATE price")
    with pytest.raises(errors.InvalidSqlStatementName):
        scene.on_first(a, "EXECUTE price")


@harm_of("named-prepare")
def answer_of_another(scene: Scene) -> None:
    # Both clients call their first prepared statement _pg3_0.
    a, b = scene.client(prepare_threshold=0), scene.client(prepare_threshold=0)
    assert scene.on_first(a, "SELECT 'tenant-A'") == "tenant-A"
    assert scene.on_second(b, "SELECT 'tenant-B'") == "tenant-B"
    assert scene.on_second(a, "SELECT 'tenant-A'") == "tenant-B"


@harm_of("load-library")
def library_of_another(scene: Scene) -> None:
    # Only a superuser may load what is not in $libdir/plugins.
    first, second = scene.pooler.warm(user="postgres")
    mine = Scene(scene.pooler, scene.postgres, first, second, scene.clients)
    a, b = mine.client(user="postgres"), mine.client(user="postgres")
    ask = "SHOW auto_explain.log_min_duration"
    mine.on_first(a, "LOAD 'auto_explain'", user="postgres")
    assert mine.on_first(b, ask, user="postgres") == "-1"
    with pytest.raises(errors.UndefinedObject):
        mine.on_second(a, ask, user="postgres")


@harm_of("sequence-state")
def number_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    a.execute("CREATE SEQUENCE IF NOT EXISTS ticket START 100")
    number = scene.on_first(a, "SELECT nextval('ticket')")
    assert scene.on_first(b, "SELECT currval('ticket')") == number
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        scene.on_second(a, "SELECT currval('ticket')")


@harm_of("session-function")
def dice_of_another(scene: Scene) -> None:
    with scene.postgres.connect() as direct:
        direct.execute("SELECT setseed(0.5)")
        seeded = value(direct, "SELECT random()")
    a, b = scene.client(), scene.client()
    scene.on_first(a, "SELECT setseed(0.5)")
    assert scene.on_first(b, "SELECT random()") == seeded


@harm_of("discard")
def session_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client(prepare_threshold=0)
    scene.on_first(a, "SET statement_timeout = '4711ms'")
    scene.on_second(b, "SELECT 'what B counts on'")
    scene.on_second(a, "DISCARD ALL")
    assert scene.on_first(b, "SHOW statement_timeout") == "4711ms"  # A's own state is still there
    with pytest.raises(errors.InvalidSqlStatementName):
        scene.on_second(b, "SELECT 'what B counts on'")


@harm_of("opaque-code")
def setting_out_of_sight(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    with scene.pooler.only(scene.first), a.transaction():
        a.execute("SET LOCAL app.todo = 'SET statement_timeout = 4711'")
        a.execute("DO $$BEGIN EXECUTE current_setting('app.todo'); END$$")
    assert scene.on_first(b, "SHOW statement_timeout") == "4711ms"


@harm_of("unreadable-statement")
def setting_behind_a_quote(scene: Scene) -> None:
    # With standard_conforming_strings off, which PgBouncer tracks, this is a whole statement;
    # with the setting on, set_config would stand inside of a string.
    a, b = scene.client(), scene.client()
    a.execute("SET standard_conforming_strings = off")
    scene.on_first(a, r"SELECT 'it\'s A', set_config('app.note', 'A', false)")
    assert scene.on_first(b, "SELECT current_setting('app.note')") == "A"


@harm_of("statement-mode-transaction")
def connection_closed(scene: Scene) -> None:
    with PgBouncer(scene.postgres, pool_mode="statement") as pooler, pooler.connect() as a:
        with pytest.raises(errors.ProtocolViolation, match="transaction blocks not allowed"):
            a.execute("SELECT 1")
        assert a.closed


@harm_of("startup-options")
def setting_that_is_dropped(scene: Scene) -> None:
    wish = "-c statement_timeout=4711ms"
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        scene.pooler.connect(options=wish)
    # With the advice that is usually given, it is let in, and the setting is not.
    with PgBouncer(scene.postgres, ignore_startup_parameters="options,statement_timeout") as pooler:
        with pooler.connect(options=wish) as a:
            assert a.execute("SHOW statement_timeout").fetchone() == ("0",)


@harm_of("residue")
def tenant_of_another(scene: Scene) -> None:
    a, b = scene.client(), scene.client()
    a.execute(
        "CREATE OR REPLACE FUNCTION work_for(tenant text) RETURNS void LANGUAGE sql"
        " AS $$ SELECT set_config('app.tenant', tenant, false) $$"
    )
    scene.on_first(a, "SELECT work_for('acme')")
    assert scene.on_first(b, "SELECT current_setting('app.tenant')") == "acme"
    a.execute("DROP FUNCTION work_for(text)")


def test_a_lone_client_meets_another_server_connection(scene: Scene) -> None:
    """The plays above stand on this: what `only` names is what answers."""
    a = scene.client()
    with scene.pooler.only(scene.second):
        assert backend_pid(a) == scene.second
