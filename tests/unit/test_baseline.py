"""Statements without their values, and the file of known findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgpoolsafe import ConfigurationError, check
from pgpoolsafe.rules.findings import Finding, Location
from pgpoolsafe.testing.baseline import Entry, entry_of, read, relative, write
from pgpoolsafe.testing.normal import normalised

STATEMENTS = {
    "SELECT set_config('app.tenant', 'acme', false)": "SELECT set_config(?, false)",
    "SELECT  set_config ( %s,%s , false )": "SELECT set_config(?, false)",
    "SET app.tenant = 'acme'": "SET app.tenant = ?",
    "SET search_path TO tenant_42, public": "SET search_path TO ?",
    "SET LOCAL work_mem='5MB'": "SET LOCAL work_mem = ?",
    "SET ROLE tenant_42": "SET ROLE tenant_?",
    "UPDATE t SET a = 1, b='x' WHERE c IN (1,2, 3)": "UPDATE t SET a = ?, b = ? WHERE c IN(?)",
    "LISTEN job_20261122": "LISTEN job_?",
    "SELECT pg_advisory_lock(42) -- why\n": "SELECT pg_advisory_lock(?)",
    "SELECT pg_advisory_lock(/* a */ $1, $2)": "SELECT pg_advisory_lock(?)",
    "SELECT E'it\\'s', $$x$$, B'01', 1.5e3 FROM \"T 1\"": 'SELECT ? FROM "T 1"',
    "CREATE TEMP TABLE basket (item text)": "CREATE TEMP TABLE basket(item text)",
    "SELECT 'cut off in the mid…": "SELECT ?",
    "(the connection's prepare_threshold)": "(the connection ?",
    "": "",
    "  ": "",
    ";": ";",
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_without_its_values(statement: str) -> None:
    assert normalised(statement) == STATEMENTS[statement]


@given(st.text())
def test_any_text_will_do_and_fits_one_line(text: str) -> None:
    found = normalised(text)
    assert "\n" not in found
    assert "\t" not in found


@given(st.from_regex(r"[a-z]{8}", fullmatch=True))
def test_no_string_stays(secret: str) -> None:
    texts = (f"SELECT f('{secret}')", f"SET x = {secret}", f"SELECT f(E'\\'{secret}')")
    assert not any(secret in normalised(text) for text in texts)


def finding(**changes: object) -> Finding:
    (found,) = check("LISTEN orders")
    values = {name: getattr(found, name) for name in Finding.__dataclass_fields__}
    return Finding(**{**values, **changes})


ROOT = Path("/home/anna/shop")


@pytest.mark.parametrize(
    "file, name",
    [
        ("/home/anna/shop/app/jobs.py", "app/jobs.py"),
        (
            "/home/anna/shop/.venv/lib/python3.11/site-packages/procrastinate/x.py",
            "procrastinate/x.py",
        ),
        ("/usr/lib/python3/dist-packages/psycopg/x.py", "psycopg/x.py"),
        ("/opt/other.py", "/opt/other.py"),
        ("<stdin>", "<stdin>"),
        ("/home/anna/shop/a\tb.py", "a b.py"),
    ],
)
def test_a_file_is_named_alike_on_every_machine(file: str, name: str) -> None:
    assert relative(file, ROOT) == name


def test_the_entry_of_a_finding() -> None:
    place = Location("/home/anna/shop/jobs.py", 7, "run")
    assert entry_of(finding(location=place), ROOT) == Entry(
        "listen", "jobs.py", "run", "LISTEN orders"
    )
    assert entry_of(finding(location=None), ROOT) == Entry("listen", "", "", "LISTEN orders")


def test_of_several_statements_it_is_what_was_left_that_counts() -> None:
    several = "one of 2 statements of the transaction:\n    SELECT f() (a.py:1)"
    entry = entry_of(finding(statement=several, what="SET app.x is left"), ROOT)
    assert entry.statement == "SET app.x is left"


ENTRIES = frozenset(
    {
        Entry("listen", "a.py", "run", "LISTEN orders"),
        Entry("advisory-lock", "b.py", "claim", "SELECT pg_advisory_lock(?)"),
        Entry("residue", "", "", "SELECT f(?)"),
    }
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "known.txt"
    write(path, ENTRIES)
    lines = path.read_text().splitlines()
    assert read(path) == ENTRIES
    assert lines[2:] == sorted(lines[2:])
    assert [one.name for one in path.parent.iterdir()] == ["known.txt"]


def test_lines_of_two_branches_can_be_merged(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one, list(ENTRIES)[:2])
    write(other, list(ENTRIES)[1:])
    merged = tmp_path / "merged"
    merged.write_text(one.read_text() + "\n" + other.read_text())
    assert read(merged) == ENTRIES


def test_no_file_has_no_entries(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == frozenset()


@pytest.mark.parametrize(
    "content, error",
    [
        (b"listen a b c\n", ":1: expected rule, file, function and statement with tabs between (1"),
        (b"#\n\nlisten\ta\tb\tc\td\n", ":3: expected rule, file, function and statement with"),
        (b"lissen\ta\tb\tc\n", ":1: unknown rule 'lissen'; known rules: session-set, "),
        (b"\xff\n", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_names_itself(tmp_path: Path, content: bytes, error: str) -> None:
    path = tmp_path / "known.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert error in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(tmp_path)
