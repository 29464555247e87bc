"""Settings of the site that is fuzzed: sessions and users in a database, everything logged."""

import os
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("FUZZ_FOLDER", tempfile.gettempdir()))

SECRET_KEY = "fuzz only"
USE_TZ = True
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", ".example.com"]
ROOT_URLCONF = "tests.urls"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "fuzz.sqlite3"},
}
INSTALLED_APPS = [
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
ASGI_APPLICATION = "tests.fuzz.site.application"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"marked": {"format": "LOG %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "marked"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Django's own handlers would say everything twice; and DEBUG is where notes on single
        # events stand.
        "django": {"handlers": [], "level": "DEBUG", "propagate": True},
        # Not ours, and at DEBUG it writes every query.
        "django.db": {"level": "INFO"},
    },
}
