"""Settings of a site with users and narrow limits; the environment says where its database is."""

import os

SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "mysite.asgi"
ASGI_APPLICATION = "mysite.asgi.application"
INSTALLED_APPS = [
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SITE_DATABASE"],
        "OPTIONS": {"timeout": 20},
    }
}
USE_TZ = True
REDIS = os.environ.get("SITE_REDIS")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": [REDIS]},
    }
    if REDIS
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
CHANNELS = {
    "CLOSE_ON_LOGOUT": True,
    "GRACE_SECONDS": float(os.environ.get("SITE_GRACE", "10")),
    "REVALIDATE_SECONDS": float(os.environ.get("SITE_REVALIDATE", "3600")),
    "TRUSTED_PROXIES": ["127.0.0.1"],
    "LIMITS": {
        "message_bytes": 1000,
        "connections_per_address": 3,
        "accept_seconds": 0.5,
        "rate_action": "close",
        "messages_per_second": 0.1,
        "burst_seconds": 200,
    },
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
    "loggers": {"django.channels": {"handlers": ["console"], "level": "INFO"}},
}
