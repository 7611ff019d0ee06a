"""Which way a text can go to the server when settings are to travel with it.

In autocommit the settings of a client can only be in force for a statement if both are in
one transaction: an implicit one, which PostgreSQL makes of a pipeline up to its Sync and
of the statements of one simple Query (its manual, 54.2.2.1 and 54.2.4). `ROWS` says of
each kind of statement whether it means the same in there. What may not run inside a
transaction block: the callers of PreventInTransactionBlock in PostgreSQL's source; what
must: the callers of RequireTransactionBlock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from ..effects import ControlVerb
from .control import read_control
from .lexer import Kind, Token, scan
from .phrases import Phrase, Words, source, statements
from .quick import first_word, has_more
from .reader import remember
from .statements import command_of, do_block


class Manner(Enum):
    """How a text is sent while settings are in force, outside a transaction block.

    PIPED: in a pipeline, after `SELECT set_config(name, value, true), …`. With parameters
    every text but a BARE or an ALONE one goes this way.
    QUERY: in one simple Query, after `SET LOCAL name = value; …`: several statements, what
    the extended protocol cannot carry (COPY from or to the client) or answers differently.
    BARE: as it is, and the settings do not matter to it: it ends or needs a transaction, or
    sets something itself. In the other forms it would mean something else.
    ALONE: as it is, and the settings cannot be in force for it: it must run outside a
    transaction block, or may end the transaction that it runs in, or cannot be read.
    """

    PIPED = "piped"
    QUERY = "query"
    BARE = "bare"
    ALONE = "alone"


_cache: dict[str, Manner] = {}

known_manner = _cache.get
"""The manner of a text that was seen before, or None: one dict look-up."""


def manner(text: str) -> Manner:
    """The way that a text can go, as the user wrote it; pure, for any str, and cached."""
    found = known_manner(text)
    if found is None:
        found = Manner.PIPED if _is_plainly_one(text) else _manner(text)
        remember(_cache, text, found)
    return found


def begins_bare(text: str) -> bool:
    """Whether it is BARE, but a statement that a transaction can begin with: SET, RESET, …"""
    return manner(text) is Manner.BARE and first_word(text) in ("set", "reset")


def commits_at_once(text: str) -> bool | None:
    """Whether a statement ends its transaction even in a pipeline; None: perhaps.

    So do those that PostgreSQL never runs in a transaction block: XACT_FLAGS_NEEDIMMEDIATECOMMIT
    in postgres.c (from 14.5 on). Of a subscription that depends on its options.
    """
    found = manner(text)
    if found is not Manner.ALONE:
        return found is Manner.BARE and first_word(text) == "discard"  # DISCARD ALL
    phrases = list(statements(source(text)))
    words = phrases[0].words() if len(phrases) == 1 else None
    if words is None or words.take().code not in ("vacuum", "create", "drop", "alter"):
        return None
    return None if words.code() == "subscription" else True


_QUERIES = frozenset("select insert update delete with values show table merge".split())


def _is_plainly_one(text: str) -> bool:
    """Whether it is one query without `$1`, as far as a look can tell."""
    return "$" not in text and first_word(text) in _QUERIES and not has_more(text)


def _manner(text: str) -> Manner:
    code = source(text)
    phrases = list(statements(code))
    if not phrases:
        return Manner.BARE
    if not code.complete:
        return Manner.ALONE
    if len(phrases) == 1:
        return _of_one(phrases[0])
    # To several statements in one Query a transaction is nothing new: what cannot run in
    # one is refused anyway. With transaction control in it, it is more than one.
    controls = any(read_control(phrase) is not None for phrase in phrases)
    return Manner.ALONE if controls else Manner.QUERY


def _of_one(phrase: Phrase) -> Manner:
    control = read_control(phrase)
    if control is not None:
        return Manner.ALONE if control.verb in _PREPARED else Manner.BARE
    row = ROWS.get(command_of(phrase), Manner.ALONE)
    found = row if isinstance(row, Manner) else row(phrase)
    numbered = found is Manner.PIPED and any(map(_is_numbered, phrase.tokens))
    return Manner.QUERY if numbered else found


_PREPARED = (ControlVerb.COMMIT_PREPARED, ControlVerb.ROLLBACK_PREPARED)


def _is_numbered(token: Token) -> bool:
    """Whether it is `$1`: without parameters only the simple protocol knows what to say."""
    return token.kind is Kind.PARAM and token.value.startswith("$")


def _after_command(phrase: Phrase) -> Words:
    words = phrase.words()
    words.take()
    return words


def _alone_if(is_alone: bool) -> Manner:
    return Manner.ALONE if is_alone else Manner.PIPED


# Kinds of statements


def _analyze(phrase: Phrase) -> Manner:
    """Of several tables each one has a transaction of its own (vacuum.c, vacuum)."""
    words = _after_command(phrase)
    if words.code() == "(":
        words.at = words.source.step(words.at)
    words.skip("verbose")
    return _alone_if(len(words.rest().split(",")) != 1)


def _copy(phrase: Phrase) -> Manner:
    """From or to the client; PostgreSQL takes STDIN and STDOUT for the same."""
    at = phrase.find("stdin", "stdout")
    while at is not None and phrase.source.code(at - 1) not in ("from", "to"):
        at = phrase.part(at + 1).find("stdin", "stdout")
    return Manner.PIPED if at is None else Manner.QUERY


def _create(phrase: Phrase) -> Manner:
    words = _after_command(phrase)
    words.skip("unique")
    return _alone_if(words.code() in _OF_THE_CLUSTER or _is_concurrent_index(words))


def _drop(phrase: Phrase) -> Manner:
    words = _after_command(phrase)
    return _alone_if(words.code() in _OF_THE_CLUSTER or _is_concurrent_index(words))


_OF_THE_CLUSTER = ("database", "tablespace", "subscription")


def _is_concurrent_index(words: Words) -> bool:
    return words.skip_all("index", "concurrently")


def _alter(phrase: Phrase) -> Manner:
    words = _after_command(phrase)
    is_alone = _ALTERED.get(words.take().code)
    return _alone_if(is_alone is not None and is_alone(words))


def _always(_words: Words) -> bool:
    return True


def _moves(words: Words) -> bool:
    words.name()
    return words.skip_all("set", "tablespace")


def _subscribes(words: Words) -> bool:
    """All that may talk to the publisher; so far also SET (…), by version and option."""
    words.name()
    return words.code() in ("set", "add", "drop", "refresh")


def _detaches(words: Words) -> bool:
    """`… DETACH PARTITION name CONCURRENTLY`."""
    return words.token(words.end - words.at - 1).code == "concurrently"


_ALTERED: Mapping[str, Callable[[Words], bool]] = {
    "system": _always,
    "database": _moves,
    "subscription": _subscribes,
    "table": _detaches,
}


def _declare(phrase: Phrase) -> Manner:
    """Without WITH HOLD it must be in a transaction block."""
    codes = [token.code for token in phrase.part(phrase.lo, phrase.find("for")).tokens]
    return Manner.PIPED if codes[-2:] == ["with", "hold"] else Manner.BARE


def _discard(phrase: Phrase) -> Manner:
    return Manner.BARE if _after_command(phrase).code() == "all" else Manner.PIPED


def _do(phrase: Phrase) -> Manner:
    """ALONE where the code may commit: never in what it EXECUTEs (pl_exec.c), but by CALL."""
    body, language = do_block(phrase)
    tokens = scan(body, placeholders=False).tokens
    if not tokens or language.lower() != "plpgsql":
        return Manner.ALONE
    return _alone_if(any(_may_commit(tokens, at) for at in range(len(tokens))))


def _may_commit(tokens: Sequence[Token], at: int) -> bool:
    """COMMIT, ROLLBACK, CALL, or DO with code (ON CONFLICT DO NOTHING has none)."""
    if tokens[at].code != "do":
        return tokens[at].code in ("commit", "rollback", "call")
    after = tokens[at + 1 : at + 2]
    return any(token.kind is Kind.STRING or token.code == "language" for token in after)


_PIPED_WORDS = """
    checkpoint comment deallocate execute explain grant import listen load notify prepare
    reassign refresh revoke security truncate unlisten
"""
_BARE_WORDS = "close fetch lock move reset set"
# REINDEX TABLE t and CLUSTER t are among them when t is partitioned, which only the server
# knows; CALL when the procedure commits.
_ALONE_WORDS = "call cluster reindex vacuum"

ROWS: Mapping[str, Manner | Callable[[Phrase], Manner]] = {
    **dict.fromkeys(_QUERIES, Manner.PIPED),
    **dict.fromkeys(_PIPED_WORDS.split(), Manner.PIPED),
    **dict.fromkeys(_BARE_WORDS.split(), Manner.BARE),
    **dict.fromkeys(_ALONE_WORDS.split(), Manner.ALONE),
    "alter": _alter,
    "analyse": _analyze,
    "analyze": _analyze,
    "copy": _copy,
    "create": _create,
    "declare": _declare,
    "discard": _discard,
    "do": _do,
    "drop": _drop,
}
"""First keyword → the way of a single statement; one that is not here goes ALONE."""
