"""The scenes, worst first: what each hazard does to a second client.

A scene is played by the same code with and without the guard, and tells from what the
clients were answered whether anybody came to harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .stage import Client, Stage

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[Environ, StartResponse], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a client came to harm, and what happened in one line."""

    harmed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A hazard: its name, how it comes about, and the play that shows it."""

    title: str
    story: str
    play: Callable[[Stage], Outcome]


def crossed_prepared_statements(stage: Stage) -> Outcome:
    a, b = stage.client("A"), stage.client("B")
    with stage.on(1):
        a.repeats("select 'tenant-A'", 6)
    with stage.on(2):
        b.repeats("select 'tenant-B'", 6)
        answer = a.says("select 'tenant-A'")
    return Outcome(answer != "tenant-A", f"A selects 'tenant-A' and is given {answer}.")


def tenant_of_another(stage: Stage) -> Outcome:
    a, b = stage.client("A"), stage.client("B")
    with stage.on(1):
        a.together("set app.tenant_id = 'acme'", "select item from orders")
        rows = b.says("select item from orders")
    return Outcome(rows != "no rows", f"B never said whose orders, and sees {rows}.")


def timeout_of_another(stage: Stage) -> Outcome:
    a, b = stage.client("A"), stage.client("B")
    with stage.on(1):
        a.says("set statement_timeout = '50ms'")
        answer = b.says("select 'report done' from pg_sleep(0.2)")
    if answer == "report done":
        return Outcome(False, "B's report is done.")
    return Outcome(True, "B's report dies of A's timeout, and so will the next ones.")


def timeout_that_is_lost(stage: Stage) -> Outcome:
    a = stage.client("A")
    with stage.on(1):
        a.says("set statement_timeout = '2s'")
    with stage.on(2):
        answer = a.says("show statement_timeout")
    return Outcome(answer != "2s", f"A has set its timeout to 2s, and runs with {answer}.")


def request_without_limit(stage: Stage) -> Outcome:
    a = stage.client("A")

    def application(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        with stage.on(2):
            yield a.says("select 'page' from pg_sleep(0.3)").encode()

    page = b"".join(with_statement_timeout(application, a, "50ms")({}, lambda *_: None))
    if page == b"page":
        return Outcome(True, "The request takes as long as it likes.")
    return Outcome(False, "The request is cut off after 50 ms.")


def with_statement_timeout(application: Application, client: Client, timeout: str) -> Application:
    """A WSGI application every statement of whose requests gives up after `timeout`."""

    def limited(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        with client.limited(timeout):
            yield from application(environ, start_response)

    return limited


def lock_for_ever(stage: Stage) -> Outcome:
    a, b = stage.client("A"), stage.client("B")
    with stage.on(1):
        a.says("select pg_advisory_lock(42)")
    with stage.on(2):
        a.says("select pg_advisory_unlock(42)")
    a.leaves()
    with stage.on(2):
        answer = b.says("select pg_try_advisory_xact_lock(42)")
    if answer == "true":
        return Outcome(False, "B gets the lock.")
    return Outcome(True, "A is gone, its lock is not: B waits for ever.")


def deaf_listener(stage: Stage) -> Outcome:
    a, b = stage.client("A"), stage.client("B")
    with stage.on(1):
        listening = a.says("listen jobs")
    if refused(listening):
        return Outcome(False, "A knows at once that it would hear nothing.")
    with stage.on(2):
        b.says("notify jobs, 'job 7'")
    heard = a.hears(0.3)
    return Outcome(heard == "nothing", f"A is listening, B has called, and A hears {heard}.")


def basket_of_another(stage: Stage) -> Outcome:
    a, b = stage.client("A"), stage.client("B")
    with stage.on(1):
        a.together(
            "create temp table basket (item text)",
            "insert into basket values ('insulin of A')",
        )
        found = b.together(
            "create temp table if not exists basket (item text)",
            "select item from basket",
        )
    if "insulin" in found:
        return Outcome(True, f"B opens its own basket and finds the {found}.")
    return Outcome(False, "B does not see A's basket.")


def cursor_left_behind(stage: Stage) -> Outcome:
    a, b = stage.client("A"), stage.client("B")
    declare = "declare page cursor with hold for values ('row 1'), ('row 2')"
    with stage.on(1):
        declared = a.together(declare)
    if refused(declared):
        return Outcome(False, "A knows at once that its cursor would be out of reach.")
    with stage.on(2):
        own = a.says("fetch from page")
    with stage.on(1):
        other = b.together(declare)
    harmed = "does not exist" in own and "already exists" in other
    return Outcome(harmed, "A has lost its cursor, and B runs into it.")


def prepare_of_another(stage: Stage) -> Outcome:
    a, b = stage.client("A"), stage.client("B")
    with stage.on(1):
        a.says("prepare price as select 'price for A'")
    with stage.on(2):
        b.says("prepare price as select 'price for B'")
    with stage.on(1):
        answer = b.says("execute price")
    if answer == "price for A":
        return Outcome(True, f"B executes its own statement and is given the {answer}.")
    return Outcome(False, "B is not given the price for A.")


def refused(answer: str) -> bool:
    """Whether the guard stopped the statement."""
    return answer.startswith("SessionStateError")


SCENES = (
    Scene(
        "A query is answered with another tenant's data, and nobody sees an error",
        "Crossed prepared statements. From the sixth time on psycopg prepares a query by"
        " itself, under a name that other clients give to other queries.",
        crossed_prepared_statements,
    ),
    Scene(
        "Row-level security shows one tenant's rows to another",
        "SET stays on the server connection. The policy of the table asks for app.tenant_id,"
        " and finds what an earlier client has set.",
        tenant_of_another,
    ),
    Scene(
        "A web request's timeout kills another team's report",
        "SET stays on the server connection, for whoever is given it next.",
        timeout_of_another,
    ),
    Scene(
        "The request itself runs without the timeout that it has set",
        "SET stays on the server connection, and the next statement is given another one. With"
        " the guard the setting travels with each transaction of its client.",
        timeout_that_is_lost,
    ),
    Scene(
        "One timeout for a whole web request holds for none of its queries",
        "A WSGI middleware sets it when a request begins and resets it when it ends. With the"
        " guard it says `with pgpoolsafe.settings(…):` around the application instead.",
        request_without_limit,
    ),
    Scene(
        "An advisory lock stays locked for ever",
        "The lock belongs to the server connection. The unlock goes to another one.",
        lock_for_ever,
    ),
    Scene(
        "LISTEN succeeds and hears nothing",
        "The server connection listens. The client is no longer on it.",
        deaf_listener,
    ),
    Scene(
        "A temporary table turns up at another client",
        "Temporary tables live as long as the server connection, which outlives its clients.",
        basket_of_another,
    ),
    Scene(
        "A cursor WITH HOLD is lost, and is in somebody else's way",
        "The classic of Django's .iterator(): cursors of the same name in every process.",
        cursor_left_behind,
    ),
    Scene(
        "EXECUTE runs another client's PREPARE",
        "Names of prepared statements belong to the server connection.",
        prepare_of_another,
    ),
)
