"""Casts of custom settings that '' makes fail, as PostgreSQL and as people write them."""

from __future__ import annotations

import pytest

from pgpoolsafe.sql.empty_casts import EmptyCast, empty_casts

FOUND = [
    ("current_setting('app.tenant')::uuid", "uuid"),
    ("current_setting('app.tenant', true)::int", "int"),
    ("(tenant = (current_setting('app.tenant'::text))::uuid)", "uuid"),
    ("(tenant = (current_setting('app.tenant'::text, true))::integer)", "integer"),
    ("((current_setting('app.tenant'::text, true))::text)::uuid", "uuid"),
    ("pg_catalog.current_setting('app.tenant') :: numeric ( 5 , 2 ) = price", "numeric ( 5 , 2 )"),
    ("CAST(current_setting('app.tenant', true) AS double precision)", "double precision"),
    ("CAST(CAST(current_setting('app.tenant') AS text) AS bigint)", "bigint"),
    ("current_setting('App.Tenant')::timestamp with time zone", "timestamp with time zone"),
    ("current_setting('app.tenant')::text[]", "text[]"),
    ("current_setting('app.tenant')::text::lib.mood", "lib.mood"),
    ("coalesce(current_setting('app.tenant', true), '0')::int", "int"),
    ("(COALESCE(current_setting('app.tenant'::text, true), '0'::text))::integer", "integer"),
    ("(COALESCE(NULL::text, current_setting('app.tenant'::text)))::integer", "integer"),
    ("trim(lower(current_setting('app.tenant')))::boolean", "boolean"),
    ("(TRIM(BOTH FROM current_setting('app.tenant'::text, true)))::integer", "integer"),
    ("(TRIM(LEADING FROM lower(current_setting('app.tenant', true))))::int", "int"),
    ("(NULLIF(current_setting('app.tenant'::text, true), 'none'::text))::integer", "integer"),
    ("replace(current_setting('app.tenant', true), ' ', '')::int", "int"),
    ("split_part(current_setting('app.tenant', true), ',', 1)::uuid", "uuid"),
    ("SELECT a FROM t WHERE b IN (current_setting('app.tenant')::int, 1)", "int"),
    ("BEGIN RETURN current_setting('app.tenant')::jsonb; END", "jsonb"),
    ("CASE WHEN (current_setting('app.other') = '') THEN current_setting('app.tenant')::int END",
     "int"),
]  # fmt: skip

NOT_FOUND = [
    "",
    "tenant = 'current_setting(''app.tenant'')::int'",
    "current_setting('app.tenant')",
    "current_setting('app.tenant')::text",
    "current_setting('app.tenant')::character varying(20)",
    "(current_setting('app.tenant'::text, true))::pg_catalog.varchar = tenant",
    "CAST(current_setting('app.tenant') AS text)",
    "nullif(current_setting('app.tenant', true), '')::uuid",
    "(NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid",
    "coalesce(nullif(current_setting('app.tenant', true), ''), '0')::int",
    "regexp_replace(current_setting('app.tenant', true), '^$', '0')::int",
    "nullif(trim(current_setting('app.tenant', true)), '')::int",
    "nullif('', current_setting('app.tenant', true))::int",
    "split_part('1,2', current_setting('app.tenant', true), 1)::int",
    "EXTRACT(day FROM current_setting('app.tenant', true))::int",
    "length(current_setting('app.tenant'))::bigint",
    "current_setting('work_mem')::int",  # the server's own settings are never lost
    "current_setting(name)::int",
    "current_setting($1)::int",
    "other.current_settings('app.tenant')::int",
    "CASE WHEN current_setting('app.tenant') <> '' THEN current_setting('app.tenant')::int END",
    "(current_setting('app.tenant'::text, true) = ''::text) OR"
    " (id = (current_setting('app.tenant'::text))::int)",
    "'' <> current_setting('app.tenant') AND current_setting('app.tenant')::int = 1",
    "BEGIN IF current_setting('app.tenant', true) = '' THEN RETURN; END IF;"
    " PERFORM current_setting('app.tenant')::int; END",
    "current_setting('app.tenant' ::int",
    "current_setting('app.tenant')::",
]  # fmt: skip


@pytest.mark.parametrize("text, kind", FOUND)
def test_a_cast_that_fails(text: str, kind: str) -> None:
    [cast] = empty_casts(text)
    assert (cast.setting, cast.type) == ("app.tenant", kind)


@pytest.mark.parametrize("text", NOT_FOUND)
def test_a_text_that_works(text: str) -> None:
    assert empty_casts(text) == ()


@pytest.mark.parametrize("text, _", FOUND)
def test_nullif_mends_it(text: str, _: str) -> None:
    [cast] = empty_casts(text)
    excerpt = text[cast.start : cast.end]
    begin = excerpt.lower().index("pg_catalog." if "pg_catalog" in excerpt else "current_setting")
    end = excerpt.index(")", begin) + 1
    mended = f"{excerpt[:begin]}nullif({excerpt[begin:end]}, ''){excerpt[end:]}"
    assert empty_casts(text[: cast.start] + mended + text[cast.end :]) == ()


def test_where_it_stands() -> None:
    text = "a = 1 AND (b = (current_setting('x.y'::text, true))::uuid OR CAST(b AS int) = 2)"
    [cast] = empty_casts(text)
    assert cast == EmptyCast("x.y", "uuid", cast.start, cast.end)
    assert text[cast.start : cast.end] == "(current_setting('x.y'::text, true))::uuid"


def test_every_one_of_several() -> None:
    text = "current_setting('a.a')::int + current_setting('b.b')::int - current_setting('a.a')::int"
    assert [cast.setting for cast in empty_casts(text)] == ["a.a", "b.b", "a.a"]
