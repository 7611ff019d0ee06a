"""SET and RESET in every spelling of gram.y (VariableSetStmt, VariableResetStmt).

Where PostgreSQL has a form that ends with the transaction, the effect carries the edits
that make it: `SET x` → `SET LOCAL x`, `RESET x` → `SET LOCAL x TO DEFAULT`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from ..effects import Edit, Effect, EffectKind, Part, Scope, Verb
from .lexer import Kind
from .phrases import UNKNOWN, Phrase, Words, source, statements
from .setting_values import assigned_value

TRANSACTION_ONLY = frozenset(
    {"transaction_isolation", "transaction_read_only", "transaction_deferrable"}
)
"""Settings that end with the transaction however they are set."""

OF_LATER_TRANSACTIONS = frozenset(f"default_{name}" for name in TRANSACTION_ONLY)
"""Settings that are read when a transaction begins: alone, a local form does nothing."""

ROLES = frozenset({"role", "session_authorization"})
"""Settings that say who one is: effects of the kind ROLE."""

# guc.c, map_old_guc_names: the server takes these for the new names.
_OLD_NAMES: Mapping[str, str] = {
    "sort_mem": "work_mem",
    "vacuum_mem": "maintenance_work_mem",
}

# Before one of these the word is the name of a setting, be it `local`, `role` or `time`.
_AFTER_NAME = frozenset({".", "=", "to", "from"})


class Form(NamedTuple):
    """How far a SET reaches, and what would make it local."""

    scope: Scope
    edits: tuple[Edit, ...] = ()


Reader = Callable[[Words, Form], tuple[Effect, ...]]


def setting_effect(effect: Effect, name: Part) -> tuple[Effect, ...]:
    """The effect with its kind and key for a setting; none if the transaction ends it.

    `name` as it is written; settings are looked up without regard to ASCII case.
    """
    if not isinstance(name, str):
        return (replace(effect, kind=EffectKind.SETTING, key=(name,)),)
    known = name.lower()
    known = _OLD_NAMES.get(known, known)
    if known in TRANSACTION_ONLY:
        return ()
    if known == "seed":  # as setseed(): nothing undoes it, not even the end of SET LOCAL
        return (replace(effect, key=(known,), scope=Scope.SESSION, edits=None, lasting=True),)
    kind = EffectKind.ROLE if known in ROLES else EffectKind.SETTING
    return (replace(effect, kind=kind, key=() if known == UNKNOWN else (known,)),)


def read_set(phrase: Phrase) -> tuple[Effect, ...]:
    """SET … in any spelling."""
    words = phrase.words()
    form = _form(words)
    if words.code(1) not in _AFTER_NAME:
        for opening, read in _SPECIAL:
            if words.skip_all(*opening):
                return read(words, form)
    path = words.path()
    return _assigned(words, form, _dotted(path)) if path else ()


def _form(words: Words) -> Form:
    """Take SET and LOCAL or SESSION."""
    start = words.take().end
    modifier = words.code()
    is_name = words.code(1) in _AFTER_NAME
    if modifier == "local" and not is_name:
        words.take()
        return Form(Scope.TRANSACTION)
    takes = modifier == "session" and words.code(1) not in ("authorization", "characteristics")
    if takes and not is_name:
        token = words.take()
        return Form(Scope.SESSION, (Edit(token.start, token.end, "LOCAL"),))
    return Form(Scope.SESSION, (Edit(start, start, " LOCAL"),))


def _dotted(path: tuple[Part, ...]) -> Part:
    """A setting's name from its parts; a placeholder within a longer one is not followed."""
    if len(path) == 1:
        return path[0]
    known = all(isinstance(part, str) and part != UNKNOWN for part in path)
    return ".".join(map(str, path)) if known else UNKNOWN


def _effect(
    form: Form, name: Part, *, resets: bool = False, value: Part | None = None
) -> tuple[Effect, ...]:
    verb = Verb.RELEASE if resets else Verb.ACQUIRE
    value = None if resets else value
    return setting_effect(
        Effect(EffectKind.SETTING, verb, scope=form.scope, edits=form.edits, value=value), name
    )


def _value(words: Words, name: Part) -> Part | None:
    """What the rest of the statement assigns."""
    return assigned_value(words.rest(), name.lower()) if isinstance(name, str) else None


def _assigned(words: Words, form: Form, name: Part) -> tuple[Effect, ...]:
    """`= value`, `TO value`, `TO DEFAULT` or `FROM CURRENT` after the name."""
    if words.skip("from"):
        return _effect(form, name)
    if not words.skip("=", "to") or words.done:
        return ()
    resets = words.code() == "default" or (name == "role" and _is_none(words))
    return _effect(form, name, resets=resets, value=_value(words, name))


def _is_none(words: Words) -> bool:
    token = words.token()
    return token.value == "none" and token.kind is not Kind.SYMBOL


def _role(words: Words, form: Form) -> tuple[Effect, ...]:
    if words.done:
        return ()
    return _effect(form, "role", resets=_is_none(words), value=_value(words, "role"))


def _session_authorization(words: Words, form: Form) -> tuple[Effect, ...]:
    if words.done:
        return ()
    name, resets = "session_authorization", words.code() == "default"
    return _effect(form, name, resets=resets, value=_value(words, name))


def _time_zone(words: Words, form: Form) -> tuple[Effect, ...]:
    if words.done:
        return ()
    resets = words.code() in ("default", "local")
    return _effect(form, "timezone", resets=resets, value=_value(words, "timezone"))


def _names(words: Words, form: Form) -> tuple[Effect, ...]:
    name, resets = "client_encoding", words.done or words.code() == "default"
    return _effect(form, name, resets=resets, value=_value(words, name))


def _named(name: str) -> Reader:
    def read(words: Words, form: Form) -> tuple[Effect, ...]:
        return () if words.done else _effect(form, name, value=_value(words, name))

    return read


def _nothing(_words: Words, _form: Form) -> tuple[Effect, ...]:
    return ()


def _characteristics(words: Words, form: Form) -> tuple[Effect, ...]:
    """One effect for each default that is set.

    The statement becomes a SET LOCAL of the first one; the others have no edits, for each of
    them another SET LOCAL is to follow it.
    """
    is_sound = _are_modes(words.rest())
    found = transaction_modes(words)
    first = next((f"SET LOCAL {name} TO '{value}'" for name, value in found.items()), "")
    # A local form has no edits: it is kept as it is.
    edits: tuple[Edit, ...] | None = tuple(
        Edit(after_set.start - len("SET"), words.token(-1).end, first) for after_set in form.edits
    )
    edits = edits if is_sound else None  # the server says what is wrong with it
    effects: list[Effect] = []
    for name, value in found.items():
        effects.append(
            Effect(EffectKind.SETTING, key=(name,), scope=form.scope, edits=edits, value=value)
        )
        edits = ()
    return tuple(effects)


_LEVEL = "serializable|repeatable read|read (un)?committed"
_MODE = rf"(isolation level ({_LEVEL})|read (only|write)|(not )?deferrable)"
# Not compiled here: few programs come to it, and all of them import this.
_ARE_MODES = rf"{_MODE}( (, )?{_MODE})*"


def _are_modes(phrase: Phrase) -> bool:
    """Whether the server takes it for a list of modes."""
    codes = " ".join(token.code or "?" for token in phrase.tokens)
    return re.fullmatch(_ARE_MODES, codes) is not None


def transaction_modes(words: Words) -> dict[str, str]:
    """The defaults that belong to the modes of BEGIN, SET TRANSACTION and the like.

    A mode that is given twice is the last one (the server refuses some of these).
    """
    found: dict[str, str] = {}
    while not words.done:
        before, token = words.token(-1), words.take()
        if token.code == "level":
            name, value = "default_transaction_isolation", _level(words)
        elif token.code == "read":
            name, value = "default_transaction_read_only", _ON[words.take().code == "only"]
        elif token.code == "deferrable":
            name, value = "default_transaction_deferrable", _ON[before.code != "not"]
        else:
            continue
        found.pop(name, None)
        found[name] = value
    return found


def modes_set_by(text: str) -> frozenset[str]:
    """The defaults that a text overrides for the transaction at hand: SET TRANSACTION …"""
    found: set[str] = set()
    for phrase in statements(source(text)):
        words = phrase.words()
        if words.take().code != "set":
            continue
        words.skip("local", "session")
        name = words.take().code
        if name == "transaction":
            found |= transaction_modes(words).keys()
        elif name in TRANSACTION_ONLY:
            found.add(f"default_{name}")
    return frozenset(found)


_ON = {True: "on", False: "off"}


def _level(words: Words) -> str:
    first = words.take().code
    return f"{first} {words.take().code}" if first in ("read", "repeatable") else first


# The spellings that are not `name = value`, by the keywords after SET [LOCAL|SESSION].
_SPECIAL: tuple[tuple[tuple[str, ...], Reader], ...] = (
    (("time", "zone"), _time_zone),
    (("names",), _names),
    (("schema",), _named("search_path")),
    (("xml", "option"), _named("xmloption")),
    (("role",), _role),
    (("session", "authorization"), _session_authorization),
    (("session", "characteristics", "as", "transaction"), _characteristics),
    (("transaction",), _nothing),
    (("constraints",), _nothing),
)


def read_reset(phrase: Phrase) -> tuple[Effect, ...]:
    """RESET … in any spelling."""
    words = phrase.words()
    reset = words.take()
    to_local = Edit(reset.start, reset.end, "SET LOCAL")
    if words.code() == "all":
        return (Effect(EffectKind.SETTING, Verb.RELEASE),)
    if words.skip_all("transaction", "isolation", "level"):
        return ()
    name, suffix = _reset_name(words)
    if not name:  # or one that cannot be told
        return ()
    end = words.token(-1).end
    form = Form(Scope.SESSION, (to_local, Edit(end, end, suffix)))
    return _effect(form, name, resets=True)


def _reset_name(words: Words) -> tuple[Part | None, str]:
    """The setting, and what SET LOCAL needs after it to take the default."""
    if words.skip_all("time", "zone"):
        return "timezone", " DEFAULT"
    if words.skip_all("session", "authorization"):
        return "session_authorization", " DEFAULT"
    path = words.path()
    return (_dotted(path) if path else None), " TO DEFAULT"
