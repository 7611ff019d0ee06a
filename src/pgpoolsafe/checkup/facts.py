"""What the doctor found out, as values: no judgement, no secrets, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..poolers.active import ActiveAnswer
from ..poolers.answers import Pooler
from ..poolers.endpoints import Endpoint
from ..poolers.startup import Reception
from ..rules.findings import Finding
from ..session.residue import Snapshot


@dataclass(frozen=True, slots=True)
class Client:
    """The libraries at this end. `libpq` as in 170004; `psycopg` as it states itself."""

    python: str
    psycopg: str
    libpq: int

    @property
    def libpq_version(self) -> str:
        """The version for people: 17.4."""
        return f"{self.libpq // 10000}.{self.libpq % 10000}"

    @property
    def closes_prepared(self) -> bool:
        """Whether libpq can close a prepared statement by the protocol (17 and later)."""
        return self.libpq >= 170000


@dataclass(frozen=True, slots=True)
class Server:
    """What PostgreSQL says of itself. Limits of -1: none. `used`: connections of everybody,
    `role_used`: of this role. `timeouts` in milliseconds, 0: none; what a new session gets.
    """

    version: str
    max_connections: int
    reserved: int
    used: int
    role_used: int
    role_limit: int
    database_limit: int
    timeouts: Mapping[str, int]

    @property
    def free_for_roles(self) -> int:
        """How many connections ordinary roles can have at once."""
        return self.max_connections - self.reserved


@dataclass(frozen=True, slots=True)
class Console:
    """What PgBouncer's admin console says, where this user may ask it.

    `mode` and `pool_size` are those of this database; `pools`: how many server connections
    all pools to the same server may open together; `waiting`: clients that wait for one.
    """

    version: str
    mode: str
    pool_size: int
    pools: int
    waiting: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ClientPool:
    """The program's own pool, where the target is one. `most`: connections, None: no limit.

    `timeout`: seconds that a thread waits for one, None: for ever.
    """

    title: str
    most: int | None
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything found out about one target.

    `startup`: what became of the settings in the options. `stated`: the connection options
    that the target or the environment stated, by libpq keyword; `left_out`: those that libpq
    does not know. None: could not be asked.
    """

    endpoint: Endpoint
    pooler: Pooler
    client: Client
    startup: Mapping[str, Reception] = field(default_factory=dict)
    stated: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()
    server: Server | None = None
    leftovers: tuple[Snapshot, ...] = ()
    """What server connections carry beyond what each client is given."""
    functions: tuple[Finding, ...] | None = None
    """What the database's own code would leave in a session; None: could not be read."""
    console: Console | None = None
    pool: ClientPool | None = None
    proof: ActiveAnswer | None = None
    direct_variables: tuple[str, ...] = ()
    """Names in the environment by which programs know a direct address."""
    silences: tuple[str, ...] = ()
    """What could not be found out, and why; for people."""
