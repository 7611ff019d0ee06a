"""One statement timeout for all statements of a request, sync or async."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.db import connections
from django.utils.decorators import sync_and_async_middleware

from pgpoolsafe import settings as settings_block

from .options import wishes


@sync_and_async_middleware
def statement_timeout(get_response: Any) -> Any:
    """Middleware: `PGPOOLSAFE = {"default": {"statement_timeout": "5s"}}` for each request.

    PostgreSQL ends a statement that takes longer (django.db.utils.OperationalError). It costs
    no round trip, and a block `pgpoolsafe.settings(connection, statement_timeout="60s")` in a
    view counts over it. What a streaming response sends later runs without it.
    Raises MiddlewareNotUsed where no alias has a timeout, ImproperlyConfigured where its
    backend is not guarded.
    """
    timeouts = _timeouts()
    if iscoroutinefunction(get_response):

        async def asynchronous(request: Any) -> Any:
            with _in_force(timeouts):
                return await get_response(request)

        return asynchronous

    def synchronous(request: Any) -> Any:
        with _in_force(timeouts):
            return get_response(request)

    return synchronous


def _timeouts() -> Mapping[str, str | int]:
    found = {alias: wishes(alias).statement_timeout for alias in connections}
    stated = {alias: value for alias, value in found.items() if value is not None}
    if not stated:
        raise MiddlewareNotUsed("PGPOOLSAFE has no statement_timeout for any alias")
    for alias in stated:
        if not hasattr(connections[alias], "pgpoolsafe_scope"):
            engine = connections[alias].settings_dict["ENGINE"]
            raise ImproperlyConfigured(
                f"PGPOOLSAFE[{alias!r}]['statement_timeout']: its ENGINE is {engine}, not"
                " pgpoolsafe_django"
            )
    return stated


def _in_force(timeouts: Mapping[str, str | int]) -> ExitStack:
    with ExitStack() as stack:
        for alias, value in timeouts.items():
            stack.enter_context(settings_block(connections[alias], statement_timeout=value))
        return stack.pop_all()
