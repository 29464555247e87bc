"""Settings of the site; the environment says where its database is."""

import os
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent

SECRET_KEY = "tests only"
DEBUG = True
USE_TZ = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.behaviours.site.urls"
ASGI_APPLICATION = "tests.behaviours.site.asgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SITE_DATABASE"],
        # A file, where the environment names one: a server in another process shall see it.
        "TEST": {"NAME": os.environ.get("SITE_TEST_DATABASE")},
    }
}
INSTALLED_APPS = [
    # Upstream's server for development is Daphne's; ours has one of its own.
    *([] if find_spec("channels.server") else ["daphne"]),
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
STATIC_URL = "static/"
STATICFILES_DIRS = [HERE / "static"]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
