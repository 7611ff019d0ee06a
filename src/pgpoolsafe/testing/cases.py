"""unittest, and Django's test cases: what the pytest plugin does, without pytest."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any, ClassVar

from ..errors import ConfigurationError
from ..rules.allowing import check_names
from .journal import Occasion
from .options import Options
from .supervision import Supervision

__unittest = True  # keeps the frames of this module out of unittest's tracebacks

_running: Supervision | None = None


@contextmanager
def strict_tests(options: Options | None = None) -> Iterator[Supervision]:
    """Guard the process, and every `unittest.TestCase` that runs within the block.

    A hazard raises SessionStateError where it is sent; one that does not reach the test fails
    it at its end. `TestCase.run` is replaced within the block, which reaches the runners of
    unittest and of Django, and the processes they fork. Raises ConfigurationError.
    """
    with supervised(options or Options()) as supervision:
        run = unittest.TestCase.run
        unittest.TestCase.run = _guarding(run)  # type: ignore[method-assign]
        try:
            yield supervision
        finally:
            unittest.TestCase.run = run  # type: ignore[method-assign]


@contextmanager
def supervised(options: Options) -> Iterator[Supervision]:
    """A supervision that the test cases of the block know of."""
    global _running
    supervision = Supervision(options)
    supervision.start()
    before, _running = _running, supervision
    try:
        yield supervision
    finally:
        _running = before
        supervision.stop()


def _guarding(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
    def guarded(case: unittest.TestCase, result: Any = None) -> Any:
        supervision = _running
        if supervision is None or supervision.occasion.test:  # run() of a subclass was before
            return run(case, result)
        result = case.defaultTestResult() if result is None else result
        try:
            allowed = _allowed(case)
        except ConfigurationError:
            return _err(case, result)
        supervision.begin(Occasion(case.id(), "call"), allowed)
        # The last of the cleanups, after tearDown, and still before Django rolls back.
        case.addCleanup(_fail_untold, case, supervision, result, _errors_in(case, result))
        expected_before = _expected_in(result)
        try:
            with looking_before_teardown(case, supervision):
                return run(case, result)
        finally:
            supervision.end()
            if _expected_in(result) > expected_before:
                supervision.journal.expect_failure(case.id())
            supervision.begin(Occasion())

    return guarded


def _expected_in(result: Any) -> int:
    """How many tests that are marked with `unittest.expectedFailure` have failed."""
    if hasattr(result, "events"):  # of a process of Django's, which keeps no other list
        return sum(event[0] == "addExpectedFailure" for event in result.events)
    return len(getattr(result, "expectedFailures", ()))


def _allowed(case: unittest.TestCase) -> frozenset[str]:
    names = getattr(case, "pgpoolsafe_allow", ())
    return check_names(names, where=f"{case.id()}: pgpoolsafe_allow")


def _err(case: unittest.TestCase, result: Any) -> Any:
    """Called while an error is handled: it is the outcome of the test, which does not run."""
    result.startTest(case)
    result.addError(case, sys.exc_info())
    result.stopTest(case)
    return result


@contextmanager
def looking_before_teardown(case: unittest.TestCase, supervision: Supervision) -> Iterator[None]:
    """Within the block, what a test has left open is seen before its tearDown rolls it back."""
    tear_down = case.tearDown

    def look_first() -> None:
        supervision.look()
        tear_down()

    case.tearDown = look_first  # type: ignore[method-assign]
    try:
        yield
    finally:
        vars(case).pop("tearDown", None)


def expected_failure(case: unittest.TestCase | None) -> list[BaseException]:
    """The error of a running test that is marked with `unittest.expectedFailure`."""
    held = getattr(getattr(case, "_outcome", None), "expectedFailure", None)
    return [] if held is None else [held[1]]


def _fail_untold(
    case: unittest.TestCase, supervision: Supervision, result: Any, errors_before: int
) -> None:
    untold = supervision.end()
    # A test that failed has told of it, or has something else to say.
    if untold and _errors_in(case, result) == errors_before:
        raise case.failureException("\n\n".join(untold))


def _errors_in(case: unittest.TestCase, result: Any) -> int:
    """How many errors there are; Python 3.10 hands them over when the test is over."""
    expected = len(expected_failure(case))
    if hasattr(result, "events"):  # of a process of Django's, which keeps no other list
        return expected + sum(e[0] in ("addError", "addFailure") for e in result.events)
    waiting = getattr(getattr(case, "_outcome", None), "errors", [])
    held = [error for _, error in waiting if error is not None]
    return expected + len(result.errors) + len(result.failures) + len(held)


class StrictTests:
    """A mixin for test cases: `class ShopTests(StrictTests, TestCase)`.

    What the class's tests open is guarded as if it went through `pgpoolsafe_pooler`; a hazard
    fails the test. `pgpoolsafe_rules` and `pgpoolsafe_residue` are as for `install()`;
    `pgpoolsafe_allow` names rules that these tests may break.
    """

    pgpoolsafe_pooler: ClassVar[str | None] = None
    pgpoolsafe_rules: ClassVar[Mapping[str, str] | None] = None
    pgpoolsafe_residue: ClassVar[bool | str] = False
    pgpoolsafe_allow: ClassVar[Iterable[str]] = ()

    def run(self, result: Any = None) -> Any:
        """As `TestCase.run`, guarded; within `strict_tests()` by that guard."""
        run = super().run  # type: ignore[misc]  # of the TestCase beside this mixin
        guarded = _guarding(lambda _, given: run(given))
        with self._supervised():
            return guarded(self, result)

    @classmethod
    def setUpClass(cls) -> None:
        """Guards what the class opens for all its tests."""
        stack = ExitStack()
        stack.enter_context(cls._supervised())
        cls.addClassCleanup(stack.close)  # type: ignore[attr-defined]
        super().setUpClass()  # type: ignore[misc]

    @classmethod
    def _supervised(cls) -> AbstractContextManager[object]:
        """A guard of the class's own, unless there is one."""
        if _running is not None:
            return nullcontext()
        return supervised(
            Options(
                pooler=cls.pgpoolsafe_pooler,
                rules=cls.pgpoolsafe_rules,
                residue=cls.pgpoolsafe_residue,
            )
        )
