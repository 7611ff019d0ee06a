"""What a statement does, in the words of its own SQL: the subject of a finding."""

from __future__ import annotations

from ..effects import Effect, EffectKind, Scope, Statement, Verb

_K, _V = EffectKind, Verb

_SUBJECTS = {
    (_K.ADVISORY_LOCK, _V.ACQUIRE): "pg_advisory_lock({name})",
    (_K.ADVISORY_LOCK, _V.RELEASE): "pg_advisory_unlock({name})",
    (_K.CHANNEL, _V.ACQUIRE): "LISTEN {name}",
    (_K.CHANNEL, _V.RELEASE): "UNLISTEN {name}",
    (_K.TEMP_OBJECT, _V.ACQUIRE): "the temporary object {name}",
    (_K.TEMP_OBJECT, _V.READ): "the temporary object {name}",
    (_K.HELD_CURSOR, _V.ACQUIRE): "the WITH HOLD cursor {name}",
    (_K.HELD_CURSOR, _V.READ): "the WITH HOLD cursor {name}",
    (_K.PREPARED_STATEMENT, _V.ACQUIRE): "PREPARE {name}",
    (_K.PREPARED_STATEMENT, _V.READ): "EXECUTE {name}",
    (_K.PREPARED_STATEMENT, _V.RELEASE): "DEALLOCATE {name}",
    (_K.LIBRARY, _V.ACQUIRE): "LOAD {name}",
    (_K.EVERYTHING, _V.RELEASE): "DISCARD {name}",
    (_K.OPAQUE_CODE, _V.ACQUIRE): "the code of this {command}",
    (_K.UNREADABLE, _V.ACQUIRE): "the statement",
}

_ALL = {_K.CHANNEL: "*", _K.EVERYTHING: "ALL", _K.SETTING: "ALL", _K.PREPARED_STATEMENT: "ALL"}

_ROLES = {"role": "ROLE", "session_authorization": "SESSION AUTHORIZATION"}


def subject(effect: Effect, statement: Statement) -> str:
    """`SET search_path`, `pg_advisory_lock(42)`, `SET work_mem in a DO block`, …"""
    text = _subject(effect, statement)
    if effect.via:
        return _in_function(text, effect)
    inside = statement.command == "DO" and effect.kind is not _K.OPAQUE_CODE
    return f"{text} in a DO block" if inside else text


def _in_function(text: str, effect: Effect) -> str:
    """`SET work_mem in app.g(), called by app.f()`."""
    innermost, *callers = reversed(effect.via)
    by = "".join(f", called by {caller}" for caller in callers)
    if effect.kind is EffectKind.OPAQUE_CODE:
        return f"the code of {innermost}{by}"
    return f"{text} in {innermost}{by}"


def _subject(effect: Effect, statement: Statement) -> str:
    if effect.function:
        return f"{effect.function}({effect.name or '…'})"
    if effect.kind is EffectKind.ROLE:
        return f"{_set(effect)} {_ROLES.get(effect.name, 'ROLE')}"
    if statement.command == "UPDATE" and effect.kind is EffectKind.SETTING and not effect.via:
        return f"UPDATE pg_settings ({effect.name or '…'})"
    name = effect.name or (_ALL.get(effect.kind, "…") if effect.verb is Verb.RELEASE else "…")
    if effect.kind is EffectKind.EVERYTHING:
        name = name.upper()
    if effect.kind is EffectKind.SETTING:
        return f"{_set(effect)} {name}"
    template = _SUBJECTS.get((effect.kind, effect.verb), "this {command}")
    return template.format(name=name, command=statement.command or "text")


def _set(effect: Effect) -> str:
    if effect.scope is Scope.TRANSACTION:
        return "SET LOCAL"
    return "RESET" if effect.verb is Verb.RELEASE else "SET"


def setting_name(effect: Effect) -> str:
    """The name for the middle of a sentence."""
    return effect.name if effect.name not in ("", "?") else "the setting"
