"""For INSTALLED_APPS: the management commands. Backend and checks work without."""

from __future__ import annotations

from django.apps import AppConfig


class PgpoolsafeConfig(AppConfig):
    """The commands `pgpoolsafe`, and `migrate` and its kin on the direct endpoint."""

    name = "pgpoolsafe_django"
    label = "pgpoolsafe_django"
    verbose_name = "pgpoolsafe"
