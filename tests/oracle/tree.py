"""The second judge: the effects of a statement read from PostgreSQL's own syntax tree.

libpg_query's grammar through pglast, in tests only: it is not fit for a live process (deep
expressions end it), and its licence is not ours. It shows what a text says, not what the
server does with it; code inside strings (DO, EXECUTE) it does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pglast import ast, enums
from pglast.parser import parse_sql

from pgpoolsafe.effects import Effect, EffectKind, Scope, Verb
from pgpoolsafe.sql.reader import read

from .tree_calls import Seen, expressions, names_of, nodes, seen, setting, text_of

K, V = EffectKind, Verb

_CHARACTERISTICS = {
    "transaction_isolation": "default_transaction_isolation",
    "transaction_read_only": "default_transaction_read_only",
    "transaction_deferrable": "default_transaction_deferrable",
}


def effects_in_tree(text: str) -> list[set[Seen]]:
    """The effects of every statement of a text. Raises pglast's ParseError."""
    return [set(_statement(raw.stmt)) for raw in parse_sql(text)]


def _statement(node: Any) -> Iterator[Seen]:
    read = _STATEMENTS.get(type(node))
    if read is not None:
        yield from read(node)


def _set(node: Any) -> Iterator[Seen]:
    kind = enums.VariableSetKind(node.kind)
    if kind is enums.VariableSetKind.VAR_RESET_ALL:
        yield seen(K.SETTING, V.RELEASE)
    elif kind is enums.VariableSetKind.VAR_SET_MULTI:
        if node.name == "SESSION CHARACTERISTICS":
            for option in node.args:
                name = _CHARACTERISTICS[option.defname]
                yield seen(K.SETTING, V.ACQUIRE, name, local=bool(node.is_local))
    else:
        resets = kind in (
            enums.VariableSetKind.VAR_RESET,
            enums.VariableSetKind.VAR_SET_DEFAULT,
        )
        none = node.name == "role" and text_of(next(iter(node.args or ()), None)) == "none"
        verb = V.RELEASE if resets or none else V.ACQUIRE
        yield from setting(node.name, verb, local=bool(node.is_local))


def _listen(node: Any) -> Iterator[Seen]:
    yield seen(K.CHANNEL, V.ACQUIRE, node.conditionname)


def _unlisten(node: Any) -> Iterator[Seen]:
    yield seen(K.CHANNEL, V.RELEASE, node.conditionname or "")


def _prepare(node: Any) -> Iterator[Seen]:
    yield seen(K.PREPARED_STATEMENT, V.ACQUIRE, node.name)


def _execute(node: Any) -> Iterator[Seen]:
    yield seen(K.PREPARED_STATEMENT, V.READ, node.name)
    yield from expressions(node.params)


def _deallocate(node: Any) -> Iterator[Seen]:
    yield seen(K.PREPARED_STATEMENT, V.RELEASE, node.name or "")


def _declare(node: Any) -> Iterator[Seen]:
    if node.options & enums.CURSOR_OPT_HOLD:
        yield seen(K.HELD_CURSOR, V.ACQUIRE, node.portalname)
    yield from expressions(node.query)


def _close(node: Any) -> Iterator[Seen]:
    yield seen(K.HELD_CURSOR, V.RELEASE, node.portalname or "")


def _fetch(node: Any) -> Iterator[Seen]:
    yield seen(K.HELD_CURSOR, V.READ, node.portalname)


def _load(node: Any) -> Iterator[Seen]:
    yield seen(K.LIBRARY, V.ACQUIRE, node.filename)


def _discard(node: Any) -> Iterator[Seen]:
    names = {
        enums.DiscardMode.DISCARD_ALL: "",
        enums.DiscardMode.DISCARD_PLANS: "plans",
        enums.DiscardMode.DISCARD_SEQUENCES: "sequences",
        enums.DiscardMode.DISCARD_TEMP: "temp",
    }
    name = names[enums.DiscardMode(node.target)]
    yield seen(K.EVERYTHING, V.RELEASE, name)
    if name == "temp":
        yield seen(K.TEMP_OBJECT, V.RELEASE)


def _relation(rel: Any, drops: bool = False) -> Iterator[Seen]:
    if rel.relpersistence == "t" or (rel.schemaname or "").startswith("pg_temp"):
        yield seen(K.TEMP_OBJECT, V.ACQUIRE, rel.relname, local=drops)


def _drops(oncommit: Any) -> bool:
    return oncommit is enums.OnCommitAction.ONCOMMIT_DROP


def _create(node: Any) -> Iterator[Seen]:
    yield from _relation(node.relation, _drops(node.oncommit))


def _create_foreign(node: Any) -> Iterator[Seen]:
    yield from _create(node.base)


def _create_as(node: Any) -> Iterator[Seen]:
    yield from _relation(node.into.rel, _drops(node.into.onCommit))
    if isinstance(node.query, ast.ExecuteStmt):
        yield from _execute(node.query)
    elif not node.into.skipData:
        yield from (one for one in expressions(node.query) if _outlives_filling(node, one))


def _outlives_filling(node: Any, one: Seen) -> bool:
    """Filling a materialized view keeps its settings to itself."""
    is_view = node.objtype == enums.ObjectType.OBJECT_MATVIEW
    return not (is_view and one.kind in (K.SETTING.value, K.ROLE.value))


def _view(node: Any) -> Iterator[Seen]:
    found = list(_relation(node.view))
    if not found and any(
        (range_var.schemaname or "").startswith("pg_temp")
        for range_var in nodes(node.query, ast.RangeVar)
    ):
        found = [seen(K.TEMP_OBJECT, V.ACQUIRE, node.view.relname)]
    yield from found


def _sequence(node: Any) -> Iterator[Seen]:
    yield from _relation(node.sequence)


def _composite(node: Any) -> Iterator[Seen]:
    yield from _relation(node.typevar)


def _import(node: Any) -> Iterator[Seen]:
    if node.local_schema.startswith("pg_temp"):
        yield seen(K.TEMP_OBJECT, V.ACQUIRE)


def _named(field: str) -> Callable[[Any], Iterator[Seen]]:
    def read(node: Any) -> Iterator[Seen]:
        names = [part.sval for part in getattr(node, field) or ()]
        if len(names) > 1 and names[-2].startswith("pg_temp"):
            yield seen(K.TEMP_OBJECT, V.ACQUIRE, names[-1])

    return read


_NEVER_BARE = {
    enums.ObjectType.OBJECT_FUNCTION,
    enums.ObjectType.OBJECT_PROCEDURE,
    enums.ObjectType.OBJECT_ROUTINE,
    enums.ObjectType.OBJECT_AGGREGATE,
    enums.ObjectType.OBJECT_OPERATOR,
}


def _drop(node: Any) -> Iterator[Seen]:
    kind = enums.ObjectType(node.removeType)
    for thing in node.objects:
        parts = names_of(thing)
        if not parts or kind not in _IN_SCHEMAS:
            continue
        temporary = len(parts) > 1 and parts[-2].startswith("pg_temp")
        if temporary or (len(parts) == 1 and kind not in _NEVER_BARE):
            yield seen(K.TEMP_OBJECT, V.RELEASE, parts[-1])


_IN_SCHEMAS = _NEVER_BARE | {
    getattr(enums.ObjectType, f"OBJECT_{name}")
    for name in """
        TABLE VIEW SEQUENCE TYPE DOMAIN COLLATION CONVERSION STATISTIC_EXT MATVIEW
        FOREIGN_TABLE TSCONFIGURATION TSDICTIONARY TSPARSER TSTEMPLATE
    """.split()
}


def _explain(node: Any) -> Iterator[Seen]:
    options = [option for option in node.options or () if option.defname in ("analyze", "analyse")]
    analyzes = bool(options) and _is_on(options[-1].arg)
    query = node.query
    if isinstance(query, ast.DeclareCursorStmt):
        yield from expressions(query.query) if analyzes else ()
    elif analyzes:
        yield from _statement(query)
    else:
        inner = query.query if isinstance(query, ast.CreateTableAsStmt) else query
        if isinstance(inner, ast.ExecuteStmt):
            yield seen(K.PREPARED_STATEMENT, V.READ, str(inner.name))


def _is_on(arg: Any) -> bool:
    if arg is None:
        return True
    value = getattr(arg, "sval", None) or str(getattr(arg, "ival", getattr(arg, "boolval", "")))
    return value.lower() not in ("false", "off", "0")


def _select(node: Any) -> Iterator[Seen]:
    into = node.intoClause
    leftmost = node
    while into is None and leftmost.larg is not None:
        leftmost = leftmost.larg
        into = leftmost.intoClause
    if into is not None:
        yield from _relation(into.rel)
    yield from expressions(node)


def _alter_table(node: Any) -> Iterator[Seen]:
    for command in node.cmds:
        changed = command.def_
        if command.subtype == enums.AlterTableType.AT_AlterColumnType:
            yield from expressions(getattr(changed, "raw_default", None))
        elif command.subtype == enums.AlterTableType.AT_AddColumn:
            yield from _constraints(changed.constraints or ())
        elif command.subtype == enums.AlterTableType.AT_AddConstraint:
            yield from _constraints([changed])


def _constraints(added: Iterable[ast.Constraint]) -> Iterator[Seen]:
    """What is evaluated for the rows that are there: defaults, and checks but NOT VALID."""
    for one in added:
        if not one.skip_validation:
            yield from expressions(one.raw_expr)


_STATEMENTS: dict[type, Callable[[Any], Iterator[Seen]]] = {
    ast.VariableSetStmt: _set,
    ast.ListenStmt: _listen,
    ast.UnlistenStmt: _unlisten,
    ast.PrepareStmt: _prepare,
    ast.ExecuteStmt: _execute,
    ast.DeallocateStmt: _deallocate,
    ast.DeclareCursorStmt: _declare,
    ast.ClosePortalStmt: _close,
    ast.FetchStmt: _fetch,
    ast.ImportForeignSchemaStmt: _import,
    ast.LoadStmt: _load,
    ast.DiscardStmt: _discard,
    ast.CreateStmt: _create,
    ast.CreateForeignTableStmt: _create_foreign,
    ast.CreateTableAsStmt: _create_as,
    ast.ViewStmt: _view,
    ast.CreateSeqStmt: _sequence,
    ast.CompositeTypeStmt: _composite,
    ast.CreateEnumStmt: _named("typeName"),
    ast.CreateRangeStmt: _named("typeName"),
    ast.CreateDomainStmt: _named("domainname"),
    ast.CreateFunctionStmt: _named("funcname"),
    ast.CreateOpClassStmt: _named("opclassname"),
    ast.CreateOpFamilyStmt: _named("opfamilyname"),
    ast.CreateConversionStmt: _named("conversion_name"),
    ast.CreateStatsStmt: _named("defnames"),
    ast.DefineStmt: _named("defnames"),
    ast.DropStmt: _drop,
    ast.ExplainStmt: _explain,
    ast.SelectStmt: _select,
    ast.AlterTableStmt: _alter_table,
    ast.InsertStmt: expressions,
    ast.UpdateStmt: expressions,
    ast.DeleteStmt: expressions,
    ast.MergeStmt: expressions,
    ast.CopyStmt: expressions,
    ast.CallStmt: expressions,
}


def differences(text: str) -> list[tuple[list[Seen], list[Seen]]]:
    """Statement by statement, what only the tree shows and what only the reader says.

    DO is left out: its code is a string to the grammar. Raises pglast's ParseError.
    """
    trees = parse_sql(text)
    read = effects_as_read(text) or [set() for _ in trees]
    both = [
        (set(_statement(raw.stmt)), ours)
        for raw, ours in zip(trees, read, strict=True)
        if not isinstance(raw.stmt, ast.DoStmt)
    ]
    return [(sorted(tree - ours), sorted(ours - tree)) for tree, ours in both if tree != ours]


def effects_as_read(text: str) -> list[set[Seen]]:
    """What the reader says of every statement, in the words of this judge."""
    return [
        {_in_words(effect) for effect in statement.effects if _is_known(effect)}
        for statement in read(text).statements
    ]


def _is_known(effect: Effect) -> bool:
    """Extensions' functions are known by name only, which proves nothing twice."""
    of_extension = effect.kind is K.SESSION_FUNCTION or effect.function == "set_limit"
    return not of_extension or effect.function == "setseed"


_UNNAMED = frozenset({K.ADVISORY_LOCK, K.SEQUENCE, K.SESSION_FUNCTION})


def _in_words(effect: Effect) -> Seen:
    name = "" if effect.kind in _UNNAMED else effect.name
    return seen(effect.kind, effect.verb, name, local=effect.scope is Scope.TRANSACTION)
