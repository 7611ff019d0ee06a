"""What the address of a managed service tells: which pooler, which mode, and the way around it.

One row per kind of endpoint. A row stands here only if its pattern really identifies it: a
port alone never does. What an address does not tell (Aiven's and Heroku's poolers, Cloud
SQL's port 6432) is left to the other ways of detection.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .answers import PoolMode


class Endpoint(NamedTuple):
    """Where a client connects: host name (or socket folder), port, user, database."""

    host: str
    port: int
    user: str = ""
    dbname: str = ""


class EndpointRow(NamedTuple):
    """One kind of endpoint of one provider.

    `host` (a whole host name, lower case), `ports` (empty: any) and `dbname` recognise it.
    `product` "direct": no pooler. `mode` None: the operator chooses. `prepared` None: the
    address does not tell whether prepared statements follow the client.
    `host_without`, `user_without`: what to cut out, and `to_port`, `to_dbname`: what to put
    instead, to get the direct or the session endpoint; `hint` says it where no rule can.
    """

    provider: str
    host: str
    product: str
    source: str
    ports: tuple[int, ...] = ()
    dbname: str | None = None
    mode: PoolMode | None = None
    prepared: bool | None = None
    host_without: str | None = None
    user_without: str | None = None
    to_port: int | None = None
    to_dbname: str | None = None
    hint: str = ""

    def fits(self, endpoint: Endpoint) -> bool:
        """Whether this row is about that endpoint."""
        return (
            re.fullmatch(self.host, _host(endpoint)) is not None
            and (not self.ports or endpoint.port in self.ports)
            and self.dbname in (None, endpoint.dbname)
        )

    def around(self, endpoint: Endpoint) -> Endpoint | None:
        """The endpoint of the same database where a session is the client's own.

        None where the address does not tell it, or where it already is one.
        """
        if self.hint or self.product == "direct" or self.mode is PoolMode.SESSION:
            return None
        return endpoint._replace(
            host=re.sub(self.host_without or "$", "", _host(endpoint)),
            user=re.sub(self.user_without or "$", "", endpoint.user),
            port=self.to_port or endpoint.port,
            dbname=self.to_dbname or endpoint.dbname,
        )


class EndpointMatch(NamedTuple):
    """What an address tells. `direct`: the way around, where it can be derived from the
    address; `way_around`: the same for people, empty where there is nothing to go around.
    """

    provider: str
    product: str
    mode: PoolMode | None
    prepared: bool | None
    direct: Endpoint | None
    way_around: str
    evidence: str
    source: str


_TRANSACTION = PoolMode.TRANSACTION
_SUPABASE = "supabase.com/docs/guides/database/connecting-to-postgres"
_SUPAVISOR_HOST = r"aws-\d+-[a-z0-9-]+\.pooler\.supabase\.com"
_SUPABASE_HOST = r"db\.[a-z0-9]+\.supabase\.co"
_NEON = "neon.com/docs/connect/connection-pooling"
_NEON_DOMAIN = r"\.(?:[a-z0-9-]+\.)*neon\.tech"
_AZURE = "learn.microsoft.com: PgBouncer in Azure Database for PostgreSQL"
_AZURE_HOST = r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.postgres\.database\.azure\.com"
_DIGITALOCEAN = "docs.digitalocean.com: Managed PostgreSQL connection pools"
_DIGITALOCEAN_HOST = r"[a-z0-9-]+(?:\.[a-z0-9]+)?\.db\.ondigitalocean\.com"
_CRUNCHY = "docs.crunchybridge.com: PgBouncer"
_CRUNCHY_HOST = r"p\.[a-z0-9]+\.db\.postgresbridge\.com"
_PLANETSCALE = "planetscale.com/docs/postgres/connecting/pgbouncer"
_PLANETSCALE_HOST = r"(?:[a-z0-9-]+\.)+(?:pg|private-pg|horizon)\.psdb\.cloud"

ROWS: tuple[EndpointRow, ...] = (
    EndpointRow(
        "Supabase (shared pooler)", _SUPAVISOR_HOST, "supavisor", _SUPABASE,
        ports=(6543,), mode=_TRANSACTION, to_port=5432,
    ),
    EndpointRow(
        "Supabase (shared pooler)", _SUPAVISOR_HOST, "supavisor", _SUPABASE,
        ports=(5432,), mode=PoolMode.SESSION,
    ),
    EndpointRow(
        "Supabase (dedicated pooler)", _SUPABASE_HOST, "pgbouncer", _SUPABASE,
        ports=(6543,), mode=_TRANSACTION, to_port=5432,
    ),
    EndpointRow("Supabase", _SUPABASE_HOST, "direct", _SUPABASE, ports=(5432,)),
    EndpointRow(
        "Neon (pooler)", rf"[a-z0-9-]+-pooler{_NEON_DOMAIN}", "pgbouncer", _NEON,
        mode=_TRANSACTION, host_without=r"-pooler(?=\.)",
    ),
    EndpointRow("Neon", rf"ep-[a-z0-9-]+{_NEON_DOMAIN}", "direct", _NEON),
    # Pinning is how it keeps prepared statements; a probe with one would pin for nothing.
    EndpointRow(
        "AWS RDS Proxy", r"[a-z0-9-]+(?:\.endpoint)?\.proxy-[a-z0-9]+"
        r"\.[a-z0-9-]+\.rds\.amazonaws\.com(?:\.cn)?",
        "rds-proxy", "docs.aws.amazon.com: RDS Proxy endpoints",
        mode=_TRANSACTION, prepared=True,
        hint="use the endpoint of the instance or the cluster itself",
    ),
    EndpointRow(
        "DigitalOcean (connection pool)", _DIGITALOCEAN_HOST, "pgbouncer", _DIGITALOCEAN,
        ports=(25061,),
        hint="use port 25060, and the name of the database instead of the pool's",
    ),
    EndpointRow("DigitalOcean", _DIGITALOCEAN_HOST, "direct", _DIGITALOCEAN, ports=(25060,)),
    EndpointRow(
        "Azure (built-in PgBouncer)", _AZURE_HOST, "pgbouncer", _AZURE,
        ports=(6432,), to_port=5432,
    ),
    EndpointRow(
        "Azure (built-in PgBouncer of the workers)", _AZURE_HOST, "pgbouncer", _AZURE,
        ports=(8432,), hint="use port 5432 of the same host",
    ),
    EndpointRow("Azure", _AZURE_HOST, "direct", _AZURE, ports=(5432,)),
    EndpointRow(
        "Crunchy Bridge (PgBouncer)", _CRUNCHY_HOST, "pgbouncer", _CRUNCHY,
        ports=(5431,), to_port=5432,
    ),
    EndpointRow("Crunchy Bridge", _CRUNCHY_HOST, "direct", _CRUNCHY, ports=(5432,)),
    EndpointRow(
        "PlanetScale (PgBouncer)", _PLANETSCALE_HOST, "pgbouncer", _PLANETSCALE,
        ports=(6432,), mode=_TRANSACTION, to_port=5432, user_without=r"\|.*$",
    ),
    EndpointRow("PlanetScale", _PLANETSCALE_HOST, "direct", _PLANETSCALE, ports=(5432,)),
    # The database `tsdb` does not tell a session pool from the service itself.
    EndpointRow(
        "Tiger Cloud (transaction pool)", r"[a-z0-9.-]+\.tsdb\.cloud\.timescale\.com",
        "pgbouncer", "docs.tigerdata.com: Connection pooling",
        dbname="tsdb_transaction", mode=_TRANSACTION, to_dbname="tsdb",
    ),
    EndpointRow(
        "Fly Managed Postgres (pooler)", r"pgbouncer\.[a-z0-9-]+\.flympg\.net",
        "pgbouncer", "fly.io/docs/mpg/configuration",
        hint="use the direct URL that the dashboard shows",
    ),
    EndpointRow(
        "Prisma Postgres (pooler)", r"pooled\.db\.prisma\.io",
        "unknown", "prisma.io/docs: Prisma Postgres, connection pooling",
        host_without=r"^pooled\.",
    ),
    EndpointRow(
        "Cloudflare Hyperdrive", r"[a-z0-9-]+\.hyperdrive\.local",
        "hyperdrive", "developers.cloudflare.com/hyperdrive",
        mode=_TRANSACTION, hint="use the connection string of the origin database",
    ),
)  # fmt: skip
"""The first row that fits wins."""


@lru_cache(maxsize=256)  # asked for each connection that is opened
def match(endpoint: Endpoint) -> EndpointMatch | None:
    """What the address tells; None if it is not one of a known provider."""
    for row in ROWS:
        if row.fits(endpoint):
            return _match(row, endpoint)
    return None


def _match(row: EndpointRow, endpoint: Endpoint) -> EndpointMatch:
    direct = row.around(endpoint)
    return EndpointMatch(
        provider=row.provider,
        product=row.product,
        mode=row.mode,
        prepared=row.prepared,
        direct=direct,
        way_around=row.hint or (_way(endpoint, direct) if direct else ""),
        evidence=f"the address {_host(endpoint)}:{endpoint.port} is one of {row.provider}",
        source=row.source,
    )


def _way(old: Endpoint, new: Endpoint) -> str:
    """The changes between the two, as in `use port 5432 instead of 6543`."""
    pairs = (
        ("host", new.host, _host(old)),
        ("port", new.port, old.port),
        ("user", new.user, old.user),
        ("database", new.dbname, old.dbname),
    )
    changes = (f"{what} {now} instead of {was}" for what, now, was in pairs if now != was)
    return "use " + ", ".join(changes)


def _host(endpoint: Endpoint) -> str:
    return endpoint.host.lower().rstrip(".")
