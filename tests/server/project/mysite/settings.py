"""Settings of the project that the server tests start; the environment changes them."""

import os

SECRET_KEY = "tests only"
DEBUG = os.environ.get("SITE_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "mysite.urls"
USE_TZ = True
INSTALLED_APPS = os.environ.get("SITE_APPS", "mysite channels django.contrib.staticfiles").split()
STATIC_URL = "static/"
SILENCED_SYSTEM_CHECKS = ["channels.W002"]
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    "filled": {"BACKEND": "mysite.layers.FilledLayer"},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.channels.worker": {"handlers": ["console"], "propagate": False}},
}
if os.environ.get("SITE_ASGI", "mysite.asgi.application"):
    ASGI_APPLICATION = os.environ.get("SITE_ASGI", "mysite.asgi.application")
