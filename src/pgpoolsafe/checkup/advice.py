"""What to type into each library for the pooler at hand. Pure text, no password in it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from ..poolers.answers import Pooler, PoolMode
from ..poolers.endpoints import Endpoint, match

SECONDS = 10
"""The connect timeout that the advice names."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Code for one library; `language` is "python" or "text"."""

    library: str
    code: str
    language: str = "python"


def advice(endpoint: Endpoint, pooler: Pooler, *, prepares_are_safe: bool) -> list[Advice]:
    """One piece for each of SQLAlchemy, psycopg, asyncpg and Django."""
    place = _place(endpoint)
    options = {"connect_timeout": str(SECONDS)}
    if not prepares_are_safe:
        options = {"prepare_threshold": "None", **options}
    guard = pooler.shares_sessions
    return [
        Advice("SQLAlchemy", _sqlalchemy(place, options, pooler, guard)),
        Advice("psycopg", _psycopg(place, options, pooler, guard)),
        Advice("asyncpg", _asyncpg(place, prepares_are_safe)),
        Advice("Django", _django(endpoint, pooler)),
    ]


def way_around(endpoint: Endpoint, pooler: Pooler, variables: Collection[str] = ()) -> str:
    """Where a session of one's own is to be had, as far as the address tells; "" if here.

    `variables`: names in the environment by which programs know a direct address.
    """
    if not pooler.shares_sessions:
        return ""
    provider = match(endpoint)
    if provider and provider.way_around:
        return f"{provider.provider}: {provider.way_around}"
    if variables:
        return f"perhaps what the environment calls {' and '.join(variables)}"
    return "at the address of the PostgreSQL server itself; the pooler's does not tell it"


def _sqlalchemy(place: str, options: dict[str, str], pooler: Pooler, guard: bool) -> str:
    arguments = ", ".join(f'"{name}": {value}' for name, value in options.items())
    more = '    isolation_level="AUTOCOMMIT",\n' if _is_statement_mode(pooler) else ""
    return (
        "engine = sqlalchemy.create_engine(\n"
        f'    "postgresql+psycopg://{place}",\n'
        f"    connect_args={{{arguments}}},\n{more})" + _guarded("engine", guard)
    )


def _psycopg(place: str, options: dict[str, str], pooler: Pooler, guard: bool) -> str:
    all_options = {**options, "autocommit": "True"} if _is_statement_mode(pooler) else options
    arguments = ", ".join(f"{name}={value}" for name, value in all_options.items())
    return f'conn = psycopg.connect(\n    "postgresql://{place}",\n    {arguments},\n)' + _guarded(
        "conn", guard
    )


def _asyncpg(place: str, prepares_are_safe: bool) -> str:
    cache = "" if prepares_are_safe else "statement_cache_size=0, "
    code = (
        f'conn = await asyncpg.connect(\n    "postgresql://{place}",\n'
        f"    {cache}timeout={SECONDS},\n)"
    )
    if prepares_are_safe:
        return code
    return code + (
        "\n# through SQLAlchemy: connect_args="
        '{"statement_cache_size": 0,\n#     "prepared_statement_cache_size": 0}'
    )


def _django(endpoint: Endpoint, pooler: Pooler) -> str:
    """Django prepares nothing by name unless it is told to. In autocommit it uses WITH HOLD
    cursors (its documentation: Transaction pooling and server-side cursors), which our backend
    does where they hold.
    """
    engine = "pgpoolsafe_django" if pooler.shares_sessions else "django.db.backends.postgresql"
    return (
        'DATABASES["default"] = {\n'
        f'    "ENGINE": "{engine}",\n'
        f'    "HOST": {json.dumps(endpoint.host)}, "PORT": {endpoint.port},\n'
        f'    "NAME": {json.dumps(endpoint.dbname)}, "USER": {json.dumps(endpoint.user)},\n'
        f'    "OPTIONS": {{"connect_timeout": {SECONDS}}},\n}}'
    )


def _guarded(name: str, guard: bool) -> str:
    return f"\npgpoolsafe.install({name})" if guard else ""


def _is_statement_mode(pooler: Pooler) -> bool:
    return pooler.mode is PoolMode.STATEMENT


def _place(endpoint: Endpoint) -> str:
    """User, host, port and database as they stand in a URL."""
    user = f"{quote(endpoint.user, safe='')}@" if endpoint.user else ""
    dbname = quote(endpoint.dbname, safe="")
    if endpoint.host.startswith(("/", "@")):
        return f"{user}/{dbname}?host={endpoint.host}&port={endpoint.port}"
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{user}{host}:{endpoint.port}/{dbname}"
