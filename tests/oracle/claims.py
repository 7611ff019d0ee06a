"""What the reader says, in a form that can be held against the state of a session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pgpoolsafe.effects import Bound, Effect, EffectKind, Scope, Verb

from .states import Change, State, Thing, is_set

K = EffectKind

SETTINGS = (K.SETTING.value, K.ROLE.value)

# What SQL cannot show, and what says of itself that it cannot tell.
UNOBSERVABLE = frozenset({K.SEQUENCE, K.OPAQUE_CODE, K.UNREADABLE})
# The state of random(), and dblink's connection without a name.
_UNSEEN = (("seed",), ("unnamed",))
_OBSERVABLE_FUNCTIONS = ("dblink_connect", "dblink_disconnect", "replication")
CANNOT_TELL = frozenset({K.OPAQUE_CODE, K.UNREADABLE})

# The parts of DISCARD ALL (documentation of DISCARD).
_EVERYTHING = (
    K.SETTING, K.ROLE, K.PREPARED_STATEMENT, K.HELD_CURSOR, K.CHANNEL, K.ADVISORY_LOCK,
    K.TEMP_OBJECT, K.SEQUENCE,
)  # fmt: skip
_DISCARDED = {"": _EVERYTHING, "temp": (K.TEMP_OBJECT,), "sequences": (K.SEQUENCE,)}


@dataclass(frozen=True, slots=True)
class Claim:
    """One effect; `key` empty: any of its kind. Not `certain`: its statement failed."""

    kind: str
    verb: Verb
    key: tuple[str, ...]
    shared: bool = False
    local: bool = False
    certain: bool = True

    def covers(self, thing: Thing) -> bool:
        """Whether it speaks of this thing."""
        if self.kind != thing.kind and not self._settles(thing):
            return False
        if self.kind == K.ADVISORY_LOCK.value and self.shared != thing.shared:
            return not self.key
        return not self.key or self.key == thing.key or self.kind != thing.kind

    def _settles(self, thing: Thing) -> bool:
        """A setting of unknown name can be a role; session_authorization takes role along."""
        return self.kind == K.SETTING.value and not self.key and thing.kind == K.ROLE.value

    def explains(self, change: Change) -> bool:
        """Whether it accounts for a change."""
        thing = change.thing
        if self.kind == K.ROLE.value == thing.kind and self.key == ("session_authorization",):
            return True
        if not self.covers(thing):
            return False
        if thing.kind in SETTINGS or change.verb == "changed":
            return True
        return (self.verb is Verb.ACQUIRE) == (change.verb == "made")

    def holds(self, after: State, at_start: State) -> bool:
        """Whether the state of the session is as it says."""
        things = [thing for thing in after if self.covers(thing)]
        if self.verb is Verb.ACQUIRE:
            return any(is_set(thing, after, at_start) for thing in things)
        return not self.key or not any(is_set(thing, after, at_start) for thing in things)

    def __str__(self) -> str:
        local = " (transaction)" if self.local else ""
        return f"{self.verb.value} {Thing(self.kind, self.key, self.shared)}{local}"


def claims(effects: Iterable[Effect]) -> list[Claim]:
    """What effects say about state that can be looked at; reads say nothing."""
    return [claim for effect in effects for claim in _claims(effect)]


def _claims(effect: Effect) -> Iterator[Claim]:
    if effect.kind is K.EVERYTHING:
        for kind in _DISCARDED.get("".join(map(str, effect.key)), ()):
            yield Claim(kind.value, Verb.RELEASE, ())
    elif effect.verb is not Verb.READ and _is_observable(effect):
        local = effect.scope is Scope.TRANSACTION
        claim = Claim(effect.kind.value, effect.verb, _key(effect), effect.shared, local)
        yield claim
        if effect.kind is K.ADVISORY_LOCK and not effect.key:  # pg_advisory_unlock_all
            yield replace(claim, shared=True)


def _is_observable(effect: Effect) -> bool:
    if effect.key in _UNSEEN:
        return False
    if effect.kind is K.SESSION_FUNCTION:
        return any(part in (effect.function or "") for part in _OBSERVABLE_FUNCTIONS)
    return effect.kind not in UNOBSERVABLE


def _key(effect: Effect) -> tuple[str, ...]:
    """The key if the state shows it so; () for what only its expression knows."""
    if any(isinstance(part, Bound) for part in effect.key):
        return ()
    key = tuple(str(part) for part in effect.key)
    if effect.kind is K.ADVISORY_LOCK:
        return key if all(part.lstrip("-").isdecimal() for part in key) else ()
    return () if effect.kind is K.LIBRARY else key
