"""The part of the active probe that is about settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .active_steps import (
    IDENTITY,
    PAUSE,
    VISITS,
    Client,
    Identity,
    Pause,
    Row,
    Run,
    Steps,
    ask,
    do,
    identity,
    visit,
)


@dataclass(frozen=True, slots=True)
class Neutral:
    """A setting, and a value that changes nothing for another client who meets it.

    `new` and `old` are SQL: the value to set, and the one to go back to. {token} is a word
    and {number} a number that nobody else uses; `token` tells which of them the value is
    known by. `ours`: a regular expression for what any such probe has set.
    """

    name: str
    new: str
    old: str = "null"
    token: str = "{token}"
    ours: str = "pgpoolsafe_[0-9a-z]+"


CUSTOM = "pgpoolsafe.probe"
"""A setting of our own, for all that no pooler and no server knows."""

_OTHERS = "regexp_replace(current_setting('search_path'), '(, )?pgpoolsafe_[0-9a-z]+', '', 'g')"

SETTINGS: tuple[Neutral, ...] = (
    Neutral("application_name", "'{token}'"),
    # A schema that does not exist, after all others.
    Neutral("search_path", f"concat_ws(', ', nullif({_OTHERS}, ''), '{{token}}')", _OTHERS),
    # 23 days, and only where there is none.
    Neutral(
        "statement_timeout",
        "case when current_setting('statement_timeout') ~ '^(0|2[0-9]{{9}}ms)$' then '{number}'"
        " else current_setting('statement_timeout') end",
        "'0'",
        "{number}",
        "^2[0-9]{9}ms$",
    ),
    Neutral(CUSTOM, "'{token}'"),
)


COLUMNS = 2 + len(SETTINGS)


def follow_settings(random: str) -> Steps[Readings]:
    """Which values follow A, and which does B meet. Raises Refused if a question is refused.

    What was set is taken back on every server connection where A had it.
    """
    words = _words(random)
    row = yield from ask(Client.A, COLUMNS, Run(_setting(words)))
    readings = Readings(_changed(words, row), identity(row))
    for turn in range(VISITS):
        # In turns: in lockstep with a rotating pool each client would meet only its own.
        for client in (Client.B, Client.A) if turn % 2 == 0 else (Client.A, Client.B):
            readings.note(client, (yield from ask(client, COLUMNS, Run(_READING))))
        if readings.complete:
            break
        yield from do(Pause(PAUSE))
    readings.left = yield from visit(readings.unclean, COLUMNS, (Run(_RESETTING),), (Client.B,))
    return readings


def _words(random: str) -> dict[str, str]:
    # Never a whole number of seconds: the server would show it in another unit.
    number = 2_000_000_001 + 10 * (int(random, 36) % 10_000_000)
    return {"token": f"pgpoolsafe_{random}", "number": str(number)}


def _changed(words: dict[str, str], row: Row) -> dict[str, str]:
    """By setting that could be set, the text by which its value is recognised."""
    tokens = {setting.name: setting.token.format(**words) for setting in SETTINGS}
    pairs = zip(tokens.items(), row[2:], strict=True)
    return {name: token for (name, token), value in pairs if token in (value or "")}


def _select(columns: Sequence[str]) -> bytes:
    return f"select {', '.join((IDENTITY, *columns))}".encode()


def _setting(words: dict[str, str]) -> bytes:
    return _select([f"set_config('{s.name}', {s.new.format(**words)}, false)" for s in SETTINGS])


_READING = _select([f"current_setting('{s.name}', true)" for s in SETTINGS])


def _resetting(setting: Neutral) -> str:
    """Only where a value of such a probe is met; if the old one is the default, to that."""
    default = f"(select reset_val from pg_settings where name = '{setting.name}')"
    return (
        f"case when current_setting('{setting.name}', true) ~ '{setting.ours}'"
        f" then set_config('{setting.name}', nullif({setting.old}, {default}), false) end"
    )


_RESETTING = _select([_resetting(setting) for setting in SETTINGS])


@dataclass
class Readings:
    """Who saw which value where, and what that proves.

    `tokens`: by setting, the text by which A's value is recognised. `home`: where A set it.
    `restored`: whether A's value followed A; `leaked`: what B saw of it. `touched`: where A
    had its values; `left`: where they could not be taken back.
    """

    tokens: dict[str, str]
    home: Identity
    restored: dict[str, bool] = field(default_factory=dict)
    leaked: set[str] = field(default_factory=set)
    touched: set[Identity] = field(init=False)
    left: set[Identity] = field(default_factory=set)
    _clean: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.touched = {self.home}

    def note(self, client: Client, row: Row) -> None:
        """Note one reading, a row of IDENTITY and the values of SETTINGS."""
        values = {s.name: value or "" for s, value in zip(SETTINGS, row[2:], strict=True)}
        for name, token in self.tokens.items():
            seen = token in values[name]
            if client is Client.A:
                self._note_own(name, seen, identity(row))
            else:
                self._note_others(name, seen, identity(row))

    def _note_own(self, name: str, seen: bool, where: Identity) -> None:
        if not seen:
            self.restored[name] = False
            return
        self.touched.add(where)
        # Elsewhere, or where B has been without it: it came with its client.
        if where != self.home or name in self._clean:
            self.restored.setdefault(name, True)

    def _note_others(self, name: str, seen: bool, where: Identity) -> None:
        if seen:
            self.leaked.add(name)
        elif where == self.home:
            self._clean.add(name)

    @property
    def complete(self) -> bool:
        """Whether more readings can teach nothing: what leaks is lost, wherever A meets it."""
        return all(
            name in self.leaked or (name in self._clean and name in self.restored)
            for name in self.tokens
        )

    @property
    def unclean(self) -> set[Identity]:
        """Where others may meet A's values: nowhere, if B was at `home` and met none."""
        return self.touched if self.leaked or self._clean < set(self.tokens) else set()

    def __str__(self) -> str:
        parts = [
            f"{name} is{'' if kept else ' not'} restored" for name, kept in self.restored.items()
        ]
        parts += [f"{name} reaches other clients" for name in sorted(self.leaked)]
        if self.left:
            parts.append(
                f"values of the proof may have stayed on {len(self.left)} server processes"
            )
        return ", ".join(parts) or "no client moved to another server process"
