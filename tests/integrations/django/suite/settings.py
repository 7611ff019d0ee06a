"""Django's settings for a run of its own test suite; what differs comes from the environment."""

from __future__ import annotations

import json
import os
from typing import Any

SUITE: dict[str, Any] = json.loads(os.environ["PGPOOLSAFE_SUITE"])
"""`engine`, `port`, `direct` (a port, or None), `options` of the guard."""


def _database(name: str) -> dict[str, Any]:
    options = {"pgpoolsafe": SUITE["options"]} if SUITE["options"] else {}
    return {
        "ENGINE": SUITE["engine"],
        "NAME": name,
        "USER": "postgres",
        "HOST": "127.0.0.1",
        "PORT": SUITE["port"],
        "OPTIONS": options,
    }


DATABASES = {"default": _database("suite"), "other": _database("suite_other")}
if SUITE["direct"] is not None:
    PGPOOLSAFE = {alias: {"direct": {"PORT": SUITE["direct"]}} for alias in DATABASES}

SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "tests.integrations.django.suite.runner.Runner"
