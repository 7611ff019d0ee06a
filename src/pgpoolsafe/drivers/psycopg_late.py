"""psycopg: ask a session what it carries although no further statement comes.

After a pipeline, a COPY or a stream the question waits for the next statement of the connection.
Where none comes it is asked when the connection is closed, or when a test suite says that a
part of a test is over.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import enumerate as threads
from threading import get_ident
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import waiting

from ..errors import SessionStateError, SessionStateWarning
from .psycopg_meeting import is_free
from .psycopg_seat import ATTRIBUTE, RETIRED

if TYPE_CHECKING:
    from ..blame import Watch

Gen = Generator[Any, Any, Any]


def ask_now(conn: Any) -> None:
    """Ask a connection that is not in use, of this thread or of one that is gone.

    The findings are reported; an error for them is raised to nobody, since none has sent
    anything here.
    """
    watch = _watch_of(conn)
    if watch is None or not _is_ours(watch):
        return
    try:
        with _held(conn) as is_held:
            if is_held and _owes(conn, watch):
                waiting.wait(_asked(conn, watch, masked=False), conn.pgconn.socket)
    except (SessionStateError, SessionStateWarning):
        return  # whoever reviews findings has seen them


def _is_ours(watch: Watch) -> bool:
    """Whether no other thread may be about to use the connection."""
    others = (thread.ident for thread in threads())
    return watch.thread == get_ident() or watch.thread not in others


@contextmanager
def _held(conn: Any) -> Iterator[bool]:
    """Hold the connection's lock, if nobody else does."""
    if isinstance(conn, psycopg.AsyncConnection):
        # Its event loop is of this thread, and does not run meanwhile.
        yield not conn.lock.locked()
        return
    is_held = conn.lock.acquire(blocking=False)
    try:
        yield is_held
    finally:
        if is_held:
            conn.lock.release()


def _watch_of(conn: Any) -> Watch | None:
    watch: Watch | None = getattr(conn, ATTRIBUTE, RETIRED).watch
    return watch


def _owes(conn: Any, watch: Watch) -> bool:
    if conn.closed or watch.inside or watch.before is None:
        return False
    return watch.pending and is_free(conn)


def _asked(conn: Any, watch: Watch, *, masked: bool) -> Gen:
    from .psycopg_residue import watched_end

    return watched_end(conn, watch, masked=masked)


# closing


def closing(cls: Any) -> Any:
    """What overrides `Connection.close`: asks first, and closes in any case."""

    @wraps(cls.close)
    def guarded(self: Any) -> None:
        watch = _watch_of(self)
        try:
            if watch is not None:
                masked = _is_masked(self)
                with _held(self) as is_held:
                    if is_held and _owes(self, watch):
                        self.wait(_asked(self, watch, masked=masked))
        finally:
            cls.close(self)

    return guarded


def closing_async(cls: Any) -> Any:
    """The same for `AsyncConnection.close`."""

    @wraps(cls.close)
    async def guarded(self: Any) -> None:
        watch = _watch_of(self)
        try:
            if watch is not None and not self.lock.locked() and _owes(self, watch):
                masked = _is_masked(self)
                async with self.lock:
                    await self.wait(_asked(self, watch, masked=masked))
        finally:
            await cls.close(self)

    return guarded


def _is_masked(conn: Any) -> bool:
    """Whether an error would hide the one on its way, or keep a pool from closing the rest."""
    return sys.exc_info()[1] is not None or hasattr(conn, "_pool")
