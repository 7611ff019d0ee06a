"""What a session does that is its own: settings, an advisory lock, an index made beside others."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


def add_items(apps: Any, schema_editor: Any) -> None:
    """By way of the router, as data migrations often do, not by `using(…)`."""
    item = apps.get_model("webshop", "Item")
    item.objects.bulk_create(item(name=f"first {number}") for number in range(3))


class Migration(migrations.Migration):
    """Outside of transactions."""

    atomic = False
    dependencies = (("webshop", "0001_initial"),)
    operations = (
        migrations.RunSQL("SET lock_timeout = '10s'", "RESET lock_timeout"),
        migrations.RunSQL("SELECT pg_advisory_lock(7)", migrations.RunSQL.noop),
        AddIndexConcurrently("item", BrinIndex(fields=["added"], name="webshop_item_added")),
        migrations.RunPython(add_items, migrations.RunPython.noop),
        migrations.RunSQL("SELECT pg_advisory_unlock(7)", migrations.RunSQL.noop),
    )
