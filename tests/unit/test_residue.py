"""What a session carries: the answer read, two snapshots compared, and who is blamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

import pgpoolsafe
from pgpoolsafe import ConfigurationError
from pgpoolsafe.blame import Watch
from pgpoolsafe.effects import EffectKind
from pgpoolsafe.guard import Guard
from pgpoolsafe.rules.findings import Finding, Location
from pgpoolsafe.rules.policy import Mode, Policy, ResidueCheck, make_policy
from pgpoolsafe.rules.reporting import Reporter
from pgpoolsafe.sent import Sent, may_run_code, sent
from pgpoolsafe.session.residue import (
    Found,
    Origin,
    Residue,
    Snapshot,
    Thing,
    left,
    parameter,
    question,
    snapshot_in,
)
from pgpoolsafe.sql.reader import read

K = EffectKind

NOTHING: Mapping[str, Any] = {
    "pid": 7,
    "stamp": "0:",
    "login": "app",
    "session_user": "app",
    "role": "none",
    "preloads": ",,",
    **dict.fromkeys(
        (
            "names",
            "settings",
            "custom",
            "configured",
            "locks",
            "statements",
            "cursors",
            "channels",
            "temporary",
            "slots",
            "libraries",
            "dblink",
            "origin",
            "drawn",
        )
    ),
}


def carried(began: Origin | None = None, /, **answer: Any) -> str:
    """What is left by an answer that says this much, in words."""
    return str(left(snapshot_in({**NOTHING, **answer}, began or Origin())))


# what the answer says, the residue
ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({}, "nothing"),
    ({"settings": {"work_mem": "1MB", "DateStyle": "ISO"}}, "setting datestyle, setting work_mem"),
    ({"custom": {"app.tenant": "acme"}}, "setting app.tenant"),
    ({"custom": {"app.tenant": ""}}, "nothing"),
    ({"custom": {"app.x": "1"}, "configured": {"app.x": "1"}}, "nothing"),
    ({"custom": {"app.x": "2"}, "configured": {"app.x": "1"}}, "setting app.x"),
    ({"role": "reporting"}, "role"),
    ({"role": "reporting", "configured": {"role": "reporting"}}, "nothing"),
    ({"role": "none", "configured": {"role": "reporting"}}, "role"),
    ({"session_user": "reporting"}, "session authorization"),
    ({"session_user": "reporting", "login": None}, "nothing"),
    ({"locks": [[0, 42, 1, "ExclusiveLock"]]}, "session advisory lock 42"),
    ({"locks": [[2**32 - 1, 2**32 - 1, 1, "ExclusiveLock"]]}, "session advisory lock -1"),
    ({"locks": [[1, 0, 1, "ExclusiveLock"]]}, "session advisory lock 4294967296"),
    ({"locks": [[2**32 - 3, 7, 2, "ShareLock"]]}, "session advisory lock -3, 7 (shared)"),
    ({"statements": [["p", True]]}, "prepared statement p"),
    ({"statements": [["_pg3_0", False]]}, "prepared statement _pg3_0"),
    ({"cursors": ["c"]}, "held cursor c"),
    ({"channels": ["jobs", "a\nb"]}, "listening channel a b, listening channel jobs"),
    ({"temporary": ["pg_temp_3.f(integer)"]}, "temporary object f(integer)"),
    ({"temporary": ['pg_temp."Ty""pe"']}, 'temporary object Ty"pe'),
    ({"libraries": ["auto_explain"]}, "library auto_explain"),
    ({"libraries": ["auto_explain"], "preloads": None}, "nothing"),
    ({"dblink": ["far"]}, "dblink connection far"),
    ({"slots": ["s"]}, "temporary replication slot s"),
    ({"origin": ["replication origin"]}, "replication origin"),
]  # fmt: skip


@pytest.mark.parametrize("answer, words", ANSWERS, ids=str)
def test_the_answer_is_read(answer: dict[str, Any], words: str) -> None:
    assert carried(**answer) == words


# what the client knows of the start, what the answer says, the residue
ORIGINS: list[tuple[Origin, dict[str, Any], str]] = [
    (Origin(login="app"), {"login": None, "session_user": "x"}, "session authorization"),
    (Origin(login="app"), {"login": None}, "nothing"),
    (Origin(options={"role": "reporting"}), {"role": "reporting"}, "nothing"),
    (Origin(options={"app.x": "1"}), {"custom": {"app.x": "1"}}, "nothing"),
    (Origin(given=frozenset({"timezone"})), {"settings": {"TimeZone": "UTC"}}, "nothing"),
    (
        Origin(given=frozenset({"session_authorization"})),
        {"session_user": "reporting"},
        "nothing",
    ),
    (
        Origin(is_own=lambda name: name.startswith("_pg3_")),
        {"statements": [["_pg3_1", False], ["_pg3_x", True]]},
        "prepared statement _pg3_x",
    ),
]


@pytest.mark.parametrize("origin, answer, words", ORIGINS, ids=map(str, range(len(ORIGINS))))
def test_what_the_session_began_with_is_no_residue(
    origin: Origin, answer: dict[str, Any], words: str
) -> None:
    assert carried(origin, **answer) == words


def test_a_residue_is_false_when_there_is_nothing() -> None:
    assert not Residue((), 7)
    thing = Thing(K.SETTING, "work_mem")
    found = Residue((thing,), 7)
    assert found
    assert (len(found), list(found), str(found)) == (1, [thing], "setting work_mem")


def test_values_are_in_no_text() -> None:
    snapshot = snapshot_in({**NOTHING, "settings": {"search_path": "secret"}}, Origin())
    assert "secret" not in repr(snapshot) + repr(left(snapshot)) + str(left(snapshot))


@pytest.mark.parametrize("drawn, said", [(None, None), (0, False), (1, True)])
def test_a_drawn_sequence_value_is_told_and_does_not_count(
    drawn: int | None, said: bool | None
) -> None:
    found = left(snapshot_in({**NOTHING, "drawn": drawn}, Origin()))
    assert (found.drawn, bool(found)) == (said, False)


def snapshot(**values: str) -> Snapshot:
    return Snapshot(7, {Thing(K.SETTING, name): value for name, value in values.items()})


@pytest.mark.parametrize(
    "before, now, words",
    [
        ({}, {"a": "1"}, "setting a"),
        ({"a": "1"}, {"a": "1"}, "nothing"),
        ({"a": "1"}, {"a": "2"}, "setting a"),
        ({"a": "1"}, {}, "nothing"),
    ],
)
def test_only_what_is_new_is_left(before: dict[str, str], now: dict[str, str], words: str) -> None:
    assert str(left(snapshot(**now), snapshot(**before))) == words


# the question


@pytest.mark.parametrize(
    "version, flags, modules", [(140010, False, False), (150004, True, False), (180006, True, True)]
)
def test_each_server_is_asked_what_it_knows(version: int, flags: bool, modules: bool) -> None:
    text = question(version)
    assert ("pg_settings_get_flags" in text) is flags
    assert ("pg_get_loaded_modules()" in text) is modules
    assert "{" not in text.replace("'{}'", "")


def test_the_parameter_is_json() -> None:
    said = json.loads(parameter(Found("1:2", ("app.x",)), names=("APP.y", "app.Y"), in_block=True))
    assert said == {"stamp": "1:2", "names": ["app.x"], "more": ["app.y"], "in_block": True}


# the option


@pytest.mark.parametrize(
    "word, check",
    [
        (True, ResidueCheck.TRANSACTION),
        (False, ResidueCheck.OFF),
        (None, ResidueCheck.OFF),
        ("off", ResidueCheck.OFF),
        ("transaction", ResidueCheck.TRANSACTION),
        ("statement", ResidueCheck.STATEMENT),
    ],
)
def test_the_option(word: Any, check: ResidueCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPOOLSAFE_RESIDUE", raising=False)
    policy = make_policy(mode="strict", residue=word)
    assert policy.residue is check
    assert policy.checks_residue is (check is not ResidueCheck.OFF)


@pytest.mark.parametrize(
    "text, check",
    [
        ("1", ResidueCheck.TRANSACTION),
        ("True", ResidueCheck.TRANSACTION),
        (" on ", ResidueCheck.TRANSACTION),
        ("0", ResidueCheck.OFF),
        ("off", ResidueCheck.OFF),
        ("", ResidueCheck.OFF),
        ("statement", ResidueCheck.STATEMENT),
    ],
)
def test_the_variable(text: str, check: ResidueCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPOOLSAFE_RESIDUE", text)
    assert make_policy(mode="strict").residue is check
    assert make_policy(mode="strict", residue=False).residue is ResidueCheck.OFF


NEEDS_STRICT = "residue='transaction' needs mode='strict', not 'warn': it is for a test database"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"residue": True}, NEEDS_STRICT),
        ({"residue": True, "mode": "observe"}, NEEDS_STRICT.replace("warn", "observe")),
        (
            {"residue": "each", "mode": "strict"},
            "residue='each': expected one of 'off', 'transaction', 'statement'",
        ),
    ],
)
def test_a_wrong_option(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPOOLSAFE_MODE", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        make_policy(**options)
    assert str(caught.value) == message


def test_a_wrong_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPOOLSAFE_RESIDUE", "often")
    with pytest.raises(ConfigurationError, match="PGPOOLSAFE_RESIDUE='often'"):
        make_policy(mode="strict")


def test_switched_off_it_is_harmless() -> None:
    assert make_policy(mode="off", residue=True).checks_residue is False


# what may run code


@pytest.mark.parametrize(
    "text, may",
    [
        ("SELECT 1", False),
        (" select 'x' ; ", False),
        ("SELECT f()", True),
        ("SELECT a FROM t", True),
        ("SELECT 1 + x", True),
        ("TABLE t", True),
        ("INSERT INTO t VALUES (1)", True),
        ("CALL p()", True),
        ("DO $$BEGIN END$$", True),
        ("EXECUTE p", True),
        ("FETCH c", True),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT f()", True),
        ("SHOW work_mem", False),
        ("SET work_mem = 1", False),
        ("BEGIN", False),
        ("COMMIT", False),
        ("COMMIT; SELECT f()", True),
        ("/* c */ SHOW x", True),
        ("", False),
        ("$1", True),
    ],
)
def test_what_may_run_code(text: str, may: bool) -> None:
    assert may_run_code(text) is may


# blame


def watch(*, rules: Mapping[str, str] | None = None, **options: Any) -> Watch:
    policy = make_policy(mode="strict", rules=rules or {}, **{"residue": True, **options})
    made = Watch(Guard(policy, Reporter()))
    made.begin(Snapshot(7, {}))
    return made


def note(text: str, params: Any = None, line: int = 1) -> Sent:
    policy = Policy(mode=Mode.STRICT)
    return sent(text, read(text), params, policy, Location("shop.py", line, "main"))


def blamed(watch: Watch, *texts: str, things: tuple[Thing, ...] = ()) -> list[Finding]:
    for line, text in enumerate(texts, 1):
        watch.note(note(text, line=line), None)
    return watch.after(Snapshot(7, dict.fromkeys(things, "x")))


WORK_MEM = Thing(K.SETTING, "work_mem")
TENANT = Thing(K.SETTING, "app.tenant")

# kind of thing, what is said of it
SAYS: list[tuple[Thing, str, str]] = [
    (WORK_MEM, "SET work_mem", "SET LOCAL work_mem TO … inside the transaction that needs it"),
    (
        Thing(K.ROLE, "role"),
        "SET ROLE",
        "SET LOCAL ROLE TO … inside the transaction that needs it",
    ),
    (
        Thing(K.ADVISORY_LOCK, "4, 2"),
        "pg_advisory_lock(4, 2)",
        "pg_advisory_xact_lock(…), which the end of the transaction releases, or take the lock"
        " on a direct connection",
    ),
    (
        Thing(K.TEMP_OBJECT, "cart"),
        "the temporary object cart",
        "create it in the transaction that uses it, with ON COMMIT DROP (or DROP it before COMMIT)",
    ),
    (
        Thing(K.CHANNEL, "jobs"),
        "LISTEN jobs",
        "listen on a direct connection (NOTIFY works through the pooler)",
    ),
    (
        Thing(K.SESSION_FUNCTION, "dblink connection far"),
        "the dblink connection far",
        "call it on a direct connection, or undo it in the same transaction",
    ),
]


@pytest.mark.parametrize("thing, subject, remedy", SAYS, ids=lambda value: str(value)[:30])
def test_the_words_of_a_finding(thing: Thing, subject: str, remedy: str) -> None:
    [found] = blamed(watch(), "SELECT f()", things=(thing,))
    assert found.what == f"{subject} is left in the session by code that the text does not show"
    assert found.fix == f"in the code that the statement runs: {remedy}"
    assert (found.rule, found.statement, found.level) == ("residue", "SELECT f()", "raise")
    assert found.location == Location("shop.py", 1, "main")


def test_several_statements_are_listed() -> None:
    texts = [f"SELECT f{i}()" for i in range(7)]
    [found] = blamed(watch(), *texts, "SHOW work_mem", things=(WORK_MEM,))
    lines = found.statement.splitlines()
    assert lines[0] == "one of 7 statements of the transaction:"
    assert lines[1] == "    SELECT f0() (shop.py:1)"
    assert lines[-1] == "    and 2 more"
    assert found.location is None


def test_what_cannot_run_code_is_not_blamed() -> None:
    [found] = blamed(watch(), "SHOW work_mem", "SELECT f()", "SELECT 1", things=(WORK_MEM,))
    assert found.statement == "SELECT f()"


def test_nobody_is_blamed_where_nobody_can_be() -> None:
    [found] = blamed(watch(), "SET LOCAL lock_timeout = 1", things=(WORK_MEM,))
    assert found.statement == "(no statement that this connection has sent)"


# what the text shows, is allowed or ignored, or the pooler tracks: no finding
FINE: list[tuple[str, Thing]] = [
    ("SET work_mem = 1", WORK_MEM),
    ("SELECT set_config('app.tenant', 'x', false), f()", TENANT),
    ("UPDATE pg_settings SET setting = 1 WHERE name = 'work_mem'", WORK_MEM),
    ("CREATE TEMP TABLE cart AS SELECT f()", Thing(K.TEMP_OBJECT, "cart")),
    ("SELECT pg_advisory_lock(hashtext('x'))", Thing(K.ADVISORY_LOCK, "77")),
    ("SET ROLE x", Thing(K.ROLE, "role")),
    ("LISTEN jobs", Thing(K.CHANNEL, "jobs")),
    ("SELECT f() /* pgpoolsafe: allow residue */", WORK_MEM),
    ("SELECT f() /* pgpoolsafe: allow session-set */", WORK_MEM),
    ("SELECT f()", Thing(K.SETTING, "timezone")),
    ("SELECT f()", Thing(K.PREPARED_STATEMENT, "_pg3_0", by_protocol=True)),
]


@pytest.mark.parametrize("text, thing", FINE, ids=str)
def test_what_is_known_is_not_told_twice(text: str, thing: Thing) -> None:
    assert blamed(watch(), text, things=(thing,)) == []


NOT_FINE: list[tuple[str, Thing]] = [
    ("SET LOCAL work_mem = 1", WORK_MEM),
    ("RESET work_mem", WORK_MEM),
    ("UNLISTEN *", Thing(K.CHANNEL, "jobs")),
    ("SELECT set_config('app.other', 'x', false)", TENANT),
    ("SELECT f() /* pgpoolsafe: allow temp-table */", WORK_MEM),
    ("SELECT pg_advisory_xact_lock(1)", Thing(K.ADVISORY_LOCK, "1")),
]


@pytest.mark.parametrize("text, thing", NOT_FINE, ids=str)
def test_what_the_text_does_not_show_is_told(text: str, thing: Thing) -> None:
    assert len(blamed(watch(), text, "SELECT g()", things=(thing,))) == 1


@pytest.mark.parametrize(
    "rules, level",
    [
        ({"residue": "ignore"}, None),
        ({"session-set": "ignore"}, None),
        ({"temp-table": "ignore"}, "raise"),
        ({"residue": "warn"}, "warn"),
    ],
    ids=str,
)
def test_levels(rules: dict[str, str], level: str | None) -> None:
    found = blamed(watch(rules=rules), "SELECT f()", things=(WORK_MEM,))
    assert [finding.level for finding in found] == ([level] if level else [])


@pytest.mark.parametrize("rule, told", [("residue", 0), ("session-set", 0), ("listen", 1)])
def test_allow(rule: str, told: int) -> None:
    made = watch()
    with pgpoolsafe.allow(rule):
        made.note(note("SELECT f()"), None)
    assert len(made.after(Snapshot(7, {WORK_MEM: "x"}))) == told


@pytest.mark.parametrize(
    "params, thing, said",
    [
        (["secret"], Thing(K.CHANNEL, "secret"), "LISTEN ?"),
        ({"a": {"b": ("secret",)}}, Thing(K.CHANNEL, "secret"), "LISTEN ?"),
        ([["other"], ["secret"]], Thing(K.CHANNEL, "secret"), "LISTEN ?"),
        ([4], Thing(K.ADVISORY_LOCK, "4, 2"), "pg_advisory_lock(?, 2)"),
        (["far"], Thing(K.SESSION_FUNCTION, "dblink connection far"), "the dblink connection ?"),
        ([b"secret", None], Thing(K.CHANNEL, "jobs"), "LISTEN jobs"),
    ],
)
def test_a_parameter_is_in_no_message(params: Any, thing: Thing, said: str) -> None:
    made = watch()
    made.note(note("SELECT f(%s)", params), params)
    [found] = made.after(Snapshot(7, {thing: ""}))
    assert found.what.startswith(f"{said} is left")
    assert "secret" not in str(found)


def test_among_very_many_parameters_no_name_is_told() -> None:
    made = watch()
    rows = [[f"p{number}"] for number in range(20_000)]
    made.note(note("SELECT f(%s)"), rows)
    [found] = made.after(Snapshot(7, {Thing(K.CHANNEL, "p19999"): ""}))
    assert found.what.startswith("LISTEN ? is left")
    made.note(note("SELECT f(%s)"), ["p1"])
    [found] = made.after(Snapshot(7, {Thing(K.CHANNEL, "jobs"): ""}))
    assert found.what.startswith("LISTEN jobs is left")


def test_of_very_many_statements_some_are_remembered() -> None:
    made = watch()
    for number in range(3000):
        made.note(note(f"SELECT f({number})"), None)
    with pgpoolsafe.allow("listen"):
        made.note(note("SELECT g()"), None)
    [found] = made.after(Snapshot(7, {WORK_MEM: "", Thing(K.CHANNEL, "jobs"): ""}))
    assert found.statement.startswith("one of 1001 statements of the transaction:")


def test_what_is_there_is_told_once() -> None:
    made = watch()
    assert len(blamed(made, "SELECT f()", things=(WORK_MEM,))) == 1
    assert blamed(made, "SELECT g()", things=(WORK_MEM,)) == []


@pytest.mark.parametrize(
    "texts, pending",
    [
        ((), False),
        (("SELECT 1", "SHOW x", "SET LOCAL x.y = 1"), False),
        (("SELECT f()",), True),
        (("SET work_mem = 1",), True),
        (("DISCARD TEMP",), True),
        (("RESET ALL",), True),
    ],
    ids=str,
)
def test_when_the_session_is_worth_a_look(texts: tuple[str, ...], pending: bool) -> None:
    made = watch()
    for text in texts:
        made.note(note(text), None)
    assert made.pending is pending
    made.rest()
    assert not made.pending


def test_statement_by_statement_the_maker_is_named() -> None:
    made = watch(residue="statement")
    made.note(note("SELECT f()", line=1), None)
    assert made.wants_each
    lock = Thing(K.ADVISORY_LOCK, "1")
    made.during(Snapshot(7, {TENANT: "local", lock: ""}))
    assert not made.wants_each
    made.note(note("SELECT g()", line=2), None)
    made.during(Snapshot(7, {TENANT: "local", lock: "", WORK_MEM: "1"}))
    made.note(note("SELECT h()", line=3), None)
    made.during(Snapshot(7, {WORK_MEM: "1"}))
    [found] = made.after(Snapshot(7, {WORK_MEM: "1"}))
    assert (found.statement, found.location) == ("SELECT g()", Location("shop.py", 2, "main"))


def test_by_transaction_no_statement_is_looked_after() -> None:
    made = watch()
    made.note(note("SELECT f()"), None)
    assert not made.wants_each


@pytest.mark.parametrize("target", ["dbname=shop", None, 7])
def test_residue_of_something_else(target: Any) -> None:
    with pytest.raises(TypeError, match="expected a psycopg connection or a SQLAlchemy conn"):
        pgpoolsafe.residue(target)


def test_settings_is_a_list() -> None:
    with pytest.raises(TypeError, match="a list of names"):
        pgpoolsafe.residue(None, settings="app.tenant")  # type: ignore[call-overload]
