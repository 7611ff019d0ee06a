"""The doctor's report for machines: plain dictionaries, lists, strings and numbers.

Names are stable; new ones may come. `version` changes when one goes or changes its meaning.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from ..checkup.facts import Facts
from ..checkup.functions import title_of
from ..checkup.residue import left_by_others
from ..doctor import Diagnosis
from ..poolers.answers import Pooler
from ..rules.findings import Finding

VERSION = 1


def document(diagnosis: Diagnosis, *, ignored: Collection[str] = ()) -> dict[str, Any]:
    """The report of one target. `ignored`: names of checks that do not count."""
    facts = diagnosis.facts
    findings = diagnosis.findings(frozenset(ignored))
    report = {
        "version": VERSION,
        "target": diagnosis.place,
        "status": 1 if findings else 0,
        "pooler": _pooler(facts.pooler),
        "client": asdict(facts.client),
        "server": asdict(facts.server) if facts.server else None,
        "console": asdict(facts.console) if facts.console else None,
        "probe": facts.proof.sharing.value if facts.proof else None,
        "startup_options": {name: what.value for name, what in facts.startup.items()},
        "residue": _residue(facts),
        "functions": None if facts.functions is None else [*map(_function, facts.functions)],
        "behaviours": [
            {
                "what": row.what,
                "answer": row.answer.value,
                "meaning": row.meaning,
                "instead": row.instead,
                "rule": row.rule,
            }
            for row in diagnosis.behaviours
        ],
        "checks": [
            {
                "name": check.name,
                "grade": check.grade.value,
                "ignored": check.name in ignored,
                "what": check.what,
                "why": check.why,
                "fix": list(check.fix),
            }
            for check in diagnosis.checks
        ],
        "way_around": diagnosis.way_around,
        "advice": {piece.library: piece.code for piece in diagnosis.advice},
    }
    plain: dict[str, Any] = _plain(report)
    return plain


def _plain(value: Any) -> Any:
    """With lists for tuples, so that it equals what is read back from JSON."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def failure(message: str) -> dict[str, Any]:
    """The report where there is nothing to report on."""
    return {"version": VERSION, "status": 2, "error": message}


def _residue(facts: Facts) -> list[dict[str, Any]]:
    """What each server connection carries, without the values."""
    left = [left_by_others(found, facts) for found in facts.leftovers]
    return [
        {"pid": one.pid, "things": [{"kind": t.kind.value, "name": t.name} for t in one]}
        for one in left
    ]


def _function(finding: Finding) -> dict[str, Any]:
    """Without the text of the statement, in which a secret may stand."""
    return {
        "function": title_of(finding),
        "line": finding.location.line if finding.location else None,
        "rule": finding.rule,
        "what": finding.what,
        "fix": finding.fix,
    }


def _pooler(pooler: Pooler) -> dict[str, Any]:
    return {
        "product": pooler.product,
        "title": str(pooler),
        "version": ".".join(map(str, pooler.version)) if pooler.version else None,
        "mode": pooler.mode.value if pooler.mode else None,
        "prepared": pooler.prepared,
        "tracked": sorted(pooler.tracked),
        "shares_sessions": pooler.shares_sessions,
        "confidence": pooler.confidence,
        "measured": pooler.measured,
        "evidence": list(pooler.evidence),
    }
