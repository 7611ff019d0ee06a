"""The commands of the console script, by click. Exit status of all: 2 for bad input."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click
from rich.console import Console

from . import __version__
from .checkup.checks import CHECKS
from .doctor import Diagnosis, NotReached, diagnose
from .errors import ConfigurationError
from .poolers.answers import Pooler
from .poolers.products import named
from .report import document, terminal

VARIABLE = "DATABASE_URL"

OK, FINDINGS, FAILED = 0, 1, 2


def run() -> int:
    """Run the command line; returns the exit status."""
    try:
        status = program.main(prog_name="pgpoolsafe", standalone_mode=False)
    except click.Abort:
        return 130
    except click.ClickException as wrong:
        return _fail(wrong.format_message())
    return int(status or 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, package_name="pgpoolsafe", message="%(prog)s %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """What stands between your program and PostgreSQL, and what it breaks."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@program.command()
@click.argument("target", required=False)
@click.option("--json", "as_json", is_flag=True, help="A report for machines.")
@click.option("--pooler", help="What stands there: pgbouncer, 'pgbouncer>=1.24', direct, …")
@click.option("--pool-mode", help="session, transaction or statement.")
@click.option("--probe", is_flag=True, help="Prove with two connections what the pooler does.")
@click.option(
    "--connect-timeout",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="How long to wait, for the connection and for each answer. [the target's, else 10]",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="NAME",
    help="A finding that does not count, by the name before its colon. May be repeated.",
)
@click.option(
    "--console/--no-console",
    default=True,
    help="Try PgBouncer's admin console with the same user. [yes]",
)
def doctor(
    target: str | None,
    as_json: bool,
    pooler: str | None,
    pool_mode: str | None,
    probe: bool,
    connect_timeout: int | None,
    ignore: tuple[str, ...],
    console: bool,
) -> int:
    """Look at TARGET: what it leads to, what works there, and what breaks.

    TARGET is a connection string (host=… dbname=…), a URL (postgresql://…, also as SQLAlchemy
    and Django write it), or the name of a service; without it, $DATABASE_URL. Other users of
    the machine can see what stands on a command line: prefer $DATABASE_URL, a service or a
    password file for a password.

    Exit status: 0 nothing found, 1 findings, 2 could not connect or bad input.
    """
    try:
        _check_ignored(ignore)
        diagnosis = diagnose(
            _target(target),
            override=_override(pooler, pool_mode),
            connect_timeout=connect_timeout,
            console=console,
            probe=probe,
        )
    except (ConfigurationError, NotReached) as wrong:
        return _fail(str(wrong), as_json=as_json)
    return _show(diagnosis, ignore, as_json=as_json)


def _show(diagnosis: Diagnosis, ignore: tuple[str, ...], *, as_json: bool) -> int:
    if as_json:
        _write_json(document.document(diagnosis, ignored=ignore))
    else:
        terminal.show(diagnosis, Console(highlight=False), ignored=ignore)
    return FINDINGS if diagnosis.findings(frozenset(ignore)) else OK


def _fail(message: str, *, as_json: bool = False) -> int:
    """One line on stderr; with --json also the document, so that there always is one."""
    if as_json:
        _write_json(document.failure(message))
    sys.stderr.write(f"pgpoolsafe: {message}\n")
    return FAILED


def _write_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _target(target: str | None) -> str:
    stated = target if target is not None else os.environ.get(VARIABLE, "")
    if not stated.strip():
        raise ConfigurationError(
            f"nothing to look at: give a connection string, a URL or a service, or set {VARIABLE}"
        )
    return stated


def _override(pooler: str | None, pool_mode: str | None) -> Pooler | None:
    """What the user says that stands there; a mode alone is one of an unnamed pooler."""
    if pooler in (None, "auto") and pool_mode is None:
        return None
    return named("unknown" if pooler in (None, "auto") else str(pooler), pool_mode)


def _check_ignored(names: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise ConfigurationError(
            f"--ignore {unknown[0]}: there is no such check; known are {', '.join(CHECKS)}"
        )
