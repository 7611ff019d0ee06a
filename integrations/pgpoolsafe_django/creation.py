"""Test databases: made and dropped past the pooler, which keeps connections to them open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from .options import KEY, test_options, wishes

_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


class DirectCreation:
    """Goes before a backend's DatabaseCreation."""

    connection: Any

    def create_test_db(self, *args: Any, **kwargs: Any) -> Any:
        """As Django's, on the direct endpoint; from then on TEST["PGPOOLSAFE"] is in force.

        Not before: the migrations are session work, and their place is the direct endpoint.
        """
        with self.connection.directly():
            name = super().create_test_db(*args, **kwargs)  # type: ignore[misc]
        self._apply_test_options()
        self.connection.close()
        return name

    def set_as_test_mirror(self, primary_settings_dict: Any) -> None:
        """As Django's, and with the options for tests."""
        self._apply_test_options()
        super().set_as_test_mirror(primary_settings_dict)  # type: ignore[misc]

    def test_db_signature(self) -> Any:
        """That of the alias whose direct endpoint this one is: the database is the same."""
        for alias in connections:
            if wishes(alias).direct == self.connection.alias:
                return connections[alias].creation.test_db_signature()
        return super().test_db_signature()  # type: ignore[misc]

    def _clone_test_db(self, *args: Any, **kwargs: Any) -> None:
        """CREATE DATABASE … TEMPLATE wants nobody connected to the template."""
        self._close_pool()
        with self.connection.directly() as is_direct:
            if is_direct:
                with self._nodb_cursor() as cursor:
                    cursor.execute(_END_SESSIONS, [self.connection.settings_dict["NAME"]])
            super()._clone_test_db(*args, **kwargs)  # type: ignore[misc]

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        self._close_pool()
        with self.connection.directly():
            super()._destroy_test_db(test_database_name, verbosity)  # type: ignore[misc]

    @contextmanager
    def _nodb_cursor(self) -> Iterator[Any]:
        """As Django's; a database that it drops, after a broken-off run too, is emptied first."""
        with super()._nodb_cursor() as cursor:  # type: ignore[misc]
            with cursor.db.execute_wrapper(self._emptying):
                yield cursor

    def _emptying(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        """End the pooler's server connections, which it keeps open.

        Let nobody in before: a pooler that wants a number of connections ready would open new
        ones at once.
        """
        _, is_drop, quoted = str(sql).partition("DROP DATABASE ")
        if is_drop and self.connection.is_direct:
            context["cursor"].execute(f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS false")
            context["cursor"].execute(_END_SESSIONS, [quoted.strip('"')])
        return execute(sql, params, many, context)

    def _close_pool(self) -> None:
        if self.connection.pool is not None:
            self.connection.close()
            self.connection.close_pool()

    def _apply_test_options(self) -> None:
        """In the dictionary that all threads share, and that goes to parallel workers."""
        wrapper = self.connection
        found = test_options(wrapper.alias, wrapper.settings_dict)
        if found:
            options = wrapper.settings_dict["OPTIONS"]
            options[KEY] = {**options.get(KEY, {}), **found}
