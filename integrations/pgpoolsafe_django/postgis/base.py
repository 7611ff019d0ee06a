"""`ENGINE = "pgpoolsafe_django.postgis"`: GeoDjango's PostGIS backend, guarded."""

from __future__ import annotations

from importlib import import_module

from ..wrapper import guarded

DatabaseWrapper = guarded(
    import_module("django.contrib.gis.db.backends.postgis.base").DatabaseWrapper, __name__
)
