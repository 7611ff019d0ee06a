"""pg8000: the private names that the guard stands on, and what a connection says of itself."""

from __future__ import annotations

import re
from inspect import signature
from struct import unpack_from
from typing import Any

from ..poolers.endpoints import Endpoint

ENDPOINT = "_pgpoolsafe_endpoint"
"""Under this name a connection carries where it was opened to, for pg8000 forgets it."""

LAYOUT = (
    "execute_simple",
    "execute_unnamed",
    "execute_named",
    "send_PARSE",
    "send_DESCRIBE_STATEMENT",
    "send_BIND",
    "send_EXECUTE",
    "handle_messages",
    "py_types",
    "parameter_statuses",
    "user",
    "_backend_key_data",
    "_transaction_status",
    "_sock",
    "_usock",
)


def endpoint_of(conn: Any) -> Endpoint:
    """Where the connection leads, as it was opened or as its socket knows it."""
    known: Endpoint | None = conn.__dict__.get(ENDPOINT)
    if known is not None:
        return known
    peer = conn._usock.getpeername()
    host = peer[0] if isinstance(peer, tuple) else str(peer)
    user = conn.user.decode("utf8", "replace")
    return Endpoint(host=host, port=port_of(peer) or 0, user=user, dbname="")


def port_of(address: Any) -> int | None:
    """The port of a socket's address; None for a unix socket."""
    return address[1] if isinstance(address, tuple) else None


def parameters_of(conn: Any) -> dict[str, str]:
    """What the server has reported; before version 1.31 pg8000 keeps a list of bytes."""
    said = conn.parameter_statuses
    pairs = said.items() if isinstance(said, dict) else said
    return {_text(name): _text(value) for name, value in pairs}


def _text(value: Any) -> str:
    return value.decode("utf8", "replace") if isinstance(value, bytes) else str(value)


def backend_pid_of(conn: Any) -> int:
    """The process id from the backend key data, 0 if none came."""
    data = conn._backend_key_data
    return int(unpack_from("!i", data)[0]) if data else 0


def version_number(text: str) -> int:
    """`15.18 (Debian …)` as 150018, `9.6.24` as 90624; 0 if it is none."""
    found = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
    if found is None:
        return 0
    major, minor, patch = (int(part or 0) for part in found.groups())
    return major * 10000 + (minor if major >= 10 else minor * 100 + patch)


def remember(conn: Any, connect: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Note where a connection was opened to; `connect` was called with these."""
    given = signature(connect).bind(conn, *args, **kwargs).arguments
    if given.get("unix_sock") is None and given.get("sock") is None:
        conn.__dict__[ENDPOINT] = Endpoint(
            host=str(given.get("host", "localhost")),
            port=int(given.get("port", 5432)),
            user=conn.user.decode("utf8", "replace"),
            dbname=str(given.get("database") or ""),
        )
