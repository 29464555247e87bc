"""Settings of the site that is deployed; the environment changes what matters to a drain."""

import os

SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["*"]
DEBUG = True
ROOT_URLCONF = "mysite.asgi"
ASGI_APPLICATION = "mysite.asgi.application"
INSTALLED_APPS = ["channels"]
USE_TZ = True
CHANNEL_LAYERS = {
    "default": {"BACKEND": "mysite.layers.Layer"},
    "filled": {"BACKEND": "mysite.layers.Filled"},
}
CHANNELS = {
    "DRAIN_SECONDS": float(os.environ.get("SITE_DRAIN", "0.5")),
    "DRAIN_DEADLINE_SECONDS": float(os.environ.get("SITE_DEADLINE", "20")),
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
    "loggers": {"django.channels": {"handlers": ["console"], "level": "INFO", "propagate": False}},
}
