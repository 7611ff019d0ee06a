"""The two connections a program is played on: one of its own, and one behind the pooler."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pgpoolsafe
from tests.servers import PgBouncer, Postgres

from .bystanders import Bystanders
from .either import Runner, connect
from .playing import Noticed, Player
from .programs import Program, Step

POOLED, TWIN = "machine", "machine_twin"
CARRY = {"settings": "carry", "pool_mode": "transaction", "prepared": "off"}
"""Options of `install`, beside the pooler."""

POOL: dict[str, Any] = {
    "pool_size": 3,
    "databases": (POOLED,),
    "ignore_startup_parameters": "options",
}
"""Options of the PgBouncer: three server connections in rotation."""

SCHEMA = """
    CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA "Odd, Name";
    CREATE TABLE public.place AS SELECT 'public' AS who;
    CREATE TABLE one.place AS SELECT 'one' AS who;
    CREATE TABLE two.place AS SELECT 'two' AS who;
    CREATE TABLE "Odd, Name".place AS SELECT 'odd' AS who;
    CREATE TABLE public.items (n int);
    CREATE TABLE public.parent (id int PRIMARY KEY);
    CREATE TABLE public.child (id int REFERENCES public.parent DEFERRABLE INITIALLY DEFERRED);
    GRANT USAGE ON SCHEMA one, two, "Odd, Name" TO public;
    GRANT ALL ON ALL TABLES IN SCHEMA public, one, two, "Odd, Name" TO public;
"""
TAKE_ITEMS = """
    WITH gone AS (DELETE FROM public.items RETURNING n)
    SELECT array_agg(n ORDER BY n)::text FROM gone
"""

BYSTANDERS: Step = ("bystanders",)
FINDINGS: Step = ("findings",)
"""What stands in place of a step for what the others saw, and what the guard told."""

WOLVES = frozenset({"session-set", "session-role", "startup-options"})
"""The rules that have nothing to say where settings are carried."""


@contextlib.contextmanager
def databases(postgres: Postgres) -> Iterator[None]:
    """The databases of all sides; dropped again at the end."""
    with postgres.connect("postgres", "postgres", autocommit=True) as admin:
        for name in (POOLED, TWIN):
            admin.execute(f"CREATE DATABASE {name} OWNER app")
            with postgres.connect("postgres", name) as owner:
                owner.execute(SCHEMA)
        yield
        for name in (POOLED, TWIN):
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Side:
    """A database, and how a program gets to it."""

    def __init__(
        self,
        server: Postgres | PgBouncer,
        database: str,
        postgres: Postgres,
        guard: dict[str, Any] | None,
    ) -> None:
        self._server, self._database, self._guard = server, database, guard
        self._installations: list[pgpoolsafe.Installation] = []
        self._admin = postgres.connect("postgres", database, autocommit=True)
        self._runner = Runner()

    def play(self, program: Program) -> list[Noticed]:
        """What the program noticed, and last what it has left in its table."""
        return [*self._noticed(program), (("table",), self._clean())]

    def _noticed(self, program: Program) -> list[Noticed]:
        player = Player(program, lambda: self._connect(program))
        code = player.play(self._after_step(program))
        return self._runner.run(code, is_async=program.is_async)

    def renew(self) -> None:
        """Nothing is left of what a program may have left behind."""

    def close(self) -> None:
        """Disconnect; nothing that was prepared is left."""
        self._clean()
        self._runner.close()
        self._admin.close()

    def _dsn(self, program: Program) -> str:
        return self._server.dsn(program.user, self._database, **_options(program))

    async def _connect(self, program: Program) -> Any:
        """The program's connection, made anew."""
        return await connect(
            self._dsn(program),
            is_async=program.is_async,
            autocommit=program.autocommit,
            prepare_threshold=None,  # psycopg's own DEALLOCATE ALL would tell the sides apart
        )

    def _after_step(self, program: Program) -> Callable[[], None]:  # noqa: ARG002
        """What happens between the steps of a program."""
        return lambda: None

    def _clean(self) -> Noticed:
        """End what was prepared, empty the table; returns what was in it."""
        prepared = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
        gids = [gid for (gid,) in self._admin.execute(prepared)]
        for gid in gids:
            self._admin.execute(f"ROLLBACK PREPARED '{gid}'")
        return (*gids, self._admin.execute(TAKE_ITEMS).fetchone())


class Direct(Side):
    """A server connection of one's own. `guard`: options of one, which is to stand aside."""

    def __init__(self, postgres: Postgres, guard: dict[str, Any] | None = None) -> None:
        aside = {**guard, "pooler": "direct", "pool_mode": None} if guard else None
        super().__init__(postgres, TWIN, postgres, aside)

    async def _connect(self, program: Program) -> Any:
        conn = await super()._connect(program)
        if self._guard is not None:
            pgpoolsafe.install(conn, **self._guard, fuse_begin=program.fuses)
        return conn


class Pooled(Side):
    """Behind PgBouncer in transaction mode, among bystanders, with `install(**guard)`.

    `guard` None: without the library.
    """

    def __init__(self, postgres: Postgres, pooler: PgBouncer, guard: dict[str, Any] | None) -> None:
        # It is named, so that detection costs a program nothing.
        name = f"pgbouncer>={pooler.version[0]}.{pooler.version[1]}"
        super().__init__(pooler, POOLED, postgres, {**guard, "pooler": name} if guard else None)
        self._pooler = pooler
        self._carries = guard is not None and guard["settings"] == "carry"
        self._bystanders: dict[str, Bystanders] = {}
        pooler.renew()

    def play(self, program: Program) -> list[Noticed]:
        self._installations.clear()
        bystanders = self._around(program.user)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pgpoolsafe.SessionStateWarning)
            noticed = super().play(program)
        saw = bystanders.noticed()
        told = {f.rule for one in self._installations for f, _ in one.findings()} & WOLVES
        return [*noticed, (BYSTANDERS, saw), (FINDINGS, sorted(told) if self._carries else [])]

    def renew(self) -> None:
        for one in self._bystanders.values():
            one.close()
        self._bystanders.clear()
        self._pooler.renew()

    def close(self) -> None:
        self.renew()
        super().close()

    async def _connect(self, program: Program) -> Any:
        conn = await super()._connect(program)
        if self._guard is not None:
            made = pgpoolsafe.install(conn, **self._guard, fuse_begin=program.fuses)
            self._installations.append(made)
        return conn

    def _around(self, user: str) -> Bystanders:
        if user not in self._bystanders:
            guard = self._guard if self._carries else None
            self._bystanders[user] = Bystanders(self._pooler, user, guard)
        return self._bystanders[user]

    def _after_step(self, program: Program) -> Callable[[], None]:
        return self._around(program.user).step


def _options(program: Program) -> dict[str, str]:
    """The start-up settings of a program, as a libpq parameter."""
    words = [f"-c {name}={value}" for name, value in program.options]
    return {"options": " ".join(words)} if words else {}
