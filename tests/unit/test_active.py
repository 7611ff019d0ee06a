"""The active probe, on pools in memory: every kind of pool, every order of its connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgpoolsafe.effects import EffectKind
from pgpoolsafe.poolers.active import ActiveAnswer, Sharing, active_probe
from pgpoolsafe.poolers.active_settings import CUSTOM
from pgpoolsafe.poolers.active_steps import Client, Connect, Parse, Refusal, Reply, Run, Send, Step
from pgpoolsafe.poolers.answers import Answer, PoolMode
from pgpoolsafe.poolers.products import DIRECT, named, pooler
from tests.unit.pools import (
    DEFAULTS,
    NAMES,
    NO_ANSWER,
    Backend,
    Pool,
    at_random,
    in_rotation,
    last_used,
)

RANDOM = "0123456789abcdef"
Perform = Callable[[Step], Reply]
TRACKED = frozenset({"application_name", "search_path"})


def backends(count: int) -> list[Backend]:
    return [Backend(24800 + n) for n in range(count)]


def run(perform: Perform, *, can_close: bool = True) -> ActiveAnswer:
    steps = active_probe(RANDOM, can_close=can_close)
    reply: Reply | None = None
    try:
        while True:
            reply = perform(steps.send(reply))
    except StopIteration as end:
        return end.value


# Sharing


@pytest.mark.parametrize("choose", [last_used, in_rotation, at_random(1)])
@pytest.mark.parametrize("size", [1, 2, 5, 20])
def test_a_shared_pool_is_shown(size: int, choose: Callable[[list[Backend]], Backend]) -> None:
    pool = Pool(backends(size), choose=choose)
    assert run(pool.perform).sharing is Sharing.SHARED
    assert not pool.stuck


def test_a_pool_of_one_is_never_waited_for() -> None:
    pool = Pool(backends(1))
    answer = run(pool.perform)
    assert not pool.stuck
    assert answer.evidence[0] == ("one server process served two clients while both were connected")
    assert answer.prepared is False
    assert answer.leaked == set(NAMES)


def test_a_client_that_moves_is_proof_enough() -> None:
    # Each statement meets a server connection that nobody has met before.
    answer = run(Pool(backends(200), choose=in_rotation).perform)
    assert answer.evidence[0] == "one client was served by two server processes"


def test_a_session_of_its_own_shows_nothing() -> None:
    answer = run(Pool(backends(2), shares=False).perform)
    assert answer == ActiveAnswer(
        Sharing.NOT_SHOWN, evidence=("no server connection changed hands",)
    )


def test_a_balancer_over_two_servers_is_no_sharing_pool() -> None:
    # One client is sent to a server, the other to another one, which has the same pid.
    pool = Pool([Backend(24800, "1763760000.5"), Backend(24800, "1763760001.7")], shares=False)
    assert run(pool.perform).sharing is Sharing.NOT_SHOWN


def test_a_balancer_of_statements_is_no_sharing_pool() -> None:
    # Both clients have two sessions each, on two servers.
    own = {client: Pool([Backend(n), Backend(n + 1, "1763760001.7")], choose=in_rotation)
           for client, n in ((Client.A, 100), (Client.B, 200))}  # fmt: skip

    def perform(step: Step) -> Reply:
        return own[step.client].perform(step) if isinstance(step, Connect | Send) else ()

    assert run(perform).sharing is Sharing.NOT_SHOWN


def test_a_full_session_pool_is_inconclusive() -> None:
    pool = Pool(backends(1), shares=False)
    answer = run(pool.perform)
    assert answer.sharing is Sharing.INCONCLUSIVE
    assert answer.evidence == ("the proof failed: no answer in time",)


@pytest.mark.parametrize("text", [
    "transaction blocks not allowed in statement pooling mode",
    "transaction control statements are not supported in statement pooler mode",
])  # fmt: skip
def test_statement_pooling_says_so_itself(text: str) -> None:
    # Each client gets its own, as it happens, until one of them is sent away.
    pool, refused = Pool(backends(2), shares=False), []

    def perform(step: Step) -> Reply:
        if isinstance(step, Send) and step.commands == (Run(b"begin"),):
            refused.append(step.client)
            pool.shares = True
            pool.free = list(pool.backends)
            pool.held.clear()
            return Refusal("08P01", text, fatal=True)
        if isinstance(step, Connect) and refused:
            refused.append(step.client)
        return pool.perform(step)

    answer = run(perform)
    assert (answer.sharing, answer.mode) == (Sharing.SHARED, PoolMode.STATEMENT)
    assert answer.evidence[0] == f"BEGIN was refused: {text}"
    # It comes back for the rest of the proof, which needs no transaction.
    assert refused == [Client.A, Client.A]
    assert (answer.prepared, answer.leaked) == (False, set(NAMES))


@pytest.mark.parametrize("fatal", [True, False])
def test_another_refusal_of_begin_proves_nothing(fatal: bool) -> None:
    pool = Pool(backends(2), shares=False)

    def perform(step: Step) -> Reply:
        if isinstance(step, Send) and step.commands == (Run(b"begin"),):
            return Refusal("08P01", "query_wait_timeout", fatal)
        return pool.perform(step)

    assert run(perform).sharing is Sharing.INCONCLUSIVE


def test_statement_pooling_that_is_busy_is_found_as_well() -> None:
    pool = Pool(backends(3), choose=in_rotation, refuses_begin=True)
    assert run(pool.perform).sharing is Sharing.SHARED


@pytest.mark.parametrize("client", Client)
def test_a_refused_connection_is_inconclusive(client: Client) -> None:
    pool = Pool(backends(2))
    refusal = Refusal("53300", "sorry, too many clients already", fatal=True)

    def perform(step: Step) -> Reply:
        return refusal if step == Connect(client) else pool.perform(step)

    answer = run(perform)
    # On an idle pool nothing is known before the second client has asked.
    assert answer.sharing is Sharing.INCONCLUSIVE
    assert answer.evidence == ("the proof failed: sorry, too many clients already",)


@pytest.mark.parametrize("row", [(), ("1",), (None, None), ("1", "2", "3")])
def test_an_answer_to_another_question_proves_nothing(row: tuple[str | None, ...]) -> None:
    answer = run(lambda step: row if isinstance(step, Send) else ())
    assert answer.sharing is Sharing.INCONCLUSIVE


@pytest.mark.parametrize("random", ["", "short", "with space", "x" * 41, "UPPERCASE", "a'b--cdef"])
def test_a_probe_is_named_by_letters_and_digits(random: str) -> None:
    with pytest.raises(ValueError, match="8 to 40 lower-case letters and digits"):
        active_probe(random)


# Prepared statements and settings


@pytest.mark.parametrize("choose", [last_used, in_rotation, at_random(2)])
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("kept", [True, False])
def test_prepared_statements_follow_or_not(
    kept: bool, size: int, choose: Callable[[list[Backend]], Backend]
) -> None:
    pool = Pool(backends(size), choose=choose, keeps_statements=kept)
    assert run(pool.perform).prepared is kept
    assert not pool.stuck


def test_prepared_statements_that_are_reset_do_not_follow() -> None:
    answer = run(Pool(backends(2), resets=True).perform)
    assert answer.prepared is False
    assert answer.evidence[1] == "prepared statements: one did not follow its client"


def test_a_driver_that_cannot_close_statements_prepares_none() -> None:
    pool, parsed = Pool(backends(2)), []

    def perform(step: Step) -> Reply:
        parsed.extend(c for c in getattr(step, "commands", ()) if isinstance(c, Parse))
        return pool.perform(step)

    assert run(perform, can_close=False).prepared is None
    assert parsed == []


@pytest.mark.parametrize("choose", [last_used, in_rotation, at_random(3)])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_what_is_restored_and_what_leaks(
    size: int, choose: Callable[[list[Backend]], Backend]
) -> None:
    answer = run(Pool(backends(size), choose=choose, tracks=TRACKED).perform)
    assert {name for name, kept in answer.restored.items() if kept} == TRACKED
    assert answer.leaked == set(NAMES) - TRACKED


@pytest.mark.parametrize("size", [1, 2, 5])
def test_what_is_reset_is_lost_and_does_not_leak(size: int) -> None:
    answer = run(Pool(backends(size), choose=in_rotation, resets=True).perform)
    assert answer.restored == dict.fromkeys(NAMES, False)
    assert answer.leaked == set()


def test_a_timeout_that_somebody_wants_is_left_alone() -> None:
    pool = Pool(backends(1))
    pool.backends[0].settings["statement_timeout"] = "30s"
    answer = run(pool.perform)
    assert "statement_timeout" not in answer.restored.keys() | answer.leaked
    assert pool.backends[0].settings["statement_timeout"] == "30s"


@pytest.mark.parametrize("tracks", [frozenset(), TRACKED])
@pytest.mark.parametrize("choose", [last_used, in_rotation, at_random(4)])
def test_everything_is_taken_back(
    choose: Callable[[list[Backend]], Backend], tracks: frozenset[str]
) -> None:
    pool = Pool(backends(3), choose=choose, tracks=tracks)
    answer = run(pool.perform)
    for backend in pool.backends:
        left = {n: v for n, v in backend.settings.items() if v != DEFAULTS[n] and n not in tracks}
        assert left == {}
        assert backend.statements == {}
    assert "stayed" not in " ".join(answer.evidence)


def test_what_could_not_be_taken_back_is_told() -> None:
    pool = Pool(backends(30))
    home: list[Backend] = []

    def choose(free: list[Backend]) -> Backend:
        # Once A has set its values, nobody meets that server connection again.
        if not home and any(b.settings["application_name"] for b in pool.backends):
            home.extend(b for b in pool.backends if b.settings["application_name"])
        return next(b for b in free if b not in home)

    pool.choose = choose
    answer = run(pool.perform)
    assert answer.restored == dict.fromkeys(NAMES, False)
    assert "values of the proof may have stayed on 1 server processes" in answer.evidence[-1]


def test_a_connection_lost_later_leaves_what_was_proven() -> None:
    pool = Pool(backends(1))

    def perform(step: Step) -> Reply:
        asked = getattr(step, "commands", ())
        return NO_ANSWER if any(isinstance(c, Parse) for c in asked) else pool.perform(step)

    answer = run(perform)
    assert (answer.sharing, answer.prepared, dict(answer.restored)) == (Sharing.SHARED, None, {})
    assert answer.evidence[-1] == "the proof ended early: no answer in time"


@given(
    seed=st.integers(),
    size=st.integers(1, 6),
    tracks=st.frozensets(st.sampled_from(NAMES)),
    keeps=st.booleans(),
    resets=st.booleans(),
)
def test_no_order_of_server_connections_gives_a_false_answer(
    seed: int, size: int, tracks: frozenset[str], keeps: bool, resets: bool
) -> None:
    pool = Pool(
        backends(size),
        choose=at_random(seed),
        tracks=tracks,
        keeps_statements=keeps,
        resets=resets,
    )
    answer = run(pool.perform)
    assert not pool.stuck
    assert answer.sharing in (Sharing.SHARED, Sharing.NOT_SHOWN)
    assert answer.prepared in (keeps, None)
    assert all(kept is (name in tracks) for name, kept in answer.restored.items())
    assert not answer.leaked & tracks
    assert not (resets and answer.leaked)


@given(seed=st.integers(), size=st.integers(2, 6))
def test_no_order_makes_a_session_pool_look_shared(seed: int, size: int) -> None:
    pool = Pool(backends(size), shares=False, choose=at_random(seed))
    assert run(pool.perform).sharing is Sharing.NOT_SHOWN


# What it makes of what was detected

PROVEN = ActiveAnswer(
    Sharing.SHARED,
    prepared=False,
    restored={"application_name": True, "search_path": True, "timezone": False},
    leaked=frozenset({"search_path"}),
    evidence=("proof",),
)


def test_a_proof_adds_to_what_was_detected() -> None:
    detected = pooler("pgbouncer", mode=PoolMode.TRANSACTION, prepared=True, evidence=("seen",))
    found = PROVEN.applied_to(detected)
    assert (found.product, found.mode, found.prepared) == (
        "pgbouncer",
        PoolMode.TRANSACTION,
        False,
    )
    assert found.evidence == ("seen", "proof")
    assert found.answer(EffectKind.SETTING, "application_name") is Answer.TRACKED
    for lost in ("search_path", "timezone"):
        assert found.answer(EffectKind.SETTING, lost) is Answer.LEAKS


@pytest.mark.parametrize(
    "detected, product",
    [(DIRECT, "unknown"), (named("pgpool"), "pgpool"), (named("odyssey", "session"), "odyssey")],
)
def test_a_proof_outweighs_a_session_of_its_own(detected: object, product: str) -> None:
    found = PROVEN.applied_to(detected)
    assert (found.product, found.mode) == (product, None)
    assert found.shares_sessions
    assert not any(found.answer(kind).safe for kind in EffectKind)


@pytest.mark.parametrize("sharing", [Sharing.NOT_SHOWN, Sharing.INCONCLUSIVE])
def test_what_was_not_shown_changes_nothing_but_the_evidence(sharing: Sharing) -> None:
    detected = pooler("unknown", evidence=("seen",))
    found = ActiveAnswer(sharing, evidence=("tried",)).applied_to(detected)
    assert found == replace(detected, evidence=("seen", "tried"))


def test_a_refused_begin_tells_the_mode() -> None:
    answer = ActiveAnswer(Sharing.SHARED, PoolMode.STATEMENT)
    detected = pooler("pgbouncer", mode=PoolMode.TRANSACTION)
    assert answer.applied_to(detected).mode is PoolMode.STATEMENT


def test_the_custom_setting_is_our_own() -> None:
    assert CUSTOM.startswith("pgpoolsafe.")
