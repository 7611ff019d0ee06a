"""Why a test of a suite cannot pass behind a pooler that shares server connections."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `sign`: what in the test's name or its error tells it."""

    name: str
    why: str
    sign: str
    varies: bool = False

    def fits(self, test: str, error: str) -> bool:
        """Whether the name or the error shows it."""
        return re.search(self.sign, f"{test} | {error}") is not None


_ROWS = (
    Reason(
        "class",
        "asks for type(cursor) itself; behind a pooler a guarded cursor is of a subclass",
        r"test_default_cursor|test_from_cursor_factory|test_cursor_factory_connect"
        r"|test_query_parse_cache_size",
    ),
    Reason(
        "prepares",
        "looks at the prepared statements of its session: there are none where the pooler would"
        " lose them, and those of all clients where it brings them along",
        r"^tests/test_prepared|^tests/test_pipeline(_async)?\.py::test_(prepared|auto_prepare)"
        r"|test_detect_stale_(ddl|type)_cache",
        varies=True,
    ),
    Reason(
        "raw-prepare",
        "prepares a statement on the raw libpq connection, which no guard can see",
        r"^tests/pq/.*(prepared?|nparams_types|describe)",
        varies=True,
    ),
    Reason(
        "backend-pid",
        "compares or terminates the backend by its pid; a pooler gives a pid of its own",
        r"test_(connect|getconn|stats)_(no_)?check|test_check_connection|test_broken"
        r"|server_disconnect|no_clobber|test_pgconn\.py::test_notify|backend_pid|terminate"
        r"|test_notify_handlers|disconnect|test_reconnect",
    ),
    Reason(
        "listen",
        "waits for notifications, which reach the server connection and not the client",
        r"test_notify|notif",
        varies=True,
    ),
    Reason(
        "held-cursor",
        "reads a WITH HOLD cursor in a later transaction",
        r"test_hold|InvalidCursorName",
        varies=True,
    ),
    Reason(
        "temp-table",
        "counts on a temporary table in a later transaction, or meets another client's",
        r"trace|temp|tmp|UndefinedTable|DuplicateTable"
        r"|_multi_|multi_get_|TableViaSelectTest|test_get_sequence_names_no_sequence",
        varies=True,
    ),
    Reason(
        "session-set",
        "counts on a setting in a later transaction, or meets another client's",
        r"transaction_param_reset|test_configure|current_setting|ReadOnlySql|search_path"
        r"|default_transaction|test_context_(commit|rollback)",
        varies=True,
    ),
    Reason(
        "plan",
        "changes a table under a prepared statement, which is shared by all clients",
        r"cached (statement )?plan|cache lookup failed",
        varies=True,
    ),
    Reason(
        "encoding",
        "reads client_encoding, which the pooler reports as the client wrote it",
        r"test_encoding_env_var",
    ),
    Reason(
        "password",
        "changes the password of a role, or reads password_encryption, on the server",
        r"password",
    ),
    Reason(
        "pipeline",
        "fails in a pipeline as the pooler answers it",
        r"PipelineAborted|test_pipeline",
        varies=True,
    ),
    Reason(
        "timing",
        "waits for the end of a connection for a tenth of a second; fails directly as well",
        r"test_wait_remote_closed",
        varies=True,
    ),
    Reason(
        "leftover",
        "meets what an earlier test that failed has left: open connections, a session of its own",
        r"ExceptionGroup",
        varies=True,
    ),
)

REASONS: dict[str, Reason] = {reason.name: reason for reason in _ROWS}

UNKNOWN = "unknown"
"""Stands for the reason of a test until somebody has found it; not to be committed."""


def reason_for(test: str, error: str) -> str:
    """The name of the first reason that fits, or UNKNOWN."""
    return next((r.name for r in _ROWS if r.fits(test, error)), UNKNOWN)
