"""One question that shows everything of a session that SQL can show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgpoolsafe.effects import EffectKind

from .states import State, Thing
from .wire import Wire

K = EffectKind

# The question is a function, whose plan the server keeps. Every name is qualified: the suite
# plays with search_path. `pg_settings` hides custom settings and roles: asked for by name.
_SETUP = """
CREATE SCHEMA IF NOT EXISTS oracle;
GRANT USAGE ON SCHEMA oracle TO public;
CREATE OR REPLACE FUNCTION oracle.session(custom text[])
  RETURNS TABLE (kind text, name text, mode text, value text) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
  SELECT '{setting}', pg_catalog.lower(s.name), '', s.setting FROM pg_catalog.pg_settings AS s
   WHERE s.source = 'session' AND NOT s.name = ANY ('{{{ignored}}}')
  UNION ALL SELECT '{setting}', c, '', pg_catalog.current_setting(c, true)
   FROM pg_catalog.unnest(custom) AS names (c)
   WHERE pg_catalog.current_setting(c, true) <> ''
  UNION ALL SELECT '{role}', 'role', '', pg_catalog.current_setting('role')
  UNION ALL SELECT '{role}', 'session_authorization', '', session_user::text
  UNION ALL SELECT '{prepared}', p.name, '', '' FROM pg_catalog.pg_prepared_statements AS p
   WHERE p.from_sql
  UNION ALL SELECT '{cursor}', c.name, '', '' FROM pg_catalog.pg_cursors AS c
   WHERE c.is_holdable
  UNION ALL SELECT '{channel}', c, '', ''
   FROM pg_catalog.pg_listening_channels() AS channels (c)
  UNION ALL SELECT '{lock}', CASE l.objsubid
     WHEN 1 THEN ((l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8)::text
     ELSE pg_catalog.concat_ws(' ', oracle.signed(l.classid), oracle.signed(l.objid)) END,
     l.mode, ''
   FROM pg_catalog.pg_locks AS l
   WHERE l.locktype = 'advisory' AND l.pid = pg_catalog.pg_backend_pid() AND l.granted
  {libraries};
  IF pg_catalog.pg_my_temp_schema() <> 0 THEN
    RETURN QUERY SELECT '{temporary}', t.name::text, '', '' FROM ({temporary_objects}) AS t;
  END IF;
  {functions}
  RETURN QUERY SELECT '{sequence}', 'lastval', '', pg_catalog.lastval()::text;
EXCEPTION WHEN object_not_in_prerequisite_state OR insufficient_privilege THEN
END $$;
CREATE OR REPLACE FUNCTION oracle.signed(key oid) RETURNS int8 LANGUAGE sql
  RETURN CASE WHEN key::int8 > 2147483647 THEN key::int8 - 4294967296 ELSE key::int8 END;
"""

_LIBRARIES = """UNION ALL SELECT '{library}', m.file_name, '', ''
   FROM pg_catalog.pg_get_loaded_modules() AS m"""
_FUNCTIONS = """
  RETURN QUERY
  SELECT '{function}', c, '', ''
   FROM pg_catalog.unnest(public.dblink_get_connections()) AS connections (c)
  UNION ALL SELECT '{function}', r.slot_name::text, '', ''
   FROM pg_catalog.pg_replication_slots AS r
   WHERE r.temporary AND r.active_pid = pg_catalog.pg_backend_pid();
  IF pg_catalog.pg_replication_origin_session_is_setup() THEN
    RETURN QUERY SELECT '{function}', 'replication origin', '', '';
  END IF;"""

# What ends with the transaction however it is set, and what only reports something else.
_IGNORED = """
    transaction_isolation transaction_read_only transaction_deferrable is_superuser
    in_hot_standby seed
"""

_KINDS = {
    "setting": K.SETTING.value,
    "role": K.ROLE.value,
    "prepared": K.PREPARED_STATEMENT.value,
    "cursor": K.HELD_CURSOR.value,
    "channel": K.CHANNEL.value,
    "lock": K.ADVISORY_LOCK.value,
    "temporary": K.TEMP_OBJECT.value,
    "sequence": K.SEQUENCE.value,
    "library": K.LIBRARY.value,
    "function": K.SESSION_FUNCTION.value,
}

# Catalog, prefix of its columns, which of its rows. What PostgreSQL makes along with an
# object (array and row types, the sequence of an identity column, …) depends on it.
_CATALOGS = (
    ("pg_class", "rel", "relkind IN ('r', 'v', 'm', 'f', 'p')"),
    ("pg_class", "rel", "relkind = 'S' AND {independent}"),
    ("pg_proc", "pro", "{independent}"),
    ("pg_type", "typ", "typtype IN ('c', 'd', 'e', 'r', 'b', 'p') AND {independent}"),
    ("pg_operator", "opr", "true"),
    ("pg_opclass", "opc", "true"),
    ("pg_opfamily", "opf", "{independent}"),
    ("pg_collation", "coll", "true"),
    ("pg_conversion", "con", "true"),
    ("pg_statistic_ext", "stx", "true"),
    ("pg_ts_config", "cfg", "true"),
    ("pg_ts_dict", "dict", "true"),
    ("pg_ts_parser", "prs", "true"),
    ("pg_ts_template", "tmpl", "true"),
)
_OBJECTS = """
 SELECT c.{prefix}name AS name FROM pg_catalog.{catalog} AS c
  WHERE c.{prefix}namespace = pg_catalog.pg_my_temp_schema() AND {condition}"""
_INDEPENDENT = """NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
   WHERE d.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass AND d.objid = c.oid
    AND d.objsubid = 0 AND d.deptype IN ('i', 'a'))"""


def prepare_database(wire: Wire, *, libraries: bool = False, functions: bool = False) -> None:
    """Make what the question needs in a database.

    `libraries`: loaded modules count (PostgreSQL 18). `functions`: what session functions
    leave as well; needs dblink, and a superuser to ask.
    """
    setup = _SETUP.format(
        ignored=",".join(_IGNORED.split()),
        temporary_objects=" UNION ALL".join(_objects()),
        libraries=_LIBRARIES.format(**_KINDS) * libraries,
        functions=_FUNCTIONS.format(**_KINDS) * functions,
        **_KINDS,
    )
    wire.query(setup)


def _objects() -> Iterator[str]:
    for catalog, prefix, condition in _CATALOGS:
        independent = _INDEPENDENT.format(catalog=catalog)
        chosen = condition.format(independent=independent)
        yield _OBJECTS.format(catalog=catalog, prefix=prefix, condition=chosen)


def snapshot(wire: Wire, custom: Iterable[str] = ()) -> State | None:
    """The state of the session; None where it cannot be asked (an aborted transaction).

    `custom`: the custom settings that may be there.
    """
    names = ",".join(f'"{name}"' for name in sorted(set(custom)))
    rows = wire.rows(f"SELECT * FROM oracle.session('{{{names}}}')")
    return None if rows is None else dict(_thing(*row) for row in rows)


def _thing(kind: str, name: str, mode: str, value: str) -> tuple[Thing, str]:
    key = tuple(name.split(" ")) if kind == K.ADVISORY_LOCK.value else (name,)
    return Thing(kind, key, mode == "ShareLock"), value
