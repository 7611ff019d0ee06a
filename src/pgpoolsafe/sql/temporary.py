"""Temporary objects: everything that lives in the schema pg_temp, however it gets there.

CREATE TEMP …, CREATE … pg_temp.x, SELECT INTO TEMP, and what drops them. A name without
a schema can be that of a temporary object too: who keeps the books knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..effects import Effect, EffectKind, Part, Scope, Verb
from .lexer import Kind
from .phrases import UNKNOWN, Phrase, Words

_TEMP_SCHEMA = r"pg_temp(_\d+)?"
_TEMP = ("temp", "temporary")

_SIMPLE_KINDS = """
    table view sequence type domain function procedure aggregate operator collation conversion
    statistics routine
"""
# What CREATE and DROP can name, longest first; `IF NOT EXISTS` and the name follow.
_KINDS: tuple[tuple[str, ...], ...] = (
    ("text", "search", "configuration"),
    ("text", "search", "dictionary"),
    ("text", "search", "parser"),
    ("text", "search", "template"),
    ("materialized", "view"),
    ("foreign", "table"),
    ("operator", "class"),
    ("operator", "family"),
    ("default", "conversion"),
    *((kind,) for kind in _SIMPLE_KINDS.split()),
)

# Found without a schema only outside pg_temp (namespace.c: functions and operators are
# never looked up there), so that a bare name in DROP is not a temporary one.
_NEVER_BARE = frozenset({"function", "procedure", "aggregate", "operator", "routine"})

# `INSERT INTO x`, `x.into`, `SELECT 1 AS into`.
_NOT_INTO = frozenset({"insert", "merge", ".", "as"})
_NAMES = frozenset({Kind.WORD, Kind.QUOTED, Kind.PARAM, Kind.OTHER})

# Reserved words that can follow `INTO temp` when `temp` is the name of the table.
_AFTER_TARGET_WORDS = """
    from where group having window union intersect except order limit offset fetch for into with
"""
_AFTER_TARGET = frozenset(_AFTER_TARGET_WORDS.split())


def create_effects(phrase: Phrase) -> tuple[Effect, ...]:
    """CREATE …: the temporary object that it makes, if it makes one."""
    words = phrase.words()
    words.take()
    words.skip_all("or", "replace")
    is_temp = _takes_temp(words)
    words.skip("unlogged", "recursive")
    kind = _takes_kind(words)
    words.skip_all("if", "not", "exists")
    path = _path(kind, words)
    if not kind or not path:
        return ()
    if not (is_temp or is_temporary(path) or (kind == ("view",) and _reads_temporary(words))):
        return ()
    return (_made(path, _dropped_on_commit(words.rest())),)


def into_effects(phrase: Phrase) -> tuple[Effect, ...]:
    """SELECT … INTO TEMP x, SELECT … INTO pg_temp.x."""
    source = phrase.source
    for at in range(phrase.lo + 1, phrase.hi):
        if source.tokens[at].code == "into" and source.code(at - 1) not in _NOT_INTO:
            return _target(phrase.part(at + 1).words())
    return ()


def _target(words: Words) -> tuple[Effect, ...]:
    is_temp = _takes_temp(words)
    if not is_temp:
        words.skip("unlogged")
    words.skip("table")
    path = words.path()
    return (_made(path, Scope.SESSION),) if path and (is_temp or is_temporary(path)) else ()


def drop_effects(phrase: Phrase) -> tuple[Effect, ...]:
    """DROP …: one release for each name that can be a temporary object's."""
    words = phrase.words()
    words.take()
    kind = _takes_kind(words)
    words.skip_all("if", "exists")
    return tuple(_dropped(kind, words)) if kind else ()


def _dropped(kind: tuple[str, ...], words: Words) -> Iterator[Effect]:
    for name in words.rest().split(","):
        path = _path(kind, name.words())
        bare = len(path) == 1 and kind[0] not in _NEVER_BARE
        if path and path[-1] != UNKNOWN and (bare or is_temporary(path)):
            yield Effect(EffectKind.TEMP_OBJECT, Verb.RELEASE, path[-1:])


def import_effects(phrase: Phrase) -> tuple[Effect, ...]:
    """IMPORT FOREIGN SCHEMA … INTO pg_temp: foreign tables whose names are not told."""
    begin = phrase.find("into")
    path = () if begin is None else phrase.part(begin + 1).words().path()
    return (Effect(EffectKind.TEMP_OBJECT),) if is_temporary((*path, "")) else ()


def _path(kind: tuple[str, ...], words: Words) -> tuple[Part, ...]:
    """The qualified name of what is made or dropped; an operator's ends with a symbol."""
    path = words.path()
    if path and kind == ("operator",) and words.code(-1) == ".":
        return (*path, words.take().value)
    return path


def is_temporary(path: tuple[Part, ...]) -> bool:
    """Whether a qualified name is one in the session's temporary schema."""
    schema = path[-2] if len(path) > 1 else ""
    return isinstance(schema, str) and re.fullmatch(_TEMP_SCHEMA, schema) is not None


def _made(path: tuple[Part, ...], scope: Scope) -> Effect:
    key = () if path[-1] == UNKNOWN else path[-1:]
    return Effect(EffectKind.TEMP_OBJECT, key=key, scope=scope)


def _takes_temp(words: Words) -> bool:
    """Take [LOCAL|GLOBAL] TEMP[ORARY], unless that is the name of a table."""
    ahead = 1 if words.code() in ("local", "global") else 0
    if words.code(ahead) not in _TEMP:
        return False
    after = words.token(ahead + 1)
    if after.kind not in _NAMES or after.code in _AFTER_TARGET:
        return False
    words.at += ahead + 1
    return True


def _takes_kind(words: Words) -> tuple[str, ...]:
    return next((kind for kind in _KINDS if words.skip_all(*kind)), ())


def _reads_temporary(words: Words) -> bool:
    """Whether a view mentions a relation of pg_temp, which makes it temporary as well."""
    source, tokens = words.source, words.source.tokens
    return any(
        tokens[at].code == "."
        and is_temporary((tokens[at - 1].value, ""))
        and source.code(at - 2) != "::"
        and source.code(at + 2) != "("
        for at in range(words.at + 1, words.end)
    )


def _dropped_on_commit(rest: Phrase) -> Scope:
    tokens = rest.source.tokens
    for at in rest.indices():
        if tokens[at].code == "as":
            break
        if tokens[at].code == "commit" and rest.source.code(at + 1) == "drop":
            return Scope.TRANSACTION
    return Scope.SESSION
