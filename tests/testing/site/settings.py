"""Settings of processes that the tests start; see ``runner.py``."""

import os
from pathlib import Path

from tests.settings import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS: list[str] = []
ROOT_URLCONF = "tests.testing.site.urls"
ASGI_APPLICATION = "tests.testing.site.asgi.application"
STATICFILES_DIRS = [Path(__file__).parent / "static"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SITE_DATABASE", ":memory:"),
        "TEST": {"NAME": os.environ.get("SITE_TEST_DATABASE")},
    }
}
GREETING = "hello"
