"""How the client's settings travel with one text: pure, a part of its trial.

A setting that the session would keep is made local to its transaction, and what the
client has set is put in force again wherever the text begins another one: behind its
BEGIN, before a statement that is a transaction of its own, after AND CHAIN. For a single
statement this says what goes before and after it, so that a driver may choose how; into
a text of several statements it is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .effects import (
    ENCODING,
    Bound,
    Control,
    ControlVerb,
    Edit,
    Effect,
    EffectKind,
    Part,
    Statement,
    Verb,
)
from .session.books import Books
from .session.keys import is_true, param
from .session.settings import AUTHORIZATION, LOGIN, NOTHING, Carried
from .sql.manners import Manner, manner
from .sql.putting import lasting_statement, quiet_statements
from .sql.setting_values import is_part


# Nobody compares or prints it, and to make the methods for that takes time at each import.
@dataclass(eq=False, repr=False)
class Carrying:
    """The settings of one client on their way with one text.

    `frame`: settings of the blocks around (`settings()`); `in_force`: the transaction at hand has
    all of them already; `can_add`: the driver can send statements of ours along; `can_ask`: and
    read their results at once, `can_follow`: and hide those of what is written into its text;
    `takes_modes`: they can come before the first query of the transaction, as what it begins with
    must; `escapes`: in its strings a backslash may be one; `batch`: the parameters of all its
    executions, where there are several; `is_readable`: it ends where it should, so that more can
    follow; `only_books`: nothing is changed on the wire, it is only noted what would be carried;
    `is_judged`: and what could not be carried is told; `began`: what the connection was opened
    with that the pooler keeps for it.
    """

    text: str
    draft: Books[Any]
    is_single: bool
    frame: Carried = NOTHING
    in_force: bool = False
    can_add: bool = True
    can_ask: bool = True
    can_follow: bool = False
    takes_modes: bool = True
    escapes: bool = False
    batch: Sequence[Any] = ()
    is_readable: bool = True
    only_books: bool = False
    is_judged: bool = True
    began: Mapping[str, str] = field(default_factory=dict)
    way: Manner = Manner.PIPED
    before: Carried | None = None
    after: Carried | None = None
    ask: tuple[str, ...] = ()
    insertions: list[Edit] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    _spare: Carried = NOTHING
    _results: int = 0
    _end: int = 0

    @property
    def now(self) -> Carried:
        """What a transaction that begins here should have."""
        return self.draft.settings.over(self.frame) if self.frame else self.draft.settings

    @property
    def _given(self) -> Carried:
        """What it has to be given; the rest the session has itself, where nobody shares it."""
        return self.frame.unless_set(self.draft.settings) if self.only_books else self.now

    @property
    def put_in_force(self) -> Collection[str]:
        """The settings that each transaction begins with, whoever else keeps them.

        Session authorization decides who sets the others, and ends the role.
        """
        own = self.draft.settings
        return {*own.given, *own.values, *self.frame.values, AUTHORIZATION}

    # transactions

    def statement(self, statement: Statement) -> bool:
        """A statement that is no transaction control. False: it cannot have the settings."""
        carried = self.in_force or self._opens(statement)
        self._results += 1
        self._end = statement.end
        return carried

    def _opens(self, statement: Statement) -> bool:
        """The statement begins a transaction of its own, or one for those after it."""
        if not self.is_single:
            self.in_force = True
            self._insert(statement.start, self._given, before=True, modes=True)
            return True
        if not self._wanted:
            return True
        self.way = manner(self.text)
        # What is not readable as a whole is told as such, and refused by the server.
        if self.way is Manner.BARE or not self.is_readable:
            self._spare = self._given
            return True
        if self.way is Manner.ALONE or not self.can_add:
            return False
        self.before = self._given or None
        return self.takes_modes or not self._given.modes

    @property
    def missing(self) -> list[str]:
        """The settings that a statement has to do without."""
        return self._wanted.names if self.before is None else list(self._given.modes)

    @property
    def _wanted(self) -> Carried:
        return self.now if self.is_judged else self._given

    def begins(self, statement: Statement, control: Control) -> None:
        """BEGIN: it says the modes that are default, and the settings follow it."""
        self._results += 1
        if self.in_force:
            return
        self.in_force = True
        given = self._given
        modes = [words for name, words in given.modes.items() if name not in control.modes]
        if modes:
            end = statement.end
            self.insertions.append(Edit(end, end, " " + " ".join(modes)))
        self._follow(statement, given)

    def ends(self, statement: Statement, *, chain: bool, anew: bool) -> None:
        """COMMIT, ROLLBACK, PREPARE TRANSACTION; AND CHAIN begins the next one at once.

        It begins as the one before was when it ended. A failed one is, for the server, what
        it began as: with what is default (`anew`), unless it had come by AND CHAIN itself.
        """
        self._results += 1
        self.in_force = chain
        # In a pipeline each one is a statement by itself, and the driver sends the modes.
        if chain and anew and self._given.modes and self.can_ask:
            self._insert(statement.end, self._given, before=False, modes=True)
        elif chain:
            self._follow(statement, self._given)

    def passes(self, control: Control) -> bool:
        """SAVEPOINT and the like. False: it would need the client's role, and cannot have it.

        Only who prepared a transaction may end it, and that cannot be done within another one.
        """
        self._results += 1
        is_late = control.verb in (ControlVerb.COMMIT_PREPARED, ControlVerb.ROLLBACK_PREPARED)
        return not (is_late and not self.in_force and self._given.identity != LOGIN)

    def _follow(self, statement: Statement, what: Carried) -> None:
        self._end = statement.end
        self._then(what)

    def _then(self, what: Carried) -> None:
        """Put settings in force behind the statement at hand."""
        if not what:
            return
        if self.is_single:
            self.after, self.way = what, Manner.QUERY
        else:
            self._insert(self._end, what, before=False)

    def _insert(self, at: int, what: Carried, *, before: bool, modes: bool = False) -> None:
        """Write the settings into the text; their results are to be hidden."""
        texts = list(quiet_statements(what.steps))
        if modes and what.modes:
            texts.insert(0, f"SET TRANSACTION {' '.join(what.modes.values())}")
        if not texts:
            return
        joined = "; ".join(texts)
        self.insertions.append(Edit(at, at, f"{joined}; " if before else f"; {joined}"))
        self.hidden += range(self._results, self._results + len(texts))
        self._results += len(texts)

    # settings

    def takes(self, effect: Effect, name: str | None, params: Any, *, editable: bool) -> bool:
        """Whether a change of a setting can be carried; if so, it is noted and made local.

        `name` None: all of them.
        """
        if effect.verb is Verb.RELEASE:
            return self._drops(effect, name)
        if not name or effect.edits is None or not self._can_change(editable=editable):
            return False
        if name == ENCODING and not self.only_books:
            return False  # what travels with it would be encoded by the driver as before
        if self.batch:
            return self._takes_all(effect)
        if _is_null(effect, params):  # set_config(name, NULL, …)
            return self._drops(effect, name)
        value = self._said(effect, params)
        if (value is None or is_part(name, value)) and not self.only_books:
            if not (self.is_single and self.can_ask):
                return False
            self.ask = (*self.ask, name)
        self.draft.settings = self.draft.settings.put(name, value or "")
        self._localise(effect)
        return True

    def _said(self, effect: Effect, params: Any) -> str | None:
        """The value, if the text tells it: not with standard_conforming_strings off."""
        value = _value(effect.value, params)
        is_string = self.escapes and not isinstance(effect.value, Bound)
        return None if is_string and value is not None and "\\" in value else value

    def _can_change(self, *, editable: bool) -> bool:
        if self.only_books:
            return True
        # Where nothing can be added, nobody hears in time whether it succeeded.
        return editable and self.can_add and self.is_readable

    def _takes_all(self, effect: Effect) -> bool:
        """Many executions of one set_config: what the session would hold after the last."""
        settings = self.draft.settings
        for params in self.batch:
            if effect.scope_param is not None and is_true(param(effect.scope_param, params)):
                continue
            name = _value(effect.key[0], params)
            value = _value(effect.value, params)
            if not name or (value is None and not _is_null(effect, params)):
                return False
            if value is not None and is_part(name, value):
                return False
            name = name.lower()
            settings = settings.drop(name) if value is None else settings.put(name, value)
        self.draft.settings = settings
        self._localise(effect)
        return True

    def resets_locally(self, name: str | None) -> None:
        """SET LOCAL name TO DEFAULT: to the value that the client gave at start-up."""
        given = {**self.began, **self.draft.settings.given}
        if name is not None and name in given and self.in_force and not self.only_books:
            self._then(Carried(given={name: given[name]}))

    def goes_back(self, effect: Effect, name: str | None, statement: Statement) -> None:
        """RESET of what the pooler keeps, to what the connection was opened with.

        The server would go back to what the pooler opened its own connection with.
        """
        if effect.kind is not EffectKind.SETTING or effect.function:
            return
        if name is not None and name in self.began and effect.edits is not None:
            said = lasting_statement(name, self.began[name])
            self.insertions.append(Edit(statement.start, statement.end, said))
        elif effect.key or statement.command != "RESET":
            return
        elif not self.can_follow:
            self._gives()
        elif self.began:
            texts = [lasting_statement(*one) for one in self.began.items()]
            self.insertions.append(Edit(statement.end, statement.end, "; " + "; ".join(texts)))
            self.hidden += range(self._results, self._results + len(texts))
            self._results += len(texts)

    def _gives(self) -> None:
        """What the connection was opened with is carried from here on, like refused options.

        The pooler has lost it, and no statement can follow to tell it again.
        """
        began = {name: value for name, value in self.began.items() if name != ENCODING}
        if began:
            self.draft.settings = self.draft.settings.also_given(began)

    def leaves(self, effect: Effect, name: str | None, params: Any) -> None:
        """The pooler keeps this change, which is not carried: what was carried before is over."""
        if self.only_books:
            self.takes(effect, name, params, editable=False)
        elif effect.verb is Verb.ACQUIRE:
            self.draft.settings = self.draft.settings.without(name or "")

    def _localise(self, effect: Effect) -> None:
        if self.only_books or effect.edits is None:
            return
        self.insertions.extend(effect.edits)
        if not effect.function and not effect.edits:
            # SET SESSION CHARACTERISTICS of several modes: one more SET LOCAL for each.
            given = self.after.given if self.after else {}
            self._then(Carried(given={**given, effect.name: str(effect.value)}))
        if self.is_single and not self.in_force and not effect.function:
            # SET LOCAL: alone, it would be without effect, and without a check of its value.
            self.way = Manner.QUERY
            self.before = self._spare if self.before is None else self.before

    def _drops(self, effect: Effect, name: str | None) -> bool:
        """RESET is sent as it is: the session's own value is nobody's."""
        if name is None and effect.key:
            return False
        settings = self.draft.settings
        in_pipeline = self.draft.segment
        if effect.function and settings.given and not (self.can_ask or in_pipeline):
            return False  # nothing can follow, to set it to what was given
        self.draft.settings = settings.drop_all() if name is None else settings.drop(name)
        given = settings.only_given.given
        back = {key: value for key, value in given.items() if name in (None, key)}
        # A RESET that a pipeline begins with comes before the settings, set_config() after them.
        in_force = self.in_force or (in_pipeline and effect.function)
        if in_force and not self.only_books:
            self._then(Carried(given=back))  # RESET went past what the client gave at start-up
        return True

    def discards(self) -> None:
        """DISCARD ALL."""
        self.draft.settings = self.draft.settings.discard()
        self._gives()
        if not self.draft.in_block:  # it commits at once, or fails
            self.draft.settled = self.draft.settings


def _is_null(effect: Effect, params: Any) -> bool:
    """Whether set_config() gets a parameter that is None."""
    given = effect.value if effect.function and params is not None else None
    return isinstance(given, Bound) and param(given, params) is None


def _value(part: Part | None, params: Any) -> str | None:
    """The value if it is told; of parameters only a str is sure to reach the server as it is."""
    if isinstance(part, Bound):
        value = param(part, params)
        return value if type(value) is str else None
    return part
