"""What each kind of statement does to the session: one small recogniser per row.

To add a statement kind, add a row to `RECOGNISERS`. A recogniser gets the tokens of one
statement and gives its effects; a statement without a row has none. Statements that only
store code or expressions for later (CREATE FUNCTION, CREATE VIEW, PREPARE, …) have no
row for what is inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..effects import Effect, EffectKind, Part, Verb
from .assignments import read_reset, read_set
from .bodies import UNREADABLE, body_effects
from .lexer import Kind
from .phrases import UNKNOWN, Phrase, Words
from .queries import read_query, read_select
from .temporary import create_effects, drop_effects, import_effects

Effects = tuple[Effect, ...]

_CURSOR_OPTIONS = ("binary", "insensitive", "asensitive", "no", "scroll")
_CREATE_MODIFIERS = ("local", "global", "temp", "temporary", "unlogged", "materialized")


def effects_of(phrase: Phrase) -> Effects:
    """The effects of one statement, in the order of its text.

    Of a command that is not PostgreSQL's the calls are read; the rest of it is not known.
    """
    command = command_of(phrase)
    read = RECOGNISERS.get(command)
    if read is not None:
        return read(phrase)
    if not command or command in WITHOUT_EFFECT or phrase.source.level:
        return ()
    unknown = () if command in FOREIGN else (UNREADABLE,)
    return (*read_query(phrase), *unknown)


def command_of(phrase: Phrase) -> str:
    """The first keyword of a statement, in lower case; "" if it begins otherwise."""
    tokens = phrase.source.tokens
    at = phrase.lo
    while at < phrase.hi and tokens[at].code == "(":
        at += 1
    first = tokens[at] if at < phrase.hi else None
    return first.code if first is not None and first.kind is Kind.WORD else ""


def _key(name: Part | None) -> tuple[Part, ...]:
    return (name,) if name else ()


def _release_named(kind: EffectKind, words: Words, everything: str) -> Effects:
    """One name, or the word for all of them."""
    if words.skip(everything):
        return (Effect(kind, Verb.RELEASE),)
    name = words.name()  # a name that cannot be told releases nothing that is known
    return (Effect(kind, Verb.RELEASE, _key(name)),) if name else ()


def _after_command(phrase: Phrase) -> Words:
    words = phrase.words()
    words.take()
    return words


# Channels, cursors, prepared statements, libraries


def _listen(phrase: Phrase) -> Effects:
    name = _after_command(phrase).name()
    return (Effect(EffectKind.CHANNEL, key=_key(name)),) if name is not None else ()


def _unlisten(phrase: Phrase) -> Effects:
    return _release_named(EffectKind.CHANNEL, _after_command(phrase), "*")


def _declare(phrase: Phrase) -> Effects:
    words = _after_command(phrase)
    name = words.name()
    while words.skip(*_CURSOR_OPTIONS):
        pass
    if name is None or not words.skip("cursor"):
        return ()
    held = words.skip_all("with", "hold")
    cursor = (Effect(EffectKind.HELD_CURSOR, key=_key(name)),) if held else ()
    return (*cursor, *read_query(words.rest()))


def _close(phrase: Phrase) -> Effects:
    return _release_named(EffectKind.HELD_CURSOR, _after_command(phrase), "all")


def _fetch(phrase: Phrase) -> Effects:
    """FETCH and MOVE: whatever the direction, the cursor's name comes last."""
    last = phrase.source.tokens[phrase.hi - 1]
    if phrase.hi - phrase.lo < 2 or not last.is_name:
        return ()
    return (Effect(EffectKind.HELD_CURSOR, Verb.READ, (last.value,)),)


def _prepare(phrase: Phrase) -> Effects:
    words = _after_command(phrase)
    name = words.name()
    if name is None or words.token().kind is Kind.STRING:  # PREPARE TRANSACTION 'id'
        return ()
    return (Effect(EffectKind.PREPARED_STATEMENT, key=_key(name)),)


def _execute(phrase: Phrase) -> Effects:
    words = _after_command(phrase)
    name = words.name()
    if name is None:
        return ()
    used = Effect(EffectKind.PREPARED_STATEMENT, Verb.READ, _key(name))
    return (used, *read_query(words.rest()))


def _deallocate(phrase: Phrase) -> Effects:
    words = _after_command(phrase)
    if words.code() == "prepare" and words.end - words.at != 1:
        words.take()
    return _release_named(EffectKind.PREPARED_STATEMENT, words, "all")


def _load(phrase: Phrase) -> Effects:
    token = _after_command(phrase).token()
    if token.kind is Kind.STRING:
        return (Effect(EffectKind.LIBRARY, key=(token.value,)),)
    is_given = token.kind in (Kind.PARAM, Kind.OTHER)
    return (Effect(EffectKind.LIBRARY, key=_key(token.bound)),) if is_given else ()


def _discard(phrase: Phrase) -> Effects:
    everything = _DISCARDED.get(_after_command(phrase).code())
    if everything is None:
        return ()
    found = Effect(EffectKind.EVERYTHING, Verb.RELEASE, everything)
    if everything == ("temp",):
        return (found, Effect(EffectKind.TEMP_OBJECT, Verb.RELEASE))
    return (found,)


_DISCARDED: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "plans": ("plans",),
    "sequences": ("sequences",),
    "temp": ("temp",),
    "temporary": ("temp",),
}


# Statements that hold other statements


def _create(phrase: Phrase) -> Effects:
    return (*create_effects(phrase), *_filled(phrase))


def _filled(phrase: Phrase) -> Effects:
    """What CREATE TABLE AS runs, be it a query or EXECUTE."""
    query = _source_query(phrase)
    if query is None:
        return ()
    if command_of(query) == "execute":
        return _execute(query)
    found = read_query(query) if _has_data(query) else ()
    if _after_command(phrase).code() != "materialized":
        return found
    # Filling a materialized view keeps its settings to itself (createas.c, ExecCreateTableAs).
    return tuple(effect for effect in found if effect.kind not in _SETTINGS)


_SETTINGS = (EffectKind.SETTING, EffectKind.ROLE)


def _source_query(phrase: Phrase) -> Phrase | None:
    words = _after_command(phrase)
    while words.skip(*_CREATE_MODIFIERS):
        pass
    if words.code() not in ("table", "view") or words.code(-1) not in _FILLED_AFTER:
        return None
    if words.code() == "view" and words.code(-1) != "materialized":
        return None
    begin = phrase.find("as")
    return None if begin is None else phrase.part(begin + 1)


_FILLED_AFTER = frozenset({"create", *_CREATE_MODIFIERS})


def _has_data(query: Phrase) -> bool:
    return [token.code for token in query.tokens[-3:]] != ["with", "no", "data"]


def _alter(phrase: Phrase) -> Effects:
    """ALTER TABLE: the expressions that it evaluates for every row there is."""
    if _after_command(phrase).code() != "table":
        return ()
    commands = [_evaluated(command) for command in phrase.split(",")]
    return tuple(effect for found in commands if found for effect in read_query(found))


def _evaluated(command: Phrase) -> Phrase | None:
    """`TYPE … USING expression`, `ADD … DEFAULT expression`, `ADD … CHECK (expression)`."""
    begin = command.find("using")
    adds = command.find("add")
    if begin is None and adds is not None:
        begin = command.part(adds + 1).find("default", "check")
    last = [token.code for token in command.tokens[-2:]]
    return None if begin is None or last == ["not", "valid"] else command.part(begin)


def _explain(phrase: Phrase) -> Effects:
    """EXPLAIN runs its statement only with ANALYZE; EXECUTE must know the statement anyway."""
    words = _after_command(phrase)
    analyzes = _takes_analyze(words)
    inner = words.rest()
    command = command_of(inner)
    if command == "declare":  # the query runs, the cursor is not made
        return read_query(inner) if analyzes else ()
    if analyzes:
        return effects_of(inner) if command != "explain" else ()
    query = _source_query(inner) if command == "create" else inner
    return _execute(query)[:1] if query and command_of(query) == "execute" else ()


def _takes_analyze(words: Words) -> bool:
    if words.code() == "(":
        begin = words.at
        words.at = words.source.step(begin)
        options = Phrase(words.source, begin + 1, words.at - 1).split(",")
        chosen = [_is_on(option) for option in options if _names_analyze(option)]
        return bool(chosen) and chosen[-1]
    analyzes = words.skip("analyze", "analyse")
    words.skip("verbose")
    return analyzes


def _names_analyze(option: Phrase) -> bool:
    return option.words().code() in ("analyze", "analyse")


def _is_on(option: Phrase) -> bool:
    return option.words().token(1).value.lower() not in ("false", "off", "0")


def _do(phrase: Phrase) -> Effects:
    body, language = do_block(phrase)
    source = phrase.source
    return body_effects(body, language, source.level + 1, effects_of, source.callables)


def do_block(phrase: Phrase) -> tuple[str, str]:
    """The body of a DO, UNKNOWN if it is not written there, and its language."""
    tokens = phrase.source.tokens
    body, language = UNKNOWN, "plpgsql"
    for at in range(phrase.lo + 1, phrase.hi):
        if phrase.source.code(at - 1) == "language":
            language = tokens[at].value
        elif tokens[at].kind is Kind.STRING:
            body = tokens[at].value
    return body, language


RECOGNISERS: Mapping[str, Callable[[Phrase], Effects]] = {
    "set": read_set,
    "reset": read_reset,
    "select": read_select,
    "with": read_select,
    "values": read_query,
    "table": read_query,
    "insert": read_query,
    "update": read_query,
    "delete": read_query,
    "merge": read_query,
    "copy": read_query,
    "call": read_query,
    "listen": _listen,
    "unlisten": _unlisten,
    "declare": _declare,
    "close": _close,
    "fetch": _fetch,
    "move": _fetch,
    "prepare": _prepare,
    "execute": _execute,
    "deallocate": _deallocate,
    "load": _load,
    "discard": _discard,
    "create": _create,
    "drop": drop_effects,
    "alter": _alter,
    "import": import_effects,
    "explain": _explain,
    "do": _do,
}
"""First keyword → what reads the statement."""

_POSTGRES_WORDS = """
    abort analyse analyze begin call checkpoint cluster comment commit end grant lock notify
    reassign refresh reindex release revoke rollback savepoint security show start table
    truncate vacuum
"""
_FOREIGN_WORDS = """
    backup cancel identify_system kill pause reconnect reload restore resume shutdown suspend
    unload upsert wait_close
"""
WITHOUT_EFFECT = frozenset(_POSTGRES_WORDS.split())
"""The other commands of PostgreSQL; control.py reads some of them."""

FOREIGN = frozenset(_FOREIGN_WORDS.split())
"""Commands of consoles and of other dialects that leave nothing but by what they call."""
