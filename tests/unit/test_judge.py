"""Exact about transactions: what outlives one is found at the statement that made it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pytest

from pgpoolsafe.effects import EffectKind, Verb
from pgpoolsafe.judge import Page, Trial
from pgpoolsafe.poolers.answers import Answer, Pooler
from pgpoolsafe.poolers.products import DIRECT, named
from pgpoolsafe.rules.allowing import allow
from pgpoolsafe.rules.findings import Finding, Location
from pgpoolsafe.rules.policy import make_policy
from pgpoolsafe.session.books import Books
from pgpoolsafe.sql.edits import apply
from tests.unit.phrases import reading

PGBOUNCER = named("pgbouncer", "transaction")
STATEMENT_MODE = named("pgbouncer", "statement")

LOCAL = {"settings": "local"}


@dataclass
class Client:
    """A client connection: its books, and the texts that went through."""

    options: dict[str, Any] = field(default_factory=lambda: {"settings": "leave"})
    pooler: Pooler = PGBOUNCER
    editable: bool = True
    books: Page = field(default_factory=Books)
    sent: list[str] = field(default_factory=list)

    def send(
        self, text: str, params: Any = None, *, failed: bool = False, allowed: Iterable[str] = ()
    ) -> list[Finding]:
        """Send a text that succeeds; the findings that are due because of it."""
        draft = self.books.copy()
        trial = Trial(
            text,
            reading(text, allowed=frozenset(allowed)),
            params,
            draft,
            make_policy(**self.options),
            self.pooler,
            failed=failed,
            editable=self.editable,
            locate=lambda: Location("shop.py", len(self.sent) + 1, "main"),
        )
        trial.run()
        self.books = draft
        self.sent.append(apply(text, trial.edits))
        return trial.findings

    def send_all(self, *texts: str) -> list[str]:
        """The rules of all the findings of these texts, one text a message."""
        return [finding.rule for text in texts for finding in self.send(text)]


def what(findings: list[Finding]) -> list[str]:
    return [f"{finding.rule}: {finding.what}" for finding in findings]


class Pair(NamedTuple):
    """What makes and what undoes it, what is found, and whether it survives ROLLBACK."""

    acquire: str
    release: str
    found: str
    survives: bool

    @property
    def rule(self) -> str:
        return self.found.partition(":")[0]

    @property
    def found_after_rollback(self) -> list[str]:
        return [self.found] if self.survives else []


PAIRS = [
    Pair("SET work_mem = 1", "RESET work_mem",
         "session-set: SET work_mem outlives the transaction", False),
    Pair("SET ROLE reporting", "RESET ROLE",
         "session-role: SET ROLE outlives the transaction", False),
    Pair("SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)",
         "advisory-lock: pg_advisory_lock(1) outlives the transaction", True),
    Pair("SELECT pg_advisory_lock_shared(1)", "SELECT pg_advisory_unlock_shared(1)",
         "advisory-lock: pg_advisory_lock_shared(1) outlives the transaction", True),
    Pair("PREPARE p AS SELECT 1", "DEALLOCATE p",
         "sql-prepare: PREPARE p works only within one session", True),
    Pair("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE c",
         "hold-cursor: the WITH HOLD cursor c outlives the transaction", False),
    Pair("LISTEN jobs", "UNLISTEN jobs",
         "listen: LISTEN jobs needs a session of its own", False),
    Pair("CREATE TEMP TABLE t (i int)", "DROP TABLE t",
         "temp-table: the temporary object t outlives the transaction", False),
    Pair("SELECT dblink_connect('c', '')", "SELECT dblink_disconnect('c')",
         "session-function: dblink_connect(c) keeps something in the session", True),
]  # fmt: skip

each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.acquire)


@each_pair
def test_acquired_and_released_in_one_transaction_is_fine(pair: Pair) -> None:
    assert Client().send_all("BEGIN", pair.acquire, pair.release, "COMMIT") == []
    assert Client().send_all("BEGIN", pair.acquire, pair.release, "ROLLBACK") == []
    assert Client().send_all(f"BEGIN; {pair.acquire}; {pair.release}; COMMIT") == []
    assert Client().send_all(f"{pair.acquire}; {pair.release}") == []
    assert Client().send_all(f"{pair.acquire}; SELECT 1; {pair.release}; SELECT 1") == []


@each_pair
@pytest.mark.parametrize("end", ["COMMIT", "PREPARE TRANSACTION 'x'"])
def test_what_is_committed_is_found_where_it_was_acquired(pair: Pair, end: str) -> None:
    client = Client()
    assert client.send("BEGIN") == []
    assert client.send(pair.acquire) == []
    assert client.send("SELECT 1") == []
    [finding] = client.send(end)
    assert what([finding]) == [pair.found]
    assert finding.statement == pair.acquire
    assert finding.location == Location("shop.py", 2, "main")
    assert client.books == Books(kept=client.books.kept)


@each_pair
def test_what_is_rolled_back_is_found_only_if_it_survives(pair: Pair) -> None:
    client = Client()
    assert client.send_all("BEGIN", pair.acquire) == []
    findings = client.send("ROLLBACK")
    assert what(findings) == pair.found_after_rollback
    assert [f.statement for f in findings] == ([pair.acquire] if pair.survives else [])
    assert client.books == Books(kept=client.books.kept)


@each_pair
def test_a_failed_transaction_is_rolled_back_by_commit(pair: Pair) -> None:
    client = Client()
    assert client.send_all("BEGIN", pair.acquire) == []
    assert what(client.send("COMMIT", failed=True)) == pair.found_after_rollback


@each_pair
def test_the_server_refuses_statements_of_a_failed_transaction(pair: Pair) -> None:
    client = Client()
    client.send("BEGIN")
    assert client.send(pair.acquire, failed=True) == []
    assert client.send("ROLLBACK", failed=True) == []
    client.send("BEGIN")
    client.send(pair.acquire)
    assert client.send(pair.release, failed=True) == []
    assert what(client.send("ROLLBACK", failed=True)) == pair.found_after_rollback


@each_pair
def test_what_follows_the_rollback_in_one_text_counts_again(pair: Pair) -> None:
    client = Client()
    client.send("BEGIN")
    assert what(client.send(f"ROLLBACK; {pair.acquire}", failed=True)) == [pair.found]


@each_pair
def test_rollback_to_undoes_what_came_after_the_savepoint(pair: Pair) -> None:
    client = Client()
    assert client.send_all("BEGIN", "SAVEPOINT s", pair.acquire, "ROLLBACK TO s") == []
    assert what(client.send("COMMIT")) == pair.found_after_rollback


@each_pair
def test_rollback_to_leads_out_of_failure(pair: Pair) -> None:
    client = Client()
    client.send_all("BEGIN", "SAVEPOINT s")
    assert client.send(f"ROLLBACK TO s; {pair.acquire}", failed=True) == []
    assert what(client.send("COMMIT")) == [pair.found]


@each_pair
def test_release_of_a_savepoint_keeps_what_came_after_it(pair: Pair) -> None:
    client = Client()
    assert client.send_all("BEGIN", "SAVEPOINT s", pair.acquire, "RELEASE s") == []
    assert what(client.send("COMMIT")) == [pair.found]


@each_pair
def test_rollback_to_undoes_the_release_of_what_does_not_survive(pair: Pair) -> None:
    client = Client()
    assert (
        client.send_all("BEGIN", pair.acquire, "SAVEPOINT s", pair.release, "ROLLBACK TO s") == []
    )
    stays_closed = pair.acquire.startswith("DECLARE")
    assert what(client.send("COMMIT")) == ([] if pair.survives or stays_closed else [pair.found])


@each_pair
def test_and_chain_ends_one_transaction_and_opens_the_next(pair: Pair) -> None:
    client = Client()
    client.send_all("BEGIN", pair.acquire)
    assert what(client.send("COMMIT AND CHAIN")) == [pair.found]
    assert client.books == Books(in_block=True, inherits=True, kept=client.books.kept)
    assert client.send_all(pair.acquire, pair.release) == []
    assert client.send_all(pair.acquire) == []
    assert what(client.send("ROLLBACK AND CHAIN")) == pair.found_after_rollback
    assert client.send_all(pair.acquire, pair.release, "COMMIT") == []


@each_pair
def test_in_autocommit_it_is_found_at_once(pair: Pair) -> None:
    client = Client()
    [finding] = client.send(pair.acquire)
    assert what([finding]) == [pair.found]
    assert finding.location == Location("shop.py", 1, "main")
    assert client.books == Books(kept=client.books.kept)


@each_pair
def test_one_text_in_autocommit_is_one_transaction(pair: Pair) -> None:
    [finding] = Client().send(f"SELECT 1; {pair.acquire}; SELECT 1")
    assert what([finding]) == [pair.found]
    assert finding.statement == pair.acquire


@each_pair
def test_one_text_may_hold_several_transactions(pair: Pair) -> None:
    acquire, release = pair.acquire, pair.release
    text = f"BEGIN; {acquire}; COMMIT; BEGIN; {acquire}; {release}; COMMIT; {acquire}"
    assert what(Client().send(text)) == [pair.found, pair.found]
    survivors = pair.found_after_rollback
    assert what(Client().send(f"BEGIN; {pair.acquire}; ROLLBACK; {pair.acquire}")) == [
        *survivors,
        pair.found,
    ]


def test_begin_in_a_text_takes_in_what_came_before_it() -> None:
    assert Client().send_all("SET work_mem = 1; BEGIN; SELECT 1", "ROLLBACK") == []


# releases of what the transaction does not hold: text, what is found, whether at once
RELEASES: list[tuple[str, list[str], bool]] = [
    ("RESET work_mem", ["session-set: RESET work_mem outlives the transaction"], False),
    ("RESET ALL", ["session-set: RESET ALL outlives the transaction"], False),
    ("RESET ROLE", ["session-role: RESET ROLE outlives the transaction"], False),
    ("UNLISTEN jobs", ["listen: UNLISTEN jobs needs a session of its own"], False),
    (
        "SELECT pg_advisory_unlock(1)",
        [
            (
                "unlock-not-held: pg_advisory_unlock(1) releases a lock that this transaction does"
                " not hold"
            ),
        ],
        True,
    ),
    (
        "DEALLOCATE p",
        ["sql-prepare: DEALLOCATE p works only within one session"],
        True,
    ),
    (
        "DEALLOCATE ALL",
        ["sql-prepare: DEALLOCATE ALL works only within one session"],
        True,
    ),
    (
        "SELECT dblink_disconnect('c')",
        ["session-function: dblink_disconnect(c) keeps something in the session"],
        True,
    ),
    ("CLOSE c", [], True),
    ("DROP TABLE t", [], True),
]


@pytest.mark.parametrize("release, found, at_once", RELEASES)
def test_a_release_of_what_is_not_held(release: str, found: list[str], at_once: bool) -> None:
    assert what(Client().send(release)) == found
    client = Client()
    client.send("BEGIN")
    assert what(client.send(release)) == (found if at_once else [])
    assert what(client.send("COMMIT")) == ([] if at_once else found)
    client.send_all("BEGIN", release)
    assert client.send("ROLLBACK") == []


def test_a_release_of_another_lock_of_the_same_key() -> None:
    client = Client()
    client.send_all("BEGIN", "SELECT pg_advisory_lock_shared(1)")
    assert client.send_all("SELECT pg_advisory_unlock(1)") == ["unlock-not-held"]
    assert client.send_all("COMMIT") == ["advisory-lock"]


def test_a_lock_taken_twice_must_be_released_twice() -> None:
    take, give = "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"
    assert Client().send_all(f"BEGIN; {take}; {take}; {give}; COMMIT") == ["advisory-lock"]
    assert Client().send_all(f"BEGIN; {take}; {take}; {give}; {give}; COMMIT") == []
    assert Client().send_all(
        f"BEGIN; {take}; {take}; SELECT pg_advisory_unlock_all(); COMMIT"
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    "taken, released, rules",
    [([1], [1], []), ([1], ["1"], []), ([1], [2], ["unlock-not-held", "advisory-lock"])],
)
def test_bound_lock_keys_are_compared_by_value(taken: Any, released: Any, rules: list[str]) -> None:
    client = Client()
    findings = client.send("BEGIN")
    findings += client.send("SELECT pg_advisory_lock(%s)", taken)
    findings += client.send("SELECT pg_advisory_unlock(%s)", released)
    findings += client.send("COMMIT")
    assert [finding.rule for finding in findings] == rules


def test_a_bound_lock_key_may_be_released_by_its_literal() -> None:
    client = Client()
    client.send("BEGIN")
    client.send("SELECT pg_advisory_lock(%s)", [1])
    assert client.send_all("SELECT pg_advisory_unlock(1)", "COMMIT") == []


# what counts on an earlier statement: texts, rules found
READS: list[tuple[list[str], list[str]]] = [
    (["EXECUTE p"], ["sql-prepare"]),
    (["BEGIN", "EXECUTE p", "COMMIT"], ["sql-prepare"]),
    (["BEGIN; PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p; COMMIT"], []),
    (["BEGIN; PREPARE p AS SELECT 1; DEALLOCATE p; EXECUTE p; COMMIT"], ["sql-prepare"]),
    (["BEGIN", "SAVEPOINT s", "PREPARE p AS SELECT 1", "ROLLBACK TO s", "EXECUTE p",
      "DEALLOCATE p", "COMMIT"], []),
    (["SELECT lastval()"], ["sequence-state"]),
    (["BEGIN", "SELECT lastval()", "ROLLBACK"], ["sequence-state"]),
    (["BEGIN", "INSERT INTO t DEFAULT VALUES", "SELECT lastval()", "COMMIT"], []),
    (["INSERT INTO t DEFAULT VALUES; SELECT lastval()"], []),
    (["INSERT INTO t DEFAULT VALUES", "SELECT lastval()"], ["sequence-state"]),
    (["BEGIN; INSERT INTO t DEFAULT VALUES; COMMIT; SELECT lastval()"], ["sequence-state"]),
    (["BEGIN", "INSERT INTO t DEFAULT VALUES", "COMMIT", "BEGIN", "SELECT lastval()", "COMMIT"],
     ["sequence-state"]),
    (["BEGIN", "SAVEPOINT s", "INSERT INTO t DEFAULT VALUES", "ROLLBACK TO s", "SELECT lastval()",
      "COMMIT"], []),
]  # fmt: skip


@pytest.mark.parametrize("texts, rules", READS)
def test_reads_of_what_the_transaction_made(texts: list[str], rules: list[str]) -> None:
    assert Client().send_all(*texts) == rules


# what nothing undoes: text, rule
AT_ONCE = [
    ("LOAD 'lib'", "load-library"),
    ("SELECT setseed(0.5)", "session-function"),
    ("SELECT 'open", "unreadable-statement"),
    ("DISCARD ALL", "discard"),
    ("DO 'opaque'", "opaque-code"),
]


@pytest.mark.parametrize("text, rule", AT_ONCE)
def test_what_nothing_undoes_is_found_before_it_is_sent(text: str, rule: str) -> None:
    client = Client({"rules": {"opaque-code": "warn"}})
    client.send("BEGIN")
    assert client.send_all(text) == [rule]
    assert client.send_all("COMMIT") == []
    assert client.send_all(text) == [rule]


def test_a_block_that_ended_unseen_is_taken_to_have_leaked() -> None:
    client = Client()
    client.send_all("BEGIN", "SET work_mem = 1", "SELECT pg_advisory_lock(1)")
    draft = client.books.copy()
    policy = make_policy(settings="leave")
    trial = Trial("SELECT 1", reading("SELECT 1"), None, draft, policy, PGBOUNCER)
    trial.ended_unseen()
    assert [f.rule for f in trial.findings] == ["advisory-lock", "session-set"]
    assert [f.statement for f in trial.findings] == [
        "SELECT pg_advisory_lock(1)",
        "SET work_mem = 1",
    ]
    assert draft == Books(kept=draft.kept)


# set_config with a bound third argument

FALSE = [False, None, "f", "no", "off", "0", 0, "", "o", "tru e", "truely", b"t", 1, "2"]
TRUE = [True, "t", "tr", "TRUE", "y", "Yes", "on", "ON", "1", " true "]

POSITIONAL = "SELECT set_config('work_mem', %s, %s)"
NAMED = "SELECT set_config('work_mem', %(value)s, %(local)s)"

SAYS = "session-set: set_config(work_mem) outlives the transaction"


@pytest.mark.parametrize("is_local", TRUE)
def test_a_bound_true_is_local(is_local: Any) -> None:
    assert Client().send(POSITIONAL, ("1MB", is_local)) == []
    assert Client().send(NAMED, {"value": "1MB", "local": is_local}) == []


@pytest.mark.parametrize("is_local", FALSE)
def test_anything_else_is_for_the_session(is_local: Any) -> None:
    assert what(Client().send(POSITIONAL, ["1MB", is_local])) == [SAYS]
    assert what(Client().send(NAMED, {"value": "1MB", "local": is_local})) == [SAYS]


@pytest.mark.parametrize("params", [None, (), ["1MB"], {}, {"local": True}, "no sequence"])
def test_a_missing_parameter_is_for_the_session(params: Any) -> None:
    assert what(Client().send(POSITIONAL, params)) == [SAYS]


def test_a_bound_local_without_a_transaction_is_no_finding() -> None:
    client = Client({"rules": {"set-local-outside-transaction": "warn"}})
    assert client.send(POSITIONAL, ("1MB", True)) == []
    assert client.send_all("SET LOCAL work_mem = 1") == ["set-local-outside-transaction"]
    assert client.send_all("SET LOCAL work_mem = 1; SELECT 1", "BEGIN") == []
    assert client.send_all("SET LOCAL work_mem = 1", "COMMIT") == []


# rewriting


# text in a transaction, parameters, what is sent
REWRITTEN: list[tuple[str, Any, str]] = [
    ("SET work_mem = 1", None, "SET LOCAL work_mem = 1"),
    ("RESET work_mem", None, "SET LOCAL work_mem TO DEFAULT"),
    ("SET ROLE reporting", None, "SET LOCAL ROLE reporting"),
    ("RESET ROLE", None, "SET LOCAL ROLE TO DEFAULT"),
    (POSITIONAL, ("1MB", False), "SELECT set_config('work_mem', %s, ((%s) OR true))"),
    (NAMED, {"local": None},
     "SELECT set_config('work_mem', %(value)s, ((%(local)s) OR true))"),
    (POSITIONAL, ("1MB", True), POSITIONAL),
    ("SELECT set_config(%s, %s, false)", ("work_mem", "1MB"),
     "SELECT set_config(%s, %s, true)"),
    ("SELECT 1; SET work_mem = 1; RESET work_mem; SELECT 1", None,
     "SELECT 1; SET LOCAL work_mem = 1; SET LOCAL work_mem TO DEFAULT; SELECT 1"),
    ("SET work_mem = 1; COMMIT", None, "SET LOCAL work_mem = 1; COMMIT"),
    ("SET LOCAL work_mem = 1", None, "SET LOCAL work_mem = 1"),
    ("LISTEN jobs", None, "LISTEN jobs"),
]  # fmt: skip


@pytest.mark.parametrize("text, params, sent", REWRITTEN)
def test_in_a_transaction_settings_become_local(text: str, params: Any, sent: str) -> None:
    client = Client(LOCAL)
    client.send("BEGIN")
    findings = client.send(text, params)
    assert client.sent[-1] == sent
    assert {f.level for f in findings} == ({"rewrite"} if sent != text else set())
    assert "; ".join(f.sent or "" for f in findings) in sent
    if "LISTEN" not in text:
        assert client.send_all("COMMIT") == []


def test_a_text_of_several_statements_is_a_transaction_but_for_its_last() -> None:
    client = Client(LOCAL)
    findings = client.send("SET work_mem = 1; SELECT 1; SET work_mem = 2")
    assert client.sent == ["SET LOCAL work_mem = 1; SELECT 1; SET work_mem = 2"]
    assert [(f.rule, f.level, f.statement) for f in findings] == [
        ("session-set", "rewrite", "SET work_mem = 1"),
        ("session-set", "warn", "SET work_mem = 2"),
    ]


@pytest.mark.parametrize(
    "text", ["SET work_mem = 1", "RESET work_mem", "SET ROLE reporting", "RESET ROLE"]
)
def test_in_autocommit_settings_are_reported(text: str) -> None:
    client = Client(LOCAL)
    [finding] = client.send(text)
    assert finding.level == "warn"
    assert finding.sent is None
    assert client.sent == [text]


def test_the_fix_is_the_local_form() -> None:
    [finding] = Client().send("SELECT 1; SET work_mem = 1; SELECT 1")
    assert finding.fix == "SET LOCAL work_mem = 1 inside the transaction that needs it"
    [finding] = Client().send("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    assert finding.fix == (
        "SET LOCAL default_transaction_read_only TO … inside the transaction that needs it"
    )
    [finding] = Client().send("RESET ALL")
    assert finding.fix == "SET LOCAL … inside the transaction that needs it"


NOT_REWRITTEN: list[tuple[str, dict[str, Any]]] = [
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", LOCAL),
    ("RESET ALL", LOCAL),
    ("SET work_mem = 1", {"settings": "leave"}),
    ("SET work_mem = 1", {"rules": {"session-set": "warn"}}),
    ("SET ROLE reporting", {"rules": {"session-role": "warn"}}),
]


@pytest.mark.parametrize("text, options", NOT_REWRITTEN)
def test_what_is_not_rewritten_is_reported_at_the_end(text: str, options: dict[str, Any]) -> None:
    client = Client(options)
    assert client.send_all("BEGIN", text) == []
    [finding] = client.send("COMMIT")
    assert (finding.level, finding.statement) == ("warn", text)
    assert client.sent[1] == text


def test_a_text_that_cannot_be_exchanged_is_reported() -> None:
    client = Client(LOCAL, editable=False)
    assert client.send_all("BEGIN", "SET work_mem = 1") == []
    [finding] = client.send("COMMIT")
    assert (finding.level, client.sent[1]) == ("warn", "SET work_mem = 1")


def test_observe_changes_nothing() -> None:
    client = Client({"mode": "observe"})
    assert client.send_all("BEGIN", "SET work_mem = 1") == []
    [finding] = client.send("COMMIT")
    assert finding.level == "observe"
    assert client.sent == ["BEGIN", "SET work_mem = 1", "COMMIT"]


@pytest.mark.parametrize(
    "mode, level", [("observe", "observe"), ("warn", "warn"), ("strict", "raise")]
)
def test_the_level_follows_the_mode(mode: str, level: str) -> None:
    [finding] = Client({"mode": mode}).send("LISTEN jobs")
    assert finding.level == level


def test_an_ignored_rule_finds_nothing() -> None:
    assert Client({"rules": {"listen": "ignore"}}).send_all("LISTEN jobs", "UNLISTEN jobs") == []
    client = Client({"rules": {"session-set": "ignore"}})
    assert client.send_all("BEGIN", "SET work_mem = 1", "COMMIT", "RESET work_mem") == []
    assert client.sent[1] == "SET work_mem = 1"


# allow


@each_pair
def test_allow_around_the_acquiring_statement(pair: Pair) -> None:
    client, rule = Client(), pair.rule
    client.send("BEGIN")
    with allow(rule):
        assert client.send(pair.acquire) == []
    assert client.send("COMMIT") == []
    with allow(rule):
        assert client.send_all(pair.acquire) == []
    assert what(client.send(pair.acquire)) == [pair.found]


@each_pair
def test_a_comment_allows_its_own_text(pair: Pair) -> None:
    rule = pair.rule
    assert Client().send(pair.acquire, allowed=[rule]) == []
    assert what(Client().send(pair.acquire, allowed=["discard"])) == [pair.found]
    distrustful = Client({"settings": "leave", "trust_comments": False})
    assert what(distrustful.send(pair.acquire, allowed=[rule])) == [pair.found]


def test_allow_around_the_commit_only_is_too_late() -> None:
    client = Client()
    client.send_all("BEGIN", "LISTEN jobs")
    with allow("listen"):
        assert client.send_all("COMMIT") == ["listen"]


def test_what_is_allowed_is_sent_as_it_is() -> None:
    client = Client(LOCAL)
    client.send("BEGIN")
    with allow("session-set"):
        assert client.send("SET work_mem = 1") == []
    assert client.sent[1] == "SET work_mem = 1"
    # The session's own value was changed: a local one would only hide that until COMMIT.
    assert client.send_all("SET work_mem = 2") == []
    assert client.sent[2] == "SET work_mem = 2"
    assert client.send_all("COMMIT") == ["session-set"]


def test_allow_of_the_lock_covers_the_unlock() -> None:
    with allow("advisory-lock"):
        assert Client().send_all("SELECT pg_advisory_unlock(1)") == []
    with allow("unlock-not-held"):
        assert Client().send_all("SELECT pg_advisory_unlock(1)") == []
        assert Client().send_all("SELECT pg_advisory_lock(1)") == ["advisory-lock"]


# poolers


def answering(answer: Answer, *kinds: EffectKind) -> Pooler:
    return replace(PGBOUNCER, answers={**PGBOUNCER.answers, **dict.fromkeys(kinds, answer)})


@each_pair
@pytest.mark.parametrize("answer", list(Answer))
def test_what_the_pooler_keeps_for_its_client_is_fine(pair: Pair, answer: Answer) -> None:
    client = Client(pooler=answering(answer, *EffectKind))
    findings = client.send(pair.acquire)
    assert what(findings) == ([] if answer.safe else [pair.found])
    assert not answer.safe or client.send(pair.release) == []


@each_pair
def test_on_a_direct_connection_nothing_is_found(pair: Pair) -> None:
    for pooler in (DIRECT, named("pgbouncer", "session")):
        assert (
            Client(pooler=pooler).send_all(
                pair.acquire, "BEGIN", pair.acquire, "COMMIT", pair.release
            )
            == []
        )


@pytest.mark.parametrize("options", [LOCAL, {"settings": "leave"}], ids=str)
def test_a_setting_that_the_pooler_tracks_is_left_alone(options: dict[str, Any]) -> None:
    assert "timezone" in PGBOUNCER.tracked
    client = Client(options)
    assert client.send_all("SET timezone = 'UTC'", "BEGIN", "SET timezone = 'UTC'", "COMMIT") == []
    assert client.sent[2] == "SET timezone = 'UTC'"
    bound = "SELECT set_config(%s, %s, false)"
    assert client.send(bound, ["TimeZone", "UTC"]) == []
    assert [f.rule for f in client.send(bound, ["work_mem", "1MB"])] == ["session-set"]


@pytest.mark.parametrize(
    "answer, why",
    [
        (
            Answer.LOST,
            (
                "behind PgBouncer (transaction pooling) the channel is dropped when the transaction"
                " ends; no notification arrives"
            ),
        ),
        (Answer.ERRORS, "PgBouncer (transaction pooling) refuses the statement"),
        (
            Answer.LEAKS,
            (
                "behind PgBouncer (transaction pooling) the server connection that listens goes"
                " back to the pool: notifications reach another client or nobody"
            ),
        ),
    ],
)
def test_the_reason_is_that_of_the_answer(answer: Answer, why: str) -> None:
    [finding] = Client(pooler=answering(answer, EffectKind.CHANNEL)).send("LISTEN jobs")
    assert finding.why == why


def test_the_unknown_is_judged_as_leaking() -> None:
    leaks, unknown = (
        Client(pooler=answering(answer, EffectKind.CHANNEL)).send("LISTEN jobs")[0].why
        for answer in (Answer.LEAKS, Answer.UNKNOWN)
    )
    assert leaks == unknown


# statement mode


def test_statement_mode_knows_no_transactions() -> None:
    client = Client(pooler=STATEMENT_MODE)
    [finding] = client.send("BEGIN")
    assert what([finding]) == [
        "statement-mode-transaction: BEGIN opens a transaction behind a pooler in statement mode"
    ]
    assert finding.why == (
        "PgBouncer (statement pooling) gives every statement its own server connection: it closes"
        " the client connection at BEGIN, or lets each statement commit by itself"
    )
    assert client.send("COMMIT") == []


def test_statement_mode_can_be_allowed_or_ignored() -> None:
    with allow("statement-mode-transaction"):
        assert Client(pooler=STATEMENT_MODE).send("BEGIN") == []
    ignoring = {"rules": {"statement-mode-transaction": "ignore"}}
    assert Client(ignoring, STATEMENT_MODE).send("BEGIN") == []
    assert Client().send("BEGIN") == []


def test_statement_mode_finds_what_a_statement_leaves() -> None:
    assert Client(pooler=STATEMENT_MODE).send_all("LISTEN jobs") == ["listen"]


# completeness


def test_every_kind_that_can_be_made_is_tried_here() -> None:
    tried = [text for pair in PAIRS for text in (pair.acquire, pair.release)]
    tried += [text for text, _ in AT_ONCE] + [text for text, _, _ in RELEASES]
    tried += ["EXECUTE p", "SELECT lastval()"]
    seen = {(e.kind, e.verb) for text in tried for s in reading(text).statements for e in s.effects}
    assert {kind for kind, _ in seen} == set(EffectKind)
    assert {verb for _, verb in seen} == set(Verb)
