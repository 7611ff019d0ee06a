"""Django on PostgreSQL behind a transaction pooler: `ENGINE = "pgpoolsafe_django"`.

The backend is in `base`, the PostGIS one in `postgis.base`, the system checks in `checks`.
With "pgpoolsafe_django" in INSTALLED_APPS there are the management commands as well.
"""
