"""Tests of the project that have nothing to be told."""

from __future__ import annotations

from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase

from ..models import Item


class Sound(TestCase):
    """In the TestCase's transaction."""

    @classmethod
    def setUpTestData(cls) -> None:
        Item.objects.create(name="for all")

    def test_orm(self) -> None:
        with transaction.atomic():
            Item.objects.create(name="for one")
        self.assertEqual(Item.objects.filter(name__startswith="for").count(), 2)
        self.assertEqual(len(list(Item.objects.iterator(chunk_size=1))), Item.objects.count())

    def test_what_is_taken_back_in_time(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE basket (item text) ON COMMIT DROP")
            cursor.execute("SELECT pg_advisory_lock(1), 2")
            cursor.execute("SELECT pg_advisory_unlock(1)")

    def test_what_is_rolled_back(self) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LISTEN orders")
                raise LookupError
        except LookupError:
            pass


class Committing(TransactionTestCase):
    """Through the pooler, statement by statement."""

    def test_orm(self) -> None:
        Item.objects.create(name="alone")
        names = [item.name for item in Item.objects.iterator(chunk_size=1)]
        self.assertIn("alone", names)
