"""The console script where no server is needed: bad input, help, what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import pgpoolsafe
from pgpoolsafe import cli, commands
from pgpoolsafe.checkup.checks import CHECKS
from pgpoolsafe.checkup.facts import Client, Facts, Server
from pgpoolsafe.doctor import Diagnosis, judged
from pgpoolsafe.effects import EffectKind
from pgpoolsafe.poolers.answers import PoolMode
from pgpoolsafe.poolers.endpoints import Endpoint
from pgpoolsafe.poolers.products import DIRECT, pooler
from pgpoolsafe.report import terminal
from pgpoolsafe.rules.findings import Finding, Location
from pgpoolsafe.session.residue import Snapshot, Thing

SECRET = "s3cret-pw"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pgpoolsafe", *arguments])
    return cli.main()


BAD_INPUT = [
    (["doctor", f"mysql://app:{SECRET}@db/shop"], "pgpoolsafe: not a PostgreSQL URL: it must"),
    (["doctor", f"postgresql://app:{SECRET}/@db/shop"], "pgpoolsafe: the URL cannot be read"),
    (["doctor", f"host=db pasword={SECRET}"], "pgpoolsafe: the connection string has an option"),
    (["doctor", "no such thing"], "pgpoolsafe: this is no connection string"),
    (["doctor", ""], "pgpoolsafe: nothing to look at: give a connection string, a URL or a"),
    (["doctor"], "pgpoolsafe: nothing to look at: give a connection string, a URL or a"),
    (["doctor", "host=db", "--pooler", "pgbounser"], "pgpoolsafe: pooler='pgbounser' is not known"),
    (["doctor", "host=db", "--pool-mode", "tx"], "pgpoolsafe: pool_mode='tx' is not known: use"),
    (["doctor", "host=db", "--ignore", "x"], "pgpoolsafe: --ignore x: there is no such check; kno"),
    (["doctor", "host=db", "--connect-timeout", "0"], "pgpoolsafe: Invalid value for '--connect-"),
    (["doctor", "host=db", "--nonsense"], "pgpoolsafe: No such option"),
    (["doctor", "host=db", "host=db"], "pgpoolsafe: Got unexpected extra argument"),
    (["doktor"], "pgpoolsafe: No such command 'doktor'."),
    (
        ["doctor", "service=pgpoolsafe_nowhere"],
        'pgpoolsafe: cannot look at service pgpoolsafe_nowhere: definition of service',
    ),
    (
        ["doctor", f"host=127.0.0.1 port=1 password={SECRET}"],
        "pgpoolsafe: cannot look at 127.0.0.1:1: Connection refused",
    ),
]  # fmt: skip


@pytest.mark.parametrize("arguments, line", BAD_INPUT)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert run(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert SECRET not in err


def test_with_json_a_failure_is_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "doctor", f"mysql://app:{SECRET}@db/shop", "--json") == 2
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["status"] == 2
    assert err == f"pgpoolsafe: {report['error']}\n"
    assert SECRET not in out


def test_database_url_is_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:{SECRET}@127.0.0.1:1/shop")
    assert run(monkeypatch, "doctor") == 2
    err = capsys.readouterr().err
    assert err == "pgpoolsafe: cannot look at 127.0.0.1:1: Connection refused\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["doctor", "--help"], ["--version"]])
def test_help_and_version(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 0
    out, err = capsys.readouterr()
    assert "pgpoolsafe" in out
    assert err == ""


def test_ctrl_c_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> Diagnosis:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "diagnose", interrupted)
    assert run(monkeypatch, "doctor", "host=db") == 130


# without the extra

WITHOUT = """
import sys
sys.modules[{module!r}] = None
from pgpoolsafe import cli
sys.exit(cli.main())
"""


@pytest.mark.parametrize("module", ["click", "rich", "psycopg"])
def test_without_the_extra_it_says_what_to_install(module: str) -> None:
    source = str(Path(pgpoolsafe.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module=module)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    expected = f"pgpoolsafe: the command line needs {module}: pip install 'pgpoolsafe[cli]'\n"
    assert done.stderr == expected


def test_the_script_is_declared_with_its_extra() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.scripts]\npgpoolsafe = "pgpoolsafe.cli:main"\n' in project
    assert '\ncli = ["pgpoolsafe[psycopg]", "click>=8.1", "rich>=13.7"]\n' in project


# on a terminal


def of_function(line: int) -> Finding:
    return Finding(
        rule="advisory-lock",
        what="pg_advisory_lock(id) in lib.log_in(integer) outlives the transaction",
        statement="PERFORM pg_advisory_lock(id)",
        why="nobody else gets it",
        fix="pg_advisory_xact_lock(…)",
        pooler=DIRECT,
        level="warn",
        location=Location("lib.log_in(integer)", line, ""),
    )


CLIENT = Client("3.13.1", "3.3.9", 180006)
ENDPOINT = Endpoint("db.example", 6432, "app", "shop")
SERVER = Server("18.6", 100, 3, 12, 5, -1, -1, {})
SICK = judged(
    Facts(
        ENDPOINT,
        pooler("pgbouncer", version=(1, 18), mode=PoolMode.TRANSACTION, evidence=("a sign",)),
        CLIENT,
        server=SERVER,
        leftovers=(
            Snapshot(7, {Thing(EffectKind.SETTING, "statement_timeout"): "2s"}),
            Snapshot(8, {Thing(EffectKind.ADVISORY_LOCK, "42"): ""}),
        ),
        functions=(of_function(3), of_function(4)),
    )
)
WELL = judged(Facts(ENDPOINT, DIRECT, CLIENT, server=SERVER))


def shown(diagnosis: Diagnosis, width: int, *, ignored: tuple[str, ...] = ()) -> str:
    out = StringIO()
    terminal.show(diagnosis, Console(file=out, width=width, highlight=False), ignored=ignored)
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("diagnosis", [SICK, WELL])
def test_the_report_fits(diagnosis: Diagnosis, width: int) -> None:
    lines = shown(diagnosis, width).splitlines()
    assert max(map(len, lines)) <= min(width, 120)
    assert all(line == line.rstrip() for line in lines)


def test_the_report_says_it_all() -> None:
    text = shown(SICK, 120)
    for expected in (
        "postgresql://app@db.example:6432/shop\n",
        "  connected to  PgBouncer 1.18 (transaction pooling) in front of PostgreSQL 18.6\n",
        "  because       a sign\n",
        "  this end      psycopg 3.3.9, libpq 18.6, Python 3.13.1\n",
        "\n3 findings\n",
        "  ✗ named-prepare: prepared statements are not safe with psycopg's defaults",
        (
            "    why  server process 7: statement_timeout = 2s\n"
            "         server process 8: session advisory lock 42\n"
        ),
        (
            "\nFunctions that leave session state\n\n"
            "  lib.log_in(integer)\n"
            "    line 3   advisory-lock: pg_advisory_lock(id) in lib.log_in(integer) outlives the"
            " transaction\n"
            "    instead  pg_advisory_xact_lock(…)\n"
            "    line 4   advisory-lock: "
        ),
        "  leaks: other clients meet it\n",
        "    pg_advisory_lock()      pg_advisory_xact_lock()\n",
        "  engine = sqlalchemy.create_engine(\n",
    ):
        assert expected in text


def test_a_long_list_of_functions_is_cut() -> None:
    many = replace(SICK.facts, functions=tuple(map(of_function, range(25))))
    text = shown(judged(many), 120)
    assert "\n    line 19  " in text
    assert "\n    line 20  " not in text
    assert "\n  and 5 more: --json and pgpoolsafe.audit() list them all\n" in text


def test_what_is_ignored_is_marked() -> None:
    text = shown(SICK, 120, ignored=("residue",))
    assert "\n2 findings\n" in text
    assert "carry what other clients left (ignored)\n" in text


def test_a_direct_connection_has_a_short_report() -> None:
    text = shown(WELL, 80)
    assert "connected to  PostgreSQL 18.6, without a pooler\n" in text
    assert "\nNothing found\n" in text
    assert "What works" not in text


def test_on_a_terminal_it_has_colours() -> None:
    out = StringIO()
    terminal.show(SICK, Console(file=out, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[" in out.getvalue()
    assert "\x1b[" not in shown(SICK, 80)


def test_a_terminal_that_knows_ascii_only() -> None:
    class Ascii(StringIO):
        encoding = "ascii"  # type: ignore[assignment]

    out = Ascii()
    terminal.show(WELL, Console(file=out, width=80))
    assert "\n  + named prepared" in out.getvalue()
    assert "\n  ! " in out.getvalue()


def test_every_check_and_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    for name in CHECKS:
        assert f"| `{name}` |" in page
    for parameter in commands.doctor.params:
        for option in parameter.opts:
            assert option == "target" or option in page or f"--no-{option[2:]}" in page
