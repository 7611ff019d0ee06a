"""What the user asked for: mode, levels per rule, and the other options of `install()`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TypeVar

from ..errors import ConfigurationError
from ..poolers.answers import Pooler
from .allowing import check_names
from .catalog import RULES, Level, Rule

E = TypeVar("E", bound=Enum)


class Mode(Enum):
    """How much the guard does."""

    OFF = "off"
    OBSERVE = "observe"
    WARN = "warn"
    STRICT = "strict"


class Settings(Enum):
    """What becomes of a session-wide SET."""

    CARRY = "carry"
    LOCAL = "local"
    LEAVE = "leave"


class Prepared(Enum):
    """What becomes of the driver's named prepared statements."""

    AUTO = "auto"
    OFF = "off"
    LEAVE = "leave"


class ResidueCheck(Enum):
    """When strict mode asks a session what hidden code has left in it."""

    OFF = "off"
    TRANSACTION = "transaction"
    STATEMENT = "statement"


_MODE_LEVEL = {
    Mode.OFF: Level.IGNORE,
    Mode.OBSERVE: Level.OBSERVE,
    Mode.WARN: Level.WARN,
    Mode.STRICT: Level.RAISE,
}


@dataclass(frozen=True)
class Policy:
    """The options of one installation, checked.

    `pooler` and `pool_mode` are the user's words ("auto": detect); they are resolved
    where poolers are known. `stand_in`: what strict mode judges a direct connection by; it is
    set for test suites, where some connections may lead to a real pooler all the same.
    """

    mode: Mode = Mode.WARN
    rules: Mapping[str, Level] = field(default_factory=dict)
    pooler: str = "auto"
    pool_mode: str | None = None
    prepared: Prepared = Prepared.AUTO
    settings: Settings = Settings.CARRY
    trust_comments: bool = True
    audit: bool = False
    residue: ResidueCheck = ResidueCheck.OFF
    fuse_begin: bool = False
    stand_in: Pooler | None = None

    @property
    def checks_residue(self) -> bool:
        """Whether the session is asked after each transaction."""
        return self.residue is not ResidueCheck.OFF and self.mode is Mode.STRICT

    @property
    def mode_level(self) -> Level:
        """The level of a rule that has none of its own."""
        return _MODE_LEVEL[self.mode]

    def level(self, rule: Rule) -> Level:
        """What this policy does about a rule.

        The user's word comes first, then the rule's default, then the mode. `observe`
        changes nothing on the wire, so nothing is rewritten there.
        """
        chosen = self.rules.get(rule.name)
        if chosen is not None:
            return chosen
        if rule.default is None or self.mode is Mode.OFF:
            return self.mode_level
        if rule.default not in _CHANGES:
            return rule.default
        return self._change(rule)

    def _change(self, rule: Rule) -> Level:
        """How the statements that a rule is about are changed, if this policy lets them be."""
        if self.mode is Mode.OBSERVE:
            return self.mode_level
        if rule.name == "named-prepare":
            keeps = self.prepared is Prepared.LEAVE
            return self.mode_level if keeps else Level.REWRITE
        return _SETTINGS_LEVEL.get(self.settings, self.mode_level)

    @cached_property  # asked for each statement that has to be judged
    def carries(self) -> bool:
        """Whether settings of the session are carried, under any rule."""
        return any(self.level(RULES[name]) is Level.CARRY for name in _SETTINGS_RULES)

    def fallback(self, rule: Rule) -> Level:
        """The level where the rule would change the statement and that cannot be done."""
        level = self.level(rule)
        return self.mode_level if level in _CHANGES else level


_CHANGES = (Level.REWRITE, Level.CARRY)
_SETTINGS_LEVEL = {Settings.CARRY: Level.CARRY, Settings.LOCAL: Level.REWRITE}
_SETTINGS_RULES = ("session-set", "session-role")


def make_policy(
    *,
    mode: str | None = None,
    rules: Mapping[str, str] | None = None,
    pooler: str | None = None,
    pool_mode: str | None = None,
    prepared: str | None = None,
    settings: str | None = None,
    trust_comments: bool | None = None,
    audit: bool | None = None,
    residue: bool | str | None = None,
    fuse_begin: bool | None = None,
) -> Policy:
    """The policy for these options; an option left None comes from `PGPOOLSAFE_…`.

    Raises ConfigurationError that names the option or variable and the words it takes.
    """
    chosen = _choice(Mode, mode, "mode", Mode.WARN)
    return Policy(
        mode=chosen,
        rules=_levels(rules),
        pooler=_text(pooler, "pooler", "auto"),
        pool_mode=_text(pool_mode, "pool_mode", "") or None,
        prepared=_choice(Prepared, prepared, "prepared", Prepared.AUTO),
        settings=_choice(Settings, settings, "settings", Settings.CARRY),
        trust_comments=_flag(trust_comments, "trust_comments", default=True),
        audit=_flag(audit, "audit", default=False),
        residue=_residue(residue, chosen),
        fuse_begin=_flag(fuse_begin, "fuse_begin", default=False),
    )


def _variable(option: str) -> str:
    return f"PGPOOLSAFE_{option.upper()}"


def _text(value: str | None, option: str, default: str) -> str:
    if value is None:
        return os.environ.get(_variable(option), "").strip() or default
    if not isinstance(value, str):
        raise ConfigurationError(f"{option}={value!r}: expected a string")
    return value


def _choice(words: type[E], value: str | None, option: str, default: E) -> E:
    where = f"{option}={value!r}"
    if value is None:
        value = os.environ.get(_variable(option), "").strip() or default.value
        where = f"{_variable(option)}={value!r}"
    try:
        return words(value)
    except ValueError:
        known = ", ".join(repr(word.value) for word in words)
        raise ConfigurationError(f"{where}: expected one of {known}") from None


def _flag(value: bool | None, option: str, *, default: bool) -> bool:
    if isinstance(value, bool):
        return value
    if value is not None:
        raise ConfigurationError(f"{option}={value!r}: expected True or False")
    text = os.environ.get(_variable(option), "").strip().lower()
    words = {"": default, "1": True, "true": True, "on": True, "0": False, "false": False}
    words["off"] = False
    if text not in words:
        raise ConfigurationError(f"{_variable(option)}={text!r}: expected true or false")
    return words[text]


_YES_AND_NO = {
    **dict.fromkeys(("1", "true", "on"), ResidueCheck.TRANSACTION.value),
    **dict.fromkeys(("0", "false"), ResidueCheck.OFF.value),
}


def _residue(value: bool | str | None, mode: Mode) -> ResidueCheck:
    if isinstance(value, bool):
        check = ResidueCheck.TRANSACTION if value else ResidueCheck.OFF
    elif value is None:
        said = os.environ.get(_variable("residue"), "").strip().lower()
        check = _choice(ResidueCheck, _YES_AND_NO.get(said), "residue", ResidueCheck.OFF)
    else:
        check = _choice(ResidueCheck, value, "residue", ResidueCheck.OFF)
    if check is not ResidueCheck.OFF and mode in (Mode.OBSERVE, Mode.WARN):
        raise ConfigurationError(
            f"residue={check.value!r} needs mode='strict', not {mode.value!r}: it is for a test"
            " database"
        )
    return check


def _levels(rules: Mapping[str, str] | None) -> dict[str, Level]:
    where = "rules"
    if rules is None:
        where = _variable("rules")
        rules = _pairs(os.environ.get(where, ""))
    if not isinstance(rules, Mapping):
        raise ConfigurationError(f"rules={rules!r}: expected a mapping of rule names to levels")
    check_names(rules, where=where)
    return {name: _level(RULES[name], level, where) for name, level in rules.items()}


def _pairs(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    return {name.strip(): level.strip() for name, _, level in pairs}


def _level(rule: Rule, level: str, where: str) -> Level:
    for known in rule.levels:
        if level == known.value:
            return known
    words = ", ".join(repr(known.value) for known in rule.levels)
    raise ConfigurationError(f"{where}: {rule.name}={level!r}: expected one of {words}")
