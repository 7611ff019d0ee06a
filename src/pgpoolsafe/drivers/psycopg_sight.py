"""psycopg: look at what a connection leads to, and ask the server a few questions.

For looking on purpose (`detect`, `require`, doctor), as opposed to the guard's first
meeting. Nothing here opens a transaction, or leaves anything in the session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.generators import execute

from ..poolers.answers import Pooler
from ..poolers.endpoints import Endpoint
from ..poolers.startup import (
    Reception,
    Refusal,
    arrived,
    named_by_refusal,
    received,
    refusal_in,
    settings_in,
    without,
)
from .psycopg_meeting import Gen, Poolers, examine, greet, is_free, option_of

IDLE = pq.TransactionStatus.IDLE


@dataclass(frozen=True, slots=True)
class Sight:
    """What a connection leads to. `startup`: what became of the settings in its options."""

    pooler: Pooler
    endpoint: Endpoint
    startup: Mapping[str, Reception]


def sight(conn: Any, poolers: Poolers, override: Pooler | None = None) -> Gen:
    """Generator: a Sight of an open connection, sync or async, guarded or not.

    At most two round trips: one where the greeting and `poolers` (what was learnt before,
    by endpoint) do not tell, one more where settings stand in the connection's options.
    A connection that is in a transaction is asked nothing.
    """
    pooler = override or (yield from examine(conn, poolers))
    asked_for = settings_in(option_of(conn.pgconn, b"options") or "")
    return Sight(
        pooler=pooler,
        endpoint=greet(conn).endpoint,
        startup=(yield from _startup(conn, pooler, asked_for)) if asked_for else {},
    )


_IN_FORCE = (
    "select json_object_agg(asked.key, json_build_array(s.source,"
    " asked.value in (s.setting, pg_catalog.current_setting(asked.key, true))))"
    " from pg_catalog.json_each_text($1::json) asked"
    " left join pg_catalog.pg_settings s on pg_catalog.lower(s.name) = asked.key"
)


def _startup(conn: Any, pooler: Pooler, asked_for: Mapping[str, str]) -> Gen:
    if pooler.product == "direct" or not is_free(conn):
        return {name: received(pooler, name) for name in asked_for}
    # A switch like -e is no setting: current_setting() would not take its name.
    settings = {name: value for name, value in asked_for.items() if not name.startswith("-")}
    found = (yield from ask(conn, _IN_FORCE, json.dumps(settings))) or {}
    seen = {name: found.get(name, (None, False)) for name in asked_for}
    return {
        name: arrived(pooler, name, source, equal=bool(equal))
        for name, (source, equal) in seen.items()
    }


def ask(conn: Any, question: str, *values: str) -> Gen:
    """Generator: the JSON value of a question's one row and column; one round trip.

    `values` are the question's parameters, as text. Raises psycopg.Error.
    """
    return json_of((yield from _answers(conn, question, values)))


def _answers(conn: Any, question: str, values: Sequence[str]) -> Gen:
    encoded = [value.encode() for value in values] or None
    conn.pgconn.send_query_params(question.encode(), encoded)
    return (yield from execute(conn.pgconn))


def json_of(results: Sequence[Any]) -> Any:
    """The value in the first row of the results; raises the server's error."""
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
        value = result.get_value(0, 0) if result.ntuples else None
        return json.loads(value) if value is not None else None
    return None


# a connection of our own


class NoAnswer(psycopg.OperationalError):
    """The server (or the pooler before it) did not answer in time."""


class Visitor(psycopg.Connection[Any]):
    """A connection opened to look around, which waits for no answer longer than `patience`."""

    patience: float = 10.0

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """As psycopg's; raises NoAnswer, and the connection is then closed."""
        try:
            return super().wait(_bounded(gen, self.patience), *args, **kwargs)
        except NoAnswer:
            self.close()
            raise

    def ask(self, question: str, *values: str) -> Any:
        """The JSON value of a question's one row and column."""
        return self.wait(ask(self, question, *values))

    def look(self, override: Pooler | None = None) -> Sight:
        """What this connection leads to."""
        found: Sight = self.wait(sight(self, {}, override))
        return found


def _bounded(gen: Any, seconds: float) -> Gen:
    """Generator: the same, for so many seconds at most."""
    deadline = monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and monotonic() > deadline:
                raise NoAnswer(f"no answer within {seconds:g} s")
            wanted = gen.send(ready)
    except StopIteration as done:
        return done.value


def come(parameters: Mapping[str, str], patience: float) -> Visitor:
    """A new Visitor, to be closed. `parameters` by libpq keyword; `patience` in seconds.

    Raises psycopg.OperationalError where there is no connection to be had, within the
    connect timeout of the parameters.
    """
    visitor = Visitor.connect(
        make_conninfo("", **parameters), autocommit=True, prepare_threshold=None
    )
    visitor.patience = patience
    return visitor


@dataclass(frozen=True, slots=True)
class Refused:
    """Settings in the options that the pooler refused to let in, and its first words."""

    names: tuple[str, ...]
    refusal: Refusal

    def and_also(self, names: tuple[str, ...]) -> Refused:
        """With further settings that were refused afterwards."""
        return Refused((*self.names, *names), self.refusal)


def come_without_what_is_refused(
    parameters: Mapping[str, str], patience: float
) -> tuple[Visitor, Refused | None]:
    """As `come`; where settings in the options are refused, without those.

    A pooler names the first that it refuses, so this may take one attempt for each; where it
    names none, all settings are left out. Raises psycopg.OperationalError as `come` does.
    """
    options = parameters.get("options", "")
    refused: Refused | None = None
    while True:
        try:
            return come({**parameters, "options": options}, patience), refused
        except psycopg.OperationalError as error:
            refusal = refusal_in(str(error))
            left = tuple(settings_in(options))
            if refusal is None or not left:
                raise
        now = (refusal.name,) if refusal.name in left else left
        options = without(options, now)
        refused = Refused(now, refusal) if refused is None else refused.and_also(now)


def with_refused(sight: Sight, refused: Refused | None) -> Sight:
    """The sight of a connection that stands without the settings that were refused."""
    if refused is None:
        return sight
    pooler = named_by_refusal(sight.pooler, refused.refusal)
    lost = dict.fromkeys(refused.names, Reception.REJECTED)
    return replace(sight, pooler=pooler, startup={**lost, **sight.startup})


def ask_at_once(visitors: Sequence[Visitor], questions: Sequence[str], *values: str) -> list[Any]:
    """The answers of several connections, each asked its question at the same moment, so that
    a pooler has to give each a server connection of its own, if it can.

    Each is closed when it has answered, so that a session pool can serve those that wait. A
    connection that fails or is not served in time gives no answer.
    """
    encoded = [value.encode() for value in values] or None
    for visitor, question in zip(visitors, questions, strict=True):
        visitor.pgconn.send_query_params(question.encode(), encoded)
    answers = []
    for visitor in visitors:
        with suppress(psycopg.Error), visitor:
            answers.append(json_of(visitor.wait(execute(visitor.pgconn))))
    return answers
