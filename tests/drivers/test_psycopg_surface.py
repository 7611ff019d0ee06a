"""psycopg's public methods: a new one must be looked at before it can carry SQL past the guard."""

from __future__ import annotations

import inspect
from typing import Any

import psycopg
import pytest
from psycopg import (
    AsyncConnection,
    AsyncCursor,
    AsyncServerCursor,
    Connection,
    Cursor,
    ServerCursor,
)

from pgpoolsafe.drivers.psycopg_classes import LAYOUT, check_layout
from pgpoolsafe.errors import ConfigurationError

SENDS_SQL = {
    "connection": {"execute", "transaction", "commit", "rollback", "pipeline", "cursor"}
    | {"tpc_begin", "tpc_commit", "tpc_prepare", "tpc_recover", "tpc_rollback", "close"},
    "cursor": {"execute", "executemany", "stream", "copy", "close", "scroll"}
    | {"fetchone", "fetchmany", "fetchall"},
}
"""Methods through which SQL reaches the server; tests/drivers/test_psycopg.py sends all of it."""

SENDS_NONE = {
    "connection": {
        *("DataError", "DatabaseError", "Error", "IntegrityError", "InterfaceError"),
        *("InternalError", "NotSupportedError", "OperationalError", "ProgrammingError", "Warning"),
        *("adapters", "add_notice_handler", "add_notify_handler", "autocommit", "broken"),
        *("cancel", "cancel_safe", "closed", "connect", "connection", "cursor_factory"),
        *("deferrable", "fileno", "info", "isolation_level", "lock", "notifies", "pgconn"),
        *("prepare_threshold", "prepared_max", "read_only", "remove_notice_handler"),
        *("remove_notify_handler", "row_factory", "server_cursor_factory", "set_autocommit"),
        *("set_deferrable", "set_isolation_level", "set_read_only", "wait", "xid"),
    },
    "cursor": {
        *("adapters", "arraysize", "closed", "connection", "description", "format", "itersize"),
        *("name", "nextset", "pgresult", "results", "row_factory", "rowcount", "rownumber"),
        *("scrollable", "set_result", "setinputsizes", "setoutputsize", "statusmessage"),
        "withhold",
    },
}

CLASSES = [
    ("connection", Connection),
    ("connection", AsyncConnection),
    ("cursor", Cursor),
    ("cursor", AsyncCursor),
    ("cursor", ServerCursor),
    ("cursor", AsyncServerCursor),
]


@pytest.mark.parametrize("kind,cls", CLASSES, ids=[cls.__name__ for _, cls in CLASSES])
def test_no_public_name_is_unknown(kind: str, cls: type) -> None:
    public = {name for name in dir(cls) if not name.startswith("_")}
    unknown = public - SENDS_SQL[kind] - SENDS_NONE[kind]
    assert not unknown, f"psycopg {psycopg.__version__}: does {sorted(unknown)} send SQL?"


@pytest.mark.parametrize("kind,cls", CLASSES, ids=[cls.__name__ for _, cls in CLASSES])
def test_what_takes_a_query_is_known_to_send_it(kind: str, cls: type) -> None:
    taking = {name for name in dir(cls) if not name.startswith("_") and _takes_sql(cls, name)}
    assert taking <= SENDS_SQL[kind]


def _takes_sql(cls: type, name: str) -> bool:
    method = inspect.getattr_static(cls, name)
    if not inspect.isfunction(method):
        return False
    return bool({"query", "statement", "sql"} & inspect.signature(method).parameters.keys())


def test_generators_that_send_are_all_overridden() -> None:
    """psycopg sends through private generators: those of the cursor that take a query."""
    sending = {
        name
        for cls in (Cursor, ServerCursor)
        for name in dir(cls)
        if name.endswith("_gen") and _takes_sql(cls, name)
    }
    listed = {name for names in LAYOUT.values() for name in names}
    assert sending <= listed


def test_an_unknown_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    layout: dict[type, tuple[str, ...]] = {**LAYOUT, Cursor: ("_no_such_gen",)}
    monkeypatch.setattr("pgpoolsafe.drivers.psycopg_classes.LAYOUT", layout)
    with pytest.raises(ConfigurationError) as caught:
        check_layout()
    assert str(caught.value) == (
        f"psycopg {psycopg.__version__} is not supported: it has no Cursor._no_such_gen"
    )


def test_the_arguments_of_the_overridden_generators() -> None:
    def parameters(method: Any) -> list[str]:
        return list(inspect.signature(method).parameters)

    assert parameters(Cursor._execute_gen) == ["self", "query", "params", "prepare", "binary"]
    assert parameters(Cursor._start_copy_gen) == ["self", "statement", "params"]
    assert parameters(Cursor._stream_send_gen)[:3] == ["self", "query", "params"]
    many = ["self", "query", "params_seq", "returning"]
    assert parameters(Cursor._executemany_gen_pipeline) == many
    assert parameters(Cursor._executemany_gen_no_pipeline) == many
    assert parameters(ServerCursor._declare_gen) == ["self", "query", "params", "binary"]
