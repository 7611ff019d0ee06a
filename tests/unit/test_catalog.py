"""The catalogue of rules: complete, consistent, and right about its own examples."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from pgpoolsafe.effects import Effect, EffectKind, Verb
from pgpoolsafe.guard import STAND_IN
from pgpoolsafe.judge import Trial
from pgpoolsafe.poolers.answers import Answer
from pgpoolsafe.rules.catalog import EVERY_LEVEL, RULES, Level, Rule, rule_for
from pgpoolsafe.rules.findings import Finding
from pgpoolsafe.rules.policy import Policy, Settings
from pgpoolsafe.session.books import Books
from pgpoolsafe.sql.empty_casts import empty_casts
from pgpoolsafe.sql.functions import FUNCTIONS, Row
from pgpoolsafe.sql.manners import Manner, manner
from pgpoolsafe.sql.reader import read

NAMED_IN_THE_DESIGN = {
    "session-set",
    "session-role",
    "set-local-outside-transaction",
    "settings-not-carried",
    "empty-custom-setting",
    "advisory-lock",
    "unlock-not-held",
    "listen",
    "temp-table",
    "hold-cursor",
    "sql-prepare",
    "named-prepare",
    "load-library",
    "sequence-state",
    "session-function",
    "discard",
    "opaque-code",
    "unreadable-statement",
    "statement-mode-transaction",
    "startup-options",
    "long-transaction",
    "idle-in-transaction",
    "residue",
}

NOT_YET = {
    "long-transaction",
    "idle-in-transaction",
}

FOUND_BY_DRIVERS = {"named-prepare", "startup-options"}
"""Not a matter of text: what the driver itself does, or is told when it connects."""

FOUND_IN_THE_SESSION = {"residue"}
"""Not a matter of text: what the server says when the transaction is over."""

FOUND_WITH_SETTINGS = {"settings-not-carried"}
"""Not a matter of the text alone: what is in force for the connection."""

FOUND_BY_AUDIT = {"empty-custom-setting"}
"""Not a matter of what is sent: what stands in the database."""

FOUND_BY_CONTROL = {"statement-mode-transaction", "set-local-outside-transaction"}
"""Not a matter of an effect and its verb alone."""

EVERYTHING_WARNS = Policy(rules=dict.fromkeys(RULES, Level.WARN), settings=Settings.LEAVE)

each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


def findings(text: str) -> list[Finding]:
    """As `check()`, with the rules that are ignored by default as well."""
    trial = Trial(text, read(text), None, Books(), EVERYTHING_WARNS, STAND_IN, locate=lambda: None)
    return trial.run().findings


def test_the_rules_of_the_design_are_here() -> None:
    assert set(RULES) | NOT_YET == NAMED_IN_THE_DESIGN
    assert set(RULES).isdisjoint(NOT_YET)


@each_rule
def test_a_name_reads_well_after_allow(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert RULES[rule.name] is rule


def test_titles_and_messages_are_distinct() -> None:
    titles = [rule.title for rule in RULES.values()]
    assert len(set(titles)) == len(titles)
    reasons = [rule.why[Answer.LEAKS] for rule in RULES.values()]
    assert len(set(reasons)) == len(reasons)


def texts_of(rule: Rule) -> list[str]:
    return [rule.title, rule.what, rule.fix, *rule.why.values()]


@each_rule
def test_sentences_have_no_full_stop_and_no_stray_space(rule: Rule) -> None:
    for text in texts_of(rule):
        assert text
        assert text == text.strip()
        assert not text.endswith(".")
        assert "  " not in text


@each_rule
def test_every_template_can_be_filled(rule: Rule) -> None:
    words = {"pooler", "statement", "subject"}
    if rule.matches or rule.name == "set-local-outside-transaction":
        words |= {"name", "local"}
    if rule.name in FOUND_BY_DRIVERS:
        words = {"name", "pooler"}
    if rule.name in FOUND_IN_THE_SESSION:
        words = {"pooler", "subject", "remedy"}
    if rule.name in FOUND_WITH_SETTINGS:
        words |= {"name"}
    if rule.name in FOUND_BY_AUDIT:
        words = {"subject", "name", "type", "pooler"}
    for template in (rule.what, rule.fix, *rule.why.values()):
        fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
        assert fields <= words
        filled = template.format(**dict.fromkeys(fields, "x"))
        assert "{" not in filled
        assert "}" not in filled
    assert not list(filter(None, (f for _, f, _, _ in Formatter().parse(rule.title))))


@each_rule
def test_every_answer_has_a_reason(rule: Rule) -> None:
    assert Answer.LEAKS in rule.why
    for answer in Answer:
        assert rule.reason(answer)
    assert not any(answer.safe for answer in rule.why)


@each_rule
def test_the_levels_are_the_common_ones_and_perhaps_a_change(rule: Rule) -> None:
    changes = rule.levels[len(EVERY_LEVEL) :]
    assert rule.levels == (*EVERY_LEVEL, *changes)
    assert changes in ((), (Level.REWRITE,), (Level.REWRITE, Level.CARRY))
    assert (Level.CARRY in changes) is (rule.name in ("session-set", "session-role"))
    assert rule.default is None or rule.default in rule.levels
    assert rule.under is None or rule.under in RULES


@each_rule
def test_references_are_links(rule: Rule) -> None:
    for reference in rule.references:
        assert re.fullmatch(r"https://\S+", reference)


# examples


def examples(which: str) -> list[tuple[str, str]]:
    """Those that the text alone decides about."""
    return [
        (name, text)
        for name, rule in RULES.items()
        if name not in FOUND_WITH_SETTINGS | FOUND_BY_AUDIT
        for text in getattr(rule, which)
    ]


@each_rule
def test_every_rule_about_text_has_examples(rule: Rule) -> None:
    elsewhere = FOUND_BY_DRIVERS | FOUND_IN_THE_SESSION
    about_text = rule.name not in {*elsewhere, "statement-mode-transaction"}
    assert bool(rule.bad) is about_text
    assert bool(rule.good) is about_text


@pytest.mark.parametrize("name, text", examples("bad"))
def test_a_bad_example_is_found_by_exactly_that_rule(name: str, text: str) -> None:
    assert {finding.rule for finding in findings(text)} == {name}


@pytest.mark.parametrize("text", [text for _, text in examples("good")])
def test_a_good_example_is_found_by_none(text: str) -> None:
    assert [str(finding) for finding in findings(text)] == []


@pytest.mark.parametrize("text", [text for _, text in examples("bad")])
def test_the_finding_of_a_bad_example_reads_well(text: str) -> None:
    for finding in findings(text):
        for said in (finding.what, finding.why, finding.fix):
            assert not re.search(r"[{}]|\bNone\b|EffectKind|  ", said), said
        assert finding.statement in text


def test_the_examples_of_what_goes_alone() -> None:
    rule = RULES["settings-not-carried"]
    assert {manner(text) for text in rule.bad} == {Manner.ALONE}
    assert {manner(text) for text in rule.good} == {Manner.PIPED}


def test_the_examples_of_casts() -> None:
    rule = RULES["empty-custom-setting"]
    assert [len(empty_casts(text)) for text in rule.bad] == [1] * len(rule.bad)
    assert not any(empty_casts(text) for text in rule.good)


# The words of each rule, asserted whole, so that a change of wording shows.
SAYS: list[tuple[str, str, str]] = [
    (
        "SET statement_timeout = '2s'",
        "session-set: SET statement_timeout outlives the transaction",
        "SET LOCAL statement_timeout = '2s' inside the transaction that needs it",
    ),
    (
        "RESET work_mem",
        "session-set: RESET work_mem outlives the transaction",
        "SET LOCAL work_mem TO DEFAULT inside the transaction that needs it",
    ),
    (
        "SELECT set_config('app.tenant', '7', false)",
        "session-set: set_config(app.tenant) outlives the transaction",
        "SELECT set_config('app.tenant', '7', true) inside the transaction that needs it",
    ),
    (
        "UPDATE pg_settings SET setting = '1MB' WHERE name = 'work_mem'",
        "session-set: UPDATE pg_settings (work_mem) outlives the transaction",
        "SET LOCAL work_mem TO … inside the transaction that needs it",
    ),
    (
        "SET ROLE reporting",
        "session-role: SET ROLE outlives the transaction",
        "SET LOCAL ROLE reporting inside the transaction that needs it",
    ),
    (
        "SET SESSION AUTHORIZATION app",
        "session-role: SET SESSION AUTHORIZATION outlives the transaction",
        "SET LOCAL SESSION AUTHORIZATION app inside the transaction that needs it",
    ),
    (
        "DO $$BEGIN SET work_mem = '1MB'; END$$",
        "session-set: SET work_mem in a DO block outlives the transaction",
        "SET LOCAL work_mem TO … inside the transaction that needs it",
    ),
    (
        "SET LOCAL ROLE TO DEFAULT",
        "set-local-outside-transaction: SET LOCAL ROLE has no effect outside a transaction",
        "open a transaction first: BEGIN; SET LOCAL ROLE TO DEFAULT; …; COMMIT",
    ),
    (
        "SET LOCAL statement_timeout = '2s'",
        (
            "set-local-outside-transaction: SET LOCAL statement_timeout has no effect outside a"
            " transaction"
        ),
        "open a transaction first: BEGIN; SET LOCAL statement_timeout = '2s'; …; COMMIT",
    ),
    (
        "SELECT pg_try_advisory_lock_shared(1, 2)",
        "advisory-lock: pg_try_advisory_lock_shared(1, 2) outlives the transaction",
        (
            "pg_advisory_xact_lock(…), which the end of the transaction releases, or take the lock"
            " on a direct connection"
        ),
    ),
    (
        "SELECT pg_advisory_unlock_all()",
        (
            "unlock-not-held: pg_advisory_unlock_all(…) releases a lock that this transaction does"
            " not hold"
        ),
        "lock and unlock in one transaction, or use pg_advisory_xact_lock(…)",
    ),
    (
        "UNLISTEN *",
        "listen: UNLISTEN * needs a session of its own",
        "listen on a direct connection (NOTIFY works through the pooler)",
    ),
    (
        "CREATE TEMP TABLE cart (id int)",
        "temp-table: the temporary object cart outlives the transaction",
        (
            "create it in the transaction that uses it, with ON COMMIT DROP (or DROP it before"
            " COMMIT)"
        ),
    ),
    (
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "hold-cursor: the WITH HOLD cursor c outlives the transaction",
        "fetch inside one transaction without WITH HOLD, or on a direct connection",
    ),
    (
        "EXECUTE p",
        "sql-prepare: EXECUTE p works only within one session",
        (
            "let the driver prepare it (parameters in execute()), or PREPARE, EXECUTE and"
            " DEALLOCATE in one transaction"
        ),
    ),
    (
        "LOAD 'auto_explain'",
        "load-library: LOAD auto_explain stays in the server process",
        (
            "session_preload_libraries for the role or database: ALTER ROLE … SET"
            " session_preload_libraries = …"
        ),
    ),
    (
        "SELECT currval('cart_id_seq')",
        "sequence-state: currval(cart_id_seq) reads what an earlier transaction drew",
        "INSERT … RETURNING id, or call it in the transaction that drew the value",
    ),
    (
        "SELECT setseed(0.5)",
        "session-function: setseed(…) keeps something in the session",
        "call it on a direct connection, or undo it in the same transaction",
    ),
    (
        "DISCARD ALL",
        "discard: DISCARD ALL resets a server connection that other clients share",
        "drop it: a transaction pooler has no session to clean up",
    ),
    (
        "DO $$BEGIN EXECUTE current_setting('app.todo'); END$$",
        "opaque-code: the code of this DO cannot be read",
        "check by hand that it leaves no session state, then allow it",
    ),
    (
        "SELECT 'unclosed; SET work_mem = 1",
        "unreadable-statement: the statement could not be read",
        "close the quote or comment; the server refuses the text as it is",
    ),
]


@pytest.mark.parametrize("text, says, fix", SAYS)
def test_the_words_of_each_rule(text: str, says: str, fix: str) -> None:
    [finding] = findings(text)
    assert (f"{finding.rule}: {finding.what}", finding.fix) == (says, fix)


def test_the_words_of_every_rule_about_text_are_asserted() -> None:
    assert {says.partition(":")[0] for _, says, _ in SAYS} == {name for name, _ in examples("bad")}


# effects

NO_HAZARD = {
    # Undoing what this transaction made is the good example; undoing what it did not make
    # fails on the server (cursor, table) or finds nothing to undo.
    (EffectKind.HELD_CURSOR, Verb.RELEASE),
    (EffectKind.TEMP_OBJECT, Verb.RELEASE),
    # Only these are read by statements that can be recognised.
    *((kind, Verb.READ) for kind in EffectKind if kind.name not in
      ("PREPARED_STATEMENT", "SEQUENCE", "TEMP_OBJECT", "HELD_CURSOR")),
    # Drawing a sequence value harms nobody; the rest is only ever made, or only undone.
    (EffectKind.SEQUENCE, Verb.ACQUIRE),
    (EffectKind.SEQUENCE, Verb.RELEASE),
    (EffectKind.EVERYTHING, Verb.ACQUIRE),
    (EffectKind.LIBRARY, Verb.RELEASE),
    (EffectKind.OPAQUE_CODE, Verb.RELEASE),
    (EffectKind.UNREADABLE, Verb.RELEASE),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(EffectKind))
@pytest.mark.parametrize("verb", list(Verb))
def test_every_hazard_falls_under_a_rule(kind: EffectKind, verb: Verb) -> None:
    rule = rule_for(Effect(kind, verb))
    assert (rule is None) is ((kind, verb) in NO_HAZARD)


def test_every_effect_falls_under_one_rule() -> None:
    matches = [match for rule in RULES.values() for match in rule.matches]
    assert len(set(matches)) == len(matches)


@pytest.mark.parametrize("row", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_every_function_of_the_reader_falls_under_a_rule(row: Row) -> None:
    effect = Effect(row.kind, row.verb)
    assert rule_for(effect) is not None
    assert (effect.kind, effect.verb) not in NO_HAZARD


@each_rule
def test_every_rule_can_be_found(rule: Rule) -> None:
    elsewhere = FOUND_BY_DRIVERS | FOUND_BY_CONTROL | FOUND_IN_THE_SESSION
    elsewhere |= FOUND_WITH_SETTINGS | FOUND_BY_AUDIT
    assert bool(rule.matches) is (rule.name not in elsewhere)
