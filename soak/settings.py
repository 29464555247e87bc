"""Settings of the site that is soaked: nothing on disk, small mailboxes, short waits."""

import json
import os
from typing import Any

SECRET_KEY = "soak only"
USE_TZ = True
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["channels", "django.contrib.auth", "django.contrib.contenttypes"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

LAYER = os.environ.get("SOAK_LAYER", "memory")
COMMON: dict[str, Any] = {"capacity": 50, "expiry": 10}
CHANNEL_LAYERS: dict[str, Any] = {
    "default": (
        {"BACKEND": "soak.faults.FaultyLayer", "CONFIG": COMMON}
        if LAYER == "memory"
        else {
            "BACKEND": "channels.layers.redis.RedisChannelLayer",
            "CONFIG": {**COMMON, "hosts": [LAYER], "send_timeout": 3},
        }
    )
}
# All clients have one address, and sending too much is what half of them are there for.
CHANNELS: dict[str, Any] = json.loads(os.environ.get("SOAK_CHANNELS", "{}"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
