"""The rule `startup-options`: settings in a connection's options that do not arrive."""

from __future__ import annotations

from collections.abc import Mapping

from .poolers.answers import Answer, Pooler
from .poolers.startup import Reception, remedies
from .rules.allowing import allowed_now
from .rules.catalog import RULES, Level
from .rules.findings import Finding, Location
from .rules.policy import Policy

_ANSWERS = {Reception.REJECTED: Answer.ERRORS, Reception.DROPPED: Answer.LOST}


def startup_findings(
    pooler: Pooler,
    startup: Mapping[str, Reception],
    *,
    role: str,
    policy: Policy,
    location: Location | None = None,
) -> list[Finding]:
    """One finding for each setting that the pooler refuses or drops; none if it is ignored.

    `startup`: what becomes of each setting in the options; `role`: the login role.
    """
    rule = RULES["startup-options"]
    level = policy.level(rule)
    if level is Level.IGNORE or rule.name in allowed_now():
        return []
    return [
        Finding(
            rule=rule.name,
            what=rule.what.format(name=name),
            statement=f"options=-c {name}=…",
            why=reason_for(pooler, name, reception),
            fix="; or ".join(remedies(pooler, name, role)),
            pooler=pooler,
            level=level.value,
            location=location,
        )
        for name, reception in startup.items()
        if reception in _ANSWERS
    ]


def reason_for(pooler: Pooler, name: str, reception: Reception) -> str:
    """Why a setting does not arrive, or (if it does) reaches others, in the rule's words."""
    reason = RULES["startup-options"].reason(_ANSWERS.get(reception, Answer.LEAKS))
    return reason.format(name=name, pooler=pooler)
