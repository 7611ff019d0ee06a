"""asyncpg: its prepared statements, kept unnamed where the pooler does not bring them along.

asyncpg names what it prepares, and caches it, also on behalf of cursors. Behind a pooler that
does not track names they are of no use, and of harm to other clients: the statement is then
prepared without a name, and parsed again in the message that runs it.
"""

from __future__ import annotations

from typing import Any

from asyncpg.exceptions import PostgresError

from ..effects import Edit
from ..sql.edits import apart, apply
from .asyncpg_errors import show_own_text
from .seat import Seat
from .wire import Send

_MOST = 256
"""So many edited statements are known by what they were made of."""


class Statements:
    """The statements of one connection.

    `is_off`: names are kept off; then `kept` holds what asyncpg's cache was allowed to hold.
    """

    __slots__ = ("_edited", "_fresh", "is_off", "kept")

    def __init__(self) -> None:
        self.is_off = False
        self.kept: tuple[int, bool] | None = None
        self._fresh: Any = None
        # By the identity of the text that was prepared: the same words may come from the user.
        self._edited: dict[int, tuple[str, str]] = {}

    def text_of(self, state: Any) -> str:
        """The text that the user wrote, whatever was prepared for it."""
        known = self._edited.get(id(state.query))
        if known is not None and known[0] is state.query:
            return known[1]
        text: str = state.query
        return text

    def _remember(self, sent: str, text: str) -> None:
        if len(self._edited) >= _MOST:
            del self._edited[next(iter(self._edited))]
        self._edited[id(sent)] = (sent, text)

    async def prepare(
        self,
        protocol: Any,
        seat: Seat,
        name: str,
        text: str,
        timeout: Any,
        options: dict[str, Any],
    ) -> Any:
        """Prepare what is going to be sent for a text; it is judged when it is run."""
        edits, _ = apart(_preview(protocol, seat, text))
        sent = apply(text, edits) if edits else text
        if edits:
            self._remember(sent, text)
        name = "" if self.is_off else name
        try:
            state = await protocol._pgpoolsafe_base.prepare(
                protocol, name, sent, timeout, **options
            )
        except PostgresError as error:
            show_own_text(error, text, sent, Send(edits=edits))
            raise
        if self.is_off:
            state.mark_unprepared()
            self._fresh = state
        return state

    async def ready(self, protocol: Any, state: Any, text: str, *, is_portal: bool = False) -> Any:
        """The state to run `text` with: the one at hand, or one that is made for it."""
        is_fresh, self._fresh = state is self._fresh, None
        # Parsed again, a statement may return other columns than it was described with: with
        # the next search_path, or after ALTER TABLE. A name would make that an error.
        is_usable = not self.is_off or (is_fresh and not state.name and not is_portal)
        if state.query == text and is_usable:
            return state
        fresh = await protocol._pgpoolsafe_base.prepare(
            protocol,
            "",
            text,
            None,
            record_class=state.record_class,
            ignore_custom_codec=state.ignore_custom_codec,
        )
        fresh._init_codecs()  # the types are known from the statement that this one stands for
        if not is_portal:
            fresh.mark_unprepared()
        return fresh


def _preview(protocol: Any, seat: Seat, text: str) -> tuple[Edit, ...]:
    """The edits that would be made to the text, if it were run now."""
    guard = seat.guard
    if not guard.watching or guard.read(text).plain:
        return ()
    return guard.preview(text, guard.read(text), in_block=bool(protocol.is_in_transaction()))


def keep_named_off(conn: Any, statements: Statements) -> None:
    """No named statement from now on; forget those made before, wherever they are.

    They stay on their server connections until those are closed.
    """
    if statements.is_off:
        return
    statements.is_off = True
    cache = conn._stmt_cache
    statements.kept = (cache.get_max_size(), conn._stmt_cache_enabled)
    cache.clear()
    cache.set_max_size(0)
    conn._stmt_cache_enabled = False
    conn._stmts_to_close.clear()


def named_again(conn: Any, statements: Statements) -> None:
    """asyncpg's cache is in force again."""
    if statements.kept is not None:
        size, conn._stmt_cache_enabled = statements.kept
        conn._stmt_cache.set_max_size(size)
    statements.is_off, statements.kept = False, None
