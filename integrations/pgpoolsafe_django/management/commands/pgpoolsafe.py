"""`manage.py pgpoolsafe doctor` and `manage.py pgpoolsafe check`, for an alias of DATABASES."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from io import StringIO
from typing import Any

from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

import pgpoolsafe
from pgpoolsafe.doctor import Diagnosis, NotReached, diagnose
from pgpoolsafe.report import document
from pgpoolsafe_django.sight import Unseen, conninfo_of


class Command(BaseCommand):
    """Looks at an alias; exit status of `doctor`: 0 nothing found, 1 findings."""

    help = "What an alias of DATABASES leads to, and what breaks there."
    requires_system_checks: Any = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`doctor` and `check`, each with --database."""
        actions = parser.add_subparsers(dest="action", required=True)
        doctor = actions.add_parser("doctor", help="Look at the endpoint as pgpoolsafe doctor does")
        doctor.add_argument("--json", action="store_true", help="A report for machines")
        doctor.add_argument("--probe", action="store_true", help="Prove what the pooler does")
        check = actions.add_parser("check", help="Run the system checks of the alias")
        for action in (doctor, check):
            action.add_argument("--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections))
            action.add_argument("--direct", action="store_true", help="Its direct endpoint")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run one of them."""
        wrapper = connections[options["database"]]
        if not hasattr(wrapper, "directly"):
            engine = wrapper.settings_dict["ENGINE"]
            raise CommandError(
                f"DATABASES[{wrapper.alias!r}]['ENGINE'] is {engine}, not pgpoolsafe_django"
            )
        if not options["direct"]:
            self._act(wrapper, options)
            return
        with wrapper.directly() as is_direct:
            if not is_direct:
                raise CommandError(f"PGPOOLSAFE[{wrapper.alias!r}] has no 'direct'")
            self._act(wrapper, options)

    def _act(self, wrapper: Any, options: dict[str, Any]) -> None:
        if options["action"] == "check":
            self.check(tags=[Tags.database], databases=[wrapper.alias], display_num_errors=True)
            return
        try:
            guard = wrapper.pgpoolsafe
            diagnosis = diagnose(
                conninfo_of(wrapper), override=guard.override, probe=options["probe"]
            )
        except (NotReached, Unseen, pgpoolsafe.ConfigurationError) as wrong:
            raise CommandError(str(wrong)) from None
        # Django prepares nothing by name unless it is told to.
        is_default = wrapper.settings_dict["OPTIONS"].get("prepare_threshold") is None
        ignored = {"named-prepare"} if is_default else set()
        self._show(diagnosis, ignored, as_json=options["json"])
        if diagnosis.findings(frozenset(ignored)):
            sys.exit(1)

    def _show(self, diagnosis: Diagnosis, ignored: set[str], *, as_json: bool) -> None:
        if as_json:
            found = document.document(diagnosis, ignored=ignored)
            self.stdout.write(json.dumps(found, indent=2))
            return
        try:
            from rich.console import Console

            from pgpoolsafe.report import terminal
        except ModuleNotFoundError as missing:
            raise CommandError(
                f"the report needs {missing.name}: pip install 'pgpoolsafe[cli]', or take --json"
            ) from missing
        # Not to self.stdout at once, which ends each write with a new line.
        report = StringIO()
        console = Console(file=report, force_terminal=self.stdout.isatty(), highlight=False)
        terminal.show(diagnosis, console, ignored=ignored)
        self.stdout.write(report.getvalue(), ending="")
