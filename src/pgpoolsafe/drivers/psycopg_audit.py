"""psycopg: ask a database for the code it keeps, and let a guard read with it.

One query, sent as it is on the raw connection: no transaction is opened for it, and no
prepared statement is left.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator
from functools import partial
from typing import Any

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.generators import execute, fetch_many, pipeline_communicate

from ..sql.stored import StoredCode, question, stored_code
from .known_code import reader_of, remembers_code, tell_refusal

Gen = Generator[Any, Any, Any]


def ask(conn: Any, *, expressions: bool = False) -> Gen:
    """Generator: the StoredCode of the database; one round trip.

    `expressions`: with the expressions that ask for a setting.
    Raises psycopg's errors, and ProgrammingError in a pipeline under way.
    """
    pgconn = conn.pgconn
    text = question(pgconn.server_version, expressions=expressions)
    for result in (yield from _answers(conn, text.encode())):
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding=pgconn._encoding)
        value = result.get_value(0, 0) if result.ntuples else None
        if value is not None:
            return stored_code(json.loads(value.decode(pgconn._encoding, "replace")))
    return StoredCode()


def _answers(conn: Any, text: bytes) -> Gen:
    pgconn, pipeline = conn.pgconn, conn._pipeline
    if pgconn.pipeline_status == pq.PipelineStatus.OFF:
        pgconn.send_query_params(text, None)
        return (yield from execute(pgconn))
    if pipeline and (pipeline.command_queue or pipeline.result_queue):
        raise psycopg.ProgrammingError("audit(): not in the middle of a pipeline")
    commands = deque([partial(pgconn.send_query_params, text, None), pgconn.pipeline_sync])
    groups = list((yield from pipeline_communicate(pgconn, commands)))
    while len(groups) < 2:  # the results, and those of the sync
        groups.append((yield from fetch_many(pgconn)))
    return groups[0]


# the guard


def learn_code(conn: Any, seat: Any, endpoint: Any) -> Gen:
    """Generator: ask for the code of this endpoint's database and note what it does.

    What the server refuses is told once; the guard then knows none of its functions.
    """
    readers = seat.owners[-1].routines
    try:
        stored = yield from ask(conn)
        readers[endpoint] = reader_of(stored, seat.guard)
    except psycopg.Error as error:
        if conn.pgconn.status != pq.ConnStatus.OK:
            raise
        readers[endpoint] = None
        tell_refusal(error)
    remembers_code(seat, endpoint)
