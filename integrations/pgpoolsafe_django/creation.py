"""Test databases: made and dropped past the pooler, which keeps connections to them open."""

from __future__ import annotations

from typing import Any

from django.db import connections

from .options import KEY, test_options, wishes


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
                self._end_sessions(self.connection.settings_dict["NAME"])
            super()._clone_test_db(*args, **kwargs)  # type: ignore[misc]

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        self._close_pool()
        with self.connection.directly() as is_direct:
            if is_direct:
                self._let_nobody_in(test_database_name)
                self._end_sessions(test_database_name)
            super()._destroy_test_db(test_database_name, verbosity)  # type: ignore[misc]

    def _close_pool(self) -> None:
        if self.connection.pool is not None:
            self.connection.close()
            self.connection.close_pool()

    def _let_nobody_in(self, database: str) -> None:
        """A pooler that wants a number of connections ready would open new ones at once."""
        quoted = self.connection.ops.quote_name(database)
        with self.connection._nodb_cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS false")

    def _end_sessions(self, database: str) -> None:
        """End the pooler's server connections to a test database: it keeps them open."""
        with self.connection._nodb_cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [database],
            )

    def _apply_test_options(self) -> None:
        """In the dictionary that all threads share, and that goes to parallel workers."""
        wrapper = self.connection
        found = test_options(wrapper.alias, wrapper.settings_dict)
        if found:
            options = wrapper.settings_dict["OPTIONS"]
            options[KEY] = {**options.get(KEY, {}), **found}
