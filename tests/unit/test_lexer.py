"""PostgreSQL's lexical rules: tokens, quotes, comments, placeholders."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgpoolsafe.effects import Bound
from pgpoolsafe.sql import lexer
from pgpoolsafe.sql.lexer import Kind, Token, scan

W, Q, S, B, N, P, O = (  # noqa: E741
    Kind.WORD,
    Kind.QUOTED,
    Kind.STRING,
    Kind.BITS,
    Kind.NUMBER,
    Kind.PARAM,
    Kind.SYMBOL,
)


def read(text: str) -> list[tuple[Kind, str]]:
    return [(token.kind, token.value) for token in scan(text).tokens]


@pytest.mark.parametrize(
    "text, expected",
    [
        # Names
        ("SeLeCt _x$1 ÄÖx", [(W, "select"), (W, "_x$1"), (W, "ÄÖx")]),
        ("a$b$c", [(W, "a$b$c")]),
        ("İ \u212a ſ", [(W, "İ"), (W, "\u212a"), (W, "ſ")]),
        ("\u00a0set", [(W, "\u00a0set")]),
        ('"Ab" "a""b" "SET"', [(Q, "Ab"), (Q, 'a"b'), (Q, "SET")]),
        ('U&"d\\0061t\\+000061" u&"\\\\"', [(Q, "data"), (Q, "\\")]),
        ("U&\"d!0061t!!\" UESCAPE '!'", [(Q, "dat!")]),
        ("U&\"d!0061t\" /* c */ uescape\n'!' x", [(Q, "dat"), (W, "x")]),
        ('U&"a" UESCAPE', [(Q, "a"), (W, "uescape")]),
        ("u & 'x'", [(W, "u"), (O, "&"), (S, "x")]),
        ("x" * 70, [(W, "x" * 63)]),
        ("é" * 40, [(W, "é" * 31)]),
        ('"' + "é" * 40 + '"', [(Q, "é" * 31)]),
        # Strings
        ("'a''b' ''", [(S, "a'b"), (S, "")]),
        ("'a\\' x", [(S, "a\\"), (W, "x")]),
        ("E'a\\'b' e'\\\\' e'it''s'", [(S, "a'b"), (S, "\\"), (S, "it's")]),
        ("E'\\x41\\102\\u0043\\U00000044\\n\\q'", [(S, "ABCD\nq")]),
        ("E'\\\\''x'", [(S, "\\'x")]),
        ("E'\\ud83d\\ude00'", [(S, "😀")]),
        ("U&'\\D83D\\DE00'", [(S, "😀")]),
        ("U&'\\+FFFFFF' U&'\\zz'", [(S, "\\+FFFFFF"), (S, "\\zz")]),
        ("B'01' x'1F' b''''", [(B, "01"), (B, "1F"), (B, ""), (S, "")]),
        ("N'abc' n'x'", [(S, "abc"), (S, "x")]),
        ("'a'\n'b'", [(S, "ab")]),
        ("'a' -- c\n -- d\n\n 'b'", [(S, "ab")]),
        ("E'a\\n'\n'\\t'", [(S, "a\n\t")]),
        ("U&'\\0061'\n'\\0062'", [(S, "ab")]),
        ("'a' 'b'", [(S, "a"), (S, "b")]),
        ("'a' /* c */\n'b'", [(S, "a"), (S, "b")]),
        ("'a'\n x 'b'", [(S, "a"), (W, "x"), (S, "b")]),
        ("'a'-- c", [(S, "a")]),
        # Dollar quotes
        ("$$a'b$$ $x$ $$ $y$ $x$", [(S, "a'b"), (S, " $$ $y$ ")]),
        ("$é$1$é$", [(S, "1")]),
        ("$a$$b$$a$", [(S, "$b$")]),
        ("$1$a$x$a$", [(P, "$1"), (S, "x")]),
        # Numbers
        (
            "1 1.5 .5 1e10 1.5e-3 1_000 0x1F 0o17 0b11",
            [(N, text) for text in "1 1.5 .5 1e10 1.5e-3 1_000 0x1F 0o17 0b11".split(" ")],
        ),
        ("1..10", [(N, "1"), (O, ".."), (N, "10")]),
        ("1.", [(N, "1.")]),
        ("1and", [(N, "1"), (W, "and")]),
        # Operators
        ("a=-1", [(W, "a"), (O, "="), (O, "-"), (N, "1")]),
        ("a@-1", [(W, "a"), (O, "@-"), (N, "1")]),
        ("a<=>b", [(W, "a"), (O, "<=>"), (W, "b")]),
        ("a=--c\n1", [(W, "a"), (O, "="), (N, "1")]),
        ("a*/*c*/b", [(W, "a"), (O, "*"), (W, "b")]),
        ("x::int", [(W, "x"), (O, "::"), (W, "int")]),
        ("x := y:z", [(W, "x"), (O, ":="), (W, "y"), (O, ":"), (W, "z")]),
        ("f(a=>1)", [(W, "f"), (O, "("), (W, "a"), (O, "=>"), (N, "1"), (O, ")")]),
        ("+-", [(O, "+"), (O, "-")]),
        # Comments
        ("a /* b /* c */ d */ e", [(W, "a"), (W, "e")]),
        ("a /*/ b */ e", [(W, "a"), (W, "e")]),
        ("a /* ' */ e -- '", [(W, "a"), (W, "e")]),
        ("a --b\rc", [(W, "a"), (W, "c")]),
        ("'/*' x '*/'", [(S, "/*"), (W, "x"), (S, "*/")]),
        # The end
        ("select 1\0; set x = 1", [(W, "select"), (N, "1")]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_tokens(text: str, expected: list[tuple[Kind, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text, bounds",
    [
        ("x = %s and y = %s", [Bound(0), Bound(1)]),
        ("x=%s", [Bound(0)]),
        ("%(a)s %(b c)s %(a)b", [Bound("a"), Bound("b c"), Bound("a")]),
        ("%b %t", [Bound(0), Bound(1)]),
        # psycopg counts in quotes and comments too
        ("'%s' /* %s */ %s", [Bound(2)]),
        ("'100%%' %s", [Bound(0)]),
        ("'100%' %s", [Bound(0)]),
        ("a %% b %s", [Bound(0)]),
        ("%%s", []),
        ("%%%s", [Bound(0)]),
        ("5 %base", []),
        ("5 % (a + b)", []),
        ("%(a + b) c", []),
        # Nor is this: the operator % before a string that ends like a placeholder
        ("a %(' )s') -- '", []),
        ('a %(" )s")', []),
        ("a %($$ )s$$)", []),
        ("$1 $3", [Bound(0), Bound(2)]),
        ("$0 $99999999999", [None, None]),
    ],
)
def test_placeholders(text: str, bounds: list[Bound | None]) -> None:
    tokens = scan(text).tokens
    assert [token.bound for token in tokens if token.kind is Kind.PARAM] == bounds


def test_code_in_a_text_has_no_placeholders() -> None:
    tokens = scan("a %s $1", placeholders=False).tokens
    assert [(token.kind, token.value, token.bound) for token in tokens] == [
        (W, "a", None),
        (O, "%", None),
        (W, "s", None),
        (P, "$1", None),
    ]


def test_only_words_and_symbols_have_a_code() -> None:
    tokens = scan("set \"set\" 'set' ( '(' 1 %s").tokens
    assert [token.code for token in tokens] == ["set", "", "", "(", "", "", ""]


@pytest.mark.parametrize(
    "text",
    [
        "'a",
        "'a''",
        "E'a\\'",
        "E'\\",
        "B'0",
        "U&'a",
        '"a',
        'U&"a""',
        "$$a",
        "$x$a$y$",
        "/* a",
        "/* /* */",
        "'a'\n'b",
    ],
)
def test_what_is_left_open_reaches_to_the_end(text: str) -> None:
    scanned = scan(f"set {text} ; x")
    assert not scanned.complete
    assert scanned.tokens[-1] == Token(Kind.UNFINISHED, "", 4, len(text) + 8)


@pytest.mark.parametrize(
    "text, allowed",
    [
        ("/* pgpoolsafe: allow listen */", {"listen"}),
        ("-- PGPOOLSAFE:ALLOW Session-Set,  temp-table\n", {"session-set", "temp-table"}),
        ("/* x /* pgpoolsafe: allow a */ */ -- pgpoolsafe: allow b", {"a", "b"}),
        ("/* ticket 12, pgpoolsafe: allow a because */", {"a"}),
        ("'pgpoolsafe: allow a'", set()),
        ("pgpoolsafe: allow a", set()),
        ("/* pgpoolsafe allow a */", set()),
        ("/* pgpoolsafe: disallow a */", set()),
    ],
)
def test_allow_comments(text: str, allowed: set[str]) -> None:
    assert scan(text).allowed == allowed


SPACE = " \t\n\r\f\v"


@given(st.text(alphabet="ab'\"$eEuU&\\/*-; %s()\n\0\x01é\ud800[]:=+", max_size=60))
def test_tokens_are_in_order_and_only_space_and_comments_are_between(text: str) -> None:
    end = 0
    for token in scan(text).tokens:
        gap = text[end : token.start].strip(SPACE)
        assert not gap or gap.startswith(("--", "/*"))
        assert token.start < token.end <= len(text)
        end = token.end


CLASSES = [
    (lexer._LETTER, "A-Za-z_"),
    (lexer._LETTER_OR_DIGIT, "A-Za-z_0-9"),
    (lexer._IN_WORD, "A-Za-z_0-9$"),
]


@pytest.mark.parametrize("told,plain", CLASSES, ids=[plain for _, plain in CLASSES])
def test_every_character_beyond_ascii_is_a_letter(told: str, plain: str) -> None:
    """scan.l: ident_start, ident_cont; the classes are told by what is not in them."""
    is_in = re.compile(told, re.VERBOSE).match
    ascii_only = re.compile(f"[{plain}]").match
    for code in range(sys.maxunicode + 1):
        expected = code > 127 or ascii_only(chr(code)) is not None
        assert (is_in(chr(code)) is not None) is expected, hex(code)
