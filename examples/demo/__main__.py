"""Play every scene twice on real servers, then take everything away again.

Exit status: 0 if each hazard hurt somebody without the guard and nobody with it, 1 if one
did not come out as told, 2 if there are no servers to play on, 130 after Ctrl-C.
"""

from __future__ import annotations

import io
import signal
import sys
import time

from tests.servers import (
    PgBouncer,
    Postgres,
    ServerFailed,
    ServerMissing,
    forget_libpq_environment,
)

from .scenes import SCENES, Outcome, Scene
from .screen import show_scene, show_text
from .stage import Line, Stage, prepare_database

INTERRUPTED = 130


def main() -> int:
    """Run the demo; returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without box-drawing characters
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    forget_libpq_environment()
    started = time.monotonic()
    try:
        surprises = play_all()
    except (ServerMissing, ServerFailed) as problem:
        show_text(f"The demo cannot run: {problem}")
        return 2
    except KeyboardInterrupt:
        show_text("Interrupted; the servers are stopped.")
        return INTERRUPTED
    show_summary(surprises, time.monotonic() - started)
    return 1 if surprises else 0


def play_all() -> list[str]:
    """Start the servers and play; returns what did not come out as told."""
    with Postgres() as postgres, PgBouncer(postgres) as pooler:
        show_cast(postgres, pooler)
        prepare_database(postgres)
        surprises = []
        for number, scene in enumerate(SCENES, 1):
            plain, safe = (perform(scene, pooler, guarded=g) for g in (False, True))
            show_scene(number, scene, plain, safe)
            surprises += surprises_of(number, plain[1], safe[1])
        return surprises


def perform(scene: Scene, pooler: PgBouncer, *, guarded: bool) -> tuple[list[Line], Outcome]:
    """Play a scene once; returns the transcript and the outcome."""
    with Stage(pooler, guarded) as stage:
        outcome = scene.play(stage)
        return stage.lines, outcome


def surprises_of(number: int, plain: Outcome, safe: Outcome) -> list[str]:
    """What did not come out as told, in words."""
    said = []
    if not plain.harmed:
        said.append(f"scene {number} hurt nobody without the guard")
    if safe.harmed:
        said.append(f"scene {number} hurt somebody with the guard")
    return said


def show_cast(postgres: Postgres, pooler: PgBouncer) -> None:
    """Say what runs, and how to read what follows."""
    versions = [".".join(map(str, server.version)) for server in (postgres, pooler)]
    show_text(
        f"PostgreSQL {versions[0]} behind PgBouncer {versions[1]}, transaction pooling,"
        f" {pooler.pool_size} server connections. Both halves of a scene are the same code;"
        ' in the right one each connection was given to pgpoolsafe.install(…, mode="strict").'
        " A/1 is client A on server connection 1."
    )


def show_summary(surprises: list[str], seconds: float) -> None:
    """Say how it ended."""
    show_text()
    if surprises:
        show_text(f"Not as told: {'; '.join(surprises)}.")
    else:
        show_text(
            f"{len(SCENES)} hazards: each hurt a client without the guard, none with it."
            f" The servers are stopped and their files removed. {seconds:.0f} s."
        )


if __name__ == "__main__":
    sys.exit(main())
