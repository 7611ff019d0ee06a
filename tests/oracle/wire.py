"""A direct connection at the level of libpq: one text, one simple Query, as psql sends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from psycopg.pq import ExecStatus, TransactionStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: the command tags that succeeded and the error, if there was one."""

    tags: tuple[str, ...]
    error: str | None
    row: dict[str, str | None] | None
    """The first row of the last result, for psql's variables."""
    cells: tuple[str, ...] = ()
    """Every value of the last result, for psql's gexec."""


class Wire:
    """One connection. Raises psycopg.OperationalError when it cannot be made."""

    def __init__(self, dsn: str) -> None:
        self.pg = pq.PGconn.connect(dsn.encode())
        if self.pg.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(self.pg.get_error_message())
        self.pg.notice_handler = None

    @property
    def alive(self) -> bool:
        return self.pg.status == pq.ConnStatus.OK

    @property
    def in_block(self) -> bool:
        """Whether a transaction block is open, aborted or not."""
        return self.pg.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    @property
    def failed(self) -> bool:
        """Whether the open block is aborted."""
        return self.pg.transaction_status == TransactionStatus.INERROR

    @property
    def standard_strings(self) -> bool:
        return self.pg.parameter_status(b"standard_conforming_strings") != b"off"

    def run(self, text: str, copy_data: Callable[[], str] = str) -> Outcome:
        """Send one text; `copy_data` gives what COPY FROM STDIN wants."""
        self.pg.send_query(text.encode("utf-8", "surrogateescape"))
        tags: list[str] = []
        error, row = None, None
        cells: tuple[str, ...] = ()
        while (result := self.pg.get_result()) is not None:
            status = result.status
            if status == ExecStatus.COPY_IN:
                self.pg.put_copy_data(copy_data().encode("utf-8", "surrogateescape"))
                self.pg.put_copy_end()
            elif status == ExecStatus.COPY_OUT:
                while self.pg.get_copy_data(0)[0] > 0:
                    pass
            elif status == ExecStatus.FATAL_ERROR:
                error = result.get_error_message()
            else:
                tags.append(_text(result.command_status) or "")
                row, cells = _first_row(result), _cells(result)
        return Outcome(tuple(tags), error, row, cells)

    def rows(self, text: str) -> list[tuple[str, ...]] | None:
        """The rows of a query; None if the server refuses it."""
        result = self.pg.exec_(text.encode("utf-8", "surrogateescape"))
        if result.status != ExecStatus.TUPLES_OK:
            return None
        return [
            tuple(_text(result.get_value(r, c)) or "" for c in range(result.nfields))
            for r in range(result.ntuples)
        ]

    def query(self, text: str) -> None:
        """Run what must succeed; raises psycopg.DatabaseError."""
        error = self.run(text).error
        if error is not None:
            raise psycopg.DatabaseError(error)

    def execute(self, text: str, params: list[str | None]) -> None:
        """Run one statement with parameters, as text; raises psycopg.DatabaseError."""
        values = [None if param is None else param.encode() for param in params]
        result = self.pg.exec_params(text.encode(), values)
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise psycopg.DatabaseError(result.get_error_message())

    def close(self) -> None:
        self.pg.finish()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")


def _first_row(result: Any) -> dict[str, str | None] | None:
    if result.status != ExecStatus.TUPLES_OK or not result.ntuples:
        return None
    names = [_text(result.fname(column)) or "" for column in range(result.nfields)]
    return {name: _text(result.get_value(0, column)) for column, name in enumerate(names)}


def _cells(result: Any) -> tuple[str, ...]:
    values = (
        _text(result.get_value(row, column))
        for row in range(result.ntuples)
        for column in range(result.nfields)
    )
    return tuple(value for value in values if value is not None)
