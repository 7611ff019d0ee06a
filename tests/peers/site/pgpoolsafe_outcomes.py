"""A pytest plugin: one line of JSON for each test and what became of it."""

import json
import os
import re
from pathlib import Path

FILE = "PGPOOLSAFE_PEERS_OUTCOMES"

# SQLAlchemy puts the server's version into the names of its tests.
_VERSION = re.compile(r"(\+\w+?)_\d+(?:_\d+)*(?=::)")
_SETUP_OR_TEARDOWN = "error"


class Outcomes:
    """Collects the outcome of each test; the worst of its phases."""

    def __init__(self, path):
        self.path = path

    def pytest_runtest_logreport(self, report):
        """Write the line of a phase that says something."""
        outcome = _outcome(report)
        if outcome is not None:
            line = {"test": _VERSION.sub(r"\1", report.nodeid), "outcome": outcome}
            if outcome in ("failed", "error"):
                line["why"] = _why(report)
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")


def _outcome(report):
    if hasattr(report, "wasxfail"):
        return {"skipped": "xfailed", "passed": "xpassed"}.get(report.outcome, report.outcome)
    if report.when == "call":
        return report.outcome
    if report.outcome == "failed":
        return _SETUP_OR_TEARDOWN
    return "skipped" if report.outcome == "skipped" else None


def _why(report):
    """The last line of the traceback that names the error."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr).strip()
    if crash is None:
        named = re.findall(r"^[\w.]+(?:Error|Exception|[A-Z]\w+): .*$", text, re.MULTILINE)
        text = named[-1] if named else text.rpartition("\n")[2]
    if "ExceptionGroup" in text:  # what is in it says more than its name
        inner = re.findall(r"^[ |]*(\S*(?:Warning|Error): .*)$", str(report.longrepr), re.MULTILINE)
        text = "; ".join([text, *dict.fromkeys(inner)])
    return " ".join(text.split())[:300]


def pytest_configure(config):
    """Start collecting."""
    config.pluginmanager.register(Outcomes(Path(os.environ[FILE])), "pgpoolsafe-outcomes")
