"""Guards the process while its tests run, and knows which test is to blame."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from threading import Lock

from ..errors import SessionStateError
from ..install import install_policy
from ..installation import (
    Installation,
    ask_sessions,
    installation_of,
    surviving,
    tested_as,
    unsettled,
)
from ..rules.allowing import allow_everywhere
from ..rules.catalog import Level
from ..rules.findings import Finding
from ..rules.policy import Mode, Policy
from ..rules.reporting import ignored, reviewing
from .journal import Journal, Occasion, Verdict
from .options import Options

RESIDUE = "residue"

SWALLOWED = (
    "pgpoolsafe refused this statement, and the error did not reach the test: the code under"
    " test has swallowed it, or it came in another thread."
)
LEFT = (
    "This is left in a session, and no error of it has reached the test: nothing was sent on the"
    " connection afterwards, or the code under test has swallowed it, or it came in another thread."
)
UNSETTLED = (
    "The test has left this in a transaction that it did not end. In production it is committed,"
    " and then:"
)


class Supervision:
    """A guard on every connection that the process opens, while it is started.

    Raises ConfigurationError for wrong options, and at the start where there is no driver to
    guard. `journal` has what was found; tests and their phases are announced by `begin` and
    `end`; `fixture` is the one that is being set up.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.policy = options.policy()
        self.lacks_baseline = options.lacks_baseline
        self.known = options.known()
        self.journal = Journal(options.root)
        self.occasion = Occasion()
        self.fixture = ""
        self._fails = options.mode == "strict" and not options.update_baseline
        self._lock = Lock()
        self._failing: list[Finding] = []
        self._open: dict[int, Finding] = {}
        self._told: dict[int, Finding] = {}
        self._to_release: set[int] = set()
        self._unsettled: list[str] = []
        self._running = ExitStack()
        self._installation: Installation | None = None

    @property
    def pooler(self) -> str:
        """The pooler that direct connections are judged by, for people."""
        return str(self.policy.stand_in)

    # Life.

    def start(self) -> None:
        """Guard what is opened from now on."""
        with ExitStack() as stack:
            stack.enter_context(reviewing(self._review))
            stack.enter_context(tested_as(self._as_tested))
            stack.callback(allow_everywhere, frozenset())
            self._installation = install_policy(None, self.policy)
            stack.callback(self._uninstall)
            _started.append(self)
            stack.callback(_started.remove, self)
            self._running = stack.pop_all()

    def stop(self) -> None:
        """Put everything back; harmless when done already."""
        self._running.close()

    def _uninstall(self) -> None:
        """End the installation of `start`, or the one that `begin` has put in its place."""
        current = installation_of(None)
        if current is not None and self._installation is not None:
            self._installation.__exit__(None, None, None)
        self._installation = None

    def _as_tested(self, policy: Policy) -> Policy:
        """What the program installs for itself must not weaken the guard of its tests."""
        if policy.mode is Mode.OFF:
            return self.policy
        strict = {"mode": Mode.STRICT, "residue": self.policy.residue}
        return replace(policy, stand_in=self.policy.stand_in, **strict)  # type: ignore[arg-type]

    # Tests.

    def begin(self, occasion: Occasion, allowed: frozenset[str] = frozenset()) -> None:
        """A phase of a test begins, or the time between two (no occasion's test).

        `allowed`: rules that the test may break, in whatever thread or task.
        """
        if installation_of(None) is None:  # the program's own uninstall() has taken it off
            self._installation = install_policy(None, self.policy)
        self.occasion = occasion
        allow_everywhere(allowed)

    def end(self, *errors: BaseException) -> list[str]:
        """The phase is over, with these errors: what the test does not know yet.

        Each text tells one finding that is to fail the test.
        """
        ask_sessions()
        texts = self._untold(errors) if self._failing else []
        if self.occasion.phase == "setup":
            found = [*unsettled(), *surviving()]
            self._open = {id(one): one for one in found} if found else {}
        elif self.occasion.phase == "call":
            self._look()
        if self._unsettled:
            texts += self._unsettled
            self._unsettled = []
        return texts

    def _untold(self, errors: tuple[BaseException, ...]) -> list[str]:
        with self._lock:
            failing, self._failing = self._failing, []
        untold = [one for one in failing if not reached(errors, one)]
        texts = [f"{LEFT if one.rule == RESIDUE else SWALLOWED}\n\n{one}" for one in untold]
        return list(dict.fromkeys(texts))  # a pool tries its `configure` again and again

    def look(self) -> None:
        """The test's own part is over, and nothing has been cleaned up yet: look at what its
        transactions would have left. `end()` tells of it.
        """
        ask_sessions()
        self._look()

    def _look(self) -> None:
        lasting = surviving()
        found = [*unsettled(), *lasting]
        if not found:
            return
        left = self._left_open(found)
        self._to_release.update(id(one) for one in left if _is_among(one, lasting))
        self._unsettled += [f"{UNSETTLED}\n\n{one}" for one in left]

    def _left_open(self, found: list[Finding]) -> list[Finding]:
        """What the test itself would have left, had its harness not rolled back.

        Test suites wrap a test into a transaction and roll back; the program commits.
        """
        known = self._open.keys() | self._told.keys()
        new = [finding for finding in found if id(finding) not in known]
        judged = [self._review(finding) for finding in new]
        with self._lock:  # they have come here, to be told now
            self._failing = [one for one in self._failing if not _is_among(one, new)]
            self._told.update((id(finding), finding) for finding in new)
        return [finding for finding in judged if finding.level == Level.RAISE.value]

    # Findings.

    def expect(self, findings: Iterable[Finding]) -> None:
        """The test has these in hand: they fail it no more, however their transactions end."""
        with self._lock:
            self._told.update((id(finding), finding) for finding in findings)

    def reported(self, error: BaseException) -> None:
        """A part of a phase has ended with this error, and is reported by itself (a subtest)."""
        with self._lock:
            self._failing = [one for one in self._failing if not reached((error,), one)]

    def _review(self, finding: Finding) -> Finding:
        if id(finding) in self._told:  # the harness commits after all
            if id(finding) in self._to_release and finding.level == Level.RAISE.value:
                return replace(finding, is_told=True)
            return ignored(finding)
        entry = self.journal.entry(finding)
        verdict = self._verdict(finding, is_known=entry in self.known)
        occasion = self.occasion._replace(fixture=self.fixture)
        self.journal.note(finding, entry, verdict, occasion)
        if verdict is Verdict.FAILS:
            with self._lock:
                self._failing.append(finding)
            return finding
        is_raised = finding.level == Level.RAISE.value
        return ignored(finding) if is_raised or not self._fails else finding

    def _verdict(self, finding: Finding, *, is_known: bool) -> Verdict:
        if finding.level == Level.REWRITE.value:
            return Verdict.REPAIRED
        if is_known:
            return Verdict.KNOWN
        fails = self._fails and finding.level == Level.RAISE.value
        return Verdict.FAILS if fails else Verdict.TOLD


_started: list[Supervision] = []


def expected(findings: Iterable[Finding]) -> None:
    """What a test has captured and left in an open transaction is told, whoever supervises."""
    found = list(findings)
    for one in _started:
        one.expect(found)


def _is_among(finding: Finding, others: list[Finding]) -> bool:
    return any(finding is other for other in others)


def reached(errors: Iterable[BaseException], finding: Finding) -> bool:
    """Whether errors tell of a finding: themselves, their causes, and those of a group."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [*errors]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, SessionStateError) and one.finding is finding:
            return True
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return False
