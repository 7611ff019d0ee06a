"""Transaction control (gram.y, TransactionStmt)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..effects import Control, ControlVerb
from .assignments import transaction_modes
from .lexer import Kind
from .phrases import Phrase, Words


def read_control(phrase: Phrase) -> Control | None:
    """The control statement that this is; None for every other statement."""
    words = phrase.words()
    read = _READERS.get(words.take().code)
    return read(words) if read is not None else None


def _begin(words: Words) -> Control:
    return Control(ControlVerb.BEGIN, modes=frozenset(transaction_modes(words)))


def _start(words: Words) -> Control | None:
    return _begin(words) if words.skip("transaction") else None


def _end(verb: ControlVerb) -> Callable[[Words], Control]:
    def read(words: Words) -> Control:
        words.skip("work", "transaction")
        return Control(verb, chain=words.skip_all("and", "chain"))

    return read


def _commit(words: Words) -> Control:
    if words.skip("prepared"):
        return Control(ControlVerb.COMMIT_PREPARED)
    return _end(ControlVerb.COMMIT)(words)


def _rollback(words: Words) -> Control:
    if words.skip("prepared"):
        return Control(ControlVerb.ROLLBACK_PREPARED)
    ahead = 1 if words.code() in ("work", "transaction") else 0
    if words.code(ahead) == "to":
        words.at += ahead + 1
        return Control(ControlVerb.ROLLBACK_TO, _savepoint(words))
    return _end(ControlVerb.ROLLBACK)(words)


def _named(verb: ControlVerb) -> Callable[[Words], Control]:
    return lambda words: Control(verb, _savepoint(words))


def _savepoint(words: Words) -> str | None:
    """`[SAVEPOINT] name`; a savepoint can itself be called savepoint."""
    if words.code() == "savepoint" and words.token(1).is_name:
        words.take()
    name = words.name()
    return name if isinstance(name, str) and name else None


def _prepare(words: Words) -> Control | None:
    """PREPARE TRANSACTION 'id'; `PREPARE transaction AS …` makes a statement of that name."""
    found = words.code() == "transaction" and words.token(1).kind in (Kind.STRING, Kind.PARAM)
    return Control(ControlVerb.PREPARE_TRANSACTION) if found else None


_READERS: Mapping[str, Callable[[Words], Control | None]] = {
    "begin": _begin,
    "start": _start,
    "commit": _commit,
    "end": _end(ControlVerb.COMMIT),
    "rollback": _rollback,
    "abort": _end(ControlVerb.ROLLBACK),
    "savepoint": _named(ControlVerb.SAVEPOINT),
    "release": _named(ControlVerb.RELEASE),
    "prepare": _prepare,
}
