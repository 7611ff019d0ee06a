"""A statement without its values: what stays the same from run to run."""

from __future__ import annotations

import re

from ..sql.lexer import Kind, Token, scan

_VALUES = (Kind.STRING, Kind.BITS, Kind.NUMBER, Kind.PARAM, Kind.UNFINISHED)
_LIST = re.compile(r"\?(?:, \?)+")
# tenant_42, tmp_20261122: one place of the program, another name each time.
_COUNTED = re.compile(r"\d{2,}|(?<=_)\d+")


_NO_SPACE_AFTER = frozenset("([.")
_NO_SPACE_BEFORE = frozenset(")],;.([")


def normalised(statement: str) -> str:
    """The statement on one line, its values and comments gone, numbers in names as well.

    `SELECT set_config('app.tenant', 'acme', false)` is `SELECT set_config(?, false)`, however
    it is spaced. Any text will do, cut off ones among them.
    """
    tokens = scan(statement).tokens
    values_from = _assigned(tokens)
    text = before = ""
    for token in tokens[:values_from]:
        shown = _shown(statement, token)
        joined = before in _NO_SPACE_AFTER or shown in _NO_SPACE_BEFORE
        text += shown if joined or not text else f" {shown}"
        before = shown
    return _LIST.sub("?", text if values_from == len(tokens) else f"{text} ?")


def _shown(statement: str, token: Token) -> str:
    if token.kind in _VALUES:
        return "?"
    text = statement[token.start : token.end]
    return " ".join(_COUNTED.sub("?", text).split()) if token.is_name else text


def _assigned(tokens: list[Token]) -> int:
    """How many tokens there are before the value of a lone SET, which need not be quoted."""
    if tokens and tokens[0].code == "set":
        for position, token in enumerate(tokens[:6]):
            if token.code in ("to", "="):
                return position + 1
    return len(tokens)
