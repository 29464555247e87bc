"""Settings of the site. PACKAGES_SQLITE is the file of its database."""

import os

SECRET_KEY = "tests only"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.packages.reactpy_site.urls"
ASGI_APPLICATION = "tests.packages.reactpy_site.asgi.application"
# In a file: the consumer still writes after its client has left, when the test may have gone on. In
# memory, test and live server would have one connection for both.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "unused",
        "TEST": {"NAME": os.environ["PACKAGES_SQLITE"]},
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
INSTALLED_APPS = [
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "reactpy_django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "static/"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
REACTPY_AUTO_RELOGIN = True
