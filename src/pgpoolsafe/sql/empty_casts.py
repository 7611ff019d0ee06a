"""Casts of custom settings that fail where the setting is ''.

SET LOCAL of a setting that no configuration file knows leaves '' behind, not NULL, once
its transaction is over (guc.c: the placeholder stays, with an empty value). So
`current_setting('app.tenant', true)::uuid` works on a fresh connection, where it is NULL,
and fails on one that has been used. `nullif(current_setting(…), '')::uuid` always works.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .calls import BEFORE_EXPRESSION, calls
from .expressions import TYPE_TAIL, text_of
from .lexer import Kind, scan
from .phrases import Phrase, Source, source

FUNCTION = "current_setting"

# The types to which '' can be cast, and of which it is still '' afterwards or as good.
_TEXTS = """
    bpchar bytea char character citext hstore ltree name text tsvector varchar
"""
_TAKES_EMPTY = frozenset(_TEXTS.split())

# What hands '' on: COALESCE only replaces NULL.
_HANDS_ON = frozenset({"coalesce", "lower", "upper", "trim", "btrim", "ltrim", "rtrim"})

# The same of their first argument. NULLIF does, if not for '' itself.
_FIRST_WORDS = "left nullif replace right split_part substr translate"
_HANDS_FIRST_ON = frozenset(_FIRST_WORDS.split())

# TRIM(BOTH FROM …): so the server writes trim() in what it has stored.
_SIDES = frozenset({"both", "leading", "trailing"})

_COMPARES = frozenset({"=", "<>", "!="})


@dataclass(frozen=True, slots=True)
class EmptyCast:
    """`text[start:end]` casts the value of `setting` to `type`."""

    setting: str
    type: str
    start: int
    end: int


def empty_casts(text: str) -> tuple[EmptyCast, ...]:
    """The casts in an expression, a query or a function's body that '' makes fail.

    Where the text also compares the setting with '', it is taken to know what it does.
    """
    code = source(text, level=1)
    if FUNCTION not in code.words:
        return ()
    values = list(_values(code))
    compared = {value.setting for value in values if value.is_compared}
    unknowing = (value for value in values if value.setting not in compared)
    return tuple(cast for value in unknowing if (cast := value.cast(text)) is not None)


def allowed_in(text: str) -> frozenset[str]:
    """The rules that the comments of a function's body allow."""
    return scan(text, placeholders=False).allowed if "pgpoolsafe" in text.lower() else frozenset()


def _values(code: Source) -> Iterator[_Value]:
    """Every `current_setting('with.dot')`, followed outwards as far as '' goes."""
    for at, call in calls(Phrase(code, 0, len(code.tokens)), {FUNCTION}):
        argument = call.argument(0, "setting_name")
        setting = None if argument is None else text_of(argument)
        if call.name == FUNCTION and setting and "." in setting:
            begin = at - 2 * len(call.path) + 1
            yield _Value(code, setting.lower(), begin, code.step(at)).outermost()


@dataclass(frozen=True, slots=True)
class _Value:
    """An expression, the tokens `lo` to `hi` (not included), that is '' where the setting is."""

    code: Source
    setting: str
    lo: int
    hi: int

    def outermost(self) -> _Value:
        value, wider = self, self._wider()
        while wider is not None:
            value, wider = wider, wider._wider()
        return value

    def _wider(self) -> _Value | None:
        """With a cast to text, parentheses, or a function around it that hands '' on."""
        kind = self._cast_type()
        if kind is not None:
            return self._up_to(kind) if _takes_empty(kind) else None
        begin = self._parenthesis()
        if begin is None:
            return None
        before, end = self.code.code(begin - 1), self.code.step(begin)
        if before in _HANDS_ON or (before in _HANDS_FIRST_ON and self._is_handed_on(begin, before)):
            return replace(self, lo=begin - 1, hi=end)
        is_plain = end == self.hi + 1 and (before in BEFORE_EXPRESSION or not self._is_name(begin))
        return replace(self, lo=begin, hi=end) if is_plain else None

    def _is_handed_on(self, begin: int, function: str) -> bool:
        """Whether it is the first argument, and not compared with '' as NULLIF does."""
        return begin == self.lo - 1 and not (function == "nullif" and self._is_empty(self.hi + 1))

    def _parenthesis(self) -> int | None:
        """Where the parenthesis opens in which it is one of the things between commas."""
        at = self.lo - 1
        if self.code.code(at) == "from" and self.code.code(at - 1) in _SIDES:
            at -= 2
        if self.code.code(self.hi) not in (",", ")") or self.code.code(at) not in (",", "("):
            return None
        while at >= 0 and self.code.code(at) != "(":
            at = self.code.opening.get(at, at) - 1
        return at if at >= 0 else None

    def _is_name(self, begin: int) -> bool:
        return begin > 0 and self.code.tokens[begin - 1].is_name

    def _cast_type(self) -> Phrase | None:
        """The type of `… :: type` or `CAST(… AS type)`, up to where it ends."""
        code, at = self.code, self.hi
        is_cast = code.code(at) == "as" and code.code(self.lo - 2) == "cast"
        if code.code(at) != "::" and not is_cast:
            return None
        words = Phrase(code, at + 1, len(code.tokens)).words()
        words.path()
        while words.skip(*TYPE_TAIL):
            pass
        while words.code() in ("(", "["):
            words.at = code.step(words.at)
        return Phrase(code, at + 1, min(words.at, words.end))

    def _up_to(self, kind: Phrase) -> _Value:
        if self.code.code(self.hi) == "::":
            return replace(self, hi=kind.hi)
        return replace(self, lo=self.lo - 2, hi=kind.hi + 1)

    @property
    def is_compared(self) -> bool:
        """Whether it stands beside `= ''` or `<> ''`."""
        pairs = ((self.hi, self.hi + 1), (self.lo - 1, self.lo - 2))
        return any(self.code.code(op) in _COMPARES and self._is_empty(at) for op, at in pairs)

    def _is_empty(self, at: int) -> bool:
        tokens = self.code.tokens
        return 0 <= at < len(tokens) and tokens[at].kind is Kind.STRING and not tokens[at].value

    def cast(self, text: str) -> EmptyCast | None:
        """The cast that ends it, if one does."""
        kind = self._cast_type()
        if not kind:
            return None
        tokens, whole = self.code.tokens, self._up_to(kind)
        start, end = tokens[whole.lo].start, tokens[min(whole.hi, len(tokens)) - 1].end
        named = text[kind.tokens[0].start : kind.tokens[-1].end]
        return EmptyCast(self.setting, " ".join(named.split()), start, end)


def _takes_empty(kind: Phrase) -> bool:
    words = kind.words()
    path = words.path()
    is_array = any(token.code == "[" for token in kind.tokens)
    return bool(path) and path[-1] in _TAKES_EMPTY and not is_array
