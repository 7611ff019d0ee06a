"""Functions and settings in a syntax tree: what executing its expressions does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast, enums

from pgpoolsafe.effects import EffectKind, Verb

K, V = EffectKind, Verb

_LOCKS = {
    f"pg_{attempt}advisory_{verb}{shared}"
    for attempt in ("", "try_")
    for verb in ("lock", "unlock")
    for shared in ("", "_shared")
} | {"pg_advisory_unlock_all"}
_RELEASES = {name for name in _LOCKS if "unlock" in name}
_READS = {"currval", "lastval"}
_TRUE = {"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"}
_ENDING = {"transaction_isolation", "transaction_read_only", "transaction_deferrable"}
_OLD = {"sort_mem": "work_mem", "vacuum_mem": "maintenance_work_mem"}
_ROLES = {"role", "session_authorization"}


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """One effect: its kind, what is done, to what ("" if the tree does not show it)."""

    kind: str
    verb: str
    name: str
    local: bool = False


def seen(kind: EffectKind, verb: Verb, name: str = "", *, local: bool = False) -> Seen:
    return Seen(kind.value, verb.value, name, local)


def setting(name: str, verb: Verb, *, local: bool = False) -> Iterator[Seen]:
    name = _OLD.get(name.lower(), name.lower())
    if name not in _ENDING:
        yield seen(K.ROLE if name in _ROLES else K.SETTING, verb, name, local=local)


def names_of(thing: Any) -> list[str]:
    if isinstance(thing, ast.ObjectWithArgs):
        return names_of(thing.objname)
    if isinstance(thing, ast.TypeName):
        return names_of(thing.names)
    if isinstance(thing, (tuple, list)):
        return [part.sval or "" for part in thing if isinstance(part, ast.String)]
    return []


def expressions(node: Any) -> Iterator[Seen]:
    """Every function called and every pg_settings updated, where it is executed."""
    for call in nodes(node, ast.FuncCall):
        yield from _call(call)
    for update in nodes(node, ast.UpdateStmt):
        relation = update.relation
        if relation.relname == "pg_settings" and relation.schemaname in (None, "pg_catalog"):
            names = sorted(_named_in(update.whereClause))
            for name in names or [""]:
                yield from setting(name, V.ACQUIRE)


def _named_in(where: Any) -> set[str]:
    """The names that `name = 'x'` and `name IN ('x', …)` tell, one condition among ANDs."""
    if isinstance(where, ast.BoolExpr) and where.boolop == enums.BoolExprType.AND_EXPR:
        return {name for condition in where.args or () for name in _named_in(condition)}
    usual = (enums.A_Expr_Kind.AEXPR_OP, enums.A_Expr_Kind.AEXPR_IN)
    if not isinstance(where, ast.A_Expr) or where.kind not in usual:
        return set()
    column, operator = names_of(getattr(where.lexpr, "fields", ())), names_of(where.name)
    if column[-1:] != ["name"] or operator != ["="]:
        return set()
    operands = where.rexpr if isinstance(where.rexpr, tuple) else (where.rexpr,)
    return {text for text in map(text_of, operands) if text is not None}


def _call(call: Any) -> Iterator[Seen]:
    *schema, name = names_of(call.funcname)
    if schema[-1:] not in ([], ["pg_catalog"]):
        return
    if name in _LOCKS:
        yield seen(K.ADVISORY_LOCK, V.RELEASE if name in _RELEASES else V.ACQUIRE)
    elif name in _READS:
        yield seen(K.SEQUENCE, V.READ)
    elif name == "setseed":
        yield seen(K.SESSION_FUNCTION, V.ACQUIRE)
    elif name == "set_config" and len(call.args or ()) == 3:
        yield from _set_config(call.args)


def _set_config(args: Any) -> Iterator[Seen]:
    known = {0: "setting_name", 1: "new_value", 2: "is_local"}
    given = {
        arg.name if isinstance(arg, ast.NamedArgExpr) else known[at]: arg
        for at, arg in enumerate(args)
    }
    name, value, local = (_bare(given.get(argument)) for argument in known.values())
    if name is None or value is None or local is None:
        return
    text = text_of(name) or ""
    resets = getattr(value, "isnull", False) or (text == "role" and text_of(value) == "none")
    verb = V.RELEASE if resets else V.ACQUIRE
    yield from setting(text, verb, local=_is_true(local))


def _bare(arg: Any) -> Any:
    while isinstance(arg, (ast.NamedArgExpr, ast.TypeCast)):
        arg = arg.arg
    return arg


def text_of(node: Any) -> str | None:
    node = _bare(node)
    value = node.val if isinstance(node, ast.A_Const) else None
    return value.sval if isinstance(value, ast.String) else None


def _is_true(node: Any) -> bool:
    value = node.val if isinstance(node, ast.A_Const) else None
    if isinstance(value, ast.Boolean):
        return bool(value.boolval)
    if isinstance(value, ast.Integer):
        return value.ival == 1
    return (text_of(node) or "").strip().lower() in _TRUE


def nodes(node: Any, wanted: type) -> Iterator[Any]:
    """Every node of a type that is executed; a SELECT in WITH that nobody uses is not."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, (tuple, list)):
            stack.extend(item)
        elif isinstance(item, ast.Node):
            if isinstance(item, wanted):
                yield item
            idle = _idle(item)
            stack.extend(getattr(item, field) for field in item if field not in idle)
            if idle:
                stack.extend(_live_ctes(item))


def _idle(item: Any) -> tuple[str, ...]:
    return ("withClause",) if getattr(item, "withClause", None) is not None else ()


def _live_ctes(item: Any) -> Iterator[Any]:
    """The bodies of WITH that run: what modifies data, and what is referred to."""
    ctes = list(item.withClause.ctes)
    used = _tables([getattr(item, field) for field in item if field != "withClause"])
    changed = True
    live: list[Any] = []
    while changed:
        changed = False
        for cte in [c for c in ctes if c not in live]:
            reads = isinstance(cte.ctequery, ast.SelectStmt)
            if not reads or cte.ctename in used:
                live.append(cte)
                used |= _tables(cte.ctequery)
                changed = True
    for cte in live:
        yield cte.ctequery


def _tables(node: Any) -> set[str]:
    return {str(one.relname) for one in _everything(node) if isinstance(one, ast.RangeVar)}


def _everything(node: Any) -> Iterator[Any]:
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, (tuple, list)):
            stack.extend(item)
        elif isinstance(item, ast.Node):
            yield item
            stack.extend(getattr(item, field) for field in item)
