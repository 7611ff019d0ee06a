"""Tests of the project of which each fails in strict mode, and passes without the guard."""

from __future__ import annotations

from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase


class InATransaction(TestCase):
    """Of a TestCase, which is rolled back."""

    def test_listen(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LISTEN orders")

    def test_temp_table(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE basket (item text)")

    def test_lock_that_no_rollback_releases(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(2)")


class Alone(TransactionTestCase):
    """In autocommit."""

    def test_lock(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(1)")
