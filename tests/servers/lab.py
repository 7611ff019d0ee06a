"""The lab: every pooler at hand, in every pool mode, before the oldest and the newest server.

`ENDPOINTS` lists them; `Lab` starts one when it is asked for. The truth about an endpoint,
which its row states, is what detection is measured by.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .debian import release
from .odyssey import Odyssey
from .pgagroal import Pgagroal
from .pgbouncer import PgBouncer
from .pgpool import Pgpool
from .postgres import Postgres
from .server import FOUR_DIGITS, Server

POSTGRES = {15: "bookworm", 18: "forky"}
"""The release that each PostgreSQL comes from."""

CLASSES: dict[str, Any] = {
    "pgbouncer": PgBouncer,
    "odyssey": Odyssey,
    "pgagroal": Pgagroal,
    "pgpool": Pgpool,
}


@dataclass(frozen=True)
class Endpoint:
    """One pooler as it is set up, and the truth about it.

    `version`: that of the release when this was written; it may have a later one by now.
    `mode`: "session", "transaction" or "statement", as it is set up. `prepared`: whether
    protocol-level prepared statements follow the client. `options` are those of its class;
    `is_default`: none of them differs from the product's default. `keeps`: a client keeps its
    server connection nevertheless, as long as no statement fails.
    """

    product: str
    version: tuple[int, ...]
    release: str
    postgres: int
    mode: str
    prepared: bool
    options: tuple[tuple[str, Any], ...] = ()
    is_default: bool = True
    keeps: bool = False

    @property
    def name(self) -> str:
        """A name for people, and for `pytest -k`."""
        version = ".".join(map(str, self.version))
        words = [f"{self.product}-{version}-{self.mode}-pg{self.postgres}"]
        return "-".join(words + [f"{k}={v}" for k, v in self.options if k not in _SAID])


_SAID = ("pool_mode", "pool_size", "children")


def _pgbouncers(postgres: int) -> Iterator[Endpoint]:
    generations = (
        ((1, 18, 0), "bookworm", (0,)),
        ((1, 24, 1), "trixie", (0, 200)),
        ((1, 26, 1), "forky", (0, 200)),
    )
    for version, debian, limits in generations:
        for mode in ("session", "transaction", "statement"):
            for limit in limits:
                options = (("pool_mode", mode), ("max_prepared_statements", limit))
                yield Endpoint(
                    *("pgbouncer", version, debian, postgres, mode),
                    prepared=mode == "session" or limit > 0,
                    options=options,
                    is_default=limit == limits[-1],
                )


def _odysseys(postgres: int) -> Iterator[Endpoint]:
    for mode, more in (
        ("session", ()),
        ("transaction", ()),
        ("statement", ()),
        ("transaction", (("pool_reserve_prepared_statement", "no"),)),
        ("transaction", (("pool_discard", "no"),)),
    ):
        yield Endpoint(
            *("odyssey", (1, 5, 2), "forky", postgres, mode),
            prepared=mode == "session" or ("pool_reserve_prepared_statement", "no") not in more,
            options=(("pool_mode", mode), *more),
            is_default=not more,
        )


def _pgagroals(postgres: int) -> Iterator[Endpoint]:
    for version, debian in (((1, 6, 0), "trixie"), ((2, 1, 0), "forky")):
        for pipeline in ("session", "performance", "transaction"):
            mode = "transaction" if pipeline == "transaction" else "session"
            yield Endpoint(
                *("pgagroal", version, debian, postgres, mode),
                prepared=mode == "session",
                options=(("pipeline", pipeline),),
                # 2.1 hands a server connection on only when its client has gone, or when a
                # statement has failed.
                keeps=version >= (2,),
            )


def _pgpools(postgres: int) -> Iterator[Endpoint]:
    yield Endpoint("pgpool", (4, 7, 3), "forky", postgres, "session", prepared=True)


ENDPOINTS: tuple[Endpoint, ...] = tuple(
    endpoint
    for postgres in POSTGRES
    for family in (_pgbouncers, _odysseys, _pgagroals, _pgpools)
    for endpoint in family(postgres)
)


class Lab:
    """The servers of the lab, started when they are asked for. A context manager.

    Raises ServerMissing where a release is not built or cannot be entered.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._postgres: dict[int, Postgres] = {}

    def postgres(self, version: int) -> Postgres:
        """The running PostgreSQL of that major version; one serves the whole lab."""
        if version not in self._postgres:
            server = Postgres(
                Path(f"/usr/lib/postgresql/{version}/bin"),
                place=release(POSTGRES[version]),
                ports=FOUR_DIGITS,
            )
            self._postgres[version] = self._stack.enter_context(server)
        return self._postgres[version]

    @contextmanager
    def running(self, endpoint: Endpoint, **options: Any) -> Iterator[Any]:
        """The pooler of an endpoint, running; `options` come on top of the endpoint's."""
        make = CLASSES[endpoint.product]
        options = {**dict(endpoint.options), **options}
        if endpoint.product == "pgbouncer":
            options["program"] = Path("/usr/sbin/pgbouncer")
        place = release(endpoint.release)
        with make(self.postgres(endpoint.postgres), place=place, **options) as server:
            _check_version(server, endpoint)
            yield server

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _check_version(server: Server, endpoint: Endpoint) -> None:
    """Releases move on. What is later has to do the same, until it has rows of its own."""
    found = getattr(server, "version", None)
    if found is None or found < endpoint.version:
        raise LookupError(
            f"{endpoint.name} is version {found}: build the lab again, or put its row right"
        )
