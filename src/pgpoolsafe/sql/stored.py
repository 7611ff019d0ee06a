"""The code that a database keeps: its own functions, procedures and triggers, as values.

`question` is what a driver asks, `stored_code` makes values of the answer. PostgreSQL's
own functions and those of extensions are left out. Names of catalogs and columns:
PostgreSQL's manual, the chapter on system catalogs (pg_proc, pg_trigger, pg_policy,
pg_rewrite, pg_attrdef, pg_constraint).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .lexer import scan

SYSTEM = "pg_catalog"

# The bodies of SQL functions written BEGIN ATOMIC are kept as trees, from version 14 on.
_SQL_BODY_SINCE = 140000

_ROUTINES = """
select pg_catalog.json_agg(pg_catalog.json_build_object(
    'oid', p.oid::text, 'schema', n.nspname, 'name', p.proname,
    'shown', pg_catalog.format('%I.%I', n.nspname, p.proname),
    'types', pg_catalog.oidvectortypes(p.proargtypes),
    'kind', p.prokind, 'language', l.lanname,
    'is_trigger', p.prorettype in ('trigger'::regtype, 'event_trigger'::regtype),
    'body', case when l.lanname in ('sql', 'plpgsql') then coalesce({sql_body}, p.prosrc) end,
    'config', p.proconfig, 'volatile', p.provolatile = 'v', 'definer', p.prosecdef,
    'names', p.proargnames, 'modes', p.proargmodes::text[], 'count', p.pronargs,
    'defaults', case when p.pronargdefaults > 0 then array(
        select pg_catalog.pg_get_function_arg_default(p.oid, i::int)
        from pg_catalog.generate_series(
            1, coalesce(pg_catalog.array_length(p.proargmodes, 1), p.pronargs)) i) end,
    'variadic', p.provariadic <> 0)
    order by n.nspname, p.proname, p.oid)
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
where p.prokind in ('f', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
and not exists (select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
"""

# Those that are switched off, or fire on a replica only, are left out.
_TRIGGERS = """
select pg_catalog.json_agg(pg_catalog.json_build_array(t.function::text, t.shown) order by t.shown)
from (
    select t.tgfoid as function,
        pg_catalog.format('trigger %I on %I.%I', t.tgname, n.nspname, c.relname) as shown
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where not t.tgisinternal and t.tgenabled in ('O', 'A')
    union all
    select e.evtfoid, pg_catalog.format('event trigger %I on %s', e.evtname, e.evtevent)
    from pg_catalog.pg_event_trigger e where e.evtenabled in ('O', 'A')
) t
"""

# How many arguments PostgreSQL's own functions take that share a name with one of these.
_BUILT_IN = """
select pg_catalog.json_object_agg(b.proname, b.counts) from (
    select b.proname, pg_catalog.array_agg(distinct b.pronargs) as counts
    from pg_catalog.pg_proc b
    where b.pronamespace = 'pg_catalog'::regnamespace and exists (
        select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where p.proname = b.proname and n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
    group by b.proname) b
"""

# Expressions of policies, views, defaults and checks that ask for a setting. The trees are
# searched first, since putting one into words takes longer.
_EXPRESSIONS = """
select pg_catalog.json_agg(pg_catalog.json_build_array(e.shown, e.said) order by e.shown, e.said)
from (
    select pg_catalog.format('policy %I on %I.%I', p.polname, n.nspname, c.relname) as shown,
        pg_catalog.pg_get_expr(x.tree, c.oid) as said, n.nspname, x.tree::text as tree
    from pg_catalog.pg_policy p
    join pg_catalog.pg_class c on c.oid = p.polrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join lateral (values (p.polqual), (p.polwithcheck)) x (tree)
    union all
    select pg_catalog.format('view %I.%I', n.nspname, c.relname),
        pg_catalog.pg_get_viewdef(c.oid), n.nspname, r.ev_action::text
    from pg_catalog.pg_rewrite r
    join pg_catalog.pg_class c on c.oid = r.ev_class and c.relkind in ('v', 'm')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    union all
    select pg_catalog.format('default of %I.%I.%I', n.nspname, c.relname, a.attname),
        pg_catalog.pg_get_expr(d.adbin, c.oid), n.nspname, d.adbin::text
    from pg_catalog.pg_attrdef d
    join pg_catalog.pg_class c on c.oid = d.adrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = d.adnum
    union all
    select pg_catalog.format('check %I of %I.%I', k.conname, n.nspname, c.relname),
        pg_catalog.pg_get_expr(k.conbin, c.oid), n.nspname, k.conbin::text
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where k.contype = 'c'
) e
where e.nspname !~ '^pg_' and e.nspname <> 'information_schema' and exists (
    select from pg_catalog.pg_proc f
    where f.pronamespace = 'pg_catalog'::regnamespace and f.proname = 'current_setting'
    and pg_catalog.strpos(e.tree, ' :funcid ' || f.oid || ' ') > 0)
"""


def question(server_version: int, *, expressions: bool = False) -> str:
    """The query for one server version (as libpq has it, 150018): one row with one JSON value.

    `expressions`: those that ask for a setting are wanted as well.
    """
    has_trees = server_version >= _SQL_BODY_SINCE
    sql_body = "pg_catalog.pg_get_function_sqlbody(p.oid)" if has_trees else "null::text"
    more = f", 'expressions', ({_EXPRESSIONS})" if expressions else ""
    return (
        "select pg_catalog.json_build_object("
        "'path', pg_catalog.current_schemas(true),"
        f" 'routines', ({_ROUTINES.format(sql_body=sql_body)}),"
        f" 'triggers', ({_TRIGGERS}), 'built_in', ({_BUILT_IN}){more})"
    )


@dataclass(frozen=True, slots=True)
class Routine:
    """A function or procedure of the database.

    `shown` is its qualified name, quoted where it must be, `types` the types of its
    arguments. `parameters`: the names of what a call can pass ("" for one without a
    name), `defaults`: their default expressions, or None. `path`: the search_path that
    its own SET clause fixes. `triggers`: what runs it, if it is a trigger's function.
    """

    schema: str
    name: str
    shown: str
    types: str = ""
    language: str = "plpgsql"
    body: str | None = None
    is_trigger: bool = False
    is_volatile: bool = True
    is_definer: bool = False
    is_variadic: bool = False
    parameters: tuple[str, ...] = ()
    defaults: tuple[str | None, ...] = ()
    path: tuple[str, ...] | None = None
    triggers: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`app.set_tenant(text)`."""
        return f"{self.shown}({self.types})"

    def accepts(self, positional: int, named: Sequence[str]) -> bool:
        """Whether a call with so many arguments in order, and these by name, can be its."""
        if positional > len(self.parameters):
            return self.is_variadic
        rest = self.parameters[positional:]
        defaults = (*self.defaults, *(None for _ in self.parameters))[positional:]
        missing = [
            name
            for name, default in zip(rest, defaults, strict=False)
            if default is None and name not in named
        ]
        return not missing and set(named) <= set(rest)


@dataclass(frozen=True, slots=True)
class StoredCode:
    """What one database keeps.

    `path`: the schemas in which a name without a schema is looked for. `built_in`: the
    numbers of arguments that PostgreSQL's own functions of the same names take.
    `expressions`: of policies, views, defaults and checks, each with what it belongs to,
    if they were asked for.
    """

    routines: tuple[Routine, ...] = ()
    path: tuple[str, ...] = (SYSTEM, "public")
    built_in: Mapping[str, frozenset[int]] = field(default_factory=dict)
    expressions: tuple[tuple[str, str], ...] = ()


def stored_code(answer: Mapping[str, Any]) -> StoredCode:
    """The values in the answer to the question."""
    triggers: dict[str, list[str]] = {}
    for function, shown in answer["triggers"] or ():
        triggers.setdefault(function, []).append(shown)
    rows = answer["routines"] or ()
    return StoredCode(
        tuple(_routine(row, tuple(triggers.get(row["oid"], ()))) for row in rows),
        tuple(answer["path"]),
        {name: frozenset(counts) for name, counts in (answer["built_in"] or {}).items()},
        tuple((shown, said) for shown, said in answer.get("expressions") or ()),
    )


def _routine(row: Mapping[str, Any], triggers: tuple[str, ...]) -> Routine:
    names, defaults = _parameters(row)
    return Routine(
        schema=row["schema"],
        name=row["name"],
        shown=row["shown"],
        types=row["types"],
        language=row["language"],
        body=row["body"],
        is_trigger=row["is_trigger"],
        is_volatile=row["volatile"],
        is_definer=row["definer"],
        is_variadic=row["variadic"],
        parameters=names,
        defaults=defaults,
        path=_own_path(row["config"] or ()),
        triggers=triggers,
    )


def _parameters(row: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """The names and defaults of what a call passes: IN, INOUT, VARIADIC; to CALL, OUT too."""
    passed = "ibvo" if row["kind"] == "p" else "ibv"
    modes = row["modes"] or ["i"] * row["count"]
    names = row["names"] or [""] * len(modes)
    defaults = row["defaults"] or [None] * len(modes)
    kept = [at for at, mode in enumerate(modes) if mode in passed]
    return tuple(names[at] for at in kept), tuple(defaults[at] for at in kept)


def _own_path(config: Sequence[str]) -> tuple[str, ...] | None:
    """The schemas of `search_path=a, "B"` among the settings of a function's SET clauses."""
    for setting in config:
        name, _, value = setting.partition("=")
        if name == "search_path":
            tokens = scan(value, placeholders=False).tokens
            schemas = tuple(token.value for token in tokens if token.value not in ("", ","))
            return schemas if SYSTEM in schemas else (SYSTEM, *schemas)
    return None
