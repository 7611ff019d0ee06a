"""The part of the active probe that is about protocol-level prepared statements."""

from __future__ import annotations

from .active_steps import (
    IDENTITY,
    PAUSE,
    VISITS,
    WHO,
    Client,
    Close,
    Execute,
    Identity,
    Parse,
    Pause,
    Refused,
    Row,
    Run,
    Steps,
    ask,
    do,
    identity,
    visit,
)

Verdict = tuple[bool | None, str]
"""Whether a statement follows its client, None if that was not shown; and why."""

_REFUSALS = {
    "26000": "one did not follow its client",
    "42P05": "two clients could not use the same name",
}


def follow_statement(random: str) -> Steps[Verdict]:
    """Whether A's statement is there, and still A's, wherever A is served.

    Raises Refused if a connection is lost. What stays on server connections is closed.
    """
    name = f"pgpoolsafe_{random}".encode()
    homes: set[Identity] = set()
    try:
        verdict = yield from _follow(name, homes)
    except Refused as refused:
        if refused.refusal.fatal:
            raise
        verdict = _refused(refused)
    left = yield from visit(homes, 2, (Close(name), Run(WHO)), tuple(Client))
    # Behind a pooler that tracks statements a Close is for the pooler itself.
    if left and not verdict[0]:
        return verdict[0], f"{verdict[1]}; one may have stayed on {len(left)} server processes"
    return verdict


def _refused(refused: Refused) -> Verdict:
    reason = _REFUSALS.get(refused.refusal.sqlstate or "")
    return (None, f"refused: {refused}") if reason is None else (False, reason)


def _follow(name: bytes, homes: set[Identity]) -> Steps[Verdict]:
    """`homes` is filled with the server processes that may keep a statement."""
    homes.add(home := identity((yield from _own_statement(Client.A, name))))
    homes.add(there := identity((yield from _own_statement(Client.B, name))))
    for turn in range(VISITS):
        if turn % 2:  # another order, or a pool in rotation gives A the same again and again
            yield from ask(Client.B, 2, Run(WHO))
        row = yield from ask(Client.A, 3, Execute(name))
        if row[2] != Client.A.value:
            return False, "one client executed the statement of another"
        if identity(row) != home:
            return True, "one followed its client to another server process"
        if there == home:
            return True, "two clients had one of the same name on one server process"
        yield from do(Pause(PAUSE))
    return None, "no client moved to another server process"


def _own_statement(client: Client, name: bytes) -> Steps[Row]:
    statement = f"select {IDENTITY}, '{client.value}'".encode()
    return (yield from ask(client, 3, Parse(name, statement), Execute(name)))
