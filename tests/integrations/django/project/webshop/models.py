"""What is sold, and to whom it belongs."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models


class Item(models.Model):
    """One article of one tenant."""

    name = models.CharField(max_length=50)
    tenant = models.CharField(max_length=50, default="")
    added = models.DateTimeField(auto_now_add=True)

    class Meta:
        """The index of the second migration."""

        indexes = (BrinIndex(fields=["added"], name="webshop_item_added"),)
