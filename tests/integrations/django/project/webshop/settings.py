"""The settings of a small project; what differs between runs comes from the environment."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

WEBSHOP: dict[str, Any] = json.loads(os.environ["WEBSHOP"])
"""`port`, `direct`: a port, or None; `default`, `settings`: what else differs; `psycopg2`: this
process has no other driver.
"""

if WEBSHOP.get("psycopg2"):
    sys.modules["psycopg"] = None  # type: ignore[assignment]  # Python's way to say: not there


def _database(port: int, **more: Any) -> dict[str, Any]:
    return {
        "ENGINE": "pgpoolsafe_django",
        "NAME": "webshop",
        "USER": "app",
        "HOST": "127.0.0.1",
        "PORT": port,
        **more,
    }


DATABASES = {"default": _database(WEBSHOP["port"], **WEBSHOP.get("default", {}))}
PGPOOLSAFE: dict[str, Any] = {}
if WEBSHOP.get("direct"):
    DATABASES["default_direct"] = _database(WEBSHOP["direct"])
    PGPOOLSAFE = {"default": {"direct": "default_direct"}}

INSTALLED_APPS = [
    "pgpoolsafe_django",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.postgres",
    "webshop",
]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "webshop.urls"
SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
SILENCED_SYSTEM_CHECKS: list[str] = []
ORIGINAL_BACKEND = "pgpoolsafe_django"  # django-tenants puts its backend over this one

globals().update(WEBSHOP.get("settings", {}))
