"""Settings of a Django site with one page and nothing of channels: the floor of a start."""

SECRET_KEY = "benchmarks only"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.apps.urls"
