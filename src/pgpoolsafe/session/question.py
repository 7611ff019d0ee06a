"""The question that `residue.py` asks, with holes for what differs between server versions."""

from __future__ import annotations

# Some functions may not be called by every role, or exist only with an extension. A call in
# the text itself would fail when the plan is made, whether it is reached or not. ts_stat()
# runs a text of its own, and NULL gives no rows: so the call is made only where it can be.
TEXT = r"""
with asked as (
  select $1::pg_catalog.json as j
), code as (
  select pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(xmin::text::bigint)) as stamp
    from pg_catalog.pg_proc where oid >= 16384
), named as (
  select distinct pg_catalog.lower(n) as name from (
    select pg_catalog.json_array_elements_text(j -> 'more') as n from asked
    union all
    select pg_catalog.json_array_elements_text(j -> 'names') from asked
     where j ->> 'stamp' = (select stamp from code)
    union all
    select pg_catalog.replace(m[1], '"', '') from pg_catalog.pg_proc p,
      pg_catalog.regexp_matches(p.prosrc,
        '\mset(?:_config\s*\(\s*''+|\s+(?:session\s+|local\s+)?"?)([a-z_][\w$]*(?:"?\."?[\w$]+)+)',
        'gi') m
     where p.oid >= 16384 and p.prosrc ~* '\mset'
       and (select j ->> 'stamp' from asked) <> (select stamp from code)
  ) listed
), custom as (
  select named.name,
      case when {custom_only} then pg_catalog.current_setting(named.name, true) end as value
    from named
), configured as (
  select distinct on (name) name, value
    from pg_catalog.pg_db_role_setting d,
      lateral (select pg_catalog.lower(pg_catalog.split_part(c, '=', 1)) as name,
          pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) as value
        from pg_catalog.unnest(d.setconfig) c) pairs
   where d.setdatabase in
       (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
     and d.setrole in (0, (select oid from pg_catalog.pg_roles where rolname = session_user))
     and (name = 'role' or name like '%.%')
   order by name, d.setrole = 0, d.setdatabase = 0
), listed as (
  select name, setting, source = 'session' and setting is distinct from reset_val as changed
    from pg_catalog.pg_settings
   where source = 'session' or name like '%_preload_libraries' or name = 'jit_provider'
), preloads as (
  select pg_catalog.string_agg(setting, ',') as names from listed
   where name in
     ('shared_preload_libraries', 'session_preload_libraries', 'local_preload_libraries')
  having pg_catalog.count(*) = 3
), belonging (file) as (
  select distinct probin from pg_catalog.pg_proc where probin is not null
  union all
  select pg_catalog.regexp_split_to_table(names, '[\s",]+') from preloads
  union all
  select plugin::text from pg_catalog.pg_replication_slots where plugin is not null
  union all
  select setting from listed where name = 'jit_provider'
  union all
  values ('llvmjit'), ('libpqwalreceiver')
), callable as (
  select
    (select pg_catalog.format(
        'select pg_catalog.array_to_tsvector(pg_catalog.array_remove(%I.%I(), ''''))',
        n.nspname, f.proname)
       from pg_catalog.pg_extension e
       join pg_catalog.pg_namespace n on n.oid = e.extnamespace
       join pg_catalog.pg_proc f
         on f.pronamespace = n.oid and f.proname = 'dblink_get_connections' and f.pronargs = 0
      where e.extname = 'dblink' and pg_catalog.has_schema_privilege(n.oid, 'usage')
        and pg_catalog.has_function_privilege(f.oid, 'execute')) as dblink,
    (select 'select case when pg_catalog.pg_replication_origin_session_is_setup()'
         ' then pg_catalog.array_to_tsvector(array[''replication origin'']) end'
      where pg_catalog.has_function_privilege(
        'pg_catalog.pg_replication_origin_session_is_setup()', 'execute')) as origin,
    (select 'select case when exists (select from pg_catalog.pg_get_backend_memory_contexts()'
         ' where name = ''Sequence values'')'
         ' then pg_catalog.array_to_tsvector(array[''drawn'']) end'
      where pg_catalog.has_function_privilege(
        pg_catalog.to_regprocedure('pg_catalog.pg_get_backend_memory_contexts()'),
        'execute')) as drawn
)
select pg_catalog.json_build_object(
  'pid', pg_catalog.pg_backend_pid(),
  'stamp', (select stamp from code),
  'names', (select pg_catalog.json_agg(name order by name) from named),
  'settings', (select pg_catalog.json_object_agg(name, pg_catalog.current_setting(name))
    from listed where changed and name not in
       ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')),
  'custom', (select pg_catalog.json_object_agg(name, value) from custom where value is not null),
  'configured', (select pg_catalog.json_object_agg(name, value) from configured),
  'session_user', session_user,
  'login', (select r.rolname
    from pg_catalog.pg_stat_get_activity(
        (select pg_catalog.pg_backend_pid() from asked where j ->> 'in_block' = 'false')) a
    join pg_catalog.pg_roles r on r.oid = a.usesysid
   where (select j ->> 'in_block' = 'false' from asked)),
  'role', pg_catalog.current_setting('role'),
  'locks', (select pg_catalog.json_agg(pg_catalog.json_build_array(
      classid::bigint, objid::bigint, objsubid, mode))
    from pg_catalog.pg_locks
   where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid() and granted),
  'statements', (select pg_catalog.json_agg(pg_catalog.json_build_array(name, from_sql))
    from pg_catalog.pg_prepared_statements),
  'cursors', (select pg_catalog.json_agg(name) from pg_catalog.pg_cursors where is_holdable),
  'channels', (select pg_catalog.json_agg(c) from pg_catalog.pg_listening_channels() c),
  'temporary', (select pg_catalog.json_agg(coalesce(
      (select relname::text from pg_catalog.pg_class
        where oid = d.objid and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass),
      (pg_catalog.pg_identify_object(d.classid, d.objid, 0)).identity))
    from pg_catalog.pg_depend d
   where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
     and d.refobjid = pg_catalog.pg_my_temp_schema() and d.deptype = 'n'
     and not exists (select from pg_catalog.pg_depend o
       where o.classid = d.classid and o.objid = d.objid and o.objsubid = 0
         and o.deptype in ('a', 'i'))),
  'slots', (select pg_catalog.json_agg(slot_name) from pg_catalog.pg_replication_slots
   where temporary and active_pid = pg_catalog.pg_backend_pid()),
  'preloads', (select names from preloads),
  'libraries', (select pg_catalog.json_agg(base) from (
      select pg_catalog.regexp_replace(file_name, '^.*/|\.\w+$', '', 'g') as base
        from ({modules}) loaded (file_name)) modules
   where base not in (
     select pg_catalog.regexp_replace(file, '^.*/|\.\w+$', '', 'g') from belonging
      where file is not null)),
  'dblink', (select pg_catalog.json_agg(word) from callable, pg_catalog.ts_stat(dblink)),
  'origin', (select pg_catalog.json_agg(word) from callable, pg_catalog.ts_stat(origin)),
  'drawn', (select case when drawn is not null then
      (select pg_catalog.count(*) from pg_catalog.ts_stat(drawn)) end from callable)
)
"""
