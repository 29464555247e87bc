"""Settings with the tables of channels-postgres; PACKAGES_POSTGRES is its socket's folder."""

import os

SECRET_KEY = "tests only"
USE_TZ = True
INSTALLED_APPS = ["channels", "channels_postgres"]
DATABASE = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": os.environ["PACKAGES_POSTGRES"],
    "NAME": "postgres",
    "USER": "postgres",
}
DATABASES = {"default": DATABASE, "channels_postgres": DATABASE}
