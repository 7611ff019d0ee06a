"""The value that SET and set_config give to a setting, where the text shows it.

PostgreSQL keeps every setting as one string; SET makes it from the constants of its list
(guc_funcs.c, flatten_set_variable_args), set_config takes it as it is. What is not told
here (None) the server has to be asked for: intervals, `FROM CURRENT` and expressions.
"""

from __future__ import annotations

import re

from ..effects import Part
from .expressions import as_text
from .lexer import Kind, Token
from .phrases import Phrase

NAME_LISTS = frozenset(
    {"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"}
)
"""Settings that are lists of names, each of which is quoted where it has to be
(GUC_LIST_QUOTE in guc_tables.c; extensions cannot make any)."""

# Both parts of a DateStyle, in either order (datetime.c, check_datestyle).
_WHOLE_STYLE = r"(?i)\s*(?:{0}\s*,\s*{1}|{1}\s*,\s*{0})\s*".format(
    r"(?:iso|sql|german|postgres\w*)", r"(?:ymd|dmy|mdy|us|euro\w*|noneuro\w*)"
)

# Every keyword that is not UNRESERVED in kwlist.h of PostgreSQL 15 to 18 (pg_get_keywords()):
# quote_identifier puts these into quotes.
_KEYWORDS = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit
    boolean both case cast char character check coalesce collate collation column concurrently
    constraint create cross current_catalog current_date current_role current_schema
    current_time current_timestamp current_user dec decimal default deferrable desc distinct do
    else end except exists extract false fetch float for foreign freeze from full grant greatest
    group grouping having ilike in initially inner inout int integer intersect interval into is
    isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query
    json_scalar json_serialize json_table json_value lateral leading least left like limit
    localtime localtimestamp merge_action national natural nchar none normalize not notnull null
    nullif numeric offset on only or order out outer overlaps overlay placing position precision
    primary real references returning right row select session_user setof similar smallint some
    substring symmetric system_user table tablesample then time timestamp to trailing treat trim
    true union unique user using values varchar variadic verbose when where window with
    xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable
    """.split()
)

# Not compiled here: few programs come to them, and all of them import this.
_SAFE_NAME = r"[a-z_][a-z0-9_]*"
_INTEGER = r"[0-9]+"
_FLOAT = r"(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?"
_LISTED = r'\s*(?:"((?:[^"]|"")*)"|([^\s",]+))\s*(,)?'
_LARGEST_INTEGER = 2**31 - 1
_LONGEST_NAME = 63  # bytes; what is longer the server cuts (NAMEDATALEN)

# What makes it uncertain whether, or how often, the calls of a SELECT are made.
_CONDITIONAL = frozenset(
    """
    from where having group limit offset fetch case coalesce nullif greatest least union
    intersect except with and or exists in any all some array window filter order distinct
    """.split()
)


def assigned_value(phrase: Phrase, name: str) -> Part | None:
    """The value after `SET name =`; None where only the server can tell."""
    items = phrase.split(",")
    if len(items) == 1 and name not in NAME_LISTS:
        only = items[0].tokens
        if len(only) == 1 and only[0].bound is not None:
            return only[0].bound
    values = [_constant(item.tokens, quotes=name in NAME_LISTS) for item in items]
    return None if None in values else ", ".join(value for value in values if value is not None)


def is_part(name: str, value: str) -> bool:
    """Whether what a setting was before is a part of what it will be: a DateStyle may be given
    without its style, or without its order."""
    return name.lower() == "datestyle" and not re.fullmatch(_WHOLE_STYLE, value)


def argument_value(phrase: Phrase) -> Part | None:
    """The second argument of set_config, if it is a string or a placeholder as it stands."""
    tokens = as_text(phrase).tokens
    if len(tokens) != 1:
        return None
    return tokens[0].value if tokens[0].kind is Kind.STRING else tokens[0].bound


def runs_once(phrase: Phrase) -> bool:
    """Whether each call of a statement is made exactly once: `SELECT f(…), g(…)`.

    COPY of such a query counts as well.
    """
    if phrase.source.code(phrase.lo) == "copy" and phrase.source.code(phrase.lo + 1) == "(":
        end = phrase.source.closing.get(phrase.lo + 1, phrase.hi)
        phrase = phrase.part(phrase.lo + 2, end)
    tokens = phrase.tokens
    is_select = bool(tokens) and tokens[0].code == "select"
    return is_select and _CONDITIONAL.isdisjoint(token.code for token in tokens)


def quoted_name(name: str) -> str:
    """A name as quote_identifier() of the server writes it."""
    if re.fullmatch(_SAFE_NAME, name) and name not in _KEYWORDS:
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def listed_names(value: str) -> list[str] | None:
    """The names of a list such as `"$user", public`; None if it is not well formed.

    As SplitIdentifierString (varlena.c) reads it: what is not quoted is folded.
    """
    listed = re.compile(_LISTED)
    names: list[str] = []
    at = 0
    while True:
        found = listed.match(value, at)
        if found is None:
            return None
        quoted, plain, comma = found.groups()
        names.append(quoted.replace('""', '"') if quoted is not None else plain.lower())
        at = found.end()
        if not comma:
            return names if at == len(value) else None


def _constant(tokens: list[Token], *, quotes: bool) -> str | None:
    """One constant: a word or a string (quoted as a name?), or a number with its sign."""
    sign = ""
    if len(tokens) == 2 and tokens[0].code in ("+", "-"):
        sign, tokens = tokens[0].code, tokens[1:]
    if len(tokens) != 1:
        return None
    token = tokens[0]
    if token.kind is Kind.NUMBER:
        return _number(token.value, negative=sign == "-")
    if sign or not (token.is_name or token.kind is Kind.STRING):
        return None
    is_long = token.is_name and len(token.value.encode()) > _LONGEST_NAME
    if is_long or token.bound is not None:
        return None
    return quoted_name(token.value) if quotes else token.value


def _number(digits: str, *, negative: bool) -> str | None:
    sign = "-" if negative else ""
    if re.fullmatch(_INTEGER, digits) and int(digits) <= _LARGEST_INTEGER:
        return str(-int(digits) if negative else int(digits))
    return f"{sign}{digits}" if re.fullmatch(_FLOAT, digits) else None
