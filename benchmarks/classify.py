"""What reading a text costs: `make bench`, or `python benchmarks/classify.py [--quick]`.

Microseconds for a text met for the first time (nothing comes from the cache) and for one
met before (one look-up), by length; then the texts that are made to hurt, in nanoseconds a
character, where growth with the length would show.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from pgpoolsafe.sql.reader import known, read

FINDINGS = Path(__file__).parent.parent / "tests" / "fuzz" / "findings"

SIZES = (50, 500, 5_000, 1_000_000)

CALL = "set_config('work_mem', '8MB', false)"


def filled(text: str, size: int, unit: str) -> str:
    """A text of `size` characters: `unit` again and again where the braces stand."""
    begin, end = text.split("{}")
    room = max(size - len(begin) - len(end), 0)
    times = room // len(unit)
    return begin + unit * times + " " * (room - times * len(unit)) + end


TEXTS: dict[str, Callable[[int], str]] = {
    "ordinary: SELECT of columns": lambda n: filled("SELECT a{} FROM t WHERE id = %s", n, ", b1"),
    "ordinary: INSERT of rows": lambda n: filled("INSERT INTO t VALUES (1){}", n, ", (2, 'ab')"),
    "ordinary: one long literal": lambda n: filled("SELECT '{}' FROM t", n, "x"),
    "hazard: SET": lambda n: filled("SET search_path TO a{}", n, ", tenant_1"),
    "hazard: SET, one long literal": lambda n: filled("SET app.data = '{}'", n, "x"),
    "hazard: set_config in SELECT": lambda n: filled(f"SELECT {CALL}{{}} FROM t", n, ", b1"),
    "hazard: second statement": lambda n: filled("SELECT a{}; SET a.b = 1", n, ", b1"),
    "hazard: DO block": lambda n: filled("DO $$ BEGIN {} SET a.b = 1; END $$", n, "x := 1;"),
}
"""Texts of every size."""

N = 20_000
HOSTILE: dict[str, Callable[[int], str]] = {
    "1 MB literal": lambda n: "SET x = '" + "a" * n * 50 + "'",
    "50,000 rows of VALUES": lambda n: f"INSERT INTO t VALUES ({CALL})" + ", (1, 'a', 2)" * n,
    "nested parentheses": lambda n: "SELECT " + "(" * n + CALL + ")" * n,
    "1+1+…": lambda n: f"SELECT {CALL}" + "+1" * n,
    "comments in comments": lambda n: "/*" * n + "*/" * n + "SET x = 1",
    "10 MB of comments": lambda n: "SET x = 1 /*" + "*" * n * 500 + "*/",
    "sub-selects": lambda n: "SELECT " + "(SELECT " * n + CALL + ")" * n,
    "calls in calls": lambda n: "SELECT " + "set_config('a', 'b', " * n + "false" + ")" * n,
    "CTEs": lambda n: (
        "WITH " + ", ".join(f"a{i} AS (SELECT {CALL})" for i in range(n)) + " SELECT 1"
    ),
    "statements": lambda n: "SET x = 1;" * n,
    "dollar quotes left open": lambda n: "SET x = " + "$a" * n + "$" * n,
    "continued strings": lambda n: "SET x = " + "'a'\n" * n,
    "concatenated EXECUTE": lambda n: "DO $$ BEGIN EXECUTE 'a'" + "||'b'" * n + "; END $$",
}
"""Texts made to hurt; each is also tried at a tenth of its length."""

_fresh = itertools.count()


def seconds(text: str, runs: int) -> float:
    """The median time of reading a text that was never seen; a space more makes it so."""
    times = []
    for _ in range(runs):
        new = text + " " * (next(_fresh) % 4000)
        while known(new) is not None:
            new += " "
        begin = time.perf_counter()
        read(new)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def cached(text: str, runs: int) -> float:
    """The time of one look-up of a text that was read before."""
    read(text)
    begin = time.perf_counter()
    for _ in range(runs):
        known(text)
    return (time.perf_counter() - begin) / runs


def by_size(runs: int) -> None:
    """Texts of every size, in microseconds."""
    heads = [f"{size:,} B" for size in SIZES]
    print(f"{'µs a text, first time':32}" + "".join(f"{head:>14}" for head in heads))
    for name, make in TEXTS.items():
        times = [seconds(make(size), max(3, min(runs, 5_000_000 // size))) for size in SIZES]
        print(f"{name:32}" + "".join(f"{taken * 1e6:14,.1f}" for taken in times))
    look_up = cached(TEXTS["ordinary: SELECT of columns"](500), runs * 100)
    print(f"{'any of them, met before':32}{look_up * 1e6:14,.3f}   (up to 4,096 characters)")


def hostile(scale: int) -> None:
    """Texts made to hurt, in nanoseconds a character, at a tenth and at full length."""
    print(f"\n{'ns a character':32}{'characters':>14}{'a tenth':>14}{'full':>14}{'total ms':>14}")
    for name, make in HOSTILE.items():
        short, long = make(scale // 10), make(scale)
        tenth, full = seconds(short, 3), seconds(long, 3)
        rates = (tenth / len(short) * 1e9, full / len(long) * 1e9)
        print(f"{name:32}{len(long):14,}{rates[0]:14,.1f}{rates[1]:14,.1f}{full * 1e3:14,.1f}")


def found(runs: int) -> None:
    """The slowest of what fuzzing found, repeated to one length."""
    size, worst = 10_000, (0.0, "")
    for path in sorted(FINDINGS.glob("*.sql")):
        text = path.read_text(encoding="utf-8", errors="surrogatepass") or " "
        taken = seconds((text * (size // len(text) + 1))[:size], runs)
        worst = max(worst, (taken, path.name))
    print(f"\nworst of fuzzing, {size:,} characters: {worst[0] * 1e6:,.0f} µs ({worst[1]})")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks/classify.py")
    parser.add_argument("--quick", action="store_true", help="fewer runs, shorter texts")
    quick = parser.parse_args().quick
    gc.disable()
    by_size(20 if quick else 200)
    hostile(N // 20 if quick else N)
    found(3)


if __name__ == "__main__":
    main()
