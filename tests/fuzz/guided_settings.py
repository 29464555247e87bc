"""Settings for the guided fuzzer: nothing outside of the process."""

SECRET_KEY = "fuzz only"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels", "django.contrib.auth", "django.contrib.contenttypes"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
LOGGING_CONFIG = None
