"""Management commands that do session work run on the direct endpoint of their alias."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management import find_commands, load_command_class
from django.db import connections

APP = "pgpoolsafe_django"


def routed(name: str) -> Any:
    """The command of that name as it is without this app, on the direct endpoint."""
    base: Any = type(load_command_class(_app_with(name), name))

    def execute(self: Any, *args: Any, **options: Any) -> Any:
        wrapper = connections[options["database"]]
        directly = getattr(wrapper, "directly", None)
        if directly is None:  # an alias on another backend
            return base.execute(self, *args, **options)
        with directly():
            return base.execute(self, *args, **options)

    return type("Command", (base,), {"__module__": base.__module__, "execute": execute})


def _app_with(name: str) -> str:
    """The app whose command it would be: the first in INSTALLED_APPS that has it, or Django."""
    for config in apps.get_app_configs():
        if config.name != APP and name in find_commands(f"{config.path}/management"):
            return str(config.name)
    return "django.core"
