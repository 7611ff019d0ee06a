"""How a client's settings travel: text in, text out, and what goes before and after it.

The notation is that of `carriers.on_the_wire`: `{before} text {after} ?asked #hidden`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from pgpoolsafe.errors import SessionStateError, SessionStateWarning
from pgpoolsafe.poolers.products import DIRECT, named
from pgpoolsafe.poolers.products import pooler as known_pooler
from pgpoolsafe.rules.allowing import allow
from tests.unit.carriers import Carrier

READ_ONLY = "default_transaction_read_only=on"


@pytest.fixture(autouse=True)
def _findings_are_read_from_the_reporter() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SessionStateWarning)
        yield


def carrier(*texts: str, **options: Any) -> Carrier:
    """A client that has sent these."""
    made = Carrier.behind(**options)
    made.answers = {"app.x": "12", "work_mem": "1MB"}
    made.send_all(texts)
    return made


# setting something in autocommit

# text, what is sent with work_mem set before, what is set then
SET: list[tuple[str, str, str]] = [
    ("SET work_mem = '2MB'", "Q: {work_mem=1MB} SET LOCAL work_mem = '2MB'", "{work_mem=2MB}"),
    ("SET SESSION work_mem TO 2", "Q: {work_mem=1MB} SET LOCAL work_mem TO 2", "{work_mem=2}"),
    ("SET app.x = 'y'", "Q: {work_mem=1MB} SET LOCAL app.x = 'y'", "{work_mem=1MB, app.x=y}"),
    ("SET SCHEMA 'a'", "Q: {work_mem=1MB} SET LOCAL SCHEMA 'a'", "{work_mem=1MB, search_path=a}"),
    ("SET ROLE reporting", "Q: {work_mem=1MB} SET LOCAL ROLE reporting",
     "{work_mem=1MB, role=reporting}"),
    ("SET SESSION AUTHORIZATION app", "Q: {work_mem=1MB} SET LOCAL SESSION AUTHORIZATION app",
     "{work_mem=1MB, session_authorization=app}"),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
     "Q: {work_mem=1MB} SET LOCAL default_transaction_read_only TO 'on'",
     "{work_mem=1MB, default_transaction_read_only=on}"),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, DEFERRABLE",
     "Q: {work_mem=1MB} SET LOCAL default_transaction_read_only TO 'on'"
     " {default_transaction_deferrable=on}",
     "{work_mem=1MB, default_transaction_read_only=on, default_transaction_deferrable=on}"),
    ("SET app.x FROM CURRENT", "Q: {work_mem=1MB} SET LOCAL app.x FROM CURRENT ?app.x",
     "{work_mem=1MB, app.x=12}"),
    ("SELECT set_config('app.x', 'y', false)",
     "{work_mem=1MB} SELECT set_config('app.x', 'y', true)", "{work_mem=1MB, app.x=y}"),
    ("SELECT set_config('app.x', 'y' || 'z', false)",
     "{work_mem=1MB} SELECT set_config('app.x', 'y' || 'z', true) ?app.x",
     "{work_mem=1MB, app.x=12}"),
    ("SELECT set_config('app.y', '1', false) WHERE false",
     "{work_mem=1MB} SELECT set_config('app.y', '1', true) WHERE false ?app.y", "{work_mem=1MB}"),
    # the other way round
    ("RESET work_mem", "RESET work_mem", "{}"),
    ("RESET app.x", "RESET app.x", "{work_mem=1MB}"),
    ("RESET ALL", "RESET ALL", "{}"),
    ("SET work_mem TO DEFAULT", "SET work_mem TO DEFAULT", "{}"),
    ("SELECT set_config('work_mem', NULL, false)",
     "{work_mem=1MB} SELECT set_config('work_mem', NULL, false)", "{}"),
    ("SET ROLE NONE", "SET ROLE NONE", "{work_mem=1MB}"),
    ("DISCARD ALL", "DISCARD ALL", "{}"),
    # what is local, or the pooler's
    ("SET LOCAL work_mem = 2", "SET LOCAL work_mem = 2", "{work_mem=1MB}"),
    ("SELECT set_config('work_mem', '2', true)",
     "{work_mem=1MB} SELECT set_config('work_mem', '2', true)", "{work_mem=1MB}"),
    ("SET TIME ZONE 'UTC'", "SET TIME ZONE 'UTC'", "{work_mem=1MB}"),
]  # fmt: skip


@pytest.mark.parametrize("text, sent, settings", SET)
def test_setting_something(text: str, sent: str, settings: str) -> None:
    client = carrier("SET work_mem = '1MB'")
    assert client.send(text) == sent
    assert client.settings == settings
    assert [found for found in client.found if not found.startswith("discard")] == []


# texts, what is sent, what is set then: of these modes the pooler keeps READ ONLY by itself
KEPT_IN_PART: list[tuple[list[str], list[str], str]] = [
    (["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"],
     ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"], "{}"),
    (["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
      "SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE, READ WRITE"],
     ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
      "Q: {} SET LOCAL default_transaction_deferrable TO 'on' {default_transaction_read_only=off}"],
     "{default_transaction_deferrable=on, default_transaction_read_only=off}"),
    (["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, DEFERRABLE"],
     ["Q: {} SET LOCAL default_transaction_read_only TO 'on' {default_transaction_deferrable=on}"],
     "{default_transaction_read_only=on, default_transaction_deferrable=on}"),
    (["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, DEFERRABLE",
      "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
      "RESET default_transaction_read_only"],
     ["Q: {} SET LOCAL default_transaction_read_only TO 'on' {default_transaction_deferrable=on}",
      "Q: {default_transaction_read_only=on, default_transaction_deferrable=on}"
      " SET LOCAL default_transaction_read_only TO 'off'", "RESET default_transaction_read_only"],
     "{default_transaction_deferrable=on}"),
]  # fmt: skip


@pytest.mark.parametrize("texts, sent, settings", KEPT_IN_PART)
def test_modes_of_which_the_pooler_keeps_one(
    texts: list[str], sent: list[str], settings: str
) -> None:
    keeps = known_pooler(
        "pgbouncer", version=(1, 26), reported=frozenset({"default_transaction_read_only"})
    )
    client = carrier(pooler=keeps)
    assert client.send_all(texts) == sent
    assert client.settings == settings
    assert client.found == []


def test_the_first_set_is_checked_by_the_server_like_any_other() -> None:
    client = carrier()
    assert client.send("SET work_mem = '1MB'") == "Q: {} SET LOCAL work_mem = '1MB'"
    assert client.settings == "{work_mem=1MB}"
    assert carrier().fail("SET work_mem = 'much'") == "Q: {} SET LOCAL work_mem = 'much'"


# text, parameters, what is sent, what is set then
PARAMS: list[tuple[str, Any, str, str]] = [
    ("SELECT set_config('app.y', %s, false)", ["a"],
     "SELECT set_config('app.y', %s, true)", "{app.y=a}"),
    ("SELECT set_config(%s, %s, %s)", ["App.Y", "a", False],
     "SELECT set_config(%s, %s, ((%s) OR true))", "{app.y=a}"),
    ("SELECT set_config(%s, %s, %s)", ["app.y", "a", True], "SELECT set_config(%s, %s, %s)", "{}"),
    ("SELECT set_config('app.x', %s, false)", [7],
     "SELECT set_config('app.x', %s, true) ?app.x", "{app.x=12}"),
    ("SELECT set_config('app.y', %s, false)", [None],
     "SELECT set_config('app.y', %s, false)", "{}"),
    ("SELECT set_config('app.y', %(v)s, false)", {"v": "a"},
     "SELECT set_config('app.y', %(v)s, true)", "{app.y=a}"),
    ("SET app.y = %s", ["a"], "Q: {} SET LOCAL app.y = %s", "{app.y=a}"),
]  # fmt: skip


@pytest.mark.parametrize("text, params, sent, settings", PARAMS)
def test_values_by_parameter(text: str, params: Any, sent: str, settings: str) -> None:
    client = carrier()
    assert client.send(text, params) == sent
    assert client.settings == settings


# statements on their own

ALONE: list[tuple[str, str]] = [
    ("SELECT 1", "{work_mem=1MB} SELECT 1"),
    ("SELECT 1;", "{work_mem=1MB} SELECT 1;"),
    ("INSERT INTO t VALUES (1)", "{work_mem=1MB} INSERT INTO t VALUES (1)"),
    ("SHOW work_mem", "{work_mem=1MB} SHOW work_mem"),
    ("CREATE TABLE t ()", "{work_mem=1MB} CREATE TABLE t ()"),
    ("CREATE INDEX i ON t (a)", "{work_mem=1MB} CREATE INDEX i ON t (a)"),
    ("DO $$BEGIN PERFORM 1; END$$", "{work_mem=1MB} DO $$BEGIN PERFORM 1; END$$"),
    ("EXPLAIN ANALYZE SELECT 1", "{work_mem=1MB} EXPLAIN ANALYZE SELECT 1"),
    ("COPY t FROM STDIN", "Q: {work_mem=1MB} COPY t FROM STDIN"),
    ("COPY (SELECT 1) TO STDOUT", "Q: {work_mem=1MB} COPY (SELECT 1) TO STDOUT"),
    ("SELECT $1", "Q: {work_mem=1MB} SELECT $1"),
    ("SELECT 1; SELECT 2", "Q: {work_mem=1MB} SELECT 1; SELECT 2"),
    # what would mean something else in a transaction
    ("LOCK t", "LOCK t"),
    ("DECLARE c CURSOR FOR SELECT 1", "DECLARE c CURSOR FOR SELECT 1"),
    ("FETCH c", "FETCH c"),
    ("SAVEPOINT s", "SAVEPOINT s"),
    ("COMMIT", "COMMIT"),
    ("ROLLBACK", "ROLLBACK"),
    ("", ""),
    ("-- c", "-- c"),
]


@pytest.mark.parametrize("text, sent", ALONE)
def test_a_statement_takes_the_settings_along(text: str, sent: str) -> None:
    client = carrier("SET work_mem = '1MB'")
    assert client.send(text) == sent
    assert client.settings == "{work_mem=1MB}"
    assert client.found == []


@pytest.mark.parametrize("text, _", ALONE)
def test_a_client_without_settings_pays_nothing(text: str, _: str) -> None:
    client = carrier()
    plan = client.plan(text)
    assert (plan.text, plan.travels) == (None, False)


CANNOT = [
    "VACUUM",
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "CREATE DATABASE d",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "REINDEX DATABASE shop",
    "CALL p()",
    "DO $$BEGIN COMMIT; END$$",
    "COMMIT PREPARED 'x'",
]


@pytest.mark.parametrize("text", [text for text in CANNOT if "PREPARED" not in text])
def test_what_settings_cannot_travel_with_is_told(text: str) -> None:
    client = carrier("SET work_mem = '1MB'")
    assert client.send(text) == text
    assert client.found == ["settings-not-carried warn"]
    with pytest.raises(SessionStateError, match="settings-not-carried"):
        carrier("SET work_mem = '1MB'", mode="strict").send(text)
    with allow("settings-not-carried"):
        assert carrier("SET work_mem = '1MB'", mode="strict").send(text) == text


NAMED = [
    ("CREATE UNIQUE INDEX CONCURRENTLY ON t (a)", "CREATE UNIQUE INDEX CONCURRENTLY"),
    ("/* by night */ create index\n concurrently a on t (a)", "CREATE INDEX CONCURRENTLY"),
    ("DROP INDEX CONCURRENTLY a", "DROP INDEX CONCURRENTLY"),
    ("VACUUM FULL t", "VACUUM FULL"),
    ("VACUUM (FULL) t", "VACUUM"),
    ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM"),
    ("REINDEX TABLE CONCURRENTLY t", "REINDEX TABLE CONCURRENTLY"),
    ("DROP DATABASE a", "DROP DATABASE"),
    ("CALL table_system()", "CALL"),
]


@pytest.mark.parametrize("text, name", NAMED)
def test_it_is_named_by_its_kind(text: str, name: str) -> None:
    runs = rf"settings-not-carried: {name} runs without this connection's settings \(work_mem\)"
    with pytest.raises(SessionStateError, match=runs):
        carrier("SET work_mem = '1MB'", mode="strict").send(text)


@pytest.mark.parametrize("text", [text for text in CANNOT if "PREPARED" in text])
def test_a_prepared_transaction_is_ended_without_the_role(text: str) -> None:
    assert carrier("SET work_mem = '1MB'", mode="strict").send(text) == text  # nothing is lost
    client = carrier("SET work_mem = '1MB'", "SET ROLE reporting")
    assert client.send(text) == text
    assert client.found == ["settings-not-carried warn"]
    with pytest.raises(SessionStateError, match=r" PREPARED runs without .*role"):
        carrier("SET ROLE reporting", mode="strict").send(text)
    back = carrier("SET ROLE reporting", "RESET ROLE")
    assert (back.send(text), back.found) == (text, [])


@pytest.mark.parametrize("text", CANNOT)
def test_without_settings_or_inside_a_block_it_is_no_finding(text: str) -> None:
    for client in (carrier(), carrier("SET work_mem = '1MB'", "BEGIN")):
        assert client.send(text) == text
        assert client.found == []


# transactions

# title, texts, what is sent
STORIES: list[tuple[str, list[str], list[str]]] = [
    ("commit keeps",
     ["BEGIN", "SET work_mem = '1MB'", "COMMIT", "SELECT 1", "BEGIN"],
     ["BEGIN", "SET LOCAL work_mem = '1MB'", "COMMIT", "{work_mem=1MB} SELECT 1",
      "Q: BEGIN {work_mem=1MB}"]),
    ("rollback undoes",
     ["SET app.x = 'a'", "BEGIN", "SET app.x = 'b'", "ROLLBACK", "SELECT 1"],
     ["Q: {} SET LOCAL app.x = 'a'", "Q: BEGIN {app.x=a}", "SET LOCAL app.x = 'b'", "ROLLBACK",
      "{app.x=a} SELECT 1"]),
    ("rollback to a savepoint undoes to there",
     ["BEGIN", "SET app.x = 'a'", "SAVEPOINT s", "SET app.x = 'b'", "ROLLBACK TO s", "COMMIT",
      "SELECT 1"],
     ["BEGIN", "SET LOCAL app.x = 'a'", "SAVEPOINT s", "SET LOCAL app.x = 'b'", "ROLLBACK TO s",
      "COMMIT", "{app.x=a} SELECT 1"]),
    ("release keeps",
     ["BEGIN", "SAVEPOINT s", "SET app.x = 'b'", "RELEASE s", "COMMIT", "SELECT 1"],
     ["BEGIN", "SAVEPOINT s", "SET LOCAL app.x = 'b'", "RELEASE s", "COMMIT",
      "{app.x=b} SELECT 1"]),
    ("an inner release and an outer rollback",
     ["BEGIN", "SAVEPOINT a", "SAVEPOINT b", "SET app.x = 'b'", "RELEASE b", "ROLLBACK TO a",
      "COMMIT", "SELECT 1"],
     ["BEGIN", "SAVEPOINT a", "SAVEPOINT b", "SET LOCAL app.x = 'b'", "RELEASE b",
      "ROLLBACK TO a", "COMMIT", "SELECT 1"]),
    ("COMMIT of a failed transaction is a rollback",
     ["BEGIN", "SET app.x = 'a'", "!SELECT 1/0", "COMMIT", "SELECT 1"],
     ["BEGIN", "SET LOCAL app.x = 'a'", "SELECT 1/0", "COMMIT", "SELECT 1"]),
    ("a failed transaction that goes on from a savepoint",
     ["BEGIN", "SET app.x = 'a'", "SAVEPOINT s", "SET app.y = 'b'", "!SELECT 1/0",
      "ROLLBACK TO s", "COMMIT", "SELECT 1"],
     ["BEGIN", "SET LOCAL app.x = 'a'", "SAVEPOINT s", "SET LOCAL app.y = 'b'", "SELECT 1/0",
      "ROLLBACK TO s", "COMMIT", "{app.x=a} SELECT 1"]),
    ("a SET that failed",
     ["!SET work_mem = 'much'", "SELECT 1"],
     ["Q: {} SET LOCAL work_mem = 'much'", "SELECT 1"]),
    ("PREPARE TRANSACTION keeps, as the server does",
     ["BEGIN", "SET app.x = 'a'", "PREPARE TRANSACTION 'x'", "SELECT 1"],
     ["BEGIN", "SET LOCAL app.x = 'a'", "PREPARE TRANSACTION 'x'", "{app.x=a} SELECT 1"]),
    ("AND CHAIN begins the next one at once",
     ["BEGIN", "SET app.x = 'a'", "COMMIT AND CHAIN", "SET app.x = 'b'", "ROLLBACK AND CHAIN",
      "COMMIT"],
     ["BEGIN", "SET LOCAL app.x = 'a'", "Q: COMMIT AND CHAIN {app.x=a}", "SET LOCAL app.x = 'b'",
      "Q: ROLLBACK AND CHAIN {app.x=a}", "COMMIT"]),
    ("RESET inside a transaction",
     ["SET app.x = 'a'", "BEGIN", "RESET app.x", "COMMIT", "SELECT 1"],
     ["Q: {} SET LOCAL app.x = 'a'", "Q: BEGIN {app.x=a}", "RESET app.x", "COMMIT", "SELECT 1"]),
    ("RESET that is rolled back",
     ["SET app.x = 'a'", "BEGIN", "RESET ALL", "ROLLBACK", "SELECT 1"],
     ["Q: {} SET LOCAL app.x = 'a'", "Q: BEGIN {app.x=a}", "RESET ALL", "ROLLBACK",
      "{app.x=a} SELECT 1"]),
    ("SET LOCAL is nobody's afterwards",
     ["SET app.x = 'a'", "BEGIN", "SET LOCAL app.x = 'b'", "COMMIT", "SELECT 1"],
     ["Q: {} SET LOCAL app.x = 'a'", "Q: BEGIN {app.x=a}", "SET LOCAL app.x = 'b'", "COMMIT",
      "{app.x=a} SELECT 1"]),
    ("SHOW inside the transaction needs nothing",
     ["SET app.x = 'a'", "BEGIN", "SHOW app.x", "COMMIT"],
     ["Q: {} SET LOCAL app.x = 'a'", "Q: BEGIN {app.x=a}", "SHOW app.x", "COMMIT"]),
    ("BEGIN says the modes that are default",
     ["SET default_transaction_read_only = on", "BEGIN", "COMMIT", "BEGIN READ WRITE", "COMMIT",
      "BEGIN ISOLATION LEVEL SERIALIZABLE"],
     ["Q: {} SET LOCAL default_transaction_read_only = on", f"Q: BEGIN READ ONLY {{{READ_ONLY}}}",
      "COMMIT", f"Q: BEGIN READ WRITE {{{READ_ONLY}}}", "COMMIT",
      f"Q: BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY {{{READ_ONLY}}}"]),
]  # fmt: skip


@pytest.mark.parametrize(
    "texts, sent", [row[1:] for row in STORIES], ids=[row[0] for row in STORIES]
)
def test_transactions(texts: list[str], sent: list[str]) -> None:
    client = carrier()
    assert client.send_all(texts) == sent
    assert client.found == []


# several statements in one text: what is written into it

SEVERAL: list[tuple[str, str, str]] = [
    ("BEGIN; SELECT 1; COMMIT",
     "BEGIN; SET LOCAL mem TO 'a'; SELECT 1; COMMIT #1", "{mem=a}"),
    ("SELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3",
     "SET LOCAL mem TO 'a'; SELECT 1; BEGIN; SELECT 2; COMMIT; SET LOCAL mem TO 'a';"
     " SELECT 3 #0 #5", "{mem=a}"),
    ("SET mem = 'b'; SELECT 1",
     "SET LOCAL mem TO 'a'; SET LOCAL mem = 'b'; SELECT 1 #0", "{mem=b}"),
    ("SELECT 1; SET path = 'b'",
     "SET LOCAL mem TO 'a'; SELECT 1; SET LOCAL path = 'b' #0", "{mem=a, path=b}"),
    ("BEGIN; SET mem = 'b'; ROLLBACK",
     "BEGIN; SET LOCAL mem TO 'a'; SET LOCAL mem = 'b'; ROLLBACK #1", "{mem=a}"),
    ("BEGIN; SET mem = 'b'; COMMIT; SELECT 1",
     "BEGIN; SET LOCAL mem TO 'a'; SET LOCAL mem = 'b'; COMMIT; SET LOCAL mem TO 'b';"
     " SELECT 1 #1 #4", "{mem=b}"),
    ("BEGIN; SET mem = 'b'; COMMIT AND CHAIN; SELECT 1; COMMIT",
     "BEGIN; SET LOCAL mem TO 'a'; SET LOCAL mem = 'b'; COMMIT AND CHAIN;"
     " SET LOCAL mem TO 'b'; SELECT 1; COMMIT #1 #4", "{mem=b}"),
    ("RESET mem; SELECT 1", "SET LOCAL mem TO 'a'; RESET mem; SELECT 1 #0", "{}"),
    ("BEGIN READ WRITE; SAVEPOINT s; SET mem = 'b'; ROLLBACK TO s; COMMIT",
     "BEGIN READ WRITE; SET LOCAL mem TO 'a'; SAVEPOINT s; SET LOCAL mem = 'b';"
     " ROLLBACK TO s; COMMIT #1", "{mem=a}"),
    ("SELECT 1; COMMIT; SELECT 2 -- c",
     "SET LOCAL mem TO 'a'; SELECT 1; COMMIT; SET LOCAL mem TO 'a'; SELECT 2 -- c #0 #3",
     "{mem=a}"),
]  # fmt: skip


@pytest.mark.parametrize("text, sent, settings", SEVERAL)
def test_several_statements_in_one_text(text: str, sent: str, settings: str) -> None:
    client = carrier("SET mem = 'a'")
    assert client.send(text) == sent
    assert client.settings == settings
    assert client.found == []


def test_transactions_of_one_text_have_the_modes_that_are_default() -> None:
    client = carrier("SET default_transaction_read_only = on")
    put = "SET LOCAL default_transaction_read_only TO 'on'"
    assert client.send("SELECT 1; COMMIT; BEGIN; COMMIT; SELECT 2") == (
        f"SET TRANSACTION READ ONLY; {put}; SELECT 1; COMMIT; BEGIN READ ONLY; {put}; COMMIT;"
        f" SET TRANSACTION READ ONLY; {put}; SELECT 2 #0 #1 #5 #7 #8"
    )


# what cannot be carried

# text, what is sent of it inside a transaction
UNKNOWN: list[tuple[str, str]] = [
    ("DO $$BEGIN SET work_mem = '8MB'; END$$", "DO $$BEGIN SET work_mem = '8MB'; END$$"),
    ("UPDATE pg_settings SET setting = '1' WHERE name = 'work_mem'",
     "UPDATE pg_settings SET setting = '1' WHERE name = 'work_mem'"),
    ("SELECT set_config('app.x', '1', (SELECT false))",
     "SELECT set_config('app.x', '1', (SELECT false))"),
    ("SELECT set_config(lower('APP.X'), '1', false)",
     "SELECT set_config(lower('APP.X'), '1', true)"),
    ("SELECT 1; SELECT set_config('app.x', '1' || '2', false)",
     "SELECT 1; SELECT set_config('app.x', '1' || '2', true)"),
]  # fmt: skip


@pytest.mark.parametrize("text, sent", UNKNOWN)
def test_what_cannot_be_carried_is_told(text: str, sent: str) -> None:
    """Inside a transaction it is made local where that can be done: others are spared it."""
    client = carrier()
    client.send("BEGIN")
    assert client.send(text) == sent
    client.send("COMMIT")
    assert client.found == ["session-set warn"]
    assert client.settings == "{}"


@pytest.mark.parametrize("text, _", UNKNOWN)
def test_strict_refuses_what_cannot_be_carried(text: str, _: str) -> None:
    client = carrier("BEGIN", mode="strict")
    assert client.send(text) == text
    with pytest.raises(SessionStateError, match="session-set"):
        client.send("COMMIT")
    with pytest.raises(SessionStateError, match="session-set"):
        carrier(mode="strict").send(text)


@pytest.mark.parametrize("how", ["editable", "can_add"])
def test_a_driver_that_can_send_nothing_else(how: str) -> None:
    client = carrier()
    assert client.send("SET work_mem = '1MB'", **{how: False}) == "SET work_mem = '1MB'"
    assert client.found == ["session-set warn"]
    assert client.settings == "{}"


def test_a_driver_that_cannot_take_the_settings_along() -> None:
    client = carrier("SET work_mem = '1MB'")
    assert client.send("SELECT 1", can_add=False) == "SELECT 1"
    assert client.found == ["settings-not-carried warn"]


def test_what_is_allowed_is_left_alone() -> None:
    client = carrier()
    with allow("session-set"):
        assert client.send("SET work_mem = '1MB'") == "SET work_mem = '1MB'"
    assert (client.settings, client.found) == ("{}", [])


# where it is not needed


@pytest.mark.parametrize("pooler", [DIRECT, named("pgbouncer", "session")], ids=str)
def test_where_no_session_is_shared_strict_only_keeps_books(pooler: Any) -> None:
    client = Carrier.behind(pooler, mode="strict")
    texts = ["SET work_mem = '1MB'", "SELECT 1", "BEGIN", "SET app.x = 'a'", "COMMIT", "RESET ALL"]
    assert client.send_all(texts) == texts
    assert client.found == []
    client.send("SET work_mem = '1MB'")
    assert client.settings == "{work_mem=1MB}"


@pytest.mark.parametrize("settings", ["local", "leave"])
def test_other_ways_of_handling_settings_carry_nothing(settings: str) -> None:
    client = carrier("BEGIN", "SET work_mem = '1MB'", "COMMIT", settings=settings)
    assert client.send_all(["SELECT 1", "BEGIN"]) == ["SELECT 1", "BEGIN"]
    assert client.settings == "{}"


# a pipeline of the user's


def test_the_statements_up_to_a_sync_are_one_transaction() -> None:
    client = carrier("SET app.x = 'a'")
    how = {"can_ask": False}
    assert client.send("SELECT 1", segment=False, **how) == "{app.x=a} SELECT 1"
    assert client.send("SELECT 2", segment=True, **how) == "SELECT 2"
    client.guard.synced()
    assert client.send("SELECT 3", segment=False, **how) == "{app.x=a} SELECT 3"


def test_what_fails_in_a_pipeline_was_not_set() -> None:
    client = carrier("SET app.x = 'a'")
    mark = client.guard.books.mark()
    client.send("SELECT set_config('app.x', 'b', false)", segment=False, can_ask=False)
    assert client.settings == "{app.x=b}"
    client.guard.books.go_back(mark, synced=True, ended=False)
    assert client.settings == "{app.x=a}"


# what the client gave when it connected


def given() -> Carrier:
    client = carrier()
    client.guard.give({"app.x": "7", "app.y": "8"})
    return client


GIVEN: list[tuple[list[str], list[str]]] = [
    (["SELECT 1", "BEGIN"], ["{app.x=7, app.y=8} SELECT 1", "Q: BEGIN {app.x=7, app.y=8}"]),
    (["SET app.x = '9'", "RESET app.x", "SELECT 1"],
     ["Q: {app.x=7, app.y=8} SET LOCAL app.x = '9'", "RESET app.x",
      "{app.x=7, app.y=8} SELECT 1"]),
    # RESET goes past it, to the login's own value: so it is set again, in this transaction too
    (["BEGIN", "RESET app.x", "RESET app.z", "COMMIT"],
     ["Q: BEGIN {app.x=7, app.y=8}", "Q: RESET app.x {app.x=7}", "RESET app.z", "COMMIT"]),
    (["BEGIN", "RESET ALL", "COMMIT"],
     ["Q: BEGIN {app.x=7, app.y=8}", "Q: RESET ALL {app.x=7, app.y=8}", "COMMIT"]),
    (["BEGIN", "SET LOCAL app.x TO DEFAULT", "COMMIT"],
     ["Q: BEGIN {app.x=7, app.y=8}", "Q: SET LOCAL app.x TO DEFAULT {app.x=7}", "COMMIT"]),
]  # fmt: skip


@pytest.mark.parametrize("texts, sent", GIVEN)
def test_startup_options_are_what_reset_goes_back_to(texts: list[str], sent: list[str]) -> None:
    client = given()
    assert client.send_all(texts) == sent
    assert client.found == []


# properties of every story


@pytest.mark.parametrize("texts", [texts for _, texts, _ in STORIES], ids=[s[0] for s in STORIES])
def test_nothing_but_resets_reaches_the_session(texts: list[str]) -> None:
    for sent in carrier().send_all(texts):
        assert "SET LOCAL" in sent or "SET " not in sent.replace("RESET ", "")
