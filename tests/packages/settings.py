"""Settings of the tests of packages: in memory, with the packages' applications."""

SECRET_KEY = "tests only"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.packages.settings"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "channels_postgres",
]
# The tables of channels-postgres are in PostgreSQL; its migrations run there and nowhere else.
MIGRATION_MODULES = {"channels_postgres": None}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
STATIC_URL = "static/"
urlpatterns: list[object] = []
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
# chanx: its consumers ask Django REST framework's authentication, and announce the result.
CHANX = {"SEND_AUTHENTICATION_MESSAGE": False}
