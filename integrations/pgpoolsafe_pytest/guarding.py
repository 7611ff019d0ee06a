"""A guarded test run: phases are announced, findings collected, tests failed."""

from __future__ import annotations

import unittest
from argparse import Namespace
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from pgpoolsafe.errors import ConfigurationError
from pgpoolsafe.testing.journal import Occasion, Record
from pgpoolsafe.testing.options import Options
from pgpoolsafe.testing.supervision import Supervision

from .ending import PytestEnding
from .marks import allowed_by
from .traces import end_at_users_line

ATTRIBUTE = "pgpoolsafe"
"""Of a report: the records of its phase. xdist carries what a report has in attributes."""

_AS_IT_IS = nullcontext()
_BETWEEN = Occasion()

Phase = Generator[None, object, object]


def start(config: pytest.Config, namespace: Namespace, mode: str) -> GuardedRun:
    """Guard the process from now on. Raises UsageError that names a wrong option."""
    try:
        options = options_of(config, namespace, mode)
        supervision = Supervision(options)
        supervision.start()
    except ConfigurationError as error:
        raise pytest.UsageError(f"pgpoolsafe: {error}") from error
    report = path_of(config, namespace, "report")
    run = GuardedRun(supervision, PytestEnding(supervision, report, is_whole=True))
    config.add_cleanup(supervision.stop)
    config.pluginmanager.register(run, "pgpoolsafe-run")
    return run


def options_of(config: pytest.Config, namespace: Namespace, mode: str) -> Options:
    """The options, from the command line first."""
    return Options(
        mode=mode,
        pooler=_said(config, namespace, "pooler") or None,
        rules=_rules(config.getini("pgpoolsafe_rules")),
        settings=_said(config, namespace, "settings") or "leave",
        prepared=_said(config, namespace, "prepared") or None,
        residue=_residue(_said(config, namespace, "residue")),
        baseline=path_of(config, namespace, "baseline"),
        update_baseline=namespace.pgpoolsafe_update_baseline,
        root=config.rootpath,
    )


def _said(config: pytest.Config, namespace: Namespace, name: str) -> str:
    said = getattr(namespace, f"pgpoolsafe_{name}")
    return str(config.getini(f"pgpoolsafe_{name}") if said is None else said).strip()


def path_of(config: pytest.Config, namespace: Namespace, name: str) -> Path | None:
    """A file: from where pytest was called, or from where the ini file is."""
    said = _said(config, namespace, name)
    if not said:
        return None
    is_ini = getattr(namespace, f"pgpoolsafe_{name}") is None
    folder = config.inipath.parent if is_ini and config.inipath else config.invocation_params.dir
    return folder / said


def _rules(lines: list[str]) -> dict[str, str] | None:
    pairs = [line.partition("=") for line in lines]
    return {name.strip(): level.strip() for name, _, level in pairs} or None


def _residue(said: str) -> bool | str:
    words: dict[str, bool | str] = {"": False, "off": False, "on": True, "statement": "statement"}
    if said.lower() not in words:
        known = ", ".join(word for word in words if word)
        raise ConfigurationError(f"residue={said!r}: expected one of {known}")
    return words[said.lower()]


class GuardedRun:
    """The hooks of a guarded run."""

    def __init__(self, supervision: Supervision, ending: PytestEnding) -> None:
        self._supervision = supervision
        self._ending = ending
        self._allowed: frozenset[str] = frozenset()  # of the test at hand
        self._untold: list[str] = []  # of its phase, which has failed already

    # The phases.

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Phase:
        """Test modules are imported: what they open and send came from no test."""
        self._supervision.begin(Occasion(phase="collection"))
        try:
            return (yield)
        finally:
            self._supervision.begin(_BETWEEN)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Phase:
        """Between two tests nobody's rules are let through."""
        try:
            return (yield)
        finally:
            self._supervision.begin(_BETWEEN)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Phase:
        """Fixtures, among them those of a session, in the test that wanted them first."""
        self._supervision.end()  # what came between tests fails the run, not this test
        self._allowed, wrong = allowed_by(item)
        self._begin(item, "setup")
        try:
            result = yield
        except BaseException as error:
            self._failed(error)
            raise
        untold = self._supervision.end()
        _fail([wrong, *untold] if wrong else untold)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Phase:
        """The test itself."""
        self._begin(item, "call")
        try:
            with self._watching_case(item):
                result = yield
        except BaseException as error:
            self._failed(error)
            raise
        _fail(self._supervision.end())
        return result

    def _watching_case(self, item: pytest.Item) -> AbstractContextManager[None]:
        """A TestCase cleans up after itself, before its call is over."""
        case = getattr(item, "instance", None)
        if not isinstance(case, unittest.TestCase):
            return _AS_IT_IS
        from pgpoolsafe.testing.cases import looking_before_teardown

        # The last of the cleanups, and still before Django rolls the test back.
        case.addCleanup(self._end_of_case, item)
        return looking_before_teardown(case, self._supervision)

    def _end_of_case(self, item: pytest.Item) -> None:
        """The end of its call; what a TestCase raises is kept by pytest."""
        from pgpoolsafe.testing.cases import expected_failure

        case = getattr(item, "instance", None)
        errors = [*(kept.value for kept in _kept(item)), *expected_failure(case)]
        untold = self._supervision.end(*errors)
        if errors:
            self._untold = untold
        else:
            _fail(untold)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Phase:
        """What fixtures do at their end."""
        self._begin(item, "teardown")
        try:
            result = yield
        except BaseException as error:
            self._failed(error)
            raise
        _fail(self._supervision.end())
        return result

    def _begin(self, item: pytest.Item, phase: str) -> None:
        self._supervision.begin(Occasion(item.nodeid, phase), self._allowed)

    def _failed(self, error: BaseException) -> None:
        """The phase is over, with an error: what it does not say stands beside it."""
        untold = self._supervision.end(error)
        if untold and isinstance(error, pytest.skip.Exception):
            _fail(untold)
        self._untold = untold

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Phase:
        """A finding names the fixture that was being set up."""
        supervision = self._supervision
        before, supervision.fixture = supervision.fixture, fixturedef.argname
        try:
            return (yield)
        finally:
            supervision.fixture = before

    # The reports, which xdist carries from its workers.

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The report takes along what was found in its phase."""
        errors = [*_kept(item), call.excinfo] if call.excinfo else _kept(item)
        if errors and not item.config.getoption("fulltrace"):
            for error in errors:
                end_at_users_line(error.value)
        if call.excinfo:
            self._supervision.reported(call.excinfo.value)
        report = yield
        records = self._supervision.journal.take()
        if records:
            is_expected = report.skipped and hasattr(report, "wasxfail")
            found = [one.as_expected() for one in records] if is_expected else records
            setattr(report, ATTRIBUTE, [one.plain() for one in found])
        if self._untold:
            untold, self._untold = self._untold, []
            if report.failed:
                report.sections.append(("pgpoolsafe", "\n\n".join(untold)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Where the summary is made, every report comes by."""
        records = getattr(report, ATTRIBUTE, None)
        if records:
            self._ending.gather(map(Record.from_plain, records))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended; one that crashed has left no word."""
        left = getattr(node, "workeroutput", {}).get(ATTRIBUTE, [])
        self._ending.gather(map(Record.from_plain, left))

    # The end.

    def pytest_deselected(self) -> None:
        """Not all tests run: what was not met may be there all the same."""
        self._ending.is_whole = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what is to be written, and fail the run for what came outside of all tests."""
        records = self._supervision.journal.take()
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[ATTRIBUTE] = [record.plain() for record in records]
            return
        self._ending.gather(records)
        self._ending.finish(session)

    def pytest_report_header(self) -> str:
        """How the run is judged."""
        mode = self._supervision.options.mode
        return f"pgpoolsafe: {mode}, as if behind {self._supervision.pooler}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The findings of the run."""
        self._ending.show(terminalreporter)


def _kept(item: pytest.Item) -> list[pytest.ExceptionInfo[BaseException]]:
    """The errors of a TestCase, which do not leave it as exceptions."""
    return getattr(item, "_excinfo", None) or []


def _fail(untold: list[str]) -> None:
    if untold:
        pytest.fail("\n\n".join(untold), pytrace=False)
