"""`ENGINE = "pgpoolsafe_django"`: Django's PostgreSQL backend, guarded.

With `PGPOOLSAFE_BASE_BACKEND = "…"` it is over another one, such as
"django_prometheus.db.backends.postgresql".
"""

from __future__ import annotations

from .wrapper import base_wrapper, guarded

DatabaseWrapper = guarded(base_wrapper("django.db.backends.postgresql"), __name__)
