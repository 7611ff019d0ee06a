"""The system checks of a guarded backend: `manage.py check --database default`.

They come with the backend, through `validation_class`, so that they need no entry in
INSTALLED_APPS; `migrate` runs them too. What they look at is the doctor's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from .checks import checks, checks_of_direct
from .options import unknown_aliases, wishes
from .sight import Unseen, facts_of

DOCS = "docs/django.md"


class PoolerValidation:
    """Goes before a backend's DatabaseValidation."""

    connection: Any

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """The base backend's messages, and ours on the endpoint the connection leads to."""
        return [*super().check(**kwargs), *messages(self.connection)]  # type: ignore[misc]


def messages(wrapper: Any) -> list[CheckMessage]:
    """Everything there is to say about an alias; connects."""
    try:
        wished = wishes(wrapper.alias)
        unknown = unknown_aliases()
        if unknown:
            raise ImproperlyConfigured(f"PGPOOLSAFE: no such alias: {', '.join(unknown)}")
        return list(_messages(wrapper, wished.direct is not None))
    except ImproperlyConfigured as wrong:
        return [Error(str(wrong), hint=f"See {DOCS}", obj=_place(wrapper), id="pgpoolsafe.E001")]
    except Unseen as unseen:
        return [_unseen(wrapper, unseen)]


def _messages(wrapper: Any, has_direct: bool) -> Iterable[CheckMessage]:
    if wrapper.is_direct:
        yield from checks_of_direct(wrapper, facts_of(wrapper), _place(wrapper))
        return
    yield from checks(wrapper, facts_of(wrapper), _place(wrapper), has_direct=has_direct)
    if has_direct:
        with wrapper.directly() as is_direct:
            if is_direct:
                yield from messages(wrapper)


def _unseen(wrapper: Any, unseen: Unseen) -> CheckMessage:
    return CheckWarning(
        f"nothing was looked at: {unseen}",
        hint=f"Run the check again when that is settled. See {DOCS}#w010.",
        obj=_place(wrapper),
        id="pgpoolsafe.W010",
    )


def _place(wrapper: Any) -> str:
    return f"DATABASES[{wrapper.alias!r}]" + (" (direct)" if wrapper.is_direct else "")
