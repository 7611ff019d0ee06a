"""What the checks say: one function for each id, facts and settings in, messages out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning

from pgpoolsafe.checkup.check import Check, Grade
from pgpoolsafe.checkup.checks import checks as doctors_checks
from pgpoolsafe.checkup.facts import Facts
from pgpoolsafe.effects import EffectKind
from pgpoolsafe.poolers.startup import Reception
from pgpoolsafe.rules.catalog import RULES, Level
from pgpoolsafe.rules.policy import Mode, Prepared


@dataclass(frozen=True, slots=True)
class Case:
    """One alias under examination."""

    wrapper: Any
    facts: Facts
    place: str
    has_direct: bool

    @property
    def options(self) -> Any:
        """OPTIONS of DATABASES."""
        return self.wrapper.settings_dict["OPTIONS"]

    @property
    def is_shared(self) -> bool:
        """Whether server connections change hands."""
        return self.facts.pooler.shares_sessions

    @property
    def only_looks_on(self) -> bool:
        """Whether the guard changes nothing of what is sent."""
        return self.wrapper.pgpoolsafe.policy.mode in (Mode.OFF, Mode.OBSERVE)

    @property
    def facts_uncarried(self) -> Facts:
        """The facts without the settings in the options that the guard carries instead."""
        if not self.wrapper.pgpoolsafe.policy.carries:
            return self.facts
        startup = self.facts.startup.items()
        left = {name: received for name, received in startup if received not in _NOT_ARRIVED}
        return replace(self.facts, startup=left)

    def warn(self, number: int, what: str, hint: str) -> CheckMessage:
        """A message with its id, and the section of the page on it."""
        hint = f"{hint} See docs/django.md#w{number:03}."
        return CheckWarning(what, hint=hint, obj=self.place, id=f"pgpoolsafe.W{number:03}")


_NOT_ARRIVED = (Reception.REJECTED, Reception.DROPPED)


def checks(wrapper: Any, facts: Facts, place: str, *, has_direct: bool) -> list[CheckMessage]:
    """The messages on an alias, by id. `has_direct`: whether PGPOOLSAFE names a way past."""
    case = Case(wrapper, facts, place, has_direct)
    return [message for look in _LOOKS for message in look(case)]


def checks_of_direct(wrapper: Any, facts: Facts, place: str) -> list[CheckMessage]:
    """The messages on a direct endpoint."""
    case = Case(wrapper, facts, place, has_direct=True)
    if not case.is_shared:
        return []
    return [
        case.warn(
            3,
            f"the direct endpoint leads to {facts.pooler} as well",
            "Session work such as migrations needs a connection of its own: give the address"
            " of the PostgreSQL server itself.",
        )
    ]


def _held_cursors(case: Case) -> Iterable[CheckMessage]:
    stated = case.wrapper.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    if not case.is_shared or stated or (stated is None and not case.only_looks_on):
        return
    way_out = (
        "Set it to True, or let the guard do its part: mode 'warn' or 'strict'."
        if case.only_looks_on
        else "Leave it out: the backend then uses cursors on the server where they hold, inside"
        " of transactions."
    )
    yield case.warn(
        1,
        f"DISABLE_SERVER_SIDE_CURSORS is {'False' if stated is False else 'not set'} behind"
        f" {case.facts.pooler}: outside of a transaction, QuerySet.iterator() uses a cursor WITH"
        " HOLD, which the next statement does not find",
        way_out,
    )


def _no_direct(case: Case) -> Iterable[CheckMessage]:
    if case.is_shared and not case.has_direct:
        yield case.warn(
            2,
            f"migrate, dbshell and dumpdata run through {case.facts.pooler}: a SET, a session"
            " advisory lock or a temporary table of a migration is lost, or reaches other"
            " clients, and a pooler's time limit may end a long CREATE INDEX CONCURRENTLY",
            f'Set PGPOOLSAFE = {{"{case.wrapper.alias}": {{"direct": …}}}} to an alias of'
            " DATABASES without the pooler, with pgpoolsafe_django first in INSTALLED_APPS.",
        )


def _prepared(case: Case) -> Iterable[CheckMessage]:
    threshold = case.options.get("prepare_threshold")
    prepared = case.wrapper.pgpoolsafe.policy.prepared
    leaves = prepared is Prepared.LEAVE or (prepared is Prepared.AUTO and case.only_looks_on)
    for check in _findings(case, "named-prepare") if threshold is not None else ():
        what = check.what.partition(" with psycopg's defaults")[0]
        effect = "stays in force" if leaves else "has no effect, for the guard switches them off"
        yield case.warn(
            5, f"OPTIONS['prepare_threshold'] {effect}: {what} ({check.why})", "Leave it out."
        )


def _not_carried(case: Case) -> Iterable[CheckMessage]:
    """What Django itself sets at connect, where neither the pooler nor the guard keeps it."""
    for name, rule, kind in _SET_AT_CONNECT:
        is_set = name != "assume_role" or case.options.get("assume_role")
        is_carried = case.wrapper.pgpoolsafe.policy.level(RULES[rule]) is Level.CARRY
        answer = case.facts.pooler.answer(kind, name.lower())
        if case.is_shared and is_set and not is_carried and not answer.safe:
            yield case.warn(
                6,
                f"Django sets {name} at connect, and behind {case.facts.pooler} that reaches"
                " other clients, or is lost: the guard is told not to carry settings",
                "In OPTIONS['pgpoolsafe'], leave out 'settings' and the level of 'session-set' and"
                " 'session-role', with mode 'warn' or 'strict'; or have the database set it: ALTER"
                " ROLE … SET.",
            )


_SET_AT_CONNECT = (
    ("TimeZone", "session-set", EffectKind.SETTING),
    ("assume_role", "session-role", EffectKind.ROLE),
)


def _persistent(case: Case) -> Iterable[CheckMessage]:
    settings = case.wrapper.settings_dict
    kept = "OPTIONS['pool']" if case.options.get("pool") else ""
    if settings["CONN_MAX_AGE"] != 0:
        kept = f"CONN_MAX_AGE = {settings['CONN_MAX_AGE']}"
    if kept and case.facts.pooler.product != "direct" and not settings["CONN_HEALTH_CHECKS"]:
        yield case.warn(
            7,
            f"{kept} keeps connections open, and nobody looks whether {case.facts.pooler} still"
            " does: after its restart, or its client_idle_timeout, a request fails for each",
            "Set CONN_HEALTH_CHECKS = True; one round trip for each request.",
        )


def _of_the_doctor(case: Case) -> Iterable[CheckMessage]:
    for name, number in _NUMBERS.items():
        for check in _findings(case, name):
            hint = "; or ".join(check.fix) + "."
            yield case.warn(number, f"{check.what}: {check.why}", hint[:1].upper() + hint[1:])


_NUMBERS = {
    "startup-options": 4,
    "connections": 8,
    "pool-timeout": 8,
    "statement-mode-transaction": 9,
}
"""Which of the doctor's checks are about Django's settings, and their ids here."""


def _findings(case: Case, name: str) -> list[Check]:
    found = doctors_checks(case.facts_uncarried)
    return [check for check in found if check.name == name and check.grade is Grade.FINDING]


_LOOKS: tuple[Callable[[Case], Iterable[CheckMessage]], ...] = (
    _held_cursors,
    _no_direct,
    _of_the_doctor,
    _prepared,
    _not_carried,
    _persistent,
)
